package truth

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/netpolltrace/netpolltrace/wait"
)

// Ends are the ends of connections that the goroutines of testdata/programs/churn
// served, by the number of the goroutine: one in each one's life.
type Ends map[uint64]End

// End is one end of one connection.
type End struct {
	FD          int32
	Role        wait.Role
	Local, Peer string
}

// ReadEnds reads the list that churn writes.
func ReadEnds(in io.Reader) (Ends, error) {
	ends := make(Ends)
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		if len(words) != 5 {
			return nil, fmt.Errorf("reading ends of connections: %d words in a line, want 5", len(words))
		}
		goid, err := strconv.ParseUint(words[0], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("reading ends of connections: %w", err)
		}
		fd, err := strconv.ParseInt(words[1], 10, 32)
		if err != nil {
			return nil, fmt.Errorf("reading ends of connections: %w", err)
		}
		ends[goid] = End{int32(fd), wait.Role(words[2]), words[3], words[4]}
	}
	return ends, lines.Err()
}

// Check returns how many waits it could judge, the finished reads of connections,
// and an error if some of them name another goroutine, descriptor or peer than the
// one that waited.
func (e Ends) Check(waits []wait.Wait) (judged int, err error) {
	var examples []string
	mistaken := 0
	for i := range waits {
		w := &waits[i]
		if w.Kind != wait.KindWait || w.Op != wait.OpRead {
			continue
		}
		judged++
		got := End{w.FD, w.Role, w.Local, w.Peer}
		if got == e[w.Goid] {
			continue
		}
		if mistaken++; mistaken <= listed {
			examples = append(examples, fmt.Sprintf("goroutine %d waited for %+v, it served %+v", w.Goid, got, e[w.Goid]))
		}
	}
	if mistaken > 0 {
		err = fmt.Errorf("%d of %d waits are mistaken: %s", mistaken, judged, strings.Join(examples, "; "))
	}
	return judged, err
}
