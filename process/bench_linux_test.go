package process

import (
	"strconv"
	"testing"
)

// benchConns makes about 10,000 goroutines wait for about 10,000 sockets: both
// ends of a connection are in the program.
const benchConns = 4900

// BenchmarkSnapshot is a snapshot of 10,000 goroutines that wait.
func BenchmarkSnapshot(b *testing.B) {
	p, binary, v := runWaiters(b, buildWaiters(b, "", nil), "-conns="+strconv.Itoa(benchConns))
	b.ReportAllocs()
	for b.Loop() {
		s, err := p.Goroutines(binary)
		if err != nil {
			b.Fatal(err)
		}
		if len(s.Goroutines) < len(v.Waiters) || s.Changed != 0 {
			b.Fatalf("%d goroutines, and %d that changed; want at least %d", len(s.Goroutines), s.Changed, len(v.Waiters))
		}
	}
	b.ReportMetric(float64(len(v.Waiters)), "goroutines")
}

// BenchmarkEndpoints tells what 10,000 sockets are.
func BenchmarkEndpoints(b *testing.B) {
	p, _, v := runWaiters(b, buildWaiters(b, "", nil), "-conns="+strconv.Itoa(benchConns))
	b.ReportAllocs()
	for b.Loop() {
		endpoints, err := p.Endpoints()
		if err != nil {
			b.Fatal(err)
		}
		if len(endpoints) < 2*benchConns {
			b.Fatalf("%d descriptors, want at least %d", len(endpoints), 2*benchConns)
		}
	}
	b.ReportMetric(float64(len(v.Waiters)), "sockets")
}

// BenchmarkWatch is one reading of the host's figures.
func BenchmarkWatch(b *testing.B) {
	p, _, _ := runWaiters(b, buildWaiters(b, "", nil))
	w := p.Watch(WatchConfig{})
	b.ReportAllocs()
	for b.Loop() {
		w.read()
	}
}
