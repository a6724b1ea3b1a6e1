package wait

// ThingKind is what kind of thing a goroutine waited for by itself: for a lock,
// though whoever held the lock may have waited for a peer in turn.
type ThingKind string

// The kinds of things.
const (
	ThingDial     ThingKind = "dial"    // a connection being made
	ThingReply    ThingKind = "reply"   // what a peer sends
	ThingSend     ThingKind = "send"    // a peer that takes what is sent
	ThingClient   ThingKind = "client"  // a new client, or what one sends
	ThingPool     ThingKind = "pool"    // a free one of a limited number, such as a connection
	ThingLock     ThingKind = "lock"    // a mutex
	ThingGroup    ThingKind = "group"   // other goroutines' ends
	ThingChannel  ThingKind = "channel" // another goroutine that sends or receives
	ThingCond     ThingKind = "cond"    // a condition variable
	ThingTimer    ThingKind = "timer"
	ThingGC       ThingKind = "gc"
	ThingWork     ThingKind = "work" // a library's own goroutine: something to do
	ThingUnknown  ThingKind = "unknown"
	ThingEndpoint ThingKind = "endpoint" // a descriptor that is no connection: a pipe, an inotify
)

// Thing is what a goroutine waited for by itself.
type Thing struct {
	Kind ThingKind
	// Name is which of its kind, where the waiting function tells: the library of
	// a pool, such as database/sql.
	Name string
	// Peer is the peer that a dial, a reply, a send or a pool is of; empty when
	// not known.
	Peer string
	// InUse is how many of a pool were in use at one time, at least; 0 when not
	// known.
	InUse int
	// HeldBy is "file:line" of who kept others from a lock or, longest, from a
	// pool; HeldByFunc is the function there. Empty when not known.
	HeldBy, HeldByFunc string
	// HeldFor is the peer that the holder waited for meanwhile, most of the time;
	// empty when it waited for none.
	HeldFor string
}

// String names the thing for people: pool of db:5432.
func (t Thing) String() string { return string(t.Append(nil)) }

// Append appends the name of the thing.
func (t *Thing) Append(b []byte) []byte {
	switch {
	case t.Kind == ThingPool && t.Peer != "":
		return append(append(b, "pool of "...), t.Peer...)
	case t.Kind == ThingPool && t.Name != "":
		return append(append(append(b, "pool ("...), t.Name...), ')')
	case t.Kind == ThingDial && t.Peer != "":
		return append(append(b, "connecting to "...), t.Peer...)
	case t.Peer != "":
		return append(b, t.Peer...)
	}
	return append(b, t.Kind...)
}
