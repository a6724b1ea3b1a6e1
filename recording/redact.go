package recording

import (
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// maxPseudonyms bounds what a redactor remembers. Addresses beyond it share
// one pseudonym for each kind.
const maxPseudonyms = 1 << 16

// redactor replaces addresses by pseudonyms: equal addresses, however they are
// written, by equal ones. Ports are kept. Pseudonyms are numbered as they come,
// so that nothing can be computed back from them.
type redactor struct {
	names map[string]string // pseudonyms by address without port
	count map[string]int    // of pseudonyms, by kind
	cache map[string]string // results of address
}

func newRedactor() *redactor {
	return &redactor{
		names: make(map[string]string),
		count: make(map[string]int),
		cache: make(map[string]string),
	}
}

// address is the pseudonym of a socket's address, such as ip-1:5432 or unix-2.
func (r *redactor) address(address string) string {
	if address == "" {
		return ""
	}
	if redacted, ok := r.cache[address]; ok {
		return redacted
	}
	redacted := r.redacted(address)
	if len(r.cache) == maxPseudonyms {
		clear(r.cache)
	}
	r.cache[address] = redacted
	return redacted
}

func (r *redactor) redacted(address string) string {
	if ap, err := netip.ParseAddrPort(address); err == nil {
		return r.pseudonym("ip", ap.Addr().Unmap().String()) + ":" + strconv.Itoa(int(ap.Port()))
	}
	if ip, err := netip.ParseAddr(address); err == nil {
		return r.pseudonym("ip", ip.Unmap().String())
	}
	if strings.HasPrefix(address, "/") || strings.HasPrefix(address, "@") {
		return r.pseudonym("unix", address)
	}
	host, port, err := net.SplitHostPort(address)
	if _, bad := strconv.ParseUint(port, 10, 16); err == nil && bad == nil {
		return r.pseudonym("name", host) + ":" + port
	}
	return r.pseudonym("name", address)
}

// host is the pseudonym of a machine's name.
func (r *redactor) host(name string) string {
	if name == "" {
		return ""
	}
	return r.pseudonym("host", name)
}

// pseudonym is the name of the kind that stands for the original.
func (r *redactor) pseudonym(kind, original string) string {
	key := kind + " " + original
	name, ok := r.names[key]
	if ok {
		return name
	}
	if len(r.names) == maxPseudonyms {
		return kind + "-other"
	}
	r.count[kind]++
	name = kind + "-" + strconv.Itoa(r.count[kind])
	r.names[strings.Clone(key)] = name
	return name
}
