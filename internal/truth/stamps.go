package truth

import (
	"sort"
	"time"

	"golang.org/x/exp/trace"
)

// stamps finds the stretches of a trace whose times are made up.
//
// The runtime numbers the events of a goroutine before it reads the clock for
// them. A thread that is interrupted in between has a stamp that is too late, and
// what follows from its event has earlier ones. The reader keeps to the order of
// the numbers, and gives each event that would go back in time the time of the
// one before it plus a nanosecond (Reader.ReadEvent in golang.org/x/exp/trace).
// So after a late stamp all of the program's events stand a nanosecond apart,
// until the clock has caught up. Their order is right, and so is their number.
//
// That a time was made up shows in that it is no multiple of the clock's unit, or
// that it is one by chance, being the nanosecond after one that is not.
type stamps struct {
	unit  int64                    // of the clock; 0 where times are never made up
	first int64                    // the trace's first time
	prev  int64                    // the time of the event before
	sure  map[trace.ThreadID]int64 // the last time of each thread that was not made up
	last  int64                    // the last of all of these
	spans []span                   // in the order of time
}

// squeezedBeyond is by how much times must have been moved for a stretch to
// count: events of two threads that happened within one unit are moved as well.
const squeezedBeyond = 10 * time.Microsecond

// newStamps is for a trace of a version of Go. Before Go 1.22 a trace whose
// stamps contradict the order of events is refused as a whole.
func newStamps(minor int) *stamps {
	s := &stamps{sure: make(map[trace.ThreadID]int64)}
	if minor >= firstSystemClock {
		s.unit = int64(clockUnit)
	}
	return s
}

// add takes in the time of the next event.
func (s *stamps) add(now int64, thread trace.ThreadID) {
	if s.first == 0 {
		s.first = now
	}
	byChance := now == s.prev+1
	s.prev = now
	if s.unit == 0 || now%s.unit == 0 && !byChance {
		s.sure[thread], s.last = now, now
		return
	}
	// The event came after its thread's last one, and not after the one that it
	// was moved behind: by how much it was moved is known no better.
	if now-max(s.first, s.sure[thread]) < int64(squeezedBeyond) {
		return
	}
	if n := len(s.spans); n > 0 && s.spans[n-1].from == s.last {
		s.spans[n-1].to = now
		return
	}
	s.spans = append(s.spans, span{from: s.last, to: now})
}

// squeezed tells whether a time is in one of the stretches; the late stamp that
// each begins with is.
func (s *stamps) squeezed(at int64) bool {
	i := sort.Search(len(s.spans), func(i int) bool { return s.spans[i].to >= at })
	return i < len(s.spans) && s.spans[i].from <= at
}
