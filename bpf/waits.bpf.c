//go:build ignore

// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/* netpolltrace's kernel side.
 *
 * Uprobes tell when a goroutine parks, is made runnable and runs again; kernel
 * hooks tell when a descriptor got ready, when epoll_wait returned it and when
 * something was sent on it. All write into two slots: one for each g (slots),
 * one for each pollDesc (pds); the program at the resume joins the two into one
 * wait_record. Two sets of uprobes exist:
 *
 *   io   io_park, io_resume in runtime.netpollblock, and io_goready in
 *        runtime.netpollgoready, which only deadlines and closes pass.
 *   all  all_park in runtime.gopark, all_ready in runtime.ready, all_execute in
 *        runtime.execute, all_netpoll in runtime.netpoll.
 *
 * The places are found by gobinary, by disassembly; which registers hold what
 * there is said at each program. No uprobe is on a return: a uretprobe rewrites
 * return addresses, and Go's moving stacks crash on them.
 *
 * park_m takes the place of io_park or all_park in executables where these do
 * not see each park once; poll_inlined that of all_netpoll for polls that were
 * inlined.
 *
 * Of the kernel hooks user space attaches one for each need, the cheapest that
 * the machine has. Oldest kernel: 5.10.
 */
#include <linux/types.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include "regs.h"
#include "kernel.h"
#include "records.h"
#include "maps.h"
#include "stack.h"
#include "socket.h"
#include "wait.h"

/* The enums that user space needs: a type that no variable has is not in BTF. */
const enum record_type *exported_record_type __attribute__((unused));
const enum fd_kind *exported_fd_kind __attribute__((unused));
const enum fd_role *exported_fd_role __attribute__((unused));
const enum wait_op *exported_wait_op __attribute__((unused));
const enum wait_outcome *exported_wait_outcome __attribute__((unused));
const enum wait_flag *exported_wait_flag __attribute__((unused));
const enum sends *exported_sends __attribute__((unused));
const enum counter *exported_counter __attribute__((unused));
const struct wait_record *exported_wait_record __attribute__((unused));
const struct socket_record *exported_socket_record __attribute__((unused));
const struct exec_record *exported_exec_record __attribute__((unused));

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* At the call of runtime.gopark: g in its register, &pd.rg or &pd.wg in the
 * second argument. netpollblock's own frame is set up. */
SEC("uprobe")
int io_park(struct pt_regs *ctx)
{
	keep_own_stack(ctx);
	count(HITS_PARK);
	if (in_target())
		park(REG_G(ctx), REASON_IO_WAIT, REG_ARG1(ctx), REG_IP(ctx), 0, REG_FP(ctx));
	return 0;
}

/* Behind the exchange that follows that call: the old value of rg or wg is in
 * a register that gobinary found. Reached also where netpollblock did not park. */
SEC("uprobe")
int io_resume(struct pt_regs *ctx)
{
	__u64 g = REG_G(ctx), now = bpf_ktime_get_ns();
	struct slot *slot = bpf_map_lookup_elem(&slots, &g);

	keep_own_stack(ctx);
	count(HITS_RESUME);
	if (slot && slot->open && in_target())
		finish(g, slot, now, user_u64(g + config.g_m), reg_by_number(ctx, config.resume_old));
	return 0;
}

/* gp and traceskip are the arguments. */
SEC("uprobe")
int io_goready(struct pt_regs *ctx)
{
	keep_own_stack(ctx);
	count(HITS_GOREADY);
	if (in_target())
		made_runnable(REG_ARG0(ctx), REG_ARG1(ctx) + config.traceskip_off, 0);
	return 0;
}

/* In gopark's prologue, before the frame is set up: lock and reason are the
 * second and the third argument. */
SEC("uprobe")
int all_park(struct pt_regs *ctx)
{
	__u8 reason = REG_ARG2(ctx);

	keep_own_stack(ctx);
	count(HITS_PARK);
	if (in_target())
		park(REG_G(ctx), reason, reason == REASON_IO_WAIT ? REG_ARG1(ctx) : 0, REG_IP(ctx),
		     return_address(ctx), REG_FP(ctx));
	return 0;
}

/* In the prologue of park_m(gp), to which gopark has switched, on g0. What
 * gopark was given is in g and m; g stopped inside gopark. */
SEC("uprobe")
int park_m(struct pt_regs *ctx)
{
	__u64 g = REG_ARG0(ctx), lock = 0;
	__u8 reason;

	keep_own_stack(ctx);
	count(HITS_PARK);
	if (!in_target())
		return 0;
	reason = user_u64(g + config.g_reason);
	if (reason == REASON_IO_WAIT)
		lock = user_u64(user_u64(REG_G(ctx) + config.g_m) + config.m_waitlock);
	else if (config.only_io)
		return 0;
	park(g, reason, lock, user_u64(g + config.g_sched_pc), 0, user_u64(g + config.g_sched_bp));
	return 0;
}

/* In the prologue of ready(gp, traceskip, next), which runs on g0: the waker
 * is the goroutine that its thread is running. */
SEC("uprobe")
int all_ready(struct pt_regs *ctx)
{
	__u64 curg;

	keep_own_stack(ctx);
	count(HITS_READY);
	if (!in_target())
		return 0;
	curg = user_u64(user_u64(REG_G(ctx) + config.g_m) + config.m_curg);
	made_runnable(REG_ARG0(ctx), REG_ARG1(ctx), curg ? user_u64(curg + config.g_goid) : 0);
	return 0;
}

/* In the prologue of execute(gp, inheritTime), on g0. rg or wg still holds
 * what the goroutine will find there. */
SEC("uprobe")
int all_execute(struct pt_regs *ctx)
{
	__u64 g = REG_ARG0(ctx), old = 0, now = bpf_ktime_get_ns();
	struct slot *slot = bpf_map_lookup_elem(&slots, &g);

	keep_own_stack(ctx);
	count(HITS_RESUME);
	if (!slot || !slot->open || !in_target())
		return 0;
	if (slot->pd)
		old = user_u64(slot->pd + (slot->write ? config.pd_wg : config.pd_rg));
	finish(g, slot, now, user_u64(REG_G(ctx) + config.g_m), old);
	return 0;
}

/* This thread polls, for the code at pc. */
static __always_inline void polls(__u64 pc)
{
	__u32 tid = bpf_get_current_pid_tgid();
	__u64 *known = bpf_map_lookup_elem(&pollers, &tid);

	if (known)
		*known = pc;
	else
		bpf_map_update_elem(&pollers, &tid, &pc, BPF_ANY);
}

/* In the prologue of runtime.netpoll: who polls is told by the return address. */
SEC("uprobe")
int all_netpoll(struct pt_regs *ctx)
{
	keep_own_stack(ctx);
	count(HITS_NETPOLL);
	if (in_target())
		polls(return_address(ctx));
	return 0;
}

/* At the call of epoll_wait in a netpoll that was inlined. */
SEC("uprobe")
int poll_inlined(struct pt_regs *ctx)
{
	keep_own_stack(ctx);
	count(HITS_NETPOLL);
	if (in_target())
		polls(REG_IP(ctx));
	return 0;
}

/* epoll_wait, by the system call's exit: every kernel has it. sys_exit(regs,
 * result); typed, since it runs at every system call of the machine. */
SEC("tp_btf/sys_exit")
int poll_sys_exit(__u64 *ctx)
{
	struct pt_regs *regs = (struct pt_regs *)ctx[0];
	int n = ctx[1];

	if (n > 0 && SYSCALL_NUMBER(regs) == SYS_EPOLL_PWAIT && in_target())
		polled(SYSCALL_ARG1(regs), n);
	return 0;
}

/* The same by fexit: do_epoll_wait(epfd, events, maxevents, to) and its result. */
SEC("fexit/do_epoll_wait")
int poll_fexit(__u64 *ctx)
{
	int n = ctx[4];

	if (n > 0 && in_target())
		polled(ctx[1], n);
	return 0;
}

/* The events buffer of a thread that is in do_epoll_wait. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, __u32);
	__type(value, __u64);
} polling SEC(".maps");

/* The same by a kprobe and a kretprobe. */
SEC("kprobe/do_epoll_wait")
int poll_kprobe(struct pt_regs *ctx)
{
	__u32 tid = bpf_get_current_pid_tgid();
	__u64 events = KERNEL_ARG1(ctx);

	if (in_target())
		bpf_map_update_elem(&polling, &tid, &events, BPF_ANY);
	return 0;
}

SEC("kretprobe/do_epoll_wait")
int poll_kretprobe(struct pt_regs *ctx)
{
	__u32 tid = bpf_get_current_pid_tgid();
	__u64 *events = bpf_map_lookup_elem(&polling, &tid);
	int n = KERNEL_RESULT(ctx);

	if (events && n > 0 && in_target())
		polled(*events, n);
	return 0;
}

/* Readiness of any descriptor: ep_poll_callback(wait, mode, sync, key). The
 * epoll instance is not asked for: a file that a slot names is the target's.
 * A key of 0 (a state change) says "look again" to both directions. */
static __always_inline int readiness_by_epoll(void *wait, __u32 events)
{
	struct eppoll_entry *entry = wait - bpf_core_field_offset(struct eppoll_entry, wait);
	struct epitem *item = BPF_CORE_READ(entry, base);
	__u64 data = BPF_CORE_READ(item, event.data), addr = decode(data);
	struct pd_slot *pd = bpf_map_lookup_elem(&pds, &addr);

	if (!pd || pd->file != (__u64)BPF_CORE_READ(item, ffd.file))
		return 0;
	if (events && !(events & BPF_CORE_READ(item, event.events)))
		return 0;
	became_ready(pd, events ? events : READS | WRITES);
	return 0;
}

SEC("fentry/ep_poll_callback")
int ready_fentry(__u64 *ctx)
{
	return readiness_by_epoll((void *)ctx[0], ctx[3]);
}

SEC("kprobe/ep_poll_callback")
int ready_kprobe(struct pt_regs *ctx)
{
	return readiness_by_epoll((void *)KERNEL_ARG0(ctx), KERNEL_ARG3(ctx));
}

/* Readiness of a socket to be read: sk_data_ready(sk), Linux 6.5. */
SEC("raw_tracepoint/sk_data_ready")
int ready_socket(struct bpf_raw_tracepoint_args *ctx)
{
	struct pd_slot *pd = descriptor_of_socket((void *)ctx->args[0]);

	if (pd)
		became_ready(pd, EPOLLIN);
	return 0;
}

/* ... and of one that connects or is torn down: inet_sock_set_state(sk, old, new). */
SEC("raw_tracepoint/inet_sock_set_state")
int ready_state(struct bpf_raw_tracepoint_args *ctx)
{
	struct pd_slot *pd;

	if (ctx->args[1] != TCP_SYN_SENT && ctx->args[2] != TCP_CLOSE)
		return 0;
	pd = descriptor_of_socket((void *)ctx->args[0]);
	if (pd)
		became_ready(pd, READS | WRITES);
	return 0;
}

/* Something is sent on a socket: is it the first since the last receive? */
static __always_inline int sends(struct pd_slot *pd)
{
	__u32 now_received;

	if (!pd || pd->role != ROLE_DIALED)
		return 0;
	count(HITS_SEND);
	now_received = received(pd);
	if (pd->owed_ns && pd->owed_received == now_received)
		return 0;
	pd->owed_received = now_received;
	pd->owed_ns = bpf_ktime_get_ns();
	return 0;
}

/* TCP, before the data go out and so before any answer to them:
 * tcp_sendmsg_locked(sk, msg, skb, size_goal), Linux 6.16. */
SEC("raw_tracepoint/tcp_sendmsg_locked")
int send_tcp_tracepoint(struct bpf_raw_tracepoint_args *ctx)
{
	return sends(descriptor_of_socket((void *)ctx->args[0]));
}

SEC("fentry/tcp_sendmsg")
int send_tcp_fentry(__u64 *ctx)
{
	return sends(descriptor_of_socket((void *)ctx[0]));
}

SEC("kprobe/tcp_sendmsg")
int send_tcp_kprobe(struct pt_regs *ctx)
{
	return sends(descriptor_of_socket((void *)KERNEL_ARG0(ctx)));
}

/* All other sockets, after the data went out: sock_send_length(sk, ret, flags),
 * Linux 6.4. An answer to a TCP request may have been read by then. */
SEC("tp_btf/sock_send_length")
int send_other_tracepoint(__u64 *ctx)
{
	struct sock *sk = (struct sock *)ctx[0];
	int sent = ctx[1];
	struct pd_slot *pd;

	if (sent <= 0 || sk->sk_protocol == IPPROTO_TCP)
		return 0;
	pd = descriptor_of_socket(sk);
	if (pd && pd->inode != inode_of(sk))
		pd = NULL; /* it served a socket that was closed */
	if (!pd && in_target())
		sent_early(sk);
	return sends(pd);
}

/* The target runs another program: nothing known about it holds any longer.
 * sched_process_exec(task, old_pid, bprm). */
SEC("raw_tracepoint/sched_process_exec")
int target_exec(struct bpf_raw_tracepoint_args *ctx)
{
	struct exec_record r = {.type = RECORD_EXEC};

	if (!in_target())
		return 0;
	r.time_ns = bpf_ktime_get_ns();
	target_tgid = 0;
	emit(&r, sizeof(r), LOST_RING);
	return 0;
}

/* How deep in PID namespaces a task is; 0 is the initial one. */
static __always_inline __u32 pid_level(struct task_struct *task)
{
	return BPF_CORE_READ(task, thread_pid, level);
}

/* The reader of the iterator is the tracer, so the current task tells at which
 * level of PID namespaces config.pid counts. */
static __always_inline int is_target(struct task_struct *task)
{
	struct task_struct *tracer = (struct task_struct *)bpf_get_current_task();
	struct pid *pid = BPF_CORE_READ(task, thread_pid), *ours = BPF_CORE_READ(tracer, thread_pid);
	unsigned int level = pid_level(tracer);
	struct upid upid, our_upid;

	if (BPF_CORE_READ(task, pid) != BPF_CORE_READ(task, tgid) || BPF_CORE_READ(pid, level) < level)
		return 0;
	bpf_core_read(&upid, sizeof(upid), &pid->numbers[level]);
	bpf_core_read(&our_upid, sizeof(our_upid), &ours->numbers[level]);
	return upid.nr == config.pid && upid.ns == our_upid.ns;
}

/* Visits the open files of every task once: learns which task is the target,
 * and what those of its descriptors are that user space put into polled_fds. */
SEC("iter/task_file")
int find_target(struct bpf_iter__task_file *ctx)
{
	static const struct pd_slot empty = {};
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	__u32 fd = ctx->fd;
	struct polled_fd *polled;
	struct pd_slot *pd;
	__u64 key;

	if (!task || !file || !is_target(task))
		return 0;
	target_tgid = BPF_CORE_READ(task, tgid);
	tracer_level = pid_level((struct task_struct *)bpf_get_current_task());
	polled = bpf_map_lookup_elem(&polled_fds, &fd);
	if (!polled)
		return 0;
	key = polled->pd;
	if (bpf_map_update_elem(&pds, &key, &empty, BPF_NOEXIST))
		return 0; /* a park was quicker, or there is no room */
	pd = bpf_map_lookup_elem(&pds, &key);
	if (!pd)
		return 0;
	pd->fd = fd;
	pd->fdseq = polled->fdseq;
	pd->gen = 1;
	describe(key, pd, file);
	return 0;
}
