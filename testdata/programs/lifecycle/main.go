// Command lifecycle waits for a socket about a thousand times a second, and
// does on demand what ends or doubles a process.
//
// Commands, of which only fork and shell come back:
//
//	exec        replaces itself by itself; says ready again
//	fork        starts itself once more as a child; result: its pid
//	shell       starts a shell that starts itself once more
//	exit N      exits with status N
//	panic       dies by a panic (status 2)
//	kill        dies by SIGKILL, as a process does that is out of memory
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"

	"github.com/netpolltrace/netpolltrace/testdata/cue"
)

func main() {
	generation := flag.Int("generation", 0, "how often it has replaced itself")
	flag.Parse()
	cue.Check(startTraffic())
	cue.Serve(fmt.Sprintf("generation=%d", *generation), map[string]cue.Command{
		"exec": func([]string) (string, error) {
			return "", replace(*generation + 1)
		},
		"fork": func([]string) (string, error) {
			pid, err := begin(exec.Command("/proc/self/exe"))
			return fmt.Sprintf("pid=%d", pid), err
		},
		"shell": func([]string) (string, error) {
			exe, err := os.Executable()
			if err != nil {
				return "", err
			}
			_, err = begin(exec.Command("sh", "-c", `"$0"; exit 0`, exe)) // not the last command: shells exec that
			return "", err
		},
		"exit":  exit,
		"panic": func([]string) (string, error) { panic("as asked") },
		"kill":  func([]string) (string, error) { return "", dieBySignal() },
	})
}

func replace(generation int) error {
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	return syscall.Exec(exe, []string{exe, "-generation", strconv.Itoa(generation)}, os.Environ())
}

// begin starts a child whose standard input ends when this process does: the
// write end is ours, and held until the child has been waited for.
func begin(child *exec.Cmd) (pid int, err error) {
	if _, err := child.StdinPipe(); err != nil {
		return 0, err
	}
	if err := child.Start(); err != nil {
		return 0, err
	}
	go child.Wait()
	return child.Process.Pid, nil
}

func exit(args []string) (string, error) {
	if len(args) != 1 {
		return "", fmt.Errorf("want a status, have %d arguments", len(args))
	}
	status, err := strconv.Atoi(args[0])
	if err != nil {
		return "", err
	}
	os.Exit(status)
	return "", nil
}

// dieBySignal sends itself a signal that cannot be caught.
func dieBySignal() error {
	if err := syscall.Kill(os.Getpid(), syscall.SIGKILL); err != nil {
		return err
	}
	return errors.New("survived SIGKILL")
}

// startTraffic lets two goroutines play ping-pong, with a pause of a
// millisecond in each round.
func startTraffic() error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer listener.Close()
	near, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		return err
	}
	far, err := listener.Accept()
	if err != nil {
		return err
	}
	go io.Copy(far, far)
	go func() {
		message := make([]byte, 1)
		for {
			time.Sleep(time.Millisecond)
			if _, err := near.Write(message); err != nil {
				return
			}
			if _, err := io.ReadFull(near, message); err != nil {
				return
			}
		}
	}()
	return nil
}
