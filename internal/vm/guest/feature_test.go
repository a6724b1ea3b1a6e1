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

// lacking says which machines lack a method to see something; all others have it.
// A method that is not named here works on all of them.
var lacking = map[string][]string{
	"uprobe_multi":            beforeTracedReadiness,
	"fexit do_epoll_wait":     beforeArm64Direct,
	"fentry ep_poll_callback": beforeArm64Direct,
	"fentry tcp_sendmsg":      beforeArm64Direct,
	"tracepoints sk_data_ready and inet_sock_set_state (sockets: reads, accepts, connects)": beforeTracedReadiness,
	"tracepoint sock_send_length":   beforeTracedReadiness,
	"tracepoint tcp_sendmsg_locked": append([]string{"6.12 amd64", "6.12 arm64"}, beforeTracedReadiness...),
}

// has tells whether the machine must have a method.
func has(method string) bool { return !slices.Contains(lacking[method], machine()) }

// Each method is tried by attaching it.
func TestFeatures(t *testing.T) {
	needsMachine(t)
	methods := make(map[string]bool)
	for _, required := range probes.Survey(known) {
		for _, method := range required.Methods {
			methods[method.Name] = true
			switch {
			case method.Err != nil && has(method.Name):
				t.Errorf("%s: %s does not work: %v", required.Name, method.Name, method.Err)
			case method.Err == nil && !has(method.Name):
				t.Errorf("%s: %s works; this test's table says that it does not", required.Name, method.Name)
			default:
				t.Logf("%s: %s: %v", required.Name, method.Name, method.Err)
			}
		}
	}
	for name := range lacking {
		if !methods[name] {
			t.Errorf("this test's table knows %q, which netpolltrace no longer tries", name)
		}
	}
}

// features are those of the machine without the named methods, so that what is
// left is used.
func features(t *testing.T, refused ...string) *probes.Features {
	t.Helper()
	var unwanted []probes.Feature
	for _, required := range probes.Survey(known) {
		for _, method := range required.Methods {
			if slices.Contains(refused, method.Name) {
				unwanted = append(unwanted, method.Feature)
			}
		}
	}
	if len(unwanted) != len(refused) {
		t.Fatalf("netpolltrace tries %d of the %d methods %q", len(unwanted), len(refused), refused)
	}
	return known.Without(unwanted...)
}
