//go:build ignore

// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/* netpolltrace's kernel side.
 *
 * Uprobes tell when a goroutine parks, is made runnable and runs again; kernel
 * hooks tell when a descriptor got ready, when epoll_wait returned it and when
 * something was sent on it. All write into two slots: one for each g (slots),
 * one for each pollDesc (pds); the program at the resume joins the two into one
 * wait_record. All of it is by process: process.h tells for whom a program
 * runs. A process is in one of two modes, which are two sets of uprobes:
 *
 *   io   io_park, io_resume in runtime.netpollblock, and io_goready in
 *        runtime.netpollgoready, which only deadlines and closes pass; io_handoff
 *        in runtime.ready, where that is not passed too often.
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
 * While the mode changes, both sets are attached: programs at a park look at the
 * mode, so that none is seen twice, and those at a resume end whatever is open.
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
#include "process.h"
#include "stack.h"
#include "socket.h"
#include "wait.h"

/* The enums that user space needs: a type that no variable has is not in BTF. */
const enum mode *exported_mode __attribute__((unused));
const enum record_type *exported_record_type __attribute__((unused));
const enum fd_kind *exported_fd_kind __attribute__((unused));
const enum fd_role *exported_fd_role __attribute__((unused));
const enum wait_op *exported_wait_op __attribute__((unused));
const enum wait_outcome *exported_wait_outcome __attribute__((unused));
const enum wait_flag *exported_wait_flag __attribute__((unused));
const enum sends *exported_sends __attribute__((unused));
const enum counter *exported_counter __attribute__((unused));
const struct record_header *exported_record_header __attribute__((unused));
const struct wait_record *exported_wait_record __attribute__((unused));
const struct waker *exported_waker __attribute__((unused));
const struct woken_record *exported_woken_record __attribute__((unused));
const struct handoff_record *exported_handoff_record __attribute__((unused));
const struct socket_record *exported_socket_record __attribute__((unused));
const struct exec_record *exported_exec_record __attribute__((unused));

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* At the call of runtime.gopark: g in its register, &pd.rg or &pd.wg in the
 * second argument. netpollblock's own frame is set up. */
SEC("uprobe")
int io_park(struct pt_regs *ctx)
{
	struct wait_config *c = probed_process(ctx);

	keep_own_stack(ctx);
	if (!c)
		return 0;
	count(c->process, HITS_PARK);
	if (c->mode == MODE_IO)
		park(c, REG_G(ctx), REASON_IO_WAIT, REG_ARG1(ctx), REG_IP(ctx), 0, REG_FP(ctx));
	return 0;
}

/* Behind the exchange that follows that call: the old value of rg or wg is in
 * a register that gobinary found. Reached also where netpollblock did not park. */
SEC("uprobe")
int io_resume(struct pt_regs *ctx)
{
	__u64 g = REG_G(ctx), now = bpf_ktime_get_ns(), key;
	struct wait_config *c = probed_process(ctx);
	struct slot *slot;

	keep_own_stack(ctx);
	if (!c)
		return 0;
	count(c->process, HITS_RESUME);
	key = key_of(c->process, g);
	slot = bpf_map_lookup_elem(&slots, &key);
	if (slot && slot->open)
		finish(c, key, slot, now, user_u64(g + c->g_m), reg_by_number(ctx, c->resume_old));
	return 0;
}

/* gp and traceskip are the arguments. */
SEC("uprobe")
int io_goready(struct pt_regs *ctx)
{
	struct wait_config *c = probed_process(ctx);
	struct slot *slot;

	keep_own_stack(ctx);
	if (!c)
		return 0;
	count(c->process, HITS_GOREADY);
	slot = waiting(c, REG_ARG0(ctx));
	if (!slot)
		return 0;
	slot->traceskip = REG_ARG1(ctx) + c->traceskip_off;
	slot->runnable_ns = bpf_ktime_get_ns();
	return 0;
}

/* In the prologue of ready(gp, traceskip, next), as all_ready: is what came from
 * the netpoller handed on? */
SEC("uprobe")
int io_handoff(struct pt_regs *ctx)
{
	struct wait_config *c = probed_process(ctx);
	__u64 curg;

	keep_own_stack(ctx);
	if (!c)
		return 0;
	count(c->process, HITS_HANDOFF);
	curg = user_u64(user_u64(REG_G(ctx) + c->g_m) + c->m_curg);
	if (curg && c->mode == MODE_IO)
		hands_on(c, curg, REG_ARG0(ctx));
	return 0;
}

/* In gopark's prologue, before the frame is set up: lock and reason are the
 * second and the third argument. */
SEC("uprobe")
int all_park(struct pt_regs *ctx)
{
	struct wait_config *c = probed_process(ctx);
	__u8 reason = REG_ARG2(ctx);

	keep_own_stack(ctx);
	if (!c)
		return 0;
	count(c->process, HITS_PARK);
	if (c->mode == MODE_ALL)
		park(c, REG_G(ctx), reason, reason == REASON_IO_WAIT ? REG_ARG1(ctx) : 0, REG_IP(ctx),
		     return_address(ctx), REG_FP(ctx));
	return 0;
}

/* In the prologue of park_m(gp), to which gopark has switched, on g0. What
 * gopark was given is in g and m; g stopped inside gopark. */
SEC("uprobe")
int park_m(struct pt_regs *ctx)
{
	struct wait_config *c = probed_process(ctx);
	__u64 g = REG_ARG0(ctx), lock = 0;
	__u8 reason;

	keep_own_stack(ctx);
	if (!c)
		return 0;
	count(c->process, HITS_PARK);
	reason = user_u64(g + c->g_reason);
	if (reason == REASON_IO_WAIT)
		lock = user_u64(user_u64(REG_G(ctx) + c->g_m) + c->m_waitlock);
	else if (c->mode == MODE_IO)
		return 0;
	park(c, g, reason, lock, user_u64(g + c->g_sched_pc), 0, user_u64(g + c->g_sched_bp));
	return 0;
}

/* In the prologue of ready(gp, traceskip, next), which runs on g0: the waker
 * is the goroutine that its thread is running. */
SEC("uprobe")
int all_ready(struct pt_regs *ctx)
{
	struct wait_config *c = probed_process(ctx);
	struct slot *slot;
	__u64 curg;

	keep_own_stack(ctx);
	if (!c)
		return 0;
	count(c->process, HITS_READY);
	slot = waiting(c, REG_ARG0(ctx));
	if (!slot)
		return 0;
	slot->flags |= WAIT_SAW_READY;
	slot->traceskip = REG_ARG1(ctx);
	curg = user_u64(user_u64(REG_G(ctx) + c->g_m) + c->m_curg);
	if (curg)
		wakes(c, curg, &slot->waker);
	/* Last, so that what this program takes is not part of the scheduling. */
	slot->runnable_ns = bpf_ktime_get_ns();
	return 0;
}

/* In the prologue of execute(gp, inheritTime), on g0. rg or wg still holds
 * what the goroutine will find there. */
SEC("uprobe")
int all_execute(struct pt_regs *ctx)
{
	__u64 old = 0, now = bpf_ktime_get_ns(), g = REG_ARG0(ctx), key;
	struct wait_config *c = probed_process(ctx);
	__u32 tid = bpf_get_current_pid_tgid();
	struct slot *slot;

	keep_own_stack(ctx);
	if (!c)
		return 0;
	count(c->process, HITS_RESUME);
	key = key_of(c->process, g);
	executes(c, key, tid, now);
	slot = slot_of(key);
	if (!slot)
		return 0;
	if (!slot->open) {
		goes_on(c, slot, g, tid, now);
		return 0;
	}
	slot->tid = tid;
	if (unseen(c, slot))
		return 0;
	if (slot->pd)
		old = user_u64(address_of(slot->pd) + (slot->write ? c->pd_wg : c->pd_rg));
	finish(c, key, slot, now, user_u64(REG_G(ctx) + c->g_m), old);
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
	struct wait_config *c = probed_process(ctx);

	keep_own_stack(ctx);
	if (!c)
		return 0;
	count(c->process, HITS_NETPOLL);
	polls(return_address(ctx));
	return 0;
}

/* At the call of epoll_wait in a netpoll that was inlined. */
SEC("uprobe")
int poll_inlined(struct pt_regs *ctx)
{
	struct wait_config *c = probed_process(ctx);

	keep_own_stack(ctx);
	if (!c)
		return 0;
	count(c->process, HITS_NETPOLL);
	polls(REG_IP(ctx));
	return 0;
}

/* epoll_wait, by the system call's exit: every kernel has it. sys_exit(regs,
 * result); typed, since it runs at every system call of the machine. */
SEC("tp_btf/sys_exit")
int poll_sys_exit(__u64 *ctx)
{
	struct pt_regs *regs = (struct pt_regs *)ctx[0];
	struct wait_config *c;
	int n = ctx[1];

	if (n <= 0 || SYSCALL_NUMBER(regs) != SYS_EPOLL_PWAIT)
		return 0;
	c = current_process();
	if (c)
		polled(c, SYSCALL_ARG1(regs), n);
	return 0;
}

/* The same by fexit: do_epoll_wait(epfd, events, maxevents, to) and its result. */
SEC("fexit/do_epoll_wait")
int poll_fexit(__u64 *ctx)
{
	struct wait_config *c;
	int n = ctx[4];

	if (n <= 0)
		return 0;
	c = current_process();
	if (c)
		polled(c, ctx[1], n);
	return 0;
}

/* The events buffer of a thread that is in do_epoll_wait. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
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

	if (current_process())
		bpf_map_update_elem(&polling, &tid, &events, BPF_ANY);
	return 0;
}

SEC("kretprobe/do_epoll_wait")
int poll_kretprobe(struct pt_regs *ctx)
{
	__u32 tid = bpf_get_current_pid_tgid();
	__u64 *events = bpf_map_lookup_elem(&polling, &tid);
	struct wait_config *c;
	int n = KERNEL_RESULT(ctx);

	if (!events || n <= 0)
		return 0;
	c = current_process();
	if (c)
		polled(c, *events, n);
	return 0;
}

/* Readiness of any descriptor: ep_poll_callback(wait, mode, sync, key), in
 * whatever task made it ready. The epoll instance tells whose it is. A key of 0
 * (a state change) says "look again" to both directions. */
static __always_inline int readiness_by_epoll(void *wait, __u32 events)
{
	struct eppoll_entry *entry = wait - bpf_core_field_offset(struct eppoll_entry, wait);
	struct epitem *item = READ_FIELD(eppoll_entry, entry, base);
	__u64 epoll = (__u64)READ_FIELD(epitem, item, ep), key;
	__u32 *process = bpf_map_lookup_elem(&epolls, &epoll);
	struct wait_config *c = process ? config_of(*process) : NULL;
	struct pd_slot *pd;

	if (!c)
		return 0;
	key = decode(c, READ_FIELD(epitem, item, event.data));
	pd = bpf_map_lookup_elem(&pds, &key);
	if (!pd || pd->file != (__u64)READ_FIELD(epitem, item, ffd.file))
		return 0;
	if (events && !(events & READ_FIELD(epitem, item, event.events)))
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
	count(pd->process, HITS_SEND);
	now_received = received(pd);
	if (pd->pending_ns && pd->pending_received == now_received)
		return 0;
	pd->pending_received = now_received;
	pd->pending_ns = bpf_ktime_get_ns();
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
	if (!pd && current_process())
		sent_early(sk);
	return sends(pd);
}

/* The processes that descend from recorded ones, and those themselves: the
 * number of the recorded one. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, __u32); /* tgid, in the initial PID namespace */
	__type(value, __u32);
} followed SEC(".maps");

/* A thread or a process is made: sched_process_fork(parent, child). */
SEC("raw_tracepoint/sched_process_fork")
int follow_fork(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *child = (struct task_struct *)ctx->args[1];
	__u32 parent = bpf_get_current_pid_tgid() >> 32, tgid = BPF_CORE_READ(child, tgid);
	__u32 *ancestor;

	if (tgid == parent)
		return 0;
	ancestor = bpf_map_lookup_elem(&followed, &parent);
	if (ancestor)
		bpf_map_update_elem(&followed, &tgid, ancestor, BPF_ANY);
	return 0;
}

/* A thread ends: sched_process_exit(task). Was it the last of its process? */
SEC("raw_tracepoint/sched_process_exit")
int follow_exit(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *task = (struct task_struct *)ctx->args[0];
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;

	if (!BPF_CORE_READ(task, signal, live.counter))
		bpf_map_delete_elem(&followed, &tgid);
	return 0;
}

/* Tells user space at once: the program has only just begun. */
static __always_inline void announce_exec(__u32 process, __s32 pid, __u32 ancestor)
{
	struct exec_record r = {
		.header = {RECORD_EXEC, process},
		.time_ns = bpf_ktime_get_ns(),
		.pid = pid,
		.ancestor = ancestor,
	};

	if (bpf_ringbuf_output(&records, &r, sizeof(r), BPF_RB_FORCE_WAKEUP))
		count(ancestor, NO_EXEC_RECORD);
}

/* A process runs another program: nothing known about it holds any longer.
 * sched_process_exec(task, old_pid, bprm). */
SEC("raw_tracepoint/sched_process_exec")
int follow_exec(struct bpf_raw_tracepoint_args *ctx)
{
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;
	__u32 *ancestor = bpf_map_lookup_elem(&followed, &tgid);
	struct wait_config *c = current_process();

	if (c) {
		c->tgid = 0;
		bpf_map_delete_elem(&targets, &tgid);
	}
	if (c || ancestor)
		announce_exec(c ? c->process : 0, thread_id(), ancestor ? *ancestor : 0);
	return 0;
}

/* What find_target looks for, set by user space: a process by its PID in the
 * tracer's PID namespace, its number, whether it is to be recorded from now on,
 * and its netpoller's descriptor, -1 if that is not known. */
__s32 wanted_pid;
__u32 wanted_process;
__u8 wanted_begins;
__s32 wanted_epfd;

/* How deep in PID namespaces a task is; 0 is the initial one. */
static __always_inline __u32 pid_level(struct task_struct *task)
{
	return BPF_CORE_READ(task, thread_pid, level);
}

/* The reader of the iterator is the tracer, so the current task tells at which
 * level of PID namespaces wanted_pid counts. */
static __always_inline int is_wanted(struct task_struct *task)
{
	struct task_struct *tracer = (struct task_struct *)bpf_get_current_task();
	struct pid *pid = BPF_CORE_READ(task, thread_pid), *ours = BPF_CORE_READ(tracer, thread_pid);
	unsigned int level = pid_level(tracer);
	struct upid upid, our_upid;

	if (BPF_CORE_READ(pid, level) < level)
		return 0;
	bpf_core_read(&upid, sizeof(upid), &pid->numbers[level]);
	bpf_core_read(&our_upid, sizeof(our_upid), &ours->numbers[level]);
	return upid.nr == wanted_pid && upid.ns == our_upid.ns;
}

/* A child of a followed process that ran before that was followed. */
static __always_inline void found_child(struct task_struct *task, __u32 tgid)
{
	__u32 parent = BPF_CORE_READ(task, real_parent, tgid);
	__u32 *ancestor = bpf_map_lookup_elem(&followed, &parent);

	if (ancestor && !bpf_map_update_elem(&followed, &tgid, ancestor, BPF_NOEXIST))
		announce_exec(0, pid_for_tracer(BPF_CORE_READ(task, thread_pid)), *ancestor);
}

/* From here on programs know the process by its thread group. */
static __always_inline void found_target(struct wait_config *c, __u32 tgid)
{
	__u32 process = c->process;

	if (c->tgid == tgid)
		return;
	c->tgid = tgid;
	bpf_map_update_elem(&targets, &tgid, &process, BPF_ANY);
	bpf_map_update_elem(&followed, &tgid, &process, BPF_ANY);
}

/* Visits the open files of every task once: learns which task is the wanted
 * process, and what those of its descriptors are that user space put into
 * polled_fds. */
SEC("iter/task_file")
int find_target(struct bpf_iter__task_file *ctx)
{
	static const struct pd_slot empty = {};
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct polled_fd *polled;
	struct wait_config *c;
	struct pd_slot *pd;
	__u32 fd = ctx->fd, tgid;
	__u64 key;

	if (!task || !file)
		return 0;
	tracer_level = pid_level((struct task_struct *)bpf_get_current_task());
	tgid = BPF_CORE_READ(task, tgid);
	if (tgid != BPF_CORE_READ(task, pid))
		return 0;
	if (!is_wanted(task)) {
		found_child(task, tgid);
		return 0;
	}
	c = config_of(wanted_process);
	if (!c)
		return 0;
	if (wanted_begins)
		found_target(c, tgid);
	if (c->tgid != tgid)
		return 0; /* it runs another program meanwhile */
	if ((__s32)fd == wanted_epfd)
		set_epoll(c, file);
	polled = bpf_map_lookup_elem(&polled_fds, &fd);
	if (!polled)
		return 0;
	key = key_of(wanted_process, polled->pd);
	if (bpf_map_update_elem(&pds, &key, &empty, BPF_NOEXIST))
		return 0; /* a park was faster, or there is no room */
	pd = bpf_map_lookup_elem(&pds, &key);
	if (!pd)
		return 0;
	pd->fd = fd;
	pd->fdseq = polled->fdseq;
	pd->gen = 1;
	describe(key, pd, file);
	return 0;
}
