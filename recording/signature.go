package recording

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
)

// signatures are the first bytes of files that a user may take for a recording,
// and what to do about each.
func signatures() []struct{ bytes, advice string } {
	return []struct{ bytes, advice string }{
		{"ARROW1", "it is an Arrow file, not the Arrow stream that a recording is: name the file that `netpolltrace record` wrote"},
		{"PAR1", "it is a Parquet file: name the recording that it was made from"},
		{"\x1f\x8b", "it is compressed: run it through gunzip, or `gunzip -c FILE | netpolltrace report -`"},
		{"\x28\xb5\x2f\xfd", "it is compressed: run it through unzstd, or `unzstd -c FILE | netpolltrace report -`"},
		{"go 1.", "it is a Go execution trace: open it with `go tool trace`"},
	}
}

// arrowMessage is the start of every message of an Arrow stream.
const arrowMessage = "\xff\xff\xff\xff"

// checkSignature checks the first bytes of a file, without consuming them.
func checkSignature(in *bufio.Reader) error {
	first, err := in.Peek(8)
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("reading the recording: %w", err)
	}
	if len(first) == 0 {
		return errors.New("it is empty: record again")
	}
	if strings.HasPrefix(string(first), arrowMessage) {
		return nil
	}
	for _, s := range signatures() {
		if strings.HasPrefix(string(first), s.bytes) {
			return errors.New(s.advice)
		}
	}
	return errors.New("it is not a recording: name a file that `netpolltrace record` wrote")
}
