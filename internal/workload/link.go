package workload

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"time"
)

// grace is how long the peers' process may take to end.
const grace = 5 * time.Second

// peers is the peers' process, as the shop sees it.
type peers struct {
	command *exec.Cmd
	stdin   io.WriteCloser
	addrs   map[string]string
	held    *closers
}

func startPeers(command []string, held *closers) (*peers, error) {
	if len(command) == 0 {
		return nil, errors.New("starting the workload's peers: no command was given")
	}
	p := &peers{command: exec.Command(command[0], command[1:]...), held: held}
	p.command.Stderr = os.Stderr
	stdout, err := p.command.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("starting the workload's peers: %w", err)
	}
	if p.stdin, err = p.command.StdinPipe(); err != nil {
		return nil, fmt.Errorf("starting the workload's peers: %w", err)
	}
	if err := p.command.Start(); err != nil {
		return nil, fmt.Errorf("starting the workload's peers: %w", err)
	}
	if err := json.NewDecoder(stdout).Decode(&p.addrs); err != nil {
		p.close()
		return nil, fmt.Errorf("reading the addresses of the workload's peers: %w", err)
	}
	return p, nil
}

func (p *peers) order(o order) error {
	if err := json.NewEncoder(p.stdin).Encode(o); err != nil {
		return fmt.Errorf("telling the workload's peers what to do: %w", err)
	}
	return nil
}

// close ends the process by ending its standard input.
func (p *peers) close() {
	p.stdin.Close()
	kill := time.AfterFunc(grace, func() { p.command.Process.Kill() })
	defer kill.Stop()
	p.command.Wait()
}

// dial connects to a peer. The connection is closed with all that is held, or by
// the function returned.
func (p *peers) dial(ctx context.Context, network, name string) (conn net.Conn, release func(), err error) {
	var dialer net.Dialer
	conn, err = dialer.DialContext(ctx, network, p.addrs[name])
	if err != nil {
		return nil, nil, fmt.Errorf("connecting to %s: %w", name, err)
	}
	return conn, p.held.add(conn), nil
}
