package explain

import (
	"slices"
	"time"
)

// How much is remembered of one goroutine: about 2 KiB where it waited often.
const (
	maxSegments    = 32 // the latest ones, exact
	maxCheckpoints = 8  // of what came before them
	maxSums        = 12 // causes that a checkpoint tells apart
	moreSums       = 4  // that it tells apart besides, for each thing less that they tell
)

// segment is a stretch of a goroutine's time with one cause. It begins where
// the one before it ends.
type segment struct {
	end   int64 // nanoseconds since the Unix epoch
	cause causeID
}

// piece is a part of a wait that has one cause.
type piece struct {
	time  time.Duration
	cause causeID
}

// history is what one goroutine did: without a gap from its first wait on. The
// latest segments are exact; of older time it is known how much each cause had
// until each checkpoint, and between two checkpoints shares are taken.
type history struct {
	causes   *causes
	segments [maxSegments]segment // a ring
	first, n int
	begin    int64 // of the oldest segment

	origin      int64 // the first wait's park
	sums        sums  // of the time from origin to begin
	checkpoints []checkpoint
}

// sums is how much time each cause had.
type sums []piece

// checkpoint is what a goroutine did from its origin until a moment.
type checkpoint struct {
	at   int64
	sums sums
}

// started tells whether anything is known of the goroutine.
func (h *history) started() bool { return h.origin != 0 }

// start begins the history, at the goroutine's first wait.
func (h *history) start(at int64, c *causes) { h.origin, h.begin, h.causes = at, at, c }

// end is up to when the history goes.
func (h *history) end() int64 {
	if h.n == 0 {
		return h.begin
	}
	return h.at(h.n - 1).end
}

func (h *history) at(i int) *segment { return &h.segments[(h.first+i)%maxSegments] }

// add says what the goroutine did from the end of the history until a moment.
// A moment before that adds nothing: records may come a little out of order.
func (h *history) add(until int64, cause causeID) {
	if until <= h.end() {
		return
	}
	if h.n > 0 && h.at(h.n-1).cause == cause {
		h.at(h.n - 1).end = until
		return
	}
	if h.n == maxSegments {
		h.condense()
	}
	h.n++
	*h.at(h.n - 1) = segment{until, cause}
}

// condense makes a checkpoint of the older half of the segments.
func (h *history) condense() {
	for range maxSegments / 2 {
		s := h.at(0)
		h.sums.add(h.causes, s.cause, time.Duration(s.end-h.begin))
		h.begin = s.end
		h.first = (h.first + 1) % maxSegments
		h.n--
	}
	if len(h.checkpoints) == maxCheckpoints {
		h.thin()
	}
	n := len(h.checkpoints)
	h.checkpoints = slices.Grow(h.checkpoints, 1)[:n+1]
	last := &h.checkpoints[n]
	*last = checkpoint{h.begin, append(last.sums[:0], h.sums...)}
}

// thin removes every second checkpoint of the older half, so that the latest
// stand close to each other and the oldest far apart. The memory of those that are
// removed is used again.
func (h *history) thin() {
	kept := 0
	for i := range h.checkpoints {
		if i >= maxCheckpoints/2 || i%2 == 1 {
			h.checkpoints[kept], h.checkpoints[i] = h.checkpoints[i], h.checkpoints[kept]
			kept++
		}
	}
	h.checkpoints = h.checkpoints[:kept]
}

// add adds time to a cause. Where there are too many, it is added to one that tells
// less: the kind is always kept.
func (s *sums) add(c *causes, cause causeID, d time.Duration) {
	for most := maxSums; ; most += moreSums {
		for i := range *s {
			if (*s)[i].cause == cause {
				(*s)[i].time += d
				return
			}
		}
		general := c.general[cause]
		if len(*s) < most || general == cause {
			*s = append(*s, piece{d, cause})
			return
		}
		cause = general
	}
}

// of is the time that a cause had.
func (s sums) of(cause causeID) time.Duration {
	for _, p := range s {
		if p.cause == cause {
			return p.time
		}
	}
	return 0
}

// between appends what the goroutine did in [from, to), in the order in which
// it did it, as far as the history goes: it returns also until when that is.
func (h *history) between(from, to int64, pieces []piece) ([]piece, int64) {
	if !h.started() || to <= from {
		return pieces, from
	}
	if from < h.origin {
		// Before its first wait the goroutine was not seen.
		known := min(h.origin, to)
		pieces = append(pieces, piece{time.Duration(known - from), unknownCause})
		from = known
	}
	if from < h.begin {
		until := min(h.begin, to)
		pieces = h.older(from, until, pieces)
		from = until
	}
	i := h.n
	for i > 0 && h.at(i-1).end > from {
		i--
	}
	for ; i < h.n && from < to; i++ {
		s := h.at(i)
		until := min(s.end, to)
		pieces = append(pieces, piece{time.Duration(until - from), s.cause})
		from = until
	}
	return pieces, from
}

// older appends the shares of the causes in [from, to), which lies before the
// segments.
func (h *history) older(from, to int64, pieces []piece) []piece {
	before, after := h.sumsAt(from), h.sumsAt(to)
	left := time.Duration(to - from)
	for _, p := range after {
		if d := min(p.time-before.of(p.cause), left); d > 0 {
			pieces = append(pieces, piece{d, p.cause})
			left -= d
		}
	}
	if left > 0 { // what rounding leaves
		pieces = append(pieces, piece{left, unknownCause})
	}
	return pieces
}

// sumsAt is what each cause had from the origin until a moment before the
// segments, interpolated between the checkpoints around it.
func (h *history) sumsAt(at int64) sums {
	low := checkpoint{at: h.origin}
	high := checkpoint{h.begin, h.sums}
	for _, c := range h.checkpoints {
		if c.at <= at {
			low = c
		} else {
			high = c
			break
		}
	}
	if at >= high.at {
		return high.sums
	}
	share := float64(at-low.at) / float64(high.at-low.at)
	between := append(sums(nil), high.sums...)
	for i, p := range between {
		had := low.sums.of(p.cause)
		between[i].time = had + time.Duration(share*float64(p.time-had)+0.5)
	}
	return between
}
