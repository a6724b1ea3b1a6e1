package gobinary

// Globals are the addresses of the runtime's variables; 0 where one was not found.
type Globals struct {
	AllGs             uint64 // []*g: all goroutines ever made
	AllGLen           uint64 // uintptr: how many of them may be read without a lock
	AllGPtr           uint64 // **g: the array that AllGLen counts
	AllP              uint64 // []*p
	EpFD              uint64 // int32: the epoll descriptor
	NetpollEventFD    uint64 // Go 1.23 and newer: uintptr, the eventfd that interrupts a poll
	NetpollBreakRd    uint64 // up to Go 1.22: uintptr, the pipe that does
	WaitReasonStrings uint64 // [...]string
}

// TLS says where a thread keeps its current g.
type TLS struct {
	// Register holds g while Go code runs.
	Register Register
	// InMemory tells that g is also kept in memory, at the thread pointer
	// (FS base on amd64) plus Offset.
	InMemory bool
	Offset   int64
}
