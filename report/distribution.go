package report

import (
	"time"

	"github.com/DataDog/sketches-go/ddsketch/mapping"
	"github.com/DataDog/sketches-go/ddsketch/store"

	"github.com/netpolltrace/netpolltrace/wait"
)

// Accuracy is the relative error of percentiles.
const Accuracy = 0.01

// scale says which durations share a bin. Interpolating costs a quarter of
// taking a logarithm, for 1 % more bins.
type scale = *mapping.CubicallyInterpolatedMapping

// Distribution holds durations with a relative accuracy of [Accuracy], and
// their minimum and maximum exactly. It is a DDSketch without what durations
// do not need, since they are never negative: about 35 bins for each doubling,
// so that all that an int64 can hold falls into at most 1,600 bins of 8 bytes.
type Distribution struct {
	scale    scale
	bins     *store.BufferedPaginatedStore // nil: no duration but zeros
	zeros    float64
	count    uint64
	min, max time.Duration
}

func newScale() (scale, error) {
	return mapping.NewCubicallyInterpolatedMapping(Accuracy)
}

// NewDistribution returns an empty distribution.
func NewDistribution() (*Distribution, error) {
	s, err := newScale()
	if err != nil {
		return nil, err
	}
	return &Distribution{scale: s}, nil
}

// Add adds count durations of the same length.
func (d *Distribution) Add(value time.Duration, count uint64) {
	if d.count == 0 || value < d.min {
		d.min = value
	}
	d.max = max(d.max, value)
	d.count += count
	if value <= 0 {
		d.zeros += float64(count)
		return
	}
	if d.bins == nil {
		d.bins = store.NewBufferedPaginatedStore()
	}
	index := d.scale.Index(float64(value))
	if count == 1 {
		d.bins.Add(index) // as nearly always
		return
	}
	d.bins.AddWithCount(index, float64(count))
}

// Count is the number of durations.
func (d *Distribution) Count() uint64 { return d.count }

// Max is the longest duration, or [wait.Unmeasured] if there is none.
func (d *Distribution) Max() time.Duration {
	if d.count == 0 {
		return wait.Unmeasured
	}
	return d.max
}

// Quantile is the duration that a part q of all does not exceed, or
// [wait.Unmeasured] if there is none. It sorts what [Distribution.Add] left
// unsorted: it must not be called while others read the distribution.
func (d *Distribution) Quantile(q float64) time.Duration {
	if d.count == 0 {
		return wait.Unmeasured
	}
	rank := q * float64(d.count-1)
	if rank < d.zeros || d.bins == nil {
		return 0
	}
	value := d.scale.Value(d.bins.KeyAtRank(rank - d.zeros))
	if value >= float64(d.max) {
		return d.max
	}
	return max(time.Duration(value), d.min)
}

// Merge adds what is in other, which stays as it is.
func (d *Distribution) Merge(other *Distribution) {
	if other.count == 0 {
		return
	}
	if d.count == 0 || other.min < d.min {
		d.min = other.min
	}
	d.max = max(d.max, other.max)
	d.count += other.count
	d.zeros += other.zeros
	if other.bins == nil {
		return
	}
	if d.bins == nil {
		d.bins = store.NewBufferedPaginatedStore()
	}
	d.bins.MergeWith(other.bins)
}

// Reset empties d and keeps its memory.
func (d *Distribution) Reset() {
	d.zeros, d.count, d.min, d.max = 0, 0, 0, 0
	if d.bins != nil {
		d.bins.Clear()
	}
}
