package workload

import (
	"context"
	"io"
	"net"
	"runtime"
	"time"
)

const (
	// checkers ask for the stock at the same time.
	checkers = 3
	// Each invoiceRun begins invoiceEvery after the last one did.
	invoiceEvery = 1 * time.Second
	invoiceRun   = 150 * time.Millisecond
	// invoice is how long one is computed, without a pause.
	invoice = 5 * time.Millisecond
)

// warehouse is a connection to a peer that answers at once.
type warehouse struct {
	conn net.Conn
}

// checkStockDuringInvoices asks for the stock just when invoices are computed,
// by two goroutines for each processor. The answers come fast, but nobody
// polls, and when somebody does, there is a queue for the processors.
func checkStockDuringInvoices(ctx context.Context, peers *peers) error {
	var warehouses []warehouse
	for i := 0; i < checkers; i++ {
		conn, release, err := peers.dial(ctx, "tcp", stock)
		if err != nil {
			return err
		}
		defer release()
		warehouses = append(warehouses, warehouse{conn})
	}
	for pause(ctx, invoiceEvery-invoiceRun) {
		if err := invoiceDay(ctx, warehouses); err != nil {
			return err
		}
	}
	return nil
}

func invoiceDay(ctx context.Context, warehouses []warehouse) error {
	ctx, cancel := context.WithTimeout(ctx, invoiceRun)
	defer cancel()
	return crew(ctx, len(warehouses)+2*runtime.GOMAXPROCS(0), func(ctx context.Context, number int) error {
		if number < len(warehouses) {
			return checkStock(ctx, warehouses[number])
		}
		computeInvoices(ctx)
		return nil
	})
}

func checkStock(ctx context.Context, w warehouse) error {
	for ctx.Err() == nil {
		if err := w.Stock("chair"); err != nil {
			return err
		}
	}
	return nil
}

// Stock asks how many of an article there are.
func (w warehouse) Stock(article string) error {
	message := make([]byte, messageSize)
	copy(message, article)
	if _, err := w.conn.Write(message); err != nil {
		return err
	}
	_, err := io.ReadFull(w.conn, message)
	return err
}

// computeInvoices keeps a processor busy until the context ends.
func computeInvoices(ctx context.Context) {
	for ctx.Err() == nil {
		for end := time.Now().Add(invoice); time.Now().Before(end); {
		}
	}
}
