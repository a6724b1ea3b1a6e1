package truth

import "github.com/netpolltrace/netpolltrace/wait"

// Reasons of the execution tracer. Several of the runtime's wait reasons share
// one (gopark's two reason arguments; traceBlockReasonStrings in
// https://github.com/golang/go/blob/go1.26.0/src/runtime/traceruntime.go).
const (
	reasonNetwork     = "network"
	reasonSleep       = "sleep"
	reasonChanReceive = "chan receive"
	reasonChanSend    = "chan send"
	reasonSelect      = "select"
	reasonSync        = "sync"
	reasonCond        = "sync.(*Cond).Wait"
)

// NetworkReasons are the trace's reasons that mode io can see.
func NetworkReasons() []string { return []string{reasonNetwork} }

// ProgramReasons are the trace's reasons for which a program's own code waits,
// as opposed to the runtime's goroutines. Mode all sees them. A wait that
// cannot end (a nil channel, an empty select) is never finished, so it is not
// among them; a coroutine's switch bypasses gopark.
func ProgramReasons() []string {
	return []string{reasonNetwork, reasonSleep, reasonChanReceive, reasonChanSend, reasonSelect, reasonSync, reasonCond}
}

// traceReasons says for each wait reason of the runtime how the execution
// tracer calls it. In Go 1.18 and 1.19 all locks are "semacquire".
var traceReasons = map[string]string{
	wait.ReasonIO:         reasonNetwork,
	"sleep":               reasonSleep,
	"chan receive":        reasonChanReceive,
	"chan send":           reasonChanSend,
	"select":              reasonSelect,
	"semacquire":          reasonSync,
	"sync.Mutex.Lock":     reasonSync,
	"sync.RWMutex.RLock":  reasonSync,
	"sync.RWMutex.Lock":   reasonSync,
	"sync.WaitGroup.Wait": reasonSync,
	"sync.Cond.Wait":      reasonCond,
}
