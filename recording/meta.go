package recording

import (
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strconv"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/netpolltrace/netpolltrace/wait"
)

// Keys of the schema's metadata that are not about wait.Meta.
const (
	keyFormat = "netpolltrace.format" // FormatVersion
	keySeal   = "netpolltrace.seal"   // of a batch, not of the schema: see seal
)

// How much of what the target chose goes into the metadata, so that the whole
// stays below Limits.Metadata even if each byte is written as \u0001.
const (
	maxMetaText    = 4 << 10 // bytes of a text
	maxMetaList    = 256     // elements of a list or of a map
	maxMetaTargets = 64      // programs
)

// metaField is one key of the schema's metadata and the part of wait.Meta that
// it holds.
type metaField struct {
	key    string
	encode func(*wait.Meta) (string, error)
	decode func(*wait.Meta, string) error
}

// metaFields lists the keys. They are a promise to users, as the columns are.
func metaFields() []metaField {
	return []metaField{
		metaText("netpolltrace.tool", func(m *wait.Meta) *string { return &m.Tool }),
		metaText("netpolltrace.host", func(m *wait.Meta) *string { return &m.Host }),
		metaText("netpolltrace.kernel", func(m *wait.Meta) *string { return &m.Kernel }),
		metaText("netpolltrace.arch", func(m *wait.Meta) *string { return &m.Arch }),
		{"netpolltrace.started", encodeStarted, decodeStarted},
		{"netpolltrace.clock_base", encodeClockBase, decodeClockBase},
		{"netpolltrace.targets", encodeTargets, decodeTargets},
		metaJSON("netpolltrace.probes", func(m *wait.Meta) *[]string { return &m.Probes }),
		metaJSON("netpolltrace.unmeasured", func(m *wait.Meta) *map[wait.Part]string { return &m.Unmeasured }),
		metaJSON("netpolltrace.redacted", func(m *wait.Meta) *bool { return &m.Redacted }),
	}
}

// metaText is a field that is stored as it is.
func metaText(key string, field func(*wait.Meta) *string) metaField {
	return metaField{
		key:    key,
		encode: func(m *wait.Meta) (string, error) { return *field(m), nil },
		decode: func(m *wait.Meta, text string) error { *field(m) = text; return nil },
	}
}

// metaJSON is a field that is stored as JSON.
func metaJSON[T any](key string, field func(*wait.Meta) *T) metaField {
	return metaField{
		key: key,
		encode: func(m *wait.Meta) (string, error) {
			text, err := json.Marshal(*field(m))
			return string(text), err
		},
		decode: func(m *wait.Meta, text string) error { return json.Unmarshal([]byte(text), field(m)) },
	}
}

func encodeStarted(m *wait.Meta) (string, error) {
	return m.Started.UTC().Format(time.RFC3339Nano), nil
}

func decodeStarted(m *wait.Meta, text string) (err error) {
	m.Started, err = time.Parse(time.RFC3339Nano, text)
	return err
}

func encodeClockBase(m *wait.Meta) (string, error) {
	return strconv.FormatInt(m.ClockBase, 10), nil
}

func decodeClockBase(m *wait.Meta, text string) (err error) {
	m.ClockBase, err = strconv.ParseInt(text, 10, 64)
	return err
}

// target is wait.Target as JSON. Its names are those of the JSON report.
type target struct {
	Exe        string   `json:"exe"`
	PID        int      `json:"pid"`
	Go         string   `json:"go"`
	BuildID    string   `json:"build_id"`
	GOMAXPROCS int      `json:"gomaxprocs"`
	Args       []string `json:"args,omitempty"`

	Mode       wait.Mode            `json:"mode"`
	Unmeasured map[wait.Part]string `json:"unmeasured,omitempty"`
}

func encodeTargets(m *wait.Meta) (string, error) {
	targets := make([]target, len(m.Targets))
	for i, t := range m.Targets {
		targets[i] = target(t)
	}
	text, err := json.Marshal(targets)
	return string(text), err
}

func decodeTargets(m *wait.Meta, text string) error {
	var targets []target
	err := json.Unmarshal([]byte(text), &targets)
	for _, t := range targets {
		m.Targets = append(m.Targets, wait.Target(t))
	}
	return err
}

// encodeMeta is the schema's metadata for m.
func encodeMeta(m *wait.Meta) (arrow.Metadata, error) {
	bounded := boundedMeta(m)
	keys := []string{keyFormat}
	values := []string{strconv.Itoa(FormatVersion)}
	for _, f := range metaFields() {
		value, err := f.encode(bounded)
		if err != nil {
			return arrow.Metadata{}, fmt.Errorf("encoding %s: %w", f.key, err)
		}
		keys = append(keys, f.key)
		values = append(values, value)
	}
	return arrow.NewMetadata(keys, values), nil
}

// boundedMeta is m with texts that a file can hold.
func boundedMeta(m *wait.Meta) *wait.Meta {
	b := *m
	for _, text := range []*string{
		&b.Host, &b.Kernel, &b.Arch, &b.Tool,
	} {
		*text = storable(*text, maxMetaText)
	}
	b.Probes = boundedList(m.Probes)
	b.Unmeasured = boundedReasons(m.Unmeasured)
	b.Targets = nil
	for _, t := range m.Targets[:min(len(m.Targets), maxMetaTargets)] {
		b.Targets = append(b.Targets, boundedTarget(t))
	}
	return &b
}

func boundedTarget(t wait.Target) wait.Target {
	t.Exe, t.Go, t.BuildID = storable(t.Exe, maxMetaText), storable(t.Go, maxMetaText), storable(t.BuildID, maxMetaText)
	t.Args = boundedList(t.Args)
	t.Unmeasured = boundedReasons(t.Unmeasured)
	return t
}

func boundedReasons(reasons map[wait.Part]string) map[wait.Part]string {
	bounded := make(map[wait.Part]string)
	for part, why := range reasons {
		if len(bounded) == maxMetaList {
			break
		}
		bounded[wait.Part(storable(string(part), maxMetaText))] = storable(why, maxMetaText)
	}
	return bounded
}

func boundedList(list []string) []string {
	list = list[:min(len(list), maxMetaList)]
	bounded := make([]string, len(list))
	for i, text := range list {
		bounded[i] = storable(text, maxMetaText)
	}
	return bounded
}

// redactedMeta is m without what tells where the target ran and how it was
// called.
func redactedMeta(m *wait.Meta, r *redactor) *wait.Meta {
	redacted := *m
	redacted.Redacted = true
	redacted.Host = r.host(m.Host)
	redacted.Targets = slices.Clone(m.Targets)
	for i := range redacted.Targets {
		redacted.Targets[i].Exe = path.Base(m.Targets[i].Exe)
		redacted.Targets[i].Args = nil
	}
	return &redacted
}

// decodeMeta is what the schema's metadata says, and an error when it is not
// that of a recording which this version can read. Keys that are missing leave
// their part empty.
func decodeMeta(metadata arrow.Metadata) (*wait.Meta, error) {
	format, ok := metadata.GetValue(keyFormat)
	if !ok {
		return nil, errOtherArrow
	}
	version, err := strconv.Atoi(format)
	if err != nil || version < 1 {
		return nil, fmt.Errorf("its format version is %q, not a number: the file is damaged; record again", clip(format))
	}
	if version > FormatVersion {
		tool, _ := metadata.GetValue("netpolltrace.tool")
		return nil, fmt.Errorf("it has format version %d, written by netpolltrace %q; this netpolltrace reads up to version %d: update it",
			version, clip(tool), FormatVersion)
	}
	m := new(wait.Meta)
	for _, f := range metaFields() {
		text, ok := metadata.GetValue(f.key)
		if !ok {
			continue
		}
		if err := f.decode(m, text); err != nil {
			return nil, fmt.Errorf("its metadata %s cannot be read (%w): the file is damaged; record again", f.key, err)
		}
	}
	return m, nil
}

// clip shortens a text from a file to what fits an error message.
func clip(text string) string { return storable(text, 40) }
