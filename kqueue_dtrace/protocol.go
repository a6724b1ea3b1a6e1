package dtrace

import (
	"bytes"
	"fmt"
	"strconv"
)

// prefix is the first word of each record: the protocol's name and version. It
// changes whenever a record does.
const prefix = "NPT1"

// What a record tells: the second word of its line.
const (
	kindBegin    = 'B'
	kindPark     = 'P'
	kindInfo     = 'I'
	kindStack    = 'S'
	kindNetpoll  = 'N'
	kindReady    = 'R'
	kindWaker    = 'T'
	kindResume   = 'X'
	kindEvent    = 'V'
	kindPoll     = 'W'
	kindRegister = 'C'
	kindSocket   = 'D'
	kindSend     = 'O'
	kindReceive  = 'Q'
	kindFault    = 'F'
	kindEnd      = 'E'
)

// fields says what follows the kind in a record, a letter a field: d for a
// decimal number, x for a hexadecimal one, w for a word. The first is the time;
// where a CPU and a thread are told they are the next two.
var fields = map[byte]string{
	kindBegin:    "dddwwwww",                     // time, wall clock, PID, GOOS, GOARCH, mode, Go's version, build ID
	kindPark:     "dddx",                         // g
	kindInfo:     "dddxddxddxxd",                 // g, goid, reason, pollDesc, whether it writes, fd, start, go statement, parent's goid
	kindStack:    "dddxx" + hex(parkFrames),      // g, where the probe is, return addresses
	kindNetpoll:  "dddxdxx",                      // pollDesc, mode, g that reads, g that writes
	kindReady:    "dddxd",                        // g, whether a timer of the netpoller did it
	kindWaker:    "dddxdddxx" + hex(wakerFrames), // g, waker's goid, goid, reason, where the probe is, return addresses
	kindResume:   "dddx",                         // g
	kindEvent:    "ddddddxx",                     // whether the poll may sleep, fd (-1: see the data), filter, flags, data
	kindPoll:     "ddddddd",                      // begin, whether it may sleep, result, errno
	kindRegister: "dddd",                         // fd
	kindSocket:   "dddwdxxxx",                    // what happened to it, fd, four words
	kindSend:     "dddd",                         // fd
	kindReceive:  "dddd",                         // fd
	kindFault:    "ddddx",                        // CPU, probe, fault, address
	kindEnd:      "d",
}

func hex(n int) string { return string(bytes.Repeat([]byte{'x'}, n)) }

// maxFields is the number of fields of the longest record.
const maxFields = 5 + parkFrames

// record is a line that was read.
type record struct {
	kind byte
	time int64 // the system's monotonic clock, in nanoseconds
	cpu  int64
	tid  int64
	// number holds the fields; for words their index in words.
	number [maxFields]uint64
	words  []string // of the few records that have some
}

// at is the i-th field after time, CPU and thread.
func (r *record) at(i int) uint64 { return r.number[3+i] }

// signed is that field as a signed number.
func (r *record) signed(i int) int64 { return int64(r.number[3+i]) }

// parse reads one line, without its end. ok is false for a line that is no record
// of this protocol; err tells what is wrong with one that begins like a record.
func parse(line []byte, r *record) (ok bool, err error) {
	rest, ok := bytes.CutPrefix(line, []byte(prefix+" "))
	if !ok {
		return false, nil
	}
	kind, rest := nextWord(rest)
	if len(kind) != 1 || fields[kind[0]] == "" {
		return true, fmt.Errorf("a record of the unknown kind %.20q", kind)
	}
	*r = record{kind: kind[0], words: r.words[:0]}
	for i, form := range []byte(fields[r.kind]) {
		var text []byte
		if text, rest = nextWord(rest); len(text) == 0 {
			return true, fmt.Errorf("a record of kind %c ends after %d fields", r.kind, i)
		}
		if r.number[i], err = r.field(form, text); err != nil {
			return true, fmt.Errorf("field %d of a record of kind %c: %w", i, r.kind, err)
		}
	}
	if len(rest) > 0 {
		return true, fmt.Errorf("a record of kind %c goes on with %.20q", r.kind, rest)
	}
	r.time = int64(r.number[0])
	if len(fields[r.kind]) > 3 {
		r.cpu, r.tid = int64(r.number[1]), int64(r.number[2])
	}
	return true, nil
}

// field reads one field.
func (r *record) field(form byte, text []byte) (uint64, error) {
	switch form {
	case 'w':
		r.words = append(r.words, string(text))
		return uint64(len(r.words) - 1), nil
	case 'x':
		return strconv.ParseUint(string(text), 16, 64)
	}
	n, err := strconv.ParseInt(string(text), 10, 64)
	return uint64(n), err
}

// nextWord cuts a line at its next space.
func nextWord(line []byte) (word, rest []byte) {
	word, rest, _ = bytes.Cut(line, []byte{' '})
	return word, rest
}
