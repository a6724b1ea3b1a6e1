package workload

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

const (
	// customers keep their connection; a walk-in makes a new one each time, for
	// which the shop has to accept.
	customers = 4
	walkIns   = 1
	// browsing is the time between two requests of a customer.
	browsing = 25 * time.Millisecond
)

// visitShop sends requests to the shop until the context ends. What goes wrong
// is the shop's to notice.
func visitShop(ctx context.Context, addr string) {
	crew(ctx, customers+walkIns, func(ctx context.Context, number int) error {
		transport := &http.Transport{DisableKeepAlives: number >= customers}
		defer transport.CloseIdleConnections()
		client := &http.Client{Transport: transport}
		for pause(ctx, browsing) {
			if err := get(ctx, client, "http://"+addr); err != nil {
				return err
			}
		}
		return nil
	})
}

func get(ctx context.Context, client *http.Client, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	return err
}

// holdSessions opens connections and leaves them alone. What is returned closes
// them, also after an error.
func holdSessions(addr string, n int) (release func(), err error) {
	conns := make([]net.Conn, 0, n)
	release = func() {
		for _, conn := range conns {
			conn.Close()
		}
	}
	for i := 0; i < n; i++ {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			return release, fmt.Errorf("opening idle connections to the shop: %w", err)
		}
		conns = append(conns, conn)
	}
	return release, nil
}
