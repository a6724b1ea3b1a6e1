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
	meta     *wait.Meta
	closer   io.Closer // nil if the input is not ours to close
	messages *messages
	stream   *ipc.Reader // decodes what messages hands it

	columns []readColumn
	filled  []decoder // of the columns that are not blank in the batch
	pool    pool

	rows    int    // of the batch that is loaded
	intact  int64  // bytes up to the end of the last segment that was read
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
// start is intact. The errors say what in is instead.
func NewReader(in io.Reader, limits Limits) (*Reader, error) {
	limits = limits.orDefaults()
	buffered := bufio.NewReaderSize(in, 1<<16)
	if err := checkSignature(buffered); err != nil {
		return nil, err
	}
	r := &Reader{
		messages: &messages{file: buffered, limits: limits, memory: &boundedAllocator{most: limits.Memory}},
		pool:     newPool(),
	}
	if err := guarded(r.begin); err != nil {
		return nil, r.noBeginning(err)
	}
	schema := r.stream.Schema()
	var err error
	if r.meta, err = decodeMeta(schema.Metadata()); err != nil {
		return nil, err
	}
	if r.columns, err = knownColumns(schema, &textAccount{most: limits.Memory}); err != nil {
		return nil, err
	}
	if err := guarded(r.load); err != nil {
		return nil, r.noBeginning(err)
	}
	return r, nil
}

// begin reads the first segment, which has the schema and, from our writer, no
// rows.
func (r *Reader) begin() error {
	err := r.messages.next()
	if err != nil {
		return err
	}
	r.stream, err = ipc.NewReaderFromMessageReader(r.messages, ipc.WithAllocator(r.messages.memory))
	return err
}

// noBeginning is the error for a file whose first segment cannot be read.
func (r *Reader) noBeginning(cause error) error {
	switch {
	case r.messages.failed != nil:
		return fmt.Errorf("reading the recording: %w", cause)
	case cause == errCut || cause == io.EOF:
		return fmt.Errorf("it is cut off after %d bytes and holds no waits: copy it again, or record again", r.messages.offset)
	case cause == errNoSeal:
		return errOtherArrow
	default:
		return fmt.Errorf("it is damaged in its first %d bytes, or is not a recording (%w): copy it again, or record again",
			r.messages.offset, cause)
	}
}

// knownColumns looks up the columns of the file by their names.
func knownColumns(schema *arrow.Schema, account *textAccount) ([]readColumn, error) {
	var known []readColumn
	for _, c := range columns() {
		positions := schema.FieldIndices(c.name)
		switch {
		case len(positions) == 1:
			known = append(known, readColumn{c.name, positions[0], c.newDecoder(account)})
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

// Sealed tells whether the file has our checksums. Without them another tool
// wrote it, which users should know: [ErrUnsealed] says why.
func (r *Reader) Sealed() bool { return r.messages.seals == sealed }

// Damage tells, after Run, whether the recording was intact: it is nil then.
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
//
// Rows are decoded in advance, in a goroutine that ends before Run returns.
func (r *Reader) Run(ctx context.Context, sink wait.Sink) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	pre := newPrefetch()
	var readErr error
	go func() {
		defer close(pre.decoded)
		readErr = r.decode(ctx, pre)
	}()
	var sinkErr error
	for chunk := range pre.decoded {
		if sinkErr == nil {
			sinkErr = r.deliver(sink, chunk)
		}
		if sinkErr != nil {
			stop() // and see the goroutine out
		}
		pre.free <- chunk
	}
	if err := cmp.Or(sinkErr, readErr); err != nil {
		return err
	}
	return r.reportSkipped(sink)
}

// decode decodes all batches, and notes what is wrong with the recording. It
// returns the errors of the file and of the context.
func (r *Reader) decode(ctx context.Context, pre prefetch) error {
	for {
		if err := r.decodeBatch(ctx, pre); err != nil {
			return err
		}
		err := guarded(r.segment)
		if r.messages.failed != nil {
			return fmt.Errorf("reading the recording: %w", err)
		}
		if err == io.EOF {
			r.damage = r.endDamage()
			return nil
		}
		if err != nil {
			r.damage = r.damageOf(err)
			return nil
		}
	}
}

// endDamage is what is wrong with a file that ends between two segments.
func (r *Reader) endDamage() *Damage {
	if !r.messages.atEnd() {
		return r.damageOf(errTrailing)
	}
	if !r.ended {
		return &Damage{Cut: true, Offset: r.intact, Unsealed: !r.Sealed()}
	}
	return nil
}

// damageOf is the damage after what was read.
func (r *Reader) damageOf(cause error) *Damage {
	return &Damage{Cut: cause == errCut, Offset: r.intact, Cause: cause, Unsealed: !r.Sealed()}
}

// guarded turns a panic of the step into an error. It is for steps in which
// Arrow or the decoders meet bytes that may be made to mislead them.
func guarded(step func() error) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("a batch cannot be decoded: %v", cause)
		}
	}()
	return step()
}

// segment reads the next segment and loads its batch into the columns.
func (r *Reader) segment() error {
	if err := r.messages.next(); err != nil {
		return err
	}
	return r.load()
}

// load loads the batch of the segment that was read into the columns.
func (r *Reader) load() error {
	if !r.stream.Next() {
		return cmp.Or(r.stream.Err(), errNoBatch)
	}
	batch := r.stream.RecordBatch()
	r.filled = r.filled[:0]
	for _, c := range r.columns {
		a := batch.Column(c.position)
		if int64(a.Len()) != batch.NumRows() {
			return fmt.Errorf("column %s: %w", c.name, errShortColumn)
		}
		if err := c.decoder.load(a); err != nil {
			return fmt.Errorf("column %s: %w", c.name, err)
		}
		if !c.decoder.blank() {
			r.filled = append(r.filled, c.decoder)
		}
	}
	r.rows, r.intact = int(batch.NumRows()), r.messages.end
	return nil
}

// decodeBatch passes on the rows of the batch that is loaded.
func (r *Reader) decodeBatch(ctx context.Context, pre prefetch) error {
	for from := 0; from < r.rows; {
		var chunk []row
		select {
		case chunk = <-pre.free:
		case <-ctx.Done():
			return ctx.Err()
		}
		if chunk == nil {
			chunk = make([]row, chunkRows)
		}
		chunk = chunk[:min(chunkRows, r.rows-from)]
		for at := 0; at < len(chunk); at += blockRows {
			r.decodeBlock(chunk[at:min(at+blockRows, len(chunk))], from+at)
		}
		from += len(chunk)
		pre.decoded <- chunk // there is room for all chunks
	}
	return ctx.Err()
}

// decodeBlock decodes the rows of a block, which begins at row from.
func (r *Reader) decodeBlock(block []row, from int) {
	for i := range block {
		block[i].reset()
	}
	for _, d := range r.filled {
		d.read(block, from)
	}
	for i := range block {
		row := &block[i]
		row.Process, row.Stack = r.pool.process(row.process), r.pool.stack(&row.stack)
		r.ended = r.ended || row.Kind == wait.KindEvent && row.event.kind == wait.EventEnd
	}
}

func (r *Reader) deliver(sink wait.Sink, rows []row) error {
	for i := range rows {
		if err := r.deliverRow(sink, &rows[i]); err != nil {
			return err
		}
	}
	return nil
}

func (r *Reader) deliverRow(sink wait.Sink, row *row) error {
	switch row.Kind {
	case wait.KindWait, wait.KindOpen, wait.KindSample, wait.KindHandoff:
		return sink.Wait(&row.Wait)
	case wait.KindEvent:
		event := row.toEvent()
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
