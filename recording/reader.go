package recording

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/ipc"

	"github.com/netpolltrace/netpolltrace/wait"
)

// Reader reads a recording, one batch at a time. It implements wait.Source. It
// is for one goroutine.
type Reader struct {
	meta   *wait.Meta
	file   *sealedReader
	closer io.Closer // nil if the input is not ours to close
	stream *ipc.Reader

	columns []readColumn
	pool    pool

	whole   int64  // bytes up to the end of the last segment that was read
	ended   bool   // the event that ends a recording was read
	skipped uint64 // rows of a kind that this version does not know
	damage  *Damage
}

// readColumn is a column that this version knows and the file has.
type readColumn struct {
	name     string
	position int // in the file
	decoder  decoder
}

// NewReader begins to read a recording: it checks that in is one, and that its
// beginning is whole. The errors say what in is instead.
func NewReader(in io.Reader, limits Limits) (*Reader, error) {
	limits = limits.orDefaults()
	buffered := bufio.NewReaderSize(in, 1<<16)
	if err := checkBeginning(buffered); err != nil {
		return nil, err
	}
	r := &Reader{file: &sealedReader{file: buffered}, pool: newPool()}
	if err := r.open(limits); err != nil {
		return nil, err
	}
	return r, nil
}

// open reads the schema and the first segment, which has no rows.
func (r *Reader) open(limits Limits) error {
	memory := &boundedAllocator{most: limits.Memory}
	// ipc.NewReader does not pass the size limits on, so the message reader is
	// made here.
	messages := ipc.NewMessageReader(r.file, ipc.WithAllocator(memory),
		ipc.WithMetadataSizeLimit(limits.Metadata), ipc.WithBodySizeLimit(limits.Body))
	stream, err := ipc.NewReaderFromMessageReader(messages, ipc.WithAllocator(memory))
	if err != nil {
		return r.noBeginning(err)
	}
	r.stream = stream
	metadata := stream.Schema().Metadata()
	if r.meta, err = decodeMeta(metadata); err != nil {
		return err
	}
	if r.columns, err = knownColumns(stream.Schema()); err != nil {
		return err
	}
	if _, err := r.segment(); err != nil {
		return r.noBeginning(err)
	}
	return nil
}

// noBeginning is the error for a file whose first bytes cannot be read.
func (r *Reader) noBeginning(cause error) error {
	switch {
	case r.file.err != nil:
		return fmt.Errorf("reading the recording: %w", r.file.err)
	case r.file.ended:
		return fmt.Errorf("it is cut off in its first %d bytes and holds no waits: copy it again, or record again", r.file.offset)
	default:
		return fmt.Errorf("it is damaged in its first %d bytes, or no recording at all (%w): copy it again, or record again", r.file.offset, cause)
	}
}

// knownColumns looks up the columns of the file by their names.
func knownColumns(schema *arrow.Schema) ([]readColumn, error) {
	var known []readColumn
	for _, c := range columns() {
		positions := schema.FieldIndices(c.name)
		switch {
		case len(positions) == 1:
			known = append(known, readColumn{c.name, positions[0], c.newDecoder()})
		case len(positions) > 1:
			return nil, fmt.Errorf("it has %d columns named %s: record again", len(positions), c.name)
		case c.required:
			return nil, fmt.Errorf("it has no column %s: write it with netpolltrace, and do not remove that column", c.name)
		}
	}
	return known, nil
}

// Meta is what the recording says about all of its waits.
func (r *Reader) Meta() *wait.Meta { return r.meta }

// Damage tells, after Run, whether the recording was whole: it is nil then.
func (r *Reader) Damage() *Damage { return r.damage }

// Close closes the file if [Open] opened it.
func (r *Reader) Close() error {
	if r.closer == nil {
		return nil
	}
	return r.closer.Close()
}

// Run hands all rows to the sink. A recording that is cut off or damaged is
// read up to there, which is no error: see [Reader.Damage]. Run returns the
// errors of the file, of the sink and of the context. The strings and pointers
// that the sink gets stay valid; a text or stack that occurs again is mostly the
// same pointer, and always equal. It can be called once.
func (r *Reader) Run(ctx context.Context, sink wait.Sink) error {
	for r.damage == nil {
		rows, err := r.segment()
		if r.file.err != nil {
			return fmt.Errorf("reading the recording: %w", r.file.err)
		}
		if err == io.EOF {
			r.damage = r.endDamage()
			break
		}
		if err != nil {
			r.damage = &Damage{Cut: r.file.ended, Offset: r.whole, Cause: err}
			break
		}
		if err := r.deliver(ctx, sink, rows); err != nil {
			return err
		}
	}
	return r.reportSkipped(sink)
}

// endDamage is what is wrong with a file that ends between two segments.
func (r *Reader) endDamage() *Damage {
	if n, _ := r.file.Read(make([]byte, 1)); n > 0 {
		return &Damage{Offset: r.whole, Cause: errTrailing}
	}
	if !r.ended {
		return &Damage{Cut: true, Offset: r.whole}
	}
	return nil
}

// segment loads the next batch into the columns, checks it, and tells how many
// rows it has; io.EOF after the last one. It is the one place where Arrow and
// the decoders meet bytes that nobody checked, so it turns their panics into
// errors.
func (r *Reader) segment() (rows int, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("batch cannot be decoded: %v", cause)
		}
	}()
	if !r.stream.Next() {
		return 0, cmp.Or(r.stream.Err(), io.EOF)
	}
	batch := r.stream.RecordBatch()
	batch.Retain() // over the call of Next that reads the seal
	defer batch.Release()
	sum := r.file.sum
	if !r.stream.Next() {
		return 0, cmp.Or(r.stream.Err(), errNoSeal)
	}
	if err := checkSeal(r.stream.RecordBatch(), sum); err != nil {
		return 0, err
	}
	for _, c := range r.columns {
		a := batch.Column(c.position)
		if int64(a.Len()) != batch.NumRows() {
			return 0, fmt.Errorf("column %s: %w", c.name, errShortColumn)
		}
		if err := c.decoder.load(a); err != nil {
			return 0, fmt.Errorf("column %s: %w", c.name, err)
		}
	}
	r.whole = r.file.offset
	return int(batch.NumRows()), nil
}

// deliver hands the loaded rows to the sink.
func (r *Reader) deliver(ctx context.Context, sink wait.Sink, rows int) error {
	block := make([]row, blockRows)
	for from := 0; from < rows; from += blockRows {
		if err := ctx.Err(); err != nil {
			return err
		}
		block := block[:min(blockRows, rows-from)]
		for i := range block {
			block[i] = emptyRow()
		}
		for _, c := range r.columns {
			c.decoder.read(block, from)
		}
		for i := range block {
			if err := r.deliverRow(sink, &block[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *Reader) deliverRow(sink wait.Sink, row *row) error {
	row.Process = r.pool.process(row.process)
	switch row.Kind {
	case wait.KindWait, wait.KindOpen, wait.KindSample:
		row.Stack = r.pool.stack(&row.stack)
		return sink.Wait(&row.Wait)
	case wait.KindEvent:
		event := row.toEvent()
		r.ended = r.ended || event.Kind == wait.EventEnd
		return sink.Event(&event)
	default:
		r.skipped++
		return nil
	}
}

// reportSkipped tells the sink about rows that were not handed to it.
func (r *Reader) reportSkipped(sink wait.Sink) error {
	if r.skipped == 0 {
		return nil
	}
	return sink.Event(&wait.Event{
		Kind:     wait.EventLost,
		Duration: wait.Unmeasured,
		Count:    r.skipped,
		Note:     "recording: rows of a kind that this netpolltrace does not know; update it",
	})
}
