package workload

import (
	"context"
	"io"
	"time"
)

// mailEvery is the time between two receipts.
const mailEvery = 50 * time.Millisecond

// sendReceipts connects anew for each receipt.
func sendReceipts(ctx context.Context, peers *peers) error {
	for pause(ctx, mailEvery) {
		if err := sendReceipt(ctx, peers); err != nil {
			return err
		}
	}
	return nil
}

func sendReceipt(ctx context.Context, peers *peers) error {
	conn, release, err := peers.dial(ctx, "tcp", mail)
	if err != nil {
		return err
	}
	defer release()
	message := make([]byte, messageSize)
	if _, err := conn.Write(message); err != nil {
		return err
	}
	_, err = io.ReadFull(conn, message)
	return err
}
