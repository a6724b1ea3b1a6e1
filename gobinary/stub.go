package gobinary

import "github.com/netpolltrace/netpolltrace/wait"
type image struct{}
type pclntab struct{}
type moduledata struct{}
type arch struct{}
type version struct{}
func Open(path string) (*Binary, error) { return nil, ErrNotGo }
func (b *Binary) Close() error { return nil }
func (b *Binary) Func(name string) (Func, bool) { return Func{}, false }
func (b *Binary) FuncAt(pc uint64) (Func, bool) { return Func{}, false }
func (b *Binary) Frames(pc uint64) []wait.Frame { return nil }
func (b *Binary) FileOffset(addr uint64) (uint64, error) { return 0, nil }
func (b *Binary) Layout() (*Layout, error) { return b.layout() }
func (b *Binary) Places() (*Places, error) { return b.places() }
func (b *Binary) Globals() Globals { return b.globals() }
func (b *Binary) GFromThread() (TLS, error) { return TLS{}, nil }
func (b *Binary) WaitReasons() ([]string, error) { return nil, nil }
func (b *Binary) Stdlib(f wait.Frame) bool { return false }
func (b *Binary) EpollDecodings() []EpollDecoding { return nil }
