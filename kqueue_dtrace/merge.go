package dtrace

import (
	"container/heap"
	"time"
)

// holdBack is for how long records are held back for older ones of other CPUs.
// DTrace prints the buffers of the CPUs one after the other, each once in a switch
// interval, which is 50 ms in our scripts: so lines go back in time by up to an
// interval, and by much more where dtrace itself does not get a CPU in time.
const holdBack = 2 * time.Second

// merger puts the records of all CPUs in the order of their times.
type merger struct {
	queue  queue
	seq    uint64
	newest int64 // the latest time that was seen
	passed int64 // the time of the last record that was handed out
	late   uint64
	spare  []*record
}

// add takes a copy of a record. One that is older than what was handed out comes
// too late, and is counted.
func (m *merger) add(r *record) {
	if r.time < m.passed {
		m.late++
		return
	}
	m.newest = max(m.newest, r.time)
	var own *record
	if n := len(m.spare); n > 0 {
		own, m.spare = m.spare[n-1], m.spare[:n-1]
	} else {
		own = new(record)
	}
	words := append(own.words[:0], r.words...)
	*own = *r
	own.words = words
	m.seq++
	heap.Push(&m.queue, queued{own, m.seq})
}

// settled is up to when no older record is to be expected.
func (m *merger) settled() int64 { return m.newest - int64(holdBack) }

// next hands out the oldest record if it is not younger than a time. It is valid
// until the call after.
func (m *merger) next(until int64) *record {
	if len(m.queue) == 0 || m.queue[0].record.time > until {
		return nil
	}
	r := heap.Pop(&m.queue).(queued).record
	m.passed = r.time
	m.spare = append(m.spare, r)
	return r
}

// queued is a record, numbered as it came: records of one time stay in that order.
type queued struct {
	record *record
	seq    uint64
}

// queue implements [heap.Interface].
type queue []queued

func (q queue) Len() int      { return len(q) }
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q queue) Less(i, j int) bool {
	a, b := q[i], q[j]
	return a.record.time < b.record.time || a.record.time == b.record.time && a.seq < b.seq
}
func (q *queue) Push(x any) { *q = append(*q, x.(queued)) }
func (q *queue) Pop() any {
	old := *q
	last := old[len(old)-1]
	*q = old[:len(old)-1]
	return last
}
