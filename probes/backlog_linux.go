package probes

import (
	"bytes"
	"errors"
	"os"
	"time"

	"github.com/cilium/ebpf/ringbuf"
)

// backlog is what arrives before [Recorder.Run] asks for it. The goroutines of
// a large program take a while to be looked at, and their descriptors alone
// would fill the ring buffer meanwhile.
type backlog struct {
	records [][]byte
	stop    chan struct{}
	stopped chan error
}

// maxBacklog is how many bytes a backlog may hold. The ring buffer fills up
// behind it, and the kernel side counts what is lost.
const maxBacklog = 64 << 20

// backlogInterval is how often the ring buffer is looked at, unless it is half
// full before.
const backlogInterval = 5 * time.Millisecond

// collect begins to keep what the reader reads. Nobody else may read until
// what it returns was taken.
func collect(reader *ringbuf.Reader) *backlog {
	b := &backlog{stop: make(chan struct{}), stopped: make(chan error, 1)}
	go func() { b.stopped <- b.fill(reader) }()
	return b
}

func (b *backlog) fill(reader *ringbuf.Reader) error {
	var record ringbuf.Record
	for held := 0; held < maxBacklog; {
		select {
		case <-b.stop:
			return nil
		default:
		}
		reader.SetDeadline(time.Now().Add(backlogInterval))
		err := reader.ReadInto(&record)
		switch {
		case err == nil:
			b.records = append(b.records, bytes.Clone(record.RawSample))
			held += len(record.RawSample)
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return err
		}
	}
	return nil
}

// take ends the collecting and returns what there is, in its order.
func (b *backlog) take() ([][]byte, error) {
	if b == nil {
		return nil, nil
	}
	close(b.stop)
	return b.records, <-b.stopped
}
