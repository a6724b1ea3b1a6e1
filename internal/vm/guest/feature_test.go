package guest

import (
	"slices"
	"testing"

	"github.com/netpolltrace/netpolltrace/probes"
)

var (
	beforeTracedReadiness = []string{"5.10 amd64", "6.1 amd64", "5.10 arm64", "6.1 arm64"}
	beforeArm64Direct     = []string{"5.10 arm64", "6.1 arm64"}
)

// lacking says which machines lack a way to see something; all others have it.
// A way that is not named here works on all of them.
var lacking = map[string][]string{
	"uprobe_multi":            beforeTracedReadiness,
	"fexit do_epoll_wait":     beforeArm64Direct,
	"fentry ep_poll_callback": beforeArm64Direct,
	"fentry tcp_sendmsg":      beforeArm64Direct,
	"tracepoints sk_data_ready and inet_sock_set_state (sockets: reads, accepts, connects)": beforeTracedReadiness,
	"tracepoint sock_send_length":   beforeTracedReadiness,
	"tracepoint tcp_sendmsg_locked": append([]string{"6.12 amd64", "6.12 arm64"}, beforeTracedReadiness...),
}

// has tells whether the machine must have a way.
func has(way string) bool { return !slices.Contains(lacking[way], machine()) }

// Each way is tried by attaching it.
func TestFeatures(t *testing.T) {
	needsMachine(t)
	ways := make(map[string]bool)
	for _, sight := range probes.Survey(known) {
		for _, way := range sight.Ways {
			ways[way.Name] = true
			switch {
			case way.Err != nil && has(way.Name):
				t.Errorf("%s: %s does not work: %v", sight.Name, way.Name, way.Err)
			case way.Err == nil && !has(way.Name):
				t.Errorf("%s: %s works; this test's table says that it does not", sight.Name, way.Name)
			default:
				t.Logf("%s: %s: %v", sight.Name, way.Name, way.Err)
			}
		}
	}
	for name := range lacking {
		if !ways[name] {
			t.Errorf("this test's table knows %q, which netpolltrace no longer tries", name)
		}
	}
}

// features are those of the machine without the named ways, so that what is
// left is used.
func features(t *testing.T, refused ...string) *probes.Features {
	t.Helper()
	var unwanted []probes.Feature
	for _, sight := range probes.Survey(known) {
		for _, way := range sight.Ways {
			if slices.Contains(refused, way.Name) {
				unwanted = append(unwanted, way.Feature)
			}
		}
	}
	if len(unwanted) != len(refused) {
		t.Fatalf("netpolltrace tries %d of the %d ways %q", len(unwanted), len(refused), refused)
	}
	return known.Without(unwanted...)
}
