package main

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"time"
)

// shareConnections has eight goroutines share the three connections of a pool: six
// with short queries, two with long ones.
func shareConnections(p *peers, measured *clock) error {
	pool := sql.OpenDB(connector{p})
	defer pool.Close()
	pool.SetMaxOpenConns(3)
	pool.SetMaxIdleConns(3)
	end := time.Now().Add(1500 * time.Millisecond)
	return together(8, func(number int) error {
		for time.Now().Before(end) {
			use := listOrders
			if number%4 == 3 {
				use = exportOrders
			}
			if err := use(pool, measured); err != nil {
				return err
			}
		}
		return nil
	})
}

func listOrders(pool *sql.DB, measured *clock) error {
	defer measured.since(time.Now(), "listOrders_db")
	_, err := pool.Exec("", int64(2*time.Millisecond))
	return err
}

func exportOrders(pool *sql.DB, measured *clock) error {
	defer measured.since(time.Now(), "exportOrders_db")
	_, err := pool.Exec("", int64(20*time.Millisecond))
	return err
}

// connector makes connections to the database, of which the only statement is to
// think for a time.
type connector struct{ peers *peers }

func (c connector) Connect(context.Context) (driver.Conn, error) {
	conn, err := c.peers.dialDB()
	return session{conn}, err
}

func (c connector) Driver() driver.Driver { return nil }

type session struct{ conn net.Conn }

func (s session) ExecContext(_ context.Context, _ string, args []driver.NamedValue) (driver.Result, error) {
	if len(args) != 1 {
		return nil, io.ErrUnexpectedEOF
	}
	return driver.ResultNoRows, query(s.conn, time.Duration(args[0].Value.(int64)))
}

func (s session) Close() error { return s.conn.Close() }

var errUnsupported = errors.New("neither statements nor transactions")

func (s session) Prepare(string) (driver.Stmt, error) { return nil, errUnsupported }
func (s session) Begin() (driver.Tx, error)           { return nil, errUnsupported }
