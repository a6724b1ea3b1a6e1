/* SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause */
/* The goroutine's own stack, by its frame pointers, which Go keeps on amd64
 * and arm64. A stack is known by the hash of its complete chain: two lines of one
 * function differ in a return address, and so in the hash, even where the stack
 * pointers are equal. Nothing is copied for a chain that is known already. */
#pragma once

/* How much of the stack is read at once, from the first frame up. Each read of
 * the target's memory by itself costs as much as ten steps within a window. */
#define WINDOW 2048

struct window {
	__u64 owner;
	__u8 bytes[WINDOW];
};

/* One a CPU. A uprobe's program may be preempted by another on the same CPU,
 * which then reads its own stack into the window: so whoever uses it writes
 * its name in, and looks afterwards whether it still stands there. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct window);
} windows SEC(".maps");

struct frame {
	__u64 fp;
	__u64 pc;
};

static __always_inline __u64 mix(__u64 hash, __u64 pc)
{
	hash = (hash ^ pc) * 0x9e3779b97f4a7c15ull;
	return hash ^ (hash >> 29);
}

/* The frame at fp: from the window over base, where there is one and it reaches
 * so far, else from the target. */
static __always_inline int read_frame(struct frame *frame, __u64 fp, struct window *window, __u64 base)
{
	__u64 offset = fp - base;

	if (window && offset <= WINDOW - sizeof(*frame)) {
		barrier_var(offset);
		if (offset > WINDOW - sizeof(*frame)) /* for the verifier */
			return -1;
		__builtin_memcpy(frame, window->bytes + offset, sizeof(*frame));
		return 0;
	}
	return bpf_probe_read_user(frame, sizeof(*frame), (void *)fp);
}

/* Visits the frames above fp and returns their hash; copies the return
 * addresses to out where there is one. */
static __always_inline __u64 walk(__u64 hash, __u64 fp, struct window *window, struct stack *out)
{
	__u64 base = fp;
	struct frame frame;
	__u32 n;

	for (n = 2; n < MAX_FRAMES; n++) {
		if (!fp || read_frame(&frame, fp, window, base) || !frame.pc)
			break;
		hash = mix(hash, frame.pc);
		if (out)
			out->pcs[n] = frame.pc;
		/* A stack grows down: a chain that does not go up is broken. */
		fp = frame.fp > fp ? frame.fp : 0;
	}
	if (out)
		out->frames = n;
	return hash;
}

/* The hash of the frames above fp. */
static __always_inline __u64 hash_frames(__u64 hash, __u64 fp)
{
	__u64 me = bpf_get_current_pid_tgid(), fast;
	__u32 only = 0;
	struct window *window = bpf_map_lookup_elem(&windows, &only);

	if (window) {
		*(volatile __u64 *)&window->owner = me;
		if (!bpf_probe_read_user(window->bytes, WINDOW, (void *)fp)) {
			fast = walk(hash, fp, window, NULL);
			if (*(volatile __u64 *)&window->owner == me)
				return fast;
		}
	}
	return walk(hash, fp, NULL, NULL);
}

/* The first MAX_FRAMES pcs of a chain: pc, then caller unless it is 0, then
 * those above fp. Returns their number in stacks, or 0 when there is no stack.
 * last is the stack of this goroutine's last wait. */
static __always_inline __u64 capture(__u32 process, __u64 pc, __u64 caller, __u64 fp, __u64 last)
{
	static const struct stack empty = {};
	struct stack *stack;
	__u64 hash;

	if (!capture_stacks)
		return 0;
	hash = hash_frames(mix(mix(process, pc), caller), fp) & ~STACK_OF_SNAPSHOT;
	if (hash == last || bpf_map_lookup_elem(&stacks, &hash))
		return hash;
	bpf_map_update_elem(&stacks, &hash, &empty, BPF_NOEXIST);
	stack = bpf_map_lookup_elem(&stacks, &hash);
	if (!stack) {
		count(process, NO_STACK_ROOM);
		return 0;
	}
	stack->process = process;
	stack->pcs[0] = pc;
	stack->pcs[1] = caller;
	walk(0, fp, NULL, stack);
	return hash;
}
