package main

import (
	"net"
	"sync"
	"time"
)

// ledger is locked while its entries are saved.
type ledger struct {
	mu   sync.Mutex
	conn net.Conn
}

// lockDuringQueries has one goroutine save a ledger in which three others want to
// enter something.
func lockDuringQueries(p *peers, measured *clock) error {
	conn, err := p.dialDB()
	if err != nil {
		return err
	}
	defer conn.Close()
	book := &ledger{conn: conn}
	end := time.Now().Add(1500 * time.Millisecond)
	return together(4, func(number int) error {
		for time.Now().Before(end) {
			if number > 0 {
				book.Enter(measured)
			} else if err := book.Save(); err != nil {
				return err
			}
			time.Sleep(time.Millisecond)
		}
		return nil
	})
}

// Save asks the database while it holds the lock.
func (l *ledger) Save() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return query(l.conn, 8*time.Millisecond)
}

// Enter takes no time but for the lock.
func (l *ledger) Enter(measured *clock) {
	defer measured.since(time.Now(), "Enter_db")
	l.mu.Lock()
	defer l.mu.Unlock()
}
