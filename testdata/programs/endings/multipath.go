//go:build go1.21
// +build go1.21

package main

// multipathFamilies are those of MPTCP: what listens by it serves plain TCP too.
func multipathFamilies() []family {
	plain := family{name: "TCP to an MPTCP listener", proto: "tcp", listens: "mptcp", network: "tcp4", address: "127.0.0.1:0"}
	plain.listen.SetMultipathTCP(true)
	both := family{name: "MPTCP", proto: "mptcp", network: "tcp4", address: "127.0.0.1:0"}
	both.listen.SetMultipathTCP(true)
	both.dialer.SetMultipathTCP(true)
	return []family{plain, both}
}
