package workload

import (
	"context"
	"errors"
	"net"
	"os"
	"time"
)

// patience is how long a push message is awaited.
const patience = 50 * time.Millisecond

// awaitPushes waits for messages of a peer that has none, so that each read
// ends by its deadline.
func awaitPushes(ctx context.Context, peers *peers) error {
	conn, release, err := peers.dial(ctx, "tcp", push)
	if err != nil {
		return err
	}
	defer release()
	for ctx.Err() == nil {
		if err := awaitPush(conn); !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
	}
	return nil
}

func awaitPush(conn net.Conn) error {
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	_, err := conn.Read(make([]byte, messageSize))
	return err
}
