package dtrace

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// Records that run back by less than they are held back for come out in the order
// of their times, and those of one time as they came.
func TestRecordsAreMergedByTime(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var m merger
	var got []int64
	var last uint64
	take := func(until int64) {
		for r := m.next(until); r != nil; r = m.next(until) {
			if len(got) > 0 && got[len(got)-1] == r.time && r.number[3] < last {
				t.Error("two records of one time changed places")
			}
			got, last = append(got, r.time), r.number[3]
		}
	}
	const records = 10_000
	for i := range records {
		back := random.Int64N(int64(holdBack / 2 / time.Millisecond))
		r := record{time: int64(time.Second) + (int64(i/3)-back)*int64(time.Millisecond)}
		r.number[3] = uint64(i)
		m.add(&r)
		take(m.settled())
	}
	take(math.MaxInt64)
	if len(got) != records || !slices.IsSorted(got) || m.late != 0 {
		t.Errorf("%d of %d records, sorted %v, %d late", len(got), records, slices.IsSorted(got), m.late)
	}
}

func TestARecordThatComesTooLateIsCounted(t *testing.T) {
	var m merger
	m.add(&record{time: 100})
	m.next(math.MaxInt64)
	m.add(&record{time: 99})
	if r := m.next(math.MaxInt64); r != nil || m.late != 1 {
		t.Errorf("%v came out, %d late", r, m.late)
	}
}
