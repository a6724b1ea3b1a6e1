/* SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause */
/* The maps, the configuration and the two things that every program does with
 * them: count, and emit a record. Sizes that depend on flags are set by user
 * space before loading. */
#pragma once

/* What holds for the whole machine; user space sets it before loading. */
volatile const __u8 capture_stacks;
volatile const __u8 have_cookies; /* of uprobes; Linux 5.15 */
volatile const __u8 sends_seen;   /* SENDS_TCP, SENDS_OTHER: hooks on sends are attached */

/* At which level of PID namespaces the tracer is; learned by find_target. */
__u32 tracer_level;

/* The configurations, by index. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAX_PROCESSES);
	__type(key, __u32);
	__type(value, struct wait_config);
} configs SEC(".maps");

/* The numbers of the recorded processes, for programs that are not told by the
 * uprobe that ran them. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_PROCESSES);
	__type(key, __u32); /* tgid, in the initial PID namespace */
	__type(value, __u32);
} targets SEC(".maps");

/* The numbers by the epoll instances of their netpollers. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_PROCESSES);
	__type(key, __u64); /* struct eventpoll */
	__type(value, __u32);
} epolls SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 8 << 20);
} records SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, MAX_PROCESSES);
	__type(key, __u32); /* index of the process */
	__type(value, struct process_counts);
} counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__type(key, __u64); /* key of g */
	__type(value, struct slot);
} slots SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__type(key, __u64); /* key of the pollDesc */
	__type(value, struct pd_slot);
} pds SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__type(key, __u64); /* struct sock */
	__type(value, __u64); /* key of its pollDesc */
} sockets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, __u64); /* hash of the process and the chain */
	__type(value, struct stack);
} stacks SEC(".maps");

/* For find_target: the descriptors that are in the netpoller of the process
 * that it looks for. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__type(key, __u32); /* fd */
	__type(value, struct polled_fd);
} polled_fds SEC(".maps");

/* Return address of the runtime.netpoll that a thread is in, or where that was
 * inlined the address of its call of epoll_wait. Threads that are gone make room. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, __u32); /* tid, in the initial PID namespace */
	__type(value, __u64);
} pollers SEC(".maps");

/* What a thread executed last. Threads that are gone make room. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, __u32); /* tid, in the initial PID namespace */
	__type(value, struct run);
} runs SEC(".maps");

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

static __always_inline __u32 index_of(__u32 process)
{
	return process & (MAX_PROCESSES - 1);
}

static __always_inline void count(__u32 process, enum counter counter)
{
	__u32 index = index_of(process);
	struct process_counts *counts = bpf_map_lookup_elem(&counters, &index);

	if (counts)
		__sync_fetch_and_add(&counts->of[counter], 1); /* a uprobe can be preempted by another */
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
static __always_inline int emit(void *record, __u64 size, __u64 wakeup, enum counter lost)
{
	struct record_header *header = record;

	if (bpf_ringbuf_output(&records, record, size, wakeup) == 0)
		return 0;
	count(header->process, lost);
	return -1;
}
