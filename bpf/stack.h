/* SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause */
/* The goroutine's own stack, by its frame pointers, which Go keeps on amd64
 * and arm64. A stack is known by the hash of its whole chain: two lines of one
 * function differ in a return address, and so in the hash, even where the stack
 * pointers are equal. Nothing is copied for a chain that is known already. */
#pragma once

struct frame {
	__u64 fp;
	__u64 pc;
};

static __always_inline __u64 mix(__u64 hash, __u64 pc)
{
	hash = (hash ^ pc) * 0x9e3779b97f4a7c15ull;
	return hash ^ (hash >> 29);
}

/* Visits the frames above fp and returns their hash; copies the return
 * addresses to out where there is one. */
static __always_inline __u64 walk(__u64 hash, __u64 fp, struct stack *out, __u32 n)
{
	struct frame frame;

	for (; n < MAX_FRAMES; n++) {
		if (!fp || bpf_probe_read_user(&frame, sizeof(frame), (void *)fp) || !frame.pc)
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

/* The first MAX_FRAMES pcs of a chain: pc, then caller unless it is 0, then
 * those above fp. Returns their number in stacks, or 0 when there is no stack.
 * last is the stack of this goroutine's last wait. */
static __always_inline __u64 capture(__u64 pc, __u64 caller, __u64 fp, __u64 last)
{
	static const struct stack empty = {};
	struct stack *stack;
	__u64 hash = mix(mix(0, pc), caller);

	if (!config.stacks)
		return 0;
	hash = walk(hash, fp, NULL, 2) & ~STACK_OF_SNAPSHOT;
	if (hash == last || bpf_map_lookup_elem(&stacks, &hash))
		return hash;
	bpf_map_update_elem(&stacks, &hash, &empty, BPF_NOEXIST);
	stack = bpf_map_lookup_elem(&stacks, &hash);
	if (!stack) {
		count(NO_STACK_ROOM);
		return 0;
	}
	stack->pcs[0] = pc;
	stack->pcs[1] = caller;
	walk(0, fp, stack, 2);
	return hash;
}
