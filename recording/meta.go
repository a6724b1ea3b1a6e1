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
		metaJSON("netpolltrace.targets", func(m *wait.Meta) *[]wait.Target { return &m.Targets }),
		metaJSON("netpolltrace.probes", func(m *wait.Meta) *[]string { return &m.Probes }),
		metaJSON("netpolltrace.unmeasured", func(m *wait.Meta) *map[wait.Part]string { return &m.Unmeasured }),
		metaText("netpolltrace.unverified", func(m *wait.Meta) *string { return &m.Unverified }),
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

// redactedMeta is m without what tells where the target ran and how it was
// called.
func redactedMeta(m *wait.Meta, r *redactor) *wait.Meta {
	redacted := *m
	redacted.Redacted = true
	redacted.Host = r.host(m.Host)
	redacted.Targets = slices.Clone(m.Targets)
	for i, t := range m.Targets {
		redacted.Targets[i] = redactedTarget(t)
	}
	return &redacted
}

func redactedTarget(t wait.Target) wait.Target {
	t.Exe, t.Args = path.Base(t.Exe), nil
	return t
}

// redactedDetail is an event's detail without what a redacted recording leaves
// out.
func redactedDetail(detail wait.Detail) wait.Detail {
	change, ok := detail.(*wait.TargetChange)
	if !ok || change.Target == nil {
		return detail
	}
	t := redactedTarget(*change.Target)
	return &wait.TargetChange{State: change.State, Target: &t}
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
