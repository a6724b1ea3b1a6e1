package recording

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/netpolltrace/netpolltrace/wait"
)

// foreign is how another tool writes a recording that it has read.
type foreign struct {
	name    string
	options []ipc.Option
	column  func(arrow.Array) arrow.Array // what it makes of a column; nil leaves it
	reverse bool                          // the columns, with one of its own between them
	seals   bool                          // it copies the metadata of batches, too
}

func foreignTools() []foreign {
	return []foreign{
		{name: "nothing of its own"},
		{name: "with the seals", seals: true},
		{name: "LZ4", options: []ipc.Option{ipc.WithLZ4()}},
		{name: "Zstandard", options: []ipc.Option{ipc.WithZstd()}},
		{name: "Zstandard where it helps", options: []ipc.Option{ipc.WithZstd(), ipc.WithMinSpaceSavings(0.2)}},
		{name: "deltas", options: []ipc.Option{ipc.WithDictionaryDeltas(true)}},
		{name: "another order and a column of its own", reverse: true},
		{name: "dictionaries with int32 indices", column: indexed(arrow.PrimitiveTypes.Int32)},
		{name: "dictionaries with uint32 indices", column: indexed(arrow.PrimitiveTypes.Uint32), options: []ipc.Option{ipc.WithZstd()}},
		{name: "dictionaries of large texts", column: largeDictionary},
		{name: "texts", column: plain(arrow.BinaryTypes.String), options: []ipc.Option{ipc.WithZstd()}},
		{name: "large texts", column: plain(arrow.BinaryTypes.LargeString)},
		{name: "views of texts", column: plain(arrow.BinaryTypes.StringView), options: []ipc.Option{ipc.WithLZ4()}},
		{name: "floating point where there are nulls", column: floating},
	}
}

// rewrite is the recording as the tool writes it.
func (f foreign) rewrite(t testing.TB, file []byte) []byte {
	t.Helper()
	in, err := ipc.NewReader(bytes.NewReader(file))
	put(t, err)
	defer in.Release()
	var out bytes.Buffer
	var stream *ipc.Writer
	for in.Next() {
		batch := in.RecordBatch()
		if !f.seals {
			batch = f.batch(batch)
		}
		if stream == nil {
			stream = ipc.NewWriter(&out, append(f.options, ipc.WithSchema(batch.Schema()))...)
		}
		put(t, stream.Write(batch))
	}
	put(t, in.Err(), stream.Close())
	return out.Bytes()
}

// batch is what the tool makes of a batch.
func (f foreign) batch(batch arrow.RecordBatch) arrow.RecordBatch {
	var fields []arrow.Field
	var columns []arrow.Array
	for i, field := range batch.Schema().Fields() {
		a := batch.Column(i)
		if f.column != nil {
			a = f.column(a)
		}
		fields = append(fields, arrow.Field{Name: field.Name, Type: a.DataType(), Nullable: true})
		columns = append(columns, a)
	}
	if f.reverse {
		own := array.NewStringBuilder(memory.DefaultAllocator)
		for range batch.NumRows() {
			own.Append("its own")
		}
		fields = slices.Insert(fields, len(fields)/2, arrow.Field{Name: "own column", Type: arrow.BinaryTypes.String})
		columns = slices.Insert(columns, len(columns)/2, own.NewArray())
		slices.Reverse(fields)
		slices.Reverse(columns)
	}
	metadata := batch.Schema().Metadata()
	return array.NewRecordBatch(arrow.NewSchema(fields, &metadata), columns, batch.NumRows())
}

// indexed gives dictionaries another type of indices.
func indexed(index arrow.DataType) func(arrow.Array) arrow.Array {
	return func(a arrow.Array) arrow.Array {
		column, ok := a.(*array.Dictionary)
		if !ok {
			return a
		}
		indices := array.NewBuilder(memory.DefaultAllocator, index)
		for i := range a.Len() {
			if a.IsNull(i) {
				indices.AppendNull()
			} else if b, ok := indices.(*array.Int32Builder); ok {
				b.Append(int32(column.GetValueIndex(i)))
			} else {
				indices.(*array.Uint32Builder).Append(uint32(column.GetValueIndex(i)))
			}
		}
		return array.NewDictionaryArray(&arrow.DictionaryType{IndexType: index, ValueType: arrow.BinaryTypes.String}, indices.NewArray(), column.Dictionary())
	}
}

// largeDictionary makes the texts of dictionaries large ones.
func largeDictionary(a arrow.Array) arrow.Array {
	column, ok := a.(*array.Dictionary)
	if !ok {
		return a
	}
	texts := array.NewLargeStringBuilder(memory.DefaultAllocator)
	for i := range column.Dictionary().Len() {
		texts.Append(column.Dictionary().(*array.String).Value(i))
	}
	dataType := &arrow.DictionaryType{IndexType: a.DataType().(*arrow.DictionaryType).IndexType, ValueType: arrow.BinaryTypes.LargeString}
	return array.NewDictionaryArray(dataType, column.Indices(), texts.NewArray())
}

// plain makes texts of dictionaries.
func plain(text arrow.DataType) func(arrow.Array) arrow.Array {
	return func(a arrow.Array) arrow.Array {
		column, ok := a.(*array.Dictionary)
		if !ok {
			return a
		}
		texts := array.NewBuilder(memory.DefaultAllocator, text).(array.StringLikeBuilder)
		for i := range a.Len() {
			if a.IsNull(i) {
				texts.AppendNull()
			} else {
				texts.Append(column.Dictionary().(*array.String).Value(column.GetValueIndex(i)))
			}
		}
		return texts.NewArray()
	}
}

// floating is what pandas makes of integers.
func floating(a arrow.Array) arrow.Array {
	if !arrow.IsInteger(a.DataType().ID()) {
		return a
	}
	numbers := array.NewFloat64Builder(memory.DefaultAllocator)
	for i := range a.Len() {
		if a.IsNull(i) {
			numbers.AppendNull()
			continue
		}
		switch a := a.(type) {
		case *array.Int32:
			numbers.Append(float64(a.Value(i)))
		case *array.Int64:
			numbers.Append(float64(a.Value(i)))
		case *array.Uint32:
			numbers.Append(float64(a.Value(i)))
		case *array.Uint64:
			numbers.Append(float64(a.Value(i)))
		}
	}
	return numbers.NewArray()
}

// longFile is a recording of several batches whose texts grow in number.
func longFile(t testing.TB) (file []byte, lines []string) {
	waits := typicalWaits(3000)
	file = write(t, Options{}, func(w *Writer) {
		for i := range waits {
			put(t, w.Wait(&waits[i]))
			if i%1000 == 999 {
				put(t, w.Flush())
			}
		}
		for _, e := range sampleEvents() {
			put(t, w.Event(&e))
		}
	})
	_, got := read(t, file)
	return file, got.lines()
}

func TestWhatOtherToolsWroteIsRead(t *testing.T) {
	for _, source := range []func(testing.TB) ([]byte, []string){rowsOf, longFile} {
		file, want := source(t)
		for _, tool := range foreignTools() {
			r, got := read(t, tool.rewrite(t, file))
			if !slices.Equal(got.lines(), want) {
				t.Errorf("%s: %d rows are read of %d, or they differ", tool.name, len(got.lines()), len(want))
			}
			if r.Sealed() || r.Damage() != nil {
				t.Errorf("%s: sealed %t, damage %v", tool.name, r.Sealed(), r.Damage())
			}
			if len(r.Meta().Targets) != len(sampleMeta().Targets) {
				t.Errorf("%s: the metadata says %+v", tool.name, r.Meta())
			}
		}
	}
	if r, _ := read(t, sampleFile(t)); !r.Sealed() {
		t.Error("a recording of ours has no seals")
	}
}

// early is the recording as the first netpolltrace wrote it: its seals have no
// number.
func early(t testing.TB, file []byte) []byte {
	t.Helper()
	in, err := ipc.NewReader(bytes.NewReader(file))
	put(t, err)
	defer in.Release()
	var out bytes.Buffer
	stream := ipc.NewWriter(&out, ipc.WithSchema(in.Schema()), ipc.WithDictionaryDeltas(true))
	for segment := 0; in.Next(); segment++ {
		batch := in.RecordBatch()
		if segment%2 == 1 {
			continue // the seal
		}
		put(t, stream.Write(batch))
		none := batch.NewSlice(0, 0)
		seal := arrow.NewMetadata([]string{keySeal}, []string{checksum(0).of(out.Bytes()).String()})
		put(t, stream.Write(array.NewRecordBatchWithMetadata(batch.Schema(), none.Columns(), 0, seal)))
	}
	put(t, in.Err(), stream.Close())
	return out.Bytes()
}

func TestSealsOfTheFirstRecordingsAreChecked(t *testing.T) {
	file, want := rowsOf(t)
	old := early(t, file)
	r, got := read(t, old)
	if !r.Sealed() || r.Damage() != nil || !slices.Equal(got.lines(), want) {
		t.Errorf("sealed %t, damage %v, %d rows of %d", r.Sealed(), r.Damage(), len(got.lines()), len(want))
	}
	changed := bytes.Clone(old)
	changed[bytes.LastIndex(changed, []byte("10.0.0.7"))]++
	if _, noticed := attempt(t, changed); noticed == nil {
		t.Error("a change passes unnoticed")
	}
	if r, _ := read(t, foreign{seals: true, options: []ipc.Option{ipc.WithLZ4()}}.rewrite(t, old)); r.Sealed() {
		t.Error("a copy of another tool passes for a recording of ours")
	}
}

// As far as it is intact: rows that were lost are never passed over in silence.
func TestACutFileOfAnotherToolIsReadUpToTheCut(t *testing.T) {
	file, _ := longFile(t)
	for _, tool := range []foreign{{name: "as it is"}, {name: "Zstandard", options: []ipc.Option{ipc.WithZstd()}}} {
		whole := tool.rewrite(t, file)
		_, all := read(t, whole)
		lines := all.lines()
		most := 0
		for n := 0; n < len(whole); n += len(whole)/50 + 1 {
			got, noticed := attempt(t, whole[:n])
			if !isPrefix(got, lines) || noticed == nil || len(got) < most {
				t.Fatalf("%s: cut to %d of %d bytes, %d rows of %d are read: %v", tool.name, n, len(whole), len(got), len(lines), noticed)
			}
			most = len(got)
		}
		if most < 2000 {
			t.Errorf("%s: of a file that lacks its last bytes %d rows are read", tool.name, most)
		}
	}
}

func TestDamageOfAFileWithoutChecksumsIsTold(t *testing.T) {
	file, _ := longFile(t)
	whole := foreign{}.rewrite(t, file)
	noEnd := foreign{}.rewrite(t, write(t, Options{}, func(w *Writer) {
		wt := sampleWaits()[0]
		put(t, w.Wait(&wt))
	}))
	broken := bytes.Clone(whole)
	copy(broken[len(broken)-len(broken)/4:], bytes.Repeat([]byte{0xff}, len(broken)/4))
	for _, c := range []struct {
		name string
		file []byte
		want string
	}{
		{"cut", whole[:len(whole)-len(whole)/4], "is cut off after"},
		{"overwritten", broken, "cannot be read after"},
		{"trailing", append(bytes.Clone(whole), 'x'), errTrailing.Error()},
		{"without an end", noEnd, "left that row out"},
	} {
		r, got := read(t, c.file)
		d := r.Damage()
		if len(got.waits) == 0 || d == nil || !d.Unsealed || !strings.Contains(d.Error(), c.want) || strings.Contains(d.Error(), "intact") {
			t.Errorf("%s: %d waits, %v", c.name, len(got.waits), d)
		}
	}
}

// The first seal of a recording of ours may be what is damaged. The others show
// that it had seals.
func TestADamagedSealMakesNoForeignFile(t *testing.T) {
	file, whole := rowsOf(t)
	first := segmentEnds(t, file)[0]
	damaged := bytes.Clone(file)
	at := bytes.LastIndex(damaged[:first], []byte(keySeal))
	damaged[at] ^= 1
	lines, noticed := attempt(t, damaged)
	if len(lines) > 0 || noticed == nil || !strings.Contains(noticed.Error(), errSeal.Error()) {
		t.Errorf("%d of %d rows are read: %v", len(lines), len(whole), noticed)
	}
}

// A compressed body says how long it is.
func TestZstandardBombsAreRefused(t *testing.T) {
	waits := make([]wait.Wait, batchRows)
	for i := range waits {
		waits[i] = sampleWaits()[0]
	}
	file := foreign{options: []ipc.Option{ipc.WithZstd()}}.rewrite(t, write(t, Options{}, func(w *Writer) {
		for i := range waits {
			put(t, w.Wait(&waits[i]))
		}
		put(t, w.Event(endOf()))
	}))
	r, err := NewReader(bytes.NewReader(file), Limits{Memory: 1 << 20})
	put(t, err, r.Run(t.Context(), new(collected)))
	if d := r.Damage(); d == nil || !strings.Contains(d.Error(), "exceed the limit of 1048576") {
		t.Errorf("past the limit of memory: %v", r.Damage())
	}
	// Places that can hold a length, made absurd.
	step := len(file)/2/60/4*4 + 4
	for at := len(file) / 2; at < len(file)-8; at += step {
		hostile := bytes.Clone(file)
		copy(hostile[at:], "\xff\xff\xff\x7f")
		readAnything(t, hostile)
	}
}

// Texts that overlap are many times as large as the file.
func TestTextsOfHostileFilesAreBounded(t *testing.T) {
	text := strings.Repeat("x", 1<<20)
	texts := array.NewStringViewBuilder(memory.DefaultAllocator)
	texts.Append(text)
	view := texts.NewStringViewArray()
	const rows = 4000
	buffers := []*memory.Buffer{nil, memory.NewBufferBytes(nil), view.Data().Buffers()[2]}
	var headers []arrow.ViewHeader
	for i := range rows {
		var h arrow.ViewHeader
		h.SetIndexOffset(0, int32(i))
		h.SetString(text[:len(text)-i])
		h.SetIndexOffset(0, int32(i))
		headers = append(headers, h)
	}
	buffers[1] = memory.NewBufferBytes(arrow.ViewHeaderTraits.CastToBytes(headers))
	a := array.MakeFromData(array.NewData(arrow.BinaryTypes.StringView, rows, buffers, nil, 0, 0))
	d := newTextDecoder(place{ofWait: func(w *wait.Wait) *string { return &w.Peer }}, &textAccount{most: 64 << 20})
	if err := d.load(a); err != errTextTooLarge {
		t.Errorf("texts of %d MB were loaded: %v", rows, err)
	}
}
