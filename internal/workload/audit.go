package workload

import (
	"context"
	"io"
	"net"
	"time"
)

// auditEvery is the time between two entries.
const auditEvery = 10 * time.Millisecond

// auditSales has each sale confirmed over a unix socket.
func auditSales(ctx context.Context, peers *peers) error {
	conn, release, err := peers.dial(ctx, "unix", audit)
	if err != nil {
		return err
	}
	defer release()
	for pause(ctx, auditEvery) {
		if err := auditSale(conn); err != nil {
			return err
		}
	}
	return nil
}

func auditSale(conn net.Conn) error {
	message := make([]byte, messageSize)
	if _, err := conn.Write(message); err != nil {
		return err
	}
	_, err := io.ReadFull(conn, message)
	return err
}
