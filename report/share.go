package report

import (
	"cmp"
	"slices"
	"time"
)

// maxShares bounds what is told apart in [shares].
const maxShares = 16

// Share is for how long something was the case.
type Share[T any] struct {
	Of   T
	Time time.Duration
}

// shares tells for a few values how long each was the case. The zero value is
// empty. What is too many is left out.
type shares[T comparable] []Share[T]

func (s *shares[T]) add(of T, d time.Duration) {
	for i := range *s {
		if (*s)[i].Of == of {
			(*s)[i].Time += d
			return
		}
	}
	if len(*s) < maxShares {
		*s = append(*s, Share[T]{of, d})
	}
}

// merge adds what is in other, which stays as it is.
func (s *shares[T]) merge(other *shares[T]) {
	for _, share := range *other {
		s.add(share.Of, share.Time)
	}
}

// list is all of them, the longest first.
func (s *shares[T]) list() []Share[T] {
	return slices.SortedStableFunc(slices.Values(*s), func(a, b Share[T]) int { return cmp.Compare(b.Time, a.Time) })
}
