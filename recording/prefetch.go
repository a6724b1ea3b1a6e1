package recording

// How much is decoded before the sink asks for it: enough that neither waits for
// the other, and little enough to stay in the CPU caches.
const (
	chunkRows  = 4 * blockRows
	chunkCount = 8
)

// prefetch passes rows from the goroutine that decodes them to the one that hands
// them to the sink, and back for reuse. Either channel has room for all chunks. A
// chunk that was not needed yet is nil: small files need few.
type prefetch struct {
	free    chan []row
	decoded chan []row
}

func newPrefetch() prefetch {
	p := prefetch{free: make(chan []row, chunkCount), decoded: make(chan []row, chunkCount)}
	for range chunkCount {
		p.free <- nil
	}
	return p
}
