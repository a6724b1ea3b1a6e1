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

/* The order of gobinary.Register for arm64: R0 to R30. The index must be a
 * constant for the verifier, hence the unrolled search. */
static __always_inline __u64 reg_by_number(struct pt_regs *ctx, __u32 n)
{
#pragma unroll
	for (__u32 i = 0; i < 30; i++)
		if (n == i)
			return ctx->regs[i];
	return ctx->regs[30];
}

/* The link register holds the return address until the prologue saves it. */
static __always_inline __u64 return_address(struct pt_regs *ctx)
{
	return ctx->regs[30];
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
