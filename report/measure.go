package report

import (
	"time"

	"github.com/netpolltrace/netpolltrace/wait"
)

// Unit is what a measure counts.
type Unit string

// The units of measures.
const (
	UnitCount       Unit = "count"
	UnitNanoseconds Unit = "ns"
)

// Measure is one number of a row, as JSON and CSV call it.
type Measure struct {
	Name string
	Unit Unit
	// InTotals tells that the sum of all rows has it too. Percentiles cannot
	// be added up.
	InTotals bool
	nullable bool
	value    func(*Row) int64
}

// Value is the measure of the row; false means that it was not measured.
func (m Measure) Value(r *Row) (value int64, measured bool) {
	v := m.value(r)
	return v, !m.nullable || v != int64(wait.Unmeasured)
}

// Measures returns the table of measures, in the order of JSON and CSV. What
// has been published under a name keeps it; new measures come at the end.
func Measures() []Measure {
	count := func(name string, value func(*Row) uint64) Measure {
		return Measure{Name: name, Unit: UnitCount, InTotals: true, value: func(r *Row) int64 { return int64(value(r)) }}
	}
	sum := func(name string, value func(*Row) time.Duration) Measure {
		return Measure{Name: name, Unit: UnitNanoseconds, InTotals: true, value: func(r *Row) int64 { return int64(value(r)) }}
	}
	part := func(name string, value func(*Row) time.Duration) Measure {
		return Measure{Name: name, Unit: UnitNanoseconds, InTotals: true, nullable: true, value: func(r *Row) int64 { return int64(value(r)) }}
	}
	spread := func(name string, value func(*Row) time.Duration) Measure {
		return Measure{Name: name, Unit: UnitNanoseconds, nullable: true, value: func(r *Row) int64 { return int64(value(r)) }}
	}
	return []Measure{
		count("waits", func(r *Row) uint64 { return r.All.Waits }),
		count("open", func(r *Row) uint64 { return r.Open }),
		count("timeouts", func(r *Row) uint64 { return r.All.Timeouts }),
		sum("total_ns", func(r *Row) time.Duration { return r.All.Total }),
		part("network_ns", func(r *Row) time.Duration { return r.All.Network }),
		part("netpoll_ns", func(r *Row) time.Duration { return r.All.Netpoll }),
		part("blocked_ns", func(r *Row) time.Duration { return r.All.Blocked }),
		part("sched_ns", func(r *Row) time.Duration { return r.All.Sched }),
		sum("unsplit_ns", func(r *Row) time.Duration { return r.All.Unsplit }),
		part("idle_ns", func(r *Row) time.Duration { return r.Idle }),
		sum("open_ns", func(r *Row) time.Duration { return r.OpenTime }),
		spread("p50_ns", func(r *Row) time.Duration { return r.All.P50 }),
		spread("p90_ns", func(r *Row) time.Duration { return r.All.P90 }),
		spread("p99_ns", func(r *Row) time.Duration { return r.All.P99 }),
		spread("max_ns", func(r *Row) time.Duration { return r.All.Max }),
		spread("network_p99_ns", func(r *Row) time.Duration { return r.All.NetworkP99 }),
		spread("netpoll_p99_ns", func(r *Row) time.Duration { return r.All.NetpollP99 }),
		spread("sched_p99_ns", func(r *Row) time.Duration { return r.All.SchedP99 }),
		count("awaited_waits", func(r *Row) uint64 { return r.Awaited.Waits }),
		sum("awaited_ns", func(r *Row) time.Duration { return r.Awaited.Total }),
		part("awaited_network_ns", func(r *Row) time.Duration { return r.Awaited.Network }),
		spread("awaited_p50_ns", func(r *Row) time.Duration { return r.Awaited.P50 }),
		spread("awaited_p99_ns", func(r *Row) time.Duration { return r.Awaited.P99 }),
		count("started_before", func(r *Row) uint64 { return r.StartedBefore }),
	}
}
