package wait

import "testing"

func TestNamesOfThings(t *testing.T) {
	for want, thing := range map[string]Thing{
		"db:5432":               {Kind: ThingReply, Peer: "db:5432"},
		"connecting to db:5432": {Kind: ThingDial, Peer: "db:5432"},
		"pool of db:5432":       {Kind: ThingPool, Name: "database/sql", Peer: "db:5432"},
		"pool (database/sql)":   {Kind: ThingPool, Name: "database/sql"},
		"pool":                  {Kind: ThingPool},
		"lock":                  {Kind: ThingLock, HeldBy: "a.go:7"},
		"timer":                 {Kind: ThingTimer},
	} {
		if got := thing.String(); got != want {
			t.Errorf("%+v is %q, want %q", thing, got, want)
		}
	}
}
