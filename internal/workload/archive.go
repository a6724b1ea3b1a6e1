package workload

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"time"
)

const (
	// archivists look into the archive at the same time as exporters copy from it.
	archivists = 3
	exporters  = 2
	// archiveConns is how many connections they share: too few.
	archiveConns = 3
	// exported is how many statements an export takes, over one connection.
	exported = 10
	// exportEvery is the time between two exports.
	exportEvery = 5 * time.Millisecond
)

// archive is a database with a pool of connections.
type archive struct {
	pool *sql.DB
}

// searchArchive has some with a short query and some with long work share a pool.
func searchArchive(ctx context.Context, peers *peers) error {
	a := archive{sql.OpenDB(archiveConnector{peers})}
	defer a.pool.Close()
	a.pool.SetMaxOpenConns(archiveConns)
	a.pool.SetMaxIdleConns(archiveConns)
	return crew(ctx, archivists+exporters, func(ctx context.Context, number int) error {
		for ctx.Err() == nil {
			if number < archivists {
				if err := a.Find(ctx); err != nil {
					return err
				}
				continue
			}
			if err := a.Export(ctx); err != nil {
				return err
			}
			pause(ctx, exportEvery)
		}
		return nil
	})
}

// Find is one quick query.
func (a archive) Find(ctx context.Context) error {
	_, err := a.pool.ExecContext(ctx, "find order")
	return err
}

// Export keeps a connection for many queries.
func (a archive) Export(ctx context.Context) error {
	conn, err := a.pool.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	for i := 0; i < exported; i++ {
		if _, err := conn.ExecContext(ctx, "next order"); err != nil {
			return err
		}
	}
	return nil
}

// archiveConnector makes connections, which know ExecContext alone.
type archiveConnector struct {
	peers *peers
}

// Connect implements [driver.Connector].
func (c archiveConnector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, release, err := c.peers.dial(ctx, "tcp", archived)
	if err != nil {
		return nil, err
	}
	return archiveConn{conn, release}, nil
}

// Driver implements [driver.Connector].
func (c archiveConnector) Driver() driver.Driver { return nil }

type archiveConn struct {
	conn    net.Conn
	release func()
}

// ExecContext sends a statement and waits for its result.
func (c archiveConn) ExecContext(_ context.Context, statement string, _ []driver.NamedValue) (driver.Result, error) {
	message := make([]byte, messageSize)
	copy(message, statement)
	if _, err := c.conn.Write(message); err != nil {
		return nil, err
	}
	_, err := io.ReadFull(c.conn, message)
	return driver.ResultNoRows, err
}

// Close implements [driver.Conn].
func (c archiveConn) Close() error {
	c.release()
	return nil
}

var errOnlyExec = errors.New("the archive knows neither prepared statements nor transactions")

// Prepare implements [driver.Conn].
func (c archiveConn) Prepare(string) (driver.Stmt, error) { return nil, errOnlyExec }

// Begin implements [driver.Conn].
func (c archiveConn) Begin() (driver.Tx, error) { return nil, errOnlyExec }
