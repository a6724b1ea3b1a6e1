package workload

import (
	"context"
	"net"
	"time"
)

// lookUpEvery is the time between two lookups.
const lookUpEvery = 10 * time.Millisecond

// lookUpNames asks over UDP. On loopback no packet is lost.
func lookUpNames(ctx context.Context, peers *peers) error {
	conn, release, err := peers.dial(ctx, "udp", names)
	if err != nil {
		return err
	}
	defer release()
	for pause(ctx, lookUpEvery) {
		if err := lookUp(conn); err != nil {
			return err
		}
	}
	return nil
}

func lookUp(conn net.Conn) error {
	message := make([]byte, messageSize)
	if _, err := conn.Write(message); err != nil {
		return err
	}
	_, err := conn.Read(message)
	return err
}
