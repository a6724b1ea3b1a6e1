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
	d.bins.AddWithCount(d.scale.Index(float64(value)), float64(count))
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
// [wait.Unmeasured] if there is none.
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

// union returns a distribution of what is in both. It leaves d as it is.
func (d *Distribution) union(other *Distribution) Distribution {
	switch {
	case other == nil || other.count == 0:
		return *d
	case d.count == 0:
		return *other
	}
	all := Distribution{
		scale: d.scale,
		zeros: d.zeros + other.zeros,
		count: d.count + other.count,
		min:   min(d.min, other.min),
		max:   max(d.max, other.max),
		bins:  store.NewBufferedPaginatedStore(),
	}
	for _, part := range [...]*Distribution{d, other} {
		if part.bins != nil {
			all.bins.MergeWith(part.bins)
		}
	}
	return all
}
