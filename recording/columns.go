package recording

import (
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/netpolltrace/netpolltrace/wait"
)

// column is all that this package knows about one column of a recording.
type column struct {
	name     string
	required bool // a file without it cannot be read
	codec
}

// Whether a file can be read without a column. What older versions did not
// write is optional; its rows then get the value in emptyRow.
const (
	required = true
	optional = false
)

// columns lists the columns in the order of the file. To add one, add a row.
// Names and types are a promise to users: neither changes, nothing is removed.
func columns() []column {
	return []column{
		{"kind", required, words[int8](everyRow, maxWord, func(r *row) *wait.Kind { return &r.Kind })},
		{"start", required, figure(moment(), func(r *row) *int64 { return &r.Start })},
		{"total_ns", required, span(func(r *row) *time.Duration { return &r.Total })},
		{"network_ns", optional, span(func(r *row) *time.Duration { return &r.Network })},
		{"netpoll_ns", optional, span(func(r *row) *time.Duration { return &r.Netpoll })},
		{"blocked_ns", optional, span(func(r *row) *time.Duration { return &r.Blocked })},
		{"sched_ns", optional, span(func(r *row) *time.Duration { return &r.Sched })},
		{"idle_ns", optional, span(func(r *row) *time.Duration { return &r.Idle })},
		{"host", optional, words[int16](everyRow, maxWord, func(r *row) *string { return &r.process.Host })},
		{"process", optional, words[int16](everyRow, maxWord, func(r *row) *string { return &r.process.Name })},
		{"pid", optional, figure(arrow.PrimitiveTypes.Int32, func(r *row) *int32 { return &r.process.PID })},
		{"goid", optional, figureOr(0, arrow.PrimitiveTypes.Uint64, func(r *row) *uint64 { return &r.Goid })},
		{"waker_goid", optional, figureOr(0, arrow.PrimitiveTypes.Uint64, func(r *row) *uint64 { return &r.WakerGoid })},
		{"reason", optional, words[int16](waitRows, maxWord, func(r *row) *string { return &r.Reason })},
		{"op", optional, words[int8](waitRows, maxWord, func(r *row) *wait.Op { return &r.Op })},
		{"outcome", optional, words[int8](waitRows, maxWord, func(r *row) *wait.Outcome { return &r.Outcome })},
		{"fd", optional, figureOr(-1, arrow.PrimitiveTypes.Int32, func(r *row) *int32 { return &r.FD })},
		{"proto", optional, words[int8](waitRows, maxWord, func(r *row) *string { return &r.Proto })},
		{"role", optional, words[int8](waitRows, maxWord, func(r *row) *wait.Role { return &r.Role })},
		{"local", optional, words[int16](waitRows, maxWord, func(r *row) *string { return &r.Local })},
		{"peer", optional, words[int16](waitRows, maxWord, func(r *row) *string { return &r.Peer })},
		{"rtt_us", optional, figureIf(hasTCP, arrow.PrimitiveTypes.Uint32, func(r *row) *uint32 { return &r.RTT })},
		{"min_rtt_us", optional, figureIf(hasTCP, arrow.PrimitiveTypes.Uint32, func(r *row) *uint32 { return &r.MinRTT })},
		{"retransmits", optional, figureIf(hasTCP, arrow.PrimitiveTypes.Uint32, func(r *row) *uint32 { return &r.Retransmits })},
		{"poller", optional, words[int8](waitRows, maxWord, func(r *row) *string { return &r.Poller })},
		{"p", optional, figureOr(-1, arrow.PrimitiveTypes.Int32, func(r *row) *int32 { return &r.P })},
		{"tid", optional, figureOr(-1, arrow.PrimitiveTypes.Int32, func(r *row) *int32 { return &r.TID })},
		{"started_before", optional, boolean(func(r *row) *bool { return &r.StartedBefore })},
		{"count", optional, figure(arrow.PrimitiveTypes.Uint64, func(r *row) *uint64 { return &r.Count })},
		{"event", optional, words[int8](eventRows, maxWord, func(r *row) *wait.EventKind { return &r.event })},
		{"note", optional, words[int16](eventRows, maxLine, func(r *row) *string { return &r.note })},
		{"start_func", optional, words[int16](waitRows, maxLine, func(r *row) *string { return &r.StartFunc })},
		{"line", optional, words[int16](waitRows, maxLine, func(r *row) *string { return &r.stack.Line })},
		{"stack", optional, words[int16](waitRows, maxStack, func(r *row) *string { return &r.stack.Funcs })},
		{"stack_lines", optional, words[int16](waitRows, maxStack, func(r *row) *string { return &r.stack.Lines })},
	}
}

// moment is the type of a point in time: nanoseconds since the Unix epoch.
func moment() arrow.DataType {
	return &arrow.TimestampType{Unit: arrow.Nanosecond, TimeZone: "UTC"}
}

// span is a column of durations in nanoseconds; unmeasured ones are null.
func span(field func(*row) *time.Duration) codec {
	return figureOr(wait.Unmeasured, arrow.PrimitiveTypes.Int64, field)
}

func hasTCP(r *row) *bool { return &r.HasTCP }
