/* SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause */
/* The maps, the configuration and the two things that every program does with
 * them: count, and emit a record. Sizes that depend on flags are set by user
 * space before loading. */
#pragma once

volatile const struct wait_config config;

/* The target's thread group in the initial PID namespace; learned by the
 * program find_target. Until then no program that is not attached to the
 * target alone does anything. */
__u32 target_tgid;

/* At which level of PID namespaces the tracer is; learned with it. */
__u32 tracer_level;

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 8 << 20);
} records SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, COUNTERS);
	__type(key, __u32);
	__type(value, __u64);
} counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__type(key, __u64); /* g */
	__type(value, struct slot);
} slots SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__type(key, __u64); /* pollDesc */
	__type(value, struct pd_slot);
} pds SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__type(key, __u64); /* struct sock */
	__type(value, __u64); /* pollDesc */
} sockets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, __u64); /* hash of the chain */
	__type(value, struct stack);
} stacks SEC(".maps");

/* For find_target: the descriptors that are in the netpoller at the start. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__type(key, __u32); /* fd */
	__type(value, struct polled_fd);
} polled_fds SEC(".maps");

/* Return address of the runtime.netpoll that a thread is in, or where that was
 * inlined the address of its call of epoll_wait. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, __u32); /* tid, in the initial PID namespace */
	__type(value, __u64);
} pollers SEC(".maps");

/* Never filled, never called: see keep_own_stack. */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} nothing SEC(".maps");

volatile const __u32 never;

/* For each program of a uprobe. Since Linux 6.13 the stack of a program may be
 * memory of its own for each CPU (bpf_enable_priv_stack in
 * kernel/bpf/verifier.c), which takes for granted that the program does not
 * begin again on a CPU before it has ended there. At a uprobe it does: nothing
 * keeps another thread from preempting it, and from running into the same
 * probe. The two then write to one stack, and the kernel dies of it. A program
 * with a tail call, even one that is never reached, stays on the thread's. */
static __always_inline void keep_own_stack(void *ctx)
{
	if (never)
		bpf_tail_call(ctx, &nothing, 0);
}

static __always_inline void count(__u32 counter)
{
	__u64 *n = bpf_map_lookup_elem(&counters, &counter);

	if (n)
		__sync_fetch_and_add(n, 1); /* a uprobe can be preempted by another */
}

/* Wakes the reader only when the buffer fills up: it looks by itself often
 * enough, and a wake-up would be paid by the target. */
static __always_inline __u64 wakeup_flags(void)
{
	__u64 waiting = bpf_ringbuf_query(&records, BPF_RB_AVAIL_DATA);
	__u64 size = bpf_ringbuf_query(&records, BPF_RB_RING_SIZE);

	return waiting > size / 2 ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP;
}

/* Copies a record into the ring buffer, or counts it as lost. */
static __always_inline int emit(void *record, __u64 size, __u32 lost)
{
	if (bpf_ringbuf_output(&records, record, size, wakeup_flags()) == 0)
		return 0;
	count(lost);
	return -1;
}
