/* SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause */
/* The registers of the traced program, as a uprobe sees them, under the names
 * that the rest of the code uses. Everything that depends on the CPU is in
 * regs_amd64.h and regs_arm64.h; each defines
 *   struct pt_regs          the registers, as the kernel lays them out
 *   REG_G                   the running g (Go's ABIInternal)
 *   REG_ARG0 .. REG_ARG3    integer arguments of a Go function
 *   REG_IP, REG_SP, REG_FP  program counter, stack and frame pointer
 *   reg_by_number(ctx, n)   register n of gobinary.Register
 *   return_address(ctx)     where the function returns to, before its prologue
 *   systemstack_caller(sp)  where runtime.systemstack returns to, by g.sched.sp, if
 *                           the chain of frame pointers from g.sched.bp lacks it
 *   SYSCALL_NUMBER, SYSCALL_ARG1, SYS_EPOLL_PWAIT
 *   struct epoll_event_user one event as epoll_wait writes it
 */
#pragma once

/* Loads a field of the context at a constant offset. In C the compiler would
 * merge the loads of a switch into one at a computed offset, which the verifier
 * refuses. */
#define LOAD_REGISTER(ctx, field)                                                \
	({                                                                       \
		__u64 value;                                                     \
		asm volatile("%0 = *(u64 *)(%1 + %2)"                            \
			     : "=r"(value)                                       \
			     : "r"(ctx), "i"(__builtin_offsetof(struct pt_regs, field))); \
		value;                                                           \
	})

#if defined(__TARGET_ARCH_x86)
#include "regs_amd64.h"
#elif defined(__TARGET_ARCH_arm64)
#include "regs_arm64.h"
#else
#error "no register table for this CPU"
#endif
