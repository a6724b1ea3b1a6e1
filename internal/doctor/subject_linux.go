package doctor

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/netpolltrace/netpolltrace/gobinary"
	"github.com/netpolltrace/netpolltrace/probes"
	"github.com/netpolltrace/netpolltrace/process"
)

// subject is what is known of the process that is to be recorded. Each part
// stands beside the error of finding it out.
type subject struct {
	pid       int
	name, exe string
	deleted   bool // the executable's file was deleted or replaced
	uid       int
	own       bool // it runs as the user that asks
	threads   int
	innerPIDs []int   // its PIDs, from our PID namespace to its own
	otherRoot bool    // its root directory is not ours
	cpus      int     // that it may run on
	quota     float64 // CPUs that its cgroups allow; 0 for no limit
	factsErr  error

	binary     *gobinary.Binary // nil where it could not be read
	binaryErr  error
	layout     *gobinary.Layout
	layoutErr  error
	places     *gobinary.Places
	placesErr  error
	globals    gobinary.Globals
	tls        gobinary.TLS
	tlsErr     error
	reasons    []string
	reasonsErr error

	snapshot    *process.Snapshot // nil where none could be taken
	snapshotErr error

	trials []trial
}

// lookAtProcess gathers the facts about a process.
func lookAtProcess(p *process.Process, features *probes.Features) *subject {
	s := &subject{pid: p.PID, name: p.Name, exe: p.Exe, deleted: p.Deleted}
	s.factsErr = s.lookAround(p)
	var binary *gobinary.Binary
	if binary, s.binaryErr = gobinary.Open(p.ExePath()); s.binaryErr != nil {
		return s
	}
	defer binary.Close()
	s.binary = binary
	s.layout, s.layoutErr = binary.Layout()
	s.places, s.placesErr = binary.Places()
	s.globals = binary.Globals()
	s.tls, s.tlsErr = binary.GFromThread()
	s.reasons, s.reasonsErr = binary.WaitReasons()
	s.snapshot, s.snapshotErr = p.Goroutines(binary)
	for _, mode := range modes {
		s.trials = append(s.trials, tryOn(features, mode, p))
	}
	return s
}

// lookAround gathers what the kernel says of the process.
func (s *subject) lookAround(p *process.Process) error {
	var errs []error
	note := func(err error) { errs = append(errs, err) }
	var err error
	s.uid, err = p.UID()
	note(err)
	s.own = err == nil && s.uid == os.Getuid()
	tids, err := p.Threads()
	note(err)
	s.threads = len(tids)
	s.innerPIDs, err = p.NSPIDs()
	note(err)
	s.cpus, err = p.CPUs()
	note(err)
	s.quota = p.CPUQuota()
	s.otherRoot, err = hasOtherRoot(p.PID)
	note(err)
	return errors.Join(errs...)
}

// hasOtherRoot tells whether the process has another root directory than we,
// as in a container.
func hasOtherRoot(pid int) (bool, error) {
	var own, its unix.Stat_t
	if err := unix.Stat("/", &own); err != nil {
		return false, fmt.Errorf("reading our own root directory: %w", err)
	}
	if err := unix.Stat(fmt.Sprintf("/proc/%d/root/", pid), &its); err != nil {
		return false, fmt.Errorf("reading the root directory of process %d: %w", pid, err)
	}
	return own.Dev != its.Dev || own.Ino != its.Ino, nil
}

// recordable lists the modes that can be recorded.
func recordable(trials []trial) []string {
	list := []string{} // not null in JSON
	for i := range trials {
		if trials[i].err == nil {
			list = append(list, string(trials[i].mode))
		}
	}
	return list
}
