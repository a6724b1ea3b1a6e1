package workload

import (
	"io"
	"sync"
)

// closers are what is to be closed when the work ends, so that no goroutine waits
// on. The zero value holds nothing.
type closers struct {
	mutex  sync.Mutex
	closed bool
	open   map[io.Closer]struct{}
}

// add holds something, which is closed by closeAll or by the function returned,
// whichever is first; at once if closeAll was called before.
func (c *closers) add(closer io.Closer) (release func()) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.closed {
		closer.Close()
		return func() {}
	}
	if c.open == nil {
		c.open = make(map[io.Closer]struct{})
	}
	c.open[closer] = struct{}{}
	return func() { c.release(closer) }
}

func (c *closers) release(closer io.Closer) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if _, ok := c.open[closer]; ok {
		delete(c.open, closer)
		closer.Close()
	}
}

func (c *closers) closeAll() {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.closed = true
	for closer := range c.open {
		closer.Close()
	}
	c.open = nil
}
