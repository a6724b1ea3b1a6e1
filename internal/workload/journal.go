package workload

import (
	"context"
	"io"
	"net"
	"sync"
	"time"
)

const (
	// writers enter something into the journal while it is saved again and again.
	writers = 2
	// journalEvery is the time between two entries, and between two saves.
	journalEvery = 1 * time.Millisecond
)

// journal is locked while it is saved, which takes as long as a slow cache.
type journal struct {
	mutex sync.Mutex
	cache net.Conn
}

// keepJournal has those who write wait for a lock whose holder waits for a peer.
func keepJournal(ctx context.Context, peers *peers) error {
	conn, release, err := peers.dial(ctx, "tcp", redis2)
	if err != nil {
		return err
	}
	defer release()
	j := &journal{cache: conn}
	return crew(ctx, writers+1, func(ctx context.Context, number int) error {
		for pause(ctx, journalEvery) {
			if number < writers {
				j.Write()
			} else if err := j.Save(); err != nil {
				return err
			}
		}
		return nil
	})
}

// Write takes no time but for the lock.
func (j *journal) Write() {
	j.mutex.Lock()
	defer j.mutex.Unlock()
}

// Save keeps the lock until the cache has answered.
func (j *journal) Save() error {
	j.mutex.Lock()
	defer j.mutex.Unlock()
	message := make([]byte, messageSize)
	if _, err := j.cache.Write(message); err != nil {
		return err
	}
	_, err := io.ReadFull(j.cache, message)
	return err
}
