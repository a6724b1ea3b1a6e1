// Command init is the first process of a machine of the kernel matrix. It
// makes the file systems that a recording needs, runs the test with the
// arguments in /args (one a line) and switches the machine off. The test's exit
// status is the last line of the console.
package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"golang.org/x/sys/unix"
)

// The words that package vm looks for on the console: before the kernel's
// release, and before the test's exit status.
const (
	releaseWord = "VM-RELEASE"
	statusWord  = "VM-EXIT-STATUS"
)

// mounts are in an order in which each finds its directory.
var mounts = []struct{ kind, directory string }{
	{"devtmpfs", "/dev"},
	{"proc", "/proc"},
	{"sysfs", "/sys"},
	{"debugfs", "/sys/kernel/debug"},
	{"tracefs", "/sys/kernel/tracing"},
	{"bpf", "/sys/fs/bpf"},
	{"cgroup2", "/sys/fs/cgroup"},
	{"tmpfs", "/tmp"},
}

func main() {
	if err := prepare(); err != nil {
		fmt.Println("init:", err)
	}
	fmt.Println(releaseWord, release())
	fmt.Printf("\n%s %d\n", statusWord, run())
	unix.Sync()
	fmt.Println("init:", unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF))
	select {} // the machine dies with its first process
}

func prepare() error {
	var errs []error
	for _, m := range mounts {
		if err := os.MkdirAll(m.directory, 0o755); err != nil {
			errs = append(errs, err)
		}
		if err := unix.Mount(m.kind, m.directory, m.kind, 0, ""); err != nil {
			errs = append(errs, fmt.Errorf("mounting %s: %w", m.kind, err))
		}
	}
	errs = append(errs, loopbackUp())
	return errors.Join(errs...)
}

// loopbackUp gives the machine 127.0.0.1 and ::1.
func loopbackUp() error {
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer unix.Close(socket)
	request, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	request.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return unix.IoctlIfreq(socket, unix.SIOCSIFFLAGS, request)
}

func release() string {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return err.Error()
	}
	return unix.ByteSliceToString(name.Release[:])
}

// run returns the test's exit status, 127 where it could not be run.
func run() int {
	args, err := os.ReadFile("/args")
	if err != nil {
		fmt.Println("init:", err)
		return 127
	}
	test := exec.Command("/test", strings.Split(strings.TrimSuffix(string(args), "\n"), "\n")...)
	test.Stdout, test.Stderr = os.Stdout, os.Stdout
	test.Env = []string{"PATH=/", "HOME=/tmp", "TMPDIR=/tmp"}
	err = test.Run()
	if test.ProcessState == nil {
		fmt.Println("init:", err)
		return 127
	}
	return test.ProcessState.ExitCode()
}
