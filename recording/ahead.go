package recording

// What is decoded ahead of the sink: enough that neither waits for the other,
// and little enough to stay in the processors' caches.
const (
	chunkRows   = 4 * blockRows
	chunksAhead = 8
)

// ahead passes rows from the goroutine that decodes them to the one that hands
// them on, and back to be used again. Either channel has room for all chunks.
type ahead struct {
	free    chan []row
	decoded chan []row
}

func newAhead() ahead {
	a := ahead{free: make(chan []row, chunksAhead), decoded: make(chan []row, chunksAhead)}
	for range chunksAhead {
		a.free <- make([]row, chunkRows)
	}
	return a
}
