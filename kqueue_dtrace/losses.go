package dtrace

import (
	"regexp"
	"strconv"

	"github.com/netpolltrace/netpolltrace/wait"
)

// losses is what is missing of a recording, by what it was.
type losses struct {
	Drops    uint64 // records that DTrace had no room for
	Late     uint64 // records that came after younger ones were joined
	Damaged  uint64 // lines that begin like a record and are none
	Foreign  uint64 // other lines, which are none of ours
	Faults   uint64 // clauses that could not read the program's memory
	Unended  uint64 // waits whose end was not seen
	Overflow uint64 // waits for which there was no room
}

// dropped matches what dtrace(1) says on stderr of records that it lost; see
// dt_handle.c (dt_handle_cpudrop, dt_handle_err).
var dropped = regexp.MustCompile(`^(?:dtrace: )?(?:warning: )?(\d+) (?:aggregation |dynamic variable |speculative )?drops?\b`)

// complaint matches what it says of a clause that failed. The script counts those
// by itself, in records of kind F.
var complaint = regexp.MustCompile(`^dtrace: error (?:on enabled probe|in )`)

// note counts a line that is no record.
func (l *losses) note(line []byte) {
	switch m := dropped.FindSubmatch(line); {
	case m != nil:
		n, err := strconv.ParseUint(string(m[1]), 10, 64)
		if err != nil {
			n = 1
		}
		l.Drops += n
	case !complaint.Match(line):
		l.Foreign++
	}
}

// lossRows says how losses are told: those of waits as lost, those of details as
// incomplete.
var lossRows = [...]struct {
	kind  wait.EventKind
	note  string
	count func(*losses) *uint64
}{
	{wait.EventLost, "records that DTrace dropped: its buffers were full", func(l *losses) *uint64 { return &l.Drops }},
	{wait.EventLost, "records that DTrace printed too late to be joined", func(l *losses) *uint64 { return &l.Late }},
	{wait.EventLost, "records that were damaged", func(l *losses) *uint64 { return &l.Damaged }},
	{wait.EventLost, "waits whose end was not recorded", func(l *losses) *uint64 { return &l.Unended }},
	{wait.EventLost, "waits for which there was no room", func(l *losses) *uint64 { return &l.Overflow }},
	{wait.EventIncomplete, "without their stack, their descriptor or who woke them: the program's memory could not be read", func(l *losses) *uint64 { return &l.Faults }},
}

// lost is how many records and waits are missing.
func (l *losses) lost() uint64 { return l.Drops + l.Late + l.Damaged + l.Unended + l.Overflow }

// since calls tell for each loss that grew since an earlier reading.
func (l *losses) since(before *losses, tell func(kind wait.EventKind, note string, n uint64) error) error {
	for _, row := range lossRows {
		if n := *row.count(l) - *row.count(before); n > 0 {
			if err := tell(row.kind, row.note, n); err != nil {
				return err
			}
		}
	}
	return nil
}
