package nearest_test

import (
	"slices"
	"testing"

	"github.com/netpolltrace/netpolltrace/internal/nearest"
)

func TestNamesThatAWordIsLike(t *testing.T) {
	names := []string{"awaited", "fd", "netpoll", "network", "p", "peer", "peer_ip", "total"}
	for word, want := range map[string][]string{
		"per":      {"peer"},
		"PEER":     {"peer", "peer_ip"},
		"peers":    {"peer"},
		"tota":     {"total"},
		"netwrok":  {"network"},
		"net":      {"netpoll", "network"},
		"fds":      {"fd"},
		"duration": nil,
		"":         nil,
	} {
		if got := nearest.Names(word, names); !slices.Equal(got, want) {
			t.Errorf("%q is like %q, want %q", word, got, want)
		}
	}
}

func TestTheQuestionNamesAllThatMayBeMeant(t *testing.T) {
	names := []string{"peer", "peer_ip", "role", "rule"}
	for word, want := range map[string]string{
		"pear":   " (did you mean peer?)",
		"rle":    " (did you mean role or rule?)",
		"colour": "",
	} {
		if got := nearest.Question(word, names); got != want {
			t.Errorf("of %q is asked %q, want %q", word, got, want)
		}
	}
}
