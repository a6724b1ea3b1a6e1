/* SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause */
/* amd64: Go's register ABI is described in src/cmd/compile/abi-internal.md. */
#pragma once

struct pt_regs {
	unsigned long r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di;
	unsigned long orig_ax, ip, cs, flags, sp, ss;
};

#define REG_G(ctx) ((ctx)->r14)
#define REG_ARG0(ctx) ((ctx)->ax)
#define REG_ARG1(ctx) ((ctx)->bx)
#define REG_ARG2(ctx) ((ctx)->cx)
#define REG_ARG3(ctx) ((ctx)->di)
#define REG_IP(ctx) ((ctx)->ip)
#define REG_SP(ctx) ((ctx)->sp)
#define REG_FP(ctx) ((ctx)->bp)

/* A system call's number and second argument; both outlive the call. */
#define SYSCALL_NUMBER(ctx) ((ctx)->orig_ax)
#define SYSCALL_ARG1(ctx) ((ctx)->si)
#define SYS_EPOLL_PWAIT 281

/* The numbers of gobinary.Register: RAX is 1. */
static __always_inline __u64 reg_by_number(struct pt_regs *ctx, __u32 n)
{
	switch (n) {
	case 1: return LOAD_REGISTER(ctx, ax);
	case 2: return LOAD_REGISTER(ctx, cx);
	case 3: return LOAD_REGISTER(ctx, dx);
	case 4: return LOAD_REGISTER(ctx, bx);
	case 5: return LOAD_REGISTER(ctx, sp);
	case 6: return LOAD_REGISTER(ctx, bp);
	case 7: return LOAD_REGISTER(ctx, si);
	case 8: return LOAD_REGISTER(ctx, di);
	case 9: return LOAD_REGISTER(ctx, r8);
	case 10: return LOAD_REGISTER(ctx, r9);
	case 11: return LOAD_REGISTER(ctx, r10);
	case 12: return LOAD_REGISTER(ctx, r11);
	case 13: return LOAD_REGISTER(ctx, r12);
	case 14: return LOAD_REGISTER(ctx, r13);
	case 15: return LOAD_REGISTER(ctx, r14);
	default: return LOAD_REGISTER(ctx, r15);
	}
}

/* At the PUSH of a prologue the return address is on top of the stack and the
 * frame pointer is still the caller's. */
static __always_inline __u64 return_address(struct pt_regs *ctx)
{
	__u64 pc = 0;

	bpf_probe_read_user(&pc, sizeof(pc), (void *)ctx->sp);
	return pc;
}

/* systemstack has no frame of its own. */
static __always_inline __u64 systemstack_caller(__u64 sp)
{
	__u64 pc = 0;

	bpf_probe_read_user(&pc, sizeof(pc), (void *)sp);
	return pc;
}

/* include/uapi/linux/eventpoll.h: packed on this CPU alone. */
struct epoll_event_user {
	__u32 events;
	__u64 data;
} __attribute__((packed));

/* A kernel function's arguments and result, for kprobes. */
#define KERNEL_ARG0(ctx) ((ctx)->di)
#define KERNEL_ARG1(ctx) ((ctx)->si)
#define KERNEL_ARG3(ctx) ((ctx)->cx)
#define KERNEL_RESULT(ctx) ((ctx)->ax)
