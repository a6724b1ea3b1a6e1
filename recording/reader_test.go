package recording

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"os"
	"runtime"
	"runtime/metrics"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/netpolltrace/netpolltrace/wait"
)

// attempt is what can be had of a file that may be damaged: the rows, and
// whether anything was found to be wrong.
func attempt(t testing.TB, file []byte) (lines []string, noticed error) {
	t.Helper()
	r, err := NewReader(bytes.NewReader(file), Limits{})
	if err != nil {
		return nil, err
	}
	got := new(collected)
	put(t, r.Run(context.Background(), got))
	if r.Damage() != nil {
		return got.lines(), r.Damage()
	}
	return got.lines(), nil
}

// rowsOf is a recording of two batches, and its rows in their order.
func rowsOf(t testing.TB) (file []byte, lines []string) {
	file = write(t, Options{}, func(w *Writer) {
		waits := sampleWaits()
		put(t, w.Wait(&waits[0]), w.Wait(&waits[1]), w.Flush())
		put(t, w.Wait(&waits[2]), w.Event(endOf()))
	})
	_, got := read(t, file)
	return file, got.lines()
}

func isPrefix(lines, of []string) bool {
	return len(lines) <= len(of) && slices.Equal(lines, of[:len(lines)])
}

func TestACutFileIsReadUpToTheCut(t *testing.T) {
	file, whole := rowsOf(t)
	const endMark = 8 // the bytes with which Arrow ends a stream, which nothing depends on
	ends := segmentEnds(t, file)
	most := 0
	for n := range file {
		if n%7 != 0 && !slices.ContainsFunc(ends, func(end int64) bool { return n >= int(end)-endMark && n <= int(end)+endMark }) {
			continue // each byte around the ends of segments, and some within them
		}
		lines, noticed := attempt(t, file[:n])
		if !isPrefix(lines, whole) {
			t.Fatalf("cut to %d of %d bytes: read\n%q\nwhich is no prefix of\n%q", n, len(file), lines, whole)
		}
		if noticed == nil && n != len(file)-endMark {
			t.Fatalf("cut to %d of %d bytes: not noticed", n, len(file))
		}
		if len(lines) < most {
			t.Fatalf("cut to %d bytes: %d rows, and %d with fewer bytes", n, len(lines), most)
		}
		most = len(lines)
	}
	if most != len(whole) {
		t.Errorf("without its last byte the file has %d of %d rows", most, len(whole))
	}
}

func TestAFlippedBitIsNoticedOrHarmless(t *testing.T) {
	file, whole := rowsOf(t)
	step := len(file)/2600 + 1
	for at := 0; at < len(file); at += step {
		flipped := bytes.Clone(file)
		flipped[at] ^= 1 << (at % 8)
		lines, noticed := attempt(t, flipped)
		if !isPrefix(lines, whole) {
			t.Fatalf("bit %d of byte %d: read\n%q\nwhich is no prefix of\n%q", at%8, at, lines, whole)
		}
		if noticed == nil && len(lines) != len(whole) {
			t.Fatalf("bit %d of byte %d: %d of %d rows are missing without a word", at%8, at, len(whole)-len(lines), len(whole))
		}
	}
}

func TestAMissingOrRepeatedSegmentIsNoticed(t *testing.T) {
	file, whole := rowsOf(t)
	ends := segmentEnds(t, file)
	first, second := ends[0], ends[1]
	for name, mangled := range map[string][]byte{
		"missing":  slices.Concat(file[:first], file[second:]),
		"repeated": slices.Concat(file[:second], file[first:]),
	} {
		lines, noticed := attempt(t, mangled)
		if noticed == nil || !isPrefix(lines, whole) {
			t.Errorf("%s segment: noticed %v, %d rows", name, noticed, len(lines))
		}
	}
}

// segmentEnds is where the segments of a file end.
func segmentEnds(t *testing.T, file []byte) []int64 {
	t.Helper()
	r, err := NewReader(bytes.NewReader(file), Limits{})
	put(t, err)
	ends := []int64{r.intact}
	for {
		if err := r.segment(); err != nil {
			return ends
		}
		ends = append(ends, r.intact)
	}
}

func TestDamageSaysWhereAndWhy(t *testing.T) {
	file, _ := rowsOf(t)
	ends := segmentEnds(t, file)
	flipped := bytes.Clone(file)
	flipped[(ends[0]+ends[1])/2] ^= 4
	for _, c := range []struct {
		name   string
		file   []byte
		cut    bool
		offset int64
		text   string
	}{
		{"killed", file[:ends[1]], true, ends[1], "stops after"},
		{"cut", file[:ends[1]+100], true, ends[1], "is cut off after"},
		{"flipped", flipped, false, ends[0], "is damaged after"},
		{"trailing", append(bytes.Clone(file), 'x'), false, ends[2], errTrailing.Error()},
	} {
		r, _ := read(t, c.file)
		d := r.Damage()
		if d == nil || d.Cut != c.cut || d.Offset != c.offset || !strings.Contains(d.Error(), c.text) {
			t.Errorf("%s: %+v: %v", c.name, d, d)
		}
	}
}

func TestWhatIsNoRecordingIsNamed(t *testing.T) {
	otherArrow := forge(t, []string{"a"}, nil, arrow.Metadata{})
	for _, c := range []struct{ name, file, want string }{
		{"nothing", "", "it is empty: record again"},
		{"text", "hello, world\n", "it is not a recording"},
		{"short text", "hi", "it is not a recording"},
		{"Parquet", "PAR1\x15\x04\x15\x04", "it is a Parquet file"},
		{"Arrow file", "ARROW1\x00\x00\xff\xff\xff\xff", "it is an Arrow file"},
		{"gzip", "\x1f\x8b\x08\x00\x00\x00\x00\x00", "gunzip"},
		{"execution trace", "go 1.26 trace\x00\x00\x00", "go tool trace"},
		{"other Arrow stream", string(otherArrow), "not a recording of netpolltrace"},
		{"only a mark", "\xff\xff\xff\xff", "cut off after 4 bytes"},
		{"huge metadata", "\xff\xff\xff\xff\xff\xff\xff\x7f" + strings.Repeat("x", 99), errTooLarge.Error()},
	} {
		_, err := NewReader(strings.NewReader(c.file), Limits{})
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want %q in one line", c.name, err, c.want)
		}
	}
	if _, err := Open(t.TempDir() + "/none"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that does not exist: %v", err)
	}
	if _, err := Open(t.TempDir()); err == nil {
		t.Error("a folder was opened")
	}
}

func metadataOf(t testing.TB) arrow.Metadata {
	metadata, err := encodeMeta(sampleMeta())
	put(t, err)
	return metadata
}

func withFormat(metadata arrow.Metadata, version string) arrow.Metadata {
	values := slices.Clone(metadata.Values())
	values[metadata.FindKey(keyFormat)] = version
	return arrow.NewMetadata(metadata.Keys(), values)
}

// forge is a sealed recording with one row, in its first batch, of the named
// columns. Names that are
// no columns become columns of texts. What other holds takes the place of a
// column.
func forge(t testing.TB, names []string, other map[string]arrow.Array, metadata arrow.Metadata) []byte {
	t.Helper()
	var fields []arrow.Field
	var arrays []arrow.Array
	var r row
	r.reset()
	r.Kind, r.Start, r.Total, r.Peer = wait.KindWait, 5, 7, "db:5432"
	for _, name := range names {
		a := other[name]
		for _, c := range columns() {
			if a == nil && c.name == name {
				e := c.newEncoder()
				e.append([]row{r}, 0)
				a = e.array()
			}
		}
		if a == nil {
			b := array.NewStringBuilder(memory.DefaultAllocator)
			b.Append("unknown")
			a = b.NewArray()
		}
		fields = append(fields, arrow.Field{Name: name, Type: a.DataType(), Nullable: true})
		arrays = append(arrays, a)
	}
	batch := array.NewRecordBatch(arrow.NewSchema(fields, &metadata), arrays, 1)
	return seal(t, batch)
}

// seal is the stream of the batches with their seals.
func seal(t testing.TB, batches ...arrow.RecordBatch) []byte {
	t.Helper()
	var out bytes.Buffer
	stream := ipc.NewWriter(&out, ipc.WithSchema(batches[0].Schema()), ipc.WithLZ4(), ipc.WithDictionaryDeltas(true))
	for _, batch := range batches {
		put(t, stream.Write(batch))
		put(t, stream.Write(sealOf(batch, checksum(0).of(out.Bytes()), int64(out.Len()))))
	}
	put(t, stream.Close())
	return out.Bytes()
}

func TestNewerFormatsAreRefused(t *testing.T) {
	for version, want := range map[string]string{
		"2":                      `format version 2, written by netpolltrace "0.1.0"; this netpolltrace reads up to version 1: update it`,
		"x":                      "not a number",
		"0":                      "not a number",
		"99999999999999999999":   "not a number",
		strings.Repeat("9", 9e5): "not a number",
	} {
		file := forge(t, []string{"kind", "start", "total_ns"}, nil, withFormat(metadataOf(t), version))
		_, err := NewReader(bytes.NewReader(file), Limits{})
		if err == nil || !strings.Contains(err.Error(), want) || len(err.Error()) > 300 {
			t.Errorf("version %.30s: %v, want %q", version, err, want)
		}
	}
}

func TestColumnsAreFoundByName(t *testing.T) {
	file := forge(t, []string{"unknown", "peer", "total_ns", "start", "kind"}, nil, metadataOf(t))
	_, got := read(t, file)
	want := wait.Empty()
	want.Kind, want.Start, want.Total, want.Peer = wait.KindWait, 5, 7, "db:5432"
	if len(got.waits) != 1 || got.waits[0] != want {
		t.Errorf("read %+v\nwant %+v", got.waits, want)
	}
}

func TestColumnsThatCannotBeReadAreNamed(t *testing.T) {
	texts := array.NewStringBuilder(memory.DefaultAllocator)
	texts.Append("5")
	text := texts.NewArray()
	numbers := array.NewInt64Builder(memory.DefaultAllocator)
	numbers.Append(math.MinInt64)
	number := numbers.NewArray()
	for _, c := range []struct {
		names []string
		other map[string]arrow.Array
		want  string
	}{
		{names: []string{"kind", "start"}, want: "no column total_ns"},
		{names: []string{"kind", "start", "total_ns", "kind"}, want: "2 columns named kind"},
		{names: []string{"kind", "start", "total_ns"}, other: map[string]arrow.Array{"start": text}, want: "column start: column of utf8"},
		{names: []string{"kind", "start", "total_ns"}, other: map[string]arrow.Array{"kind": number}, want: "column kind: column of int64, want texts"},
		{names: []string{"kind", "start", "total_ns", "pid"}, other: map[string]arrow.Array{"pid": number}, want: "column pid: -9223372036854775808 of int64 is no int32"},
		{names: []string{"kind", "start", "total_ns", "started_before"}, other: map[string]arrow.Array{"started_before": text}, want: "column started_before: column of utf8"},
	} {
		file := forge(t, c.names, c.other, metadataOf(t))
		if _, err := NewReader(bytes.NewReader(file), Limits{}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("columns %v: %v, want %q", c.names, err, c.want)
		}
	}
}

func TestRowsOfUnknownKindsAreCounted(t *testing.T) {
	file := write(t, Options{}, func(w *Writer) {
		wt := sampleWaits()[0]
		wt.Kind = "novelty"
		put(t, w.Wait(&wt), w.Wait(&wt), w.Event(endOf()))
	})
	_, got := read(t, file)
	if len(got.waits) != 0 || len(got.events) != 2 {
		t.Fatalf("read %d waits and %d events", len(got.waits), len(got.events))
	}
	if lost := got.events[1]; lost.Kind != wait.EventLost || lost.Count != 2 {
		t.Errorf("what was left out is told as %+v", lost)
	}
}

// A sealed file can ask for anything: the limits hold against bombs.
func TestLimitsHold(t *testing.T) {
	file := write(t, Options{}, func(w *Writer) {
		for range batchRows {
			wt := sampleWaits()[0]
			put(t, w.Wait(&wt))
		}
		put(t, w.Event(endOf()))
	})
	if len(file) > 200_000 {
		t.Fatalf("the file has %d bytes, and was to be small for its rows", len(file))
	}
	for _, c := range []struct {
		limits Limits
		want   string
	}{
		{Limits{Memory: 1 << 20}, "exceed the limit of 1048576"},
		{Limits{Body: 2000}, errTooLarge.Error()},
	} {
		r, err := NewReader(bytes.NewReader(file), c.limits)
		put(t, err)
		put(t, r.Run(context.Background(), new(collected)))
		if r.Damage() == nil || !strings.Contains(r.Damage().Error(), c.want) {
			t.Errorf("limits %+v: %v, want %q", c.limits, r.Damage(), c.want)
		}
	}
	if _, err := NewReader(bytes.NewReader(file), Limits{Metadata: 100}); err == nil || !errors.Is(err, errTooLarge) {
		t.Errorf("limit of the metadata: %v", err)
	}
}

func TestMemoryDoesNotGrowWithTheFile(t *testing.T) {
	const rows = 400_000
	waits := typicalWaits(1 << 14)
	in, out := io.Pipe()
	go func() {
		w, err := NewWriter(out, sampleMeta(), Options{})
		for i := 0; i < rows && err == nil; i++ {
			err = w.Wait(&waits[i%len(waits)])
		}
		if err == nil {
			err = w.Close()
		}
		out.CloseWithError(err)
	}()
	r, err := NewReader(in, Limits{})
	put(t, err)
	var read, first, last uint64
	put(t, r.Run(context.Background(), waitFunc(func(*wait.Wait) error {
		if read++; read == rows/8 {
			first = heap()
		} else if read == rows {
			last = heap()
		}
		return nil
	})))
	if read != rows {
		t.Fatalf("%d rows read, %d written", read, rows)
	}
	const slack = 8 << 20
	if last > first+slack {
		t.Errorf("%d bytes are in use after %d rows, %d after %d", first, rows/8, last, rows)
	}
}

// heap is how many bytes are in use, with those that were collected left out.
func heap() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

func TestRunReturnsTheErrorsOfOthers(t *testing.T) {
	file := sampleFile(t)
	errSink, errDisk := errors.New("sink"), errors.New("disk")
	canceled, cancel := context.WithCancel(context.Background())
	cancel()
	nothing := waitFunc(func(*wait.Wait) error { return nil })
	for _, c := range []struct {
		name string
		in   io.Reader
		ctx  context.Context
		sink wait.Sink
		want error
	}{
		{"sink", bytes.NewReader(file), context.Background(), waitFunc(func(*wait.Wait) error { return errSink }), errSink},
		{"context", bytes.NewReader(file), canceled, nothing, context.Canceled},
		{"file", io.MultiReader(bytes.NewReader(file[:len(file)-2000]), iotest.ErrReader(errDisk)), context.Background(), nothing, errDisk},
	} {
		r, err := NewReader(c.in, Limits{})
		put(t, err)
		if err := r.Run(c.ctx, c.sink); !errors.Is(err, c.want) || r.Damage() != nil {
			t.Errorf("error of the %s: Run returned %v, damage %v", c.name, err, r.Damage())
		}
	}
}

func TestFuncIsOfTheInnermostFrameAtTheLine(t *testing.T) {
	for _, c := range []struct{ funcs, lines, line, want string }{
		{"a;b;c", "x:1;y:2;z:3", "y:2", "b"},
		{"a;b;a", "x:1;y:2;x:1", "x:1", "a"},
		{"a;b", "x:1;y:2", "z:3", ""},
		{"a;b;c", "x:1", "x:1", ""},
		{"", "", "", ""},
	} {
		if got := funcOf(&wait.Stack{Funcs: c.funcs, Lines: c.lines, Line: c.line}); got != c.want {
			t.Errorf("the function at %s of %s is %q, want %q", c.line, c.lines, got, c.want)
		}
	}
}

// reseal makes the seals of a file match its bytes, as one who wants to do harm
// would: otherwise the checksums keep a fuzzer from all that is behind them.
func reseal(file []byte) []byte {
	file = bytes.Clone(file)
	m := &messages{file: bytes.NewReader(file), limits: fuzzLimits(), memory: &boundedAllocator{most: fuzzLimits().Memory}}
	left := m.limits.Metadata
	for {
		var e envelope
		before := m.offset
		err := guarded(func() (err error) {
			e, _, err = m.message(&left)
			return err
		})
		if err != nil {
			return file
		}
		if e.seal != "" {
			at := int(before) + bytes.LastIndex(file[before:m.offset], []byte(e.seal))
			copy(file[at:], checksum(0).of(file[:before]).String())
		}
	}
}

func fuzzLimits() Limits { return Limits{Metadata: 1 << 20, Body: 4 << 20, Memory: 8 << 20} }

func TestResealedFilesAreWhole(t *testing.T) {
	file, whole := rowsOf(t)
	if lines, noticed := attempt(t, reseal(file)); noticed != nil || !slices.Equal(lines, whole) {
		t.Errorf("resealed: %d rows, %v", len(lines), noticed)
	}
	changed := bytes.Replace(file, []byte("10.0.0.7"), []byte("10.0.0.8"), -1)
	if _, noticed := attempt(t, changed); noticed == nil {
		t.Error("a changed file was not noticed")
	}
	if _, noticed := attempt(t, reseal(changed)); noticed != nil {
		t.Errorf("a changed file that was sealed again: %v", noticed)
	}
}

// A file with absurd lengths in every place, and seals that match.
func TestAbsurdLengthsAreRefused(t *testing.T) {
	file, _ := rowsOf(t)
	absurd := []string{"\xff\xff\xff\xff", "\xf0\xff\xff\x7f", "\x00\x00\x10\x00"}
	for at := 0; at < len(file)-8; at += 4 {
		hostile := bytes.Clone(file)
		copy(hostile[at:], absurd[at/4%len(absurd)])
		hostile = reseal(hostile)
		before := allocated()
		readAnything(t, hostile)
		if used := allocated() - before; used > 16<<20 {
			t.Fatalf("absurd at byte %d: reading %d bytes took %d bytes of memory", at, len(file), used)
		}
	}
}

// allocated is how many bytes were allocated so far. Unlike runtime.ReadMemStats it
// does not stop the world, which thousands of readings would take seconds for.
func allocated() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

func FuzzReader(f *testing.F) {
	file := sampleFile(f)
	f.Add(file)
	f.Add(file[:len(file)/2])
	f.Add(forge(f, []string{"kind", "start", "total_ns", "unknown"}, nil, metadataOf(f)))
	f.Add([]byte("hello"))
	for _, tool := range foreignTools() {
		f.Add(tool.rewrite(f, file))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		readAnything(t, file)
		readAnything(t, reseal(file))
	})
}

// readAnything reads bytes that may be no recording.
func readAnything(t *testing.T, file []byte) {
	r, err := NewReader(bytes.NewReader(file), fuzzLimits())
	if err != nil {
		return
	}
	rows := 0
	if err := r.Run(context.Background(), waitFunc(func(*wait.Wait) error { rows++; return nil })); err != nil {
		t.Fatal(err)
	}
	if d := r.Damage(); d != nil && (d.Offset > int64(len(file)) || d.Error() == "") {
		t.Fatalf("damage %+v in a file of %d bytes", d, len(file))
	}
}
