package rights

import (
	"errors"
	"fmt"
	"io/fs"
	"math/bits"
	"strings"

	"golang.org/x/sys/unix"
)

// Set is a set of capabilities: bit n is the capability with number n of
// linux/capability.h.
type Set uint64

// The capabilities that matter here.
const (
	DACOverride   Set = 1 << unix.CAP_DAC_OVERRIDE    // write what belongs to root
	DACReadSearch Set = 1 << unix.CAP_DAC_READ_SEARCH // open what belongs to other users
	SysPtrace     Set = 1 << unix.CAP_SYS_PTRACE      // look into other users' processes
	SysAdmin      Set = 1 << unix.CAP_SYS_ADMIN       // among many things, all of BPF
	SysResource   Set = 1 << unix.CAP_SYS_RESOURCE    // raise limits
	Perfmon       Set = 1 << unix.CAP_PERFMON         // attach to functions, read kernel memory
	BPF           Set = 1 << unix.CAP_BPF             // make maps, load programs
)

// What the parts of a recording require.
const (
	// Kernel is what loading and attaching BPF programs requires.
	Kernel = BPF | Perfmon
	// OtherUsers is what reading another user's process requires in addition.
	// Its memory can be opened only with both, since its files in /proc belong
	// to that user, with no rights for others.
	OtherUsers = SysPtrace | DACReadSearch
)

var names = map[Set]string{
	DACOverride:   "CAP_DAC_OVERRIDE",
	DACReadSearch: "CAP_DAC_READ_SEARCH",
	SysPtrace:     "CAP_SYS_PTRACE",
	SysAdmin:      "CAP_SYS_ADMIN",
	SysResource:   "CAP_SYS_RESOURCE",
	Perfmon:       "CAP_PERFMON",
	BPF:           "CAP_BPF",
}

// Held is the capabilities that are in force for the calling thread.
func Held() (Set, error) {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData // the low and the high 32 bits
	if err := unix.Capget(&header, &data[0]); err != nil {
		return 0, fmt.Errorf("reading our own capabilities: %w", err)
	}
	return Set(data[0].Effective) | Set(data[1].Effective)<<32, nil
}

// Lacks is the part of needed that is not in s. CAP_SYS_ADMIN stands for
// CAP_BPF and CAP_PERFMON, which were split from it in Linux 5.8.
func (s Set) Lacks(needed Set) Set {
	if s&SysAdmin != 0 {
		s |= Kernel
	}
	return needed &^ s
}

// each lists the names of the set's capabilities.
func (s Set) each() []string {
	var list []string
	for rest := s; rest != 0; rest &= rest - 1 {
		one := Set(1) << bits.TrailingZeros64(uint64(rest))
		name, known := names[one]
		if !known {
			name = fmt.Sprintf("capability %d", bits.TrailingZeros64(uint64(one)))
		}
		list = append(list, name)
	}
	return list
}

// String lists the names: "CAP_PERFMON and CAP_BPF".
func (s Set) String() string {
	list := s.each()
	switch len(list) {
	case 0:
		return "none"
	case 1:
		return list[0]
	}
	last := len(list) - 1
	return strings.Join(list[:last], ", ") + " and " + list[last]
}

// Grant says in one line how a user gets the capabilities. The command sets all
// that recording any process requires, since setcap(8) removes what it does not
// name.
func (s Set) Grant() string {
	all := strings.ToLower(strings.Join((s | Kernel | OtherUsers).each(), ","))
	return fmt.Sprintf("use sudo, or grant %v: sudo setcap %s+ep \"$(command -v netpolltrace)\"", s, all)
}

// Refused tells whether an error says that a right is missing.
func Refused(err error) bool { return errors.Is(err, fs.ErrPermission) }

// initialUserNamespace is the inode of the first user namespace, fixed by the
// kernel (PROC_USER_INIT_INO, include/linux/proc_ns.h).
const initialUserNamespace = 0xEFFFFFFD

// OfMachine tells whether the capabilities held apply to the machine. In its own
// user namespace, such as a rootless container's, a process can hold all of them
// and still not load a BPF program.
func OfMachine() (bool, error) {
	var st unix.Stat_t
	if err := unix.Stat("/proc/self/ns/user", &st); err != nil {
		return false, fmt.Errorf("reading our own user namespace: %w", err)
	}
	return st.Ino == initialUserNamespace, nil
}

// Explain explains why the kernel refused something about BPF: which of the
// needed capabilities are missing, and how to get them. Other errors are returned
// unchanged.
func Explain(err error, needed Set) error {
	if !Refused(err) {
		return err
	}
	held, heldErr := Held()
	ofMachine, nsErr := OfMachine()
	if heldErr != nil || nsErr != nil {
		return errors.Join(err, heldErr, nsErr)
	}
	return explain(Cause(err), held.Lacks(needed), ofMachine)
}

func explain(cause error, lacks Set, ofMachine bool) error {
	switch {
	case !ofMachine:
		return fmt.Errorf("no right to use BPF: %w; no right of a user namespace (a rootless container) is enough: run netpolltrace outside it", cause)
	case lacks != 0:
		return fmt.Errorf("no right to use BPF: %w; %s", cause, lacks.Grant())
	}
	return fmt.Errorf("the kernel refuses to use BPF although the capabilities are present: %w; netpolltrace doctor shows what may forbid it", cause)
}

// Cause is the error number that the kernel gave, without what libraries wrap
// around it.
func Cause(err error) error {
	if errno, ok := errors.AsType[unix.Errno](err); ok {
		return errno
	}
	return err
}
