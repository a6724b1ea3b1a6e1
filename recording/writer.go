package recording

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"

	"github.com/netpolltrace/netpolltrace/wait"
)

// batchRows is the most rows of a batch, a multiple of blockRows: about 600 kB
// in the file, and 3 MB in memory.
const batchRows = 16 << 10

// Options are how a recording is written. The zero value is sound.
type Options struct {
	// Interval is how long a row waits in memory at most; 0 means a second.
	// After it the kernel has the row, and a killed recorder cannot lose it.
	Interval time.Duration
	// Redact replaces addresses and machine names by pseudonyms that are equal
	// for equal ones, and leaves out the target's folder and arguments.
	Redact bool
	// Owner is who gets the file; nil leaves it to the user who runs. Only
	// [Create] uses it.
	Owner *Owner
}

var errClosed = errors.New("the recording is closed")

// Writer writes a recording. It implements wait.Sink. Its methods may be called
// from several goroutines. The first error of the output stays: all later calls
// return it.
type Writer struct {
	mu     sync.Mutex
	err    error
	out    io.Writer
	closer io.Closer // nil if the output is not ours to close

	schema   *arrow.Schema
	encoders []encoder
	redactor *redactor // nil when nothing is redacted

	block   []row // rows that no encoder has yet
	batched int   // rows that the encoders have

	stream  *ipc.Writer // writes to segment
	segment bytes.Buffer
	sum     checksum // of all bytes so far
	written int64    // how many they are

	interval time.Duration
	timer    *time.Timer // runs while there are rows
}

// NewWriter begins a recording on out: what meta says is written before it
// returns. A second at most after Wait or Event, the row is written too.
func NewWriter(out io.Writer, meta *wait.Meta, options Options) (*Writer, error) {
	w := &Writer{
		out:      out,
		block:    make([]row, 0, blockRows),
		interval: cmp.Or(options.Interval, time.Second),
	}
	if options.Redact {
		w.redactor = newRedactor()
		meta = redactedMeta(meta, w.redactor)
	}
	metadata, err := encodeMeta(meta)
	if err != nil {
		return nil, err
	}
	table := columns()
	w.schema = schemaFor(table, metadata)
	for _, c := range table {
		w.encoders = append(w.encoders, c.newEncoder())
	}
	w.stream = ipc.NewWriter(&w.segment, ipc.WithSchema(w.schema), ipc.WithAllocator(new(recycler)),
		ipc.WithLZ4(), ipc.WithDictionaryDeltas(true))
	w.mu.Lock() // the timer may be faster than we are
	defer w.mu.Unlock()
	w.timer = time.AfterFunc(w.interval, w.flushLate)
	w.timer.Stop()
	if err := w.writeSegment(); err != nil {
		return nil, err
	}
	return w, nil
}

// Wait implements wait.Sink.
func (w *Writer) Wait(wt *wait.Wait) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return w.err
	}
	w.nextRow().setWait(wt)
	return w.added()
}

// Event implements wait.Sink.
func (w *Writer) Event(e *wait.Event) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return w.err
	}
	w.nextRow().setEvent(w.redactedEvent(e))
	return w.added()
}

// Flush hands all rows to the kernel.
func (w *Writer) Flush() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.flush()
}

// Close writes what is left and the end of the stream, and closes the file if
// [Create] opened it. A second Close does nothing.
func (w *Writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if errors.Is(w.err, errClosed) {
		return nil
	}
	err := w.flush()
	w.timer.Stop()
	if err == nil {
		err = w.writeEnd()
	}
	if w.closer != nil {
		err = errors.Join(err, w.closer.Close())
	}
	w.err = errClosed
	return err
}

// nextRow is the place for a row.
func (w *Writer) nextRow() *row {
	w.block = w.block[:len(w.block)+1]
	return &w.block[len(w.block)-1]
}

// added is to be called after a row was set.
func (w *Writer) added() error {
	if w.redactor != nil {
		w.redact(&w.block[len(w.block)-1])
	}
	if len(w.block)+w.batched == 1 {
		w.timer.Reset(w.interval)
	}
	if len(w.block) < blockRows {
		return nil
	}
	w.encodeBlock()
	if w.batched == batchRows || w.full() {
		return w.flush()
	}
	return nil
}

func (w *Writer) redact(r *row) {
	r.Local, r.Peer = w.redactor.address(r.Local), w.redactor.address(r.Peer)
	r.Labels = ""
	r.process = *r.Process
	r.process.Host = w.redactor.host(r.process.Host)
	r.Process = &r.process
}

// redactedEvent is the event without what a redacted recording leaves out.
func (w *Writer) redactedEvent(e *wait.Event) *wait.Event {
	if w.redactor == nil {
		return e
	}
	redacted := *e
	redacted.Detail = redactedDetail(e.Detail)
	return &redacted
}

// full tells that an encoder cannot take another block.
func (w *Writer) full() bool {
	for _, e := range w.encoders {
		if e.full() {
			return true
		}
	}
	return false
}

// flushLate is the timer's flush. Its error comes with the next call.
func (w *Writer) flushLate() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.err = w.flush()
}

func (w *Writer) flush() error {
	if w.err != nil {
		return w.err
	}
	w.encodeBlock()
	if w.batched == 0 {
		return nil
	}
	w.timer.Stop()
	return w.writeSegment()
}

// encodeBlock moves the rows of the block, if any, to the encoders.
func (w *Writer) encodeBlock() {
	if len(w.block) == 0 {
		return
	}
	var events mask
	for i := range w.block {
		events = events.with(i, w.block[i].isEvent)
	}
	for _, e := range w.encoders {
		e.append(w.block, events)
	}
	w.batched += len(w.block)
	w.block = w.block[:0]
}

// writeSegment writes the rows that the encoders have, and their seal.
func (w *Writer) writeSegment() error {
	arrays := make([]arrow.Array, len(w.encoders))
	for i, e := range w.encoders {
		arrays[i] = e.array()
	}
	batch := array.NewRecordBatch(w.schema, arrays, int64(w.batched))
	sum := w.sum
	if err := w.stream.Write(batch); err != nil {
		return w.fail(err)
	}
	if err := w.stream.Write(sealOf(batch, sum.of(w.segment.Bytes()), w.written+int64(w.segment.Len()))); err != nil {
		return w.fail(err)
	}
	for _, e := range w.encoders {
		e.clear()
	}
	w.batched = 0
	return w.writeOut()
}

// writeEnd writes the mark with which Arrow ends a stream.
func (w *Writer) writeEnd() error {
	if err := w.stream.Close(); err != nil {
		return w.fail(err)
	}
	return w.writeOut()
}

// writeOut hands the segment to the output.
func (w *Writer) writeOut() error {
	w.sum = w.sum.of(w.segment.Bytes())
	w.written += int64(w.segment.Len())
	_, err := w.segment.WriteTo(w.out)
	if err != nil {
		return w.fail(err)
	}
	return nil
}

func (w *Writer) fail(err error) error {
	w.err = fmt.Errorf("writing the recording: %w", err)
	return w.err
}
