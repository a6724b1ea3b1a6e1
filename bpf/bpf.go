// Package bpf holds netpolltrace's kernel programs: their C sources and what
// bpf2go makes of them, committed so that nobody needs a compiler for them.
//
// The sources open with what they do: waits.bpf.c for the programs, records.h
// for what passes between the kernel and user space. `make generate` compiles
// them again, with the clang that is named below; CI checks that the result is
// the committed one, byte for byte.
package bpf

//go:generate go tool bpf2go -cc clang-19 -strip llvm-strip-19 -target amd64,arm64 -type record_header -type wait_record -type waker -type woken_record -type handoff_record -type socket_record -type exec_record -type mode -type record_type -type fd_kind -type fd_role -type wait_op -type wait_outcome -type wait_flag -type sends -type counter Waits waits.bpf.c -- -Wall -Werror -mcpu=v2 -idirafter /usr/include/x86_64-linux-gnu -idirafter /usr/include/aarch64-linux-gnu
