/* SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause */
/* arm64: Go's register ABI is described in src/cmd/compile/abi-internal.md. */
#pragma once

struct pt_regs {
	__u64 regs[31];
	__u64 sp;
	__u64 pc;
	__u64 pstate;
};

#define REG_G(ctx) ((ctx)->regs[28])
#define REG_ARG0(ctx) ((ctx)->regs[0])
#define REG_ARG1(ctx) ((ctx)->regs[1])
#define REG_ARG2(ctx) ((ctx)->regs[2])
#define REG_ARG3(ctx) ((ctx)->regs[3])
#define REG_IP(ctx) ((ctx)->pc)
#define REG_SP(ctx) ((ctx)->sp)
#define REG_FP(ctx) ((ctx)->regs[29])

/* A system call's number and second argument; both outlive the call. */
#define SYSCALL_NUMBER(ctx) ((ctx)->regs[8])
#define SYSCALL_ARG1(ctx) ((ctx)->regs[1])
#define SYS_EPOLL_PWAIT 22

/* The numbers of gobinary.Register: X0 is 17. */
static __always_inline __u64 reg_by_number(struct pt_regs *ctx, __u32 n)
{
#define R(i) case 17 + i: return LOAD_REGISTER(ctx, regs[i]);
	switch (n) {
	R(0) R(1) R(2) R(3) R(4) R(5) R(6) R(7)
	R(8) R(9) R(10) R(11) R(12) R(13) R(14) R(15)
	R(16) R(17) R(18) R(19) R(20) R(21) R(22) R(23)
	R(24) R(25) R(26) R(27) R(28) R(29)
	default: return LOAD_REGISTER(ctx, regs[30]);
	}
#undef R
}

/* The link register holds the return address until the prologue saves it. */
static __always_inline __u64 return_address(struct pt_regs *ctx)
{
	return ctx->regs[30];
}

/* systemstack has a frame, which g.sched.bp points to. */
static __always_inline __u64 systemstack_caller(__u64 sp)
{
	return 0;
}

struct epoll_event_user {
	__u32 events;
	__u32 pad;
	__u64 data;
};

/* A kernel function's arguments and result, for kprobes. */
#define KERNEL_ARG0(ctx) ((ctx)->regs[0])
#define KERNEL_ARG1(ctx) ((ctx)->regs[1])
#define KERNEL_ARG3(ctx) ((ctx)->regs[3])
#define KERNEL_RESULT(ctx) ((ctx)->regs[0])
