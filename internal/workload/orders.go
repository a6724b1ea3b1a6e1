package workload

import (
	"context"
	"io"
	"net"
)

// clerks take orders at the same time.
const clerks = 3

// database is a connection to a database whose queries take between 1.5 and
// 45 ms.
type database struct {
	conn net.Conn
}

func takeOrders(ctx context.Context, peers *peers) error {
	return crew(ctx, clerks, func(ctx context.Context, _ int) error {
		conn, release, err := peers.dial(ctx, "tcp", postgres)
		if err != nil {
			return err
		}
		defer release()
		db := database{conn}
		for ctx.Err() == nil {
			if err := db.Query("insert order"); err != nil {
				return err
			}
		}
		return nil
	})
}

// Query runs a statement and waits for its result.
func (db database) Query(statement string) error {
	message := make([]byte, messageSize)
	copy(message, statement)
	if _, err := db.conn.Write(message); err != nil {
		return err
	}
	_, err := io.ReadFull(db.conn, message)
	return err
}
