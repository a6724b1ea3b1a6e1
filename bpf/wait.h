/* SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause */
/* The life of a wait: park, made ready by the kernel, returned by epoll_wait or
 * made runnable by another goroutine, resumed. The moments are joined here, so
 * that user space gets one finished record a wait.
 *
 * The order that this relies on is the runtime's: a park comes before the
 * commit that lets others see the goroutine as waiting, so no resume is seen
 * before its park; a descriptor's waits in one direction never overlap, since
 * internal/poll.FD holds a lock for each. What happened to a descriptor before
 * the park is clamped to the park.
 *
 * What a goroutine does between its waits is seen by runtime.execute in mode all:
 * when it runs first, and for how long it is runnable without having parked. It
 * is so from the moment at which its thread executes another goroutine (it was
 * preempted, yielded, or came out of a system call without a processor; one that
 * ended is never executed again) until it is executed next. */
#pragma once

#define GOROUTINE_WAITING 4 /* _Gwaiting, runtime/runtime2.go */
#define GOROUTINE_SCAN 0x1000 /* _Gscan: its stack is being scanned */
#define REASON_IO_WAIT 2   /* in every Go version: runtime/runtime2.go */
#define PD_READY 1         /* pdReady, runtime/netpoll.go */
#define POLL_CLOSING 1     /* pollInfo bits, runtime/netpoll.go */
#define POLL_EXPIRED_READ 4
#define POLL_EXPIRED_WRITE 8
#define TRACESKIP_EXPIRED 1 /* at ready(); a forced deadline or a close has 4 */
#define EPOLLIN 0x001
#define EPOLLOUT 0x004
#define EPOLLERR 0x008
#define EPOLLHUP 0x010
#define EPOLLRDHUP 0x2000
#define READS (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)
#define WRITES (EPOLLOUT | EPOLLHUP | EPOLLERR)
#define MAX_EVENTS 128     /* of one epoll_wait, runtime/netpoll_epoll.go */

/* What is known of the pollDesc that has rg or wg at gpp, and which of the two
 * it is. rg and wg are neighbours, so a pollDesc that is not known yet is told
 * by its self pointer. */
static __always_inline struct pd_slot *poll_desc_of(struct wait_config *c, __u64 gpp, struct slot *slot)
{
	__u64 reader = key_of(c->process, gpp - c->pd_rg), writer = key_of(c->process, gpp - c->pd_wg);
	struct pd_slot *pd;

	slot->write = 0;
	slot->pd = reader;
	pd = bpf_map_lookup_elem(&pds, &reader);
	if (pd)
		return pd;
	pd = bpf_map_lookup_elem(&pds, &writer);
	if (pd || user_u64(gpp - c->pd_rg + c->pd_self) != gpp - c->pd_rg) {
		slot->write = 1;
		slot->pd = writer;
	}
	return pd;
}

/* Looks at what a pollDesc serves, if that is not known. */
static __always_inline void refresh(struct wait_config *c, __u64 key, struct pd_slot *pd)
{
	__u64 addr = address_of(key);
	__u64 fdseq = c->pd_fdseq == NO_FIELD ? 0 : user_u64(addr + c->pd_fdseq);
	struct file *file;
	__s32 fd;

	if (c->pd_fdseq != NO_FIELD && pd->announced && pd->fdseq == fdseq)
		return;
	fd = user_u64(addr + c->pd_fd);
	file = file_of(fd);
	if (!file || (pd->announced && pd->file == (__u64)file && pd->fd == fd && pd->fdseq == fdseq))
		return;
	pd->fd = fd;
	pd->fdseq = fdseq;
	pd->gen++;
	find_epoll(c);
	describe(key, pd, file);
}

/* The descriptor that a goroutine is about to wait for; NULL where there is no
 * room for another. */
static __always_inline struct pd_slot *descriptor(struct wait_config *c, __u64 gpp, struct slot *slot)
{
	static const struct pd_slot empty = {};
	struct pd_slot *pd = poll_desc_of(c, gpp, slot);
	__u64 key = slot->pd;

	if (!pd) {
		bpf_map_update_elem(&pds, &key, &empty, BPF_NOEXIST);
		pd = bpf_map_lookup_elem(&pds, &key);
		if (!pd) {
			count(c->process, NO_FD_ROOM);
			return NULL;
		}
	}
	refresh(c, key, pd);
	return pd;
}

static __always_inline __u32 retransmits(struct pd_slot *pd)
{
	return pd->kind == FD_TCP ? READ_FIELD(tcp_sock, pd->sk, total_retrans) : 0;
}

/* A connect is a wait to write on a socket that has sent nothing yet: over
 * loopback it is over before the park. */
static __always_inline __u8 operation(struct pd_slot *pd, int write)
{
	if (!write)
		return pd->role == ROLE_LISTENING ? OP_ACCEPT : OP_READ;
	if (pd->kind == FD_TCP && pd->role == ROLE_DIALED && !READ_FIELD(tcp_sock, pd->sk, bytes_sent))
		return OP_CONNECT;
	return OP_WRITE;
}

/* The netpoller's side of a park: which descriptor, and what it is like now.
 * Readiness is forgotten first and looked for afterwards, so that whatever
 * comes in between is seen by one or the other. */
static __always_inline void park_descriptor(struct wait_config *c, struct slot *slot, __u64 gpp)
{
	struct pd_slot *pd = descriptor(c, gpp, slot);
	struct direction *direction;

	if (!pd) {
		slot->op = slot->write ? OP_WRITE : OP_READ;
		slot->pd_gen = 0;
		return;
	}
	direction = slot->write ? &pd->write : &pd->read;
	direction->ready_ns = 0;
	if (direction->polled_ns)
		slot->flags |= WAIT_POLLED_BEFORE;
	direction->polled_ns = 0;
	direction->poller_pc = 0;
	slot->pd_gen = pd->gen;
	slot->op = operation(pd, slot->write);
	slot->retransmits = retransmits(pd);
	if (!c->readiness_by_epoll && (slot->write ? writable(pd) : readable(pd)))
		slot->flags |= WAIT_READY_AT_PARK;
	if (sends_seen & (pd->kind == FD_TCP ? SENDS_TCP : SENDS_OTHER)) {
		slot->flags |= WAIT_TRACKS_SENDS;
		if (pd->pending_ns && received(pd) == pd->pending_received)
			slot->flags |= WAIT_PENDING_AT_PARK;
	}
}

/* The slot of a g; NULL where there is no room for another. */
static __always_inline struct slot *slot_of(__u64 key)
{
	static const struct slot empty = {};
	struct slot *slot = bpf_map_lookup_elem(&slots, &key);

	if (slot)
		return slot;
	bpf_map_update_elem(&slots, &key, &empty, BPF_NOEXIST);
	return bpf_map_lookup_elem(&slots, &key);
}

/* From here on the slot is that of another goroutine, of which nothing was seen
 * so far. */
static __always_inline void new_goroutine(struct wait_config *c, struct slot *slot, __u64 g, __u64 goid)
{
	slot->goid = goid;
	slot->start_pc = user_u64(g + c->g_startpc);
	slot->go_pc = user_u64(g + c->g_gopc);
	slot->parent_goid = c->g_parent_goid == NO_FIELD ? 0 : user_u64(g + c->g_parent_goid);
	slot->started_ns = 0;
	slot->preempted_ns = UNMEASURED;
	slot->preempted_since = 0;
	slot->waking_stack = 0;
	slot->polled_ns = 0;
}

/* Whether a wait was reported as open when the mode changed to one that does
 * not see its end. */
static __always_inline int unseen(struct wait_config *c, struct slot *slot)
{
	return !slot->pd && slot->mode_changes != c->mode_changes;
}

/* A goroutine parks again although its last wait is open. The end of that was
 * missed, but where it was entered too late, or begun in a mode that saw more
 * or the same park before. */
static __always_inline void abandon(struct wait_config *c, struct slot *slot)
{
	if (slot->flags & WAIT_STARTED_BEFORE || slot->mode_changes != c->mode_changes)
		count(c->process, REPLACED);
	else
		count(c->process, LOST_RESUME);
}

/* For how long a goroutine that runs was runnable since its last resume or its
 * start. One that counts as runnable was switched to without runtime.execute, as
 * coroutines are: then it is not known. */
static __always_inline __u64 preempted(struct wait_config *c, struct slot *slot)
{
	if (c->mode != MODE_ALL || slot->ran_mode_changes != c->mode_changes || slot->preempted_since)
		return UNMEASURED;
	return slot->preempted_ns;
}

/* The thread executes a goroutine from now on: what it executed before is
 * runnable, if it did not park and no other thread took it over. */
static __always_inline void executes(struct wait_config *c, __u64 key, __u32 tid, __u64 now)
{
	struct run run = {.g = key, .mode_changes = c->mode_changes}, *last = bpf_map_lookup_elem(&runs, &tid);
	struct slot *slot;
	__u64 before;

	if (!last) {
		bpf_map_update_elem(&runs, &tid, &run, BPF_ANY);
		return;
	}
	before = last->mode_changes == run.mode_changes ? last->g : key;
	*last = run;
	if (before == key)
		return;
	slot = bpf_map_lookup_elem(&slots, &before);
	if (slot && !slot->open && slot->tid == tid)
		slot->preempted_since = now;
}

/* A goroutine that has no open wait is executed: for the first time if it is
 * about to run its first instruction, else it was runnable meanwhile. */
static __always_inline void goes_on(struct wait_config *c, struct slot *slot, __u64 g, __u32 tid, __u64 now)
{
	__u64 goid = user_u64(g + c->g_goid);

	if (slot->goid != goid) {
		new_goroutine(c, slot, g, goid);
		if (user_u64(g + c->g_sched_pc) == slot->start_pc) {
			slot->started_ns = now;
			slot->preempted_ns = 0;
			slot->ran_mode_changes = c->mode_changes;
		}
	} else if (slot->preempted_since && slot->preempted_ns != UNMEASURED) {
		slot->preempted_ns += now - slot->preempted_since;
	}
	slot->preempted_since = 0;
	slot->tid = tid;
}

/* A goroutine parks. gpp is 0 unless it waits in the netpoller. */
static __always_inline void park(struct wait_config *c, __u64 g, __u8 reason, __u64 gpp, __u64 pc, __u64 caller,
				 __u64 fp)
{
	__u64 goid = user_u64(g + c->g_goid);
	struct slot *slot;

	if (!goid) {
		count(c->process, NO_GOID);
		return;
	}
	slot = slot_of(key_of(c->process, g));
	if (!slot) {
		count(c->process, LOST_SLOT);
		return;
	}
	if (slot->open)
		abandon(c, slot);
	if (slot->goid != goid)
		new_goroutine(c, slot, g, goid);
	slot->preempted_ns = preempted(c, slot);
	slot->preempted_since = 0;
	slot->seq++;
	slot->flags = 0;
	slot->mode_changes = c->mode_changes;
	slot->reason = reason;
	slot->runnable_ns = 0;
	slot->waker.goid = 0;
	slot->traceskip = 0;
	slot->op = OP_NONE;
	slot->pd = 0;
	slot->stack = capture(c->process, pc, caller, fp, slot->stack);
	if (gpp)
		park_descriptor(c, slot, gpp);
	/* Last, so that what this program takes is not part of the wait. */
	slot->park_ns = bpf_ktime_get_ns();
	slot->open = 1;
}

/* The open wait of a goroutine that was not made runnable yet; NULL if it has none. */
static __always_inline struct slot *waiting(struct wait_config *c, __u64 g)
{
	__u64 key = key_of(c->process, g);
	struct slot *slot = bpf_map_lookup_elem(&slots, &key);

	return slot && slot->open && !slot->runnable_ns ? slot : NULL;
}

/* The stack of a goroutine whose thread is on the system stack, to which it
 * switched by runtime.systemstack. */
static __always_inline __u64 stack_below(struct wait_config *c, __u64 g, __u64 last)
{
	return capture(c->process, user_u64(g + c->g_sched_pc), systemstack_caller(user_u64(g + c->g_sched_sp)),
		       user_u64(g + c->g_sched_bp), last);
}

/* g makes another goroutine runnable, on the system stack. */
static __always_inline void wakes(struct wait_config *c, __u64 g, struct waker *waker)
{
	__u64 key = key_of(c->process, g), goid = user_u64(g + c->g_goid);
	struct slot *slot = bpf_map_lookup_elem(&slots, &key);

	if (slot && slot->goid != goid)
		slot = NULL;
	waker->goid = goid;
	waker->stack = stack_below(c, g, slot ? slot->waking_stack : 0);
	waker->go_pc = slot ? slot->go_pc : 0;
	waker->parent_goid = slot ? slot->parent_goid : 0;
	waker->started_ns = slot ? slot->started_ns : 0;
	waker->preempted_ns = slot ? preempted(c, slot) : UNMEASURED;
	if (slot)
		slot->waking_stack = waker->stack;
}

static __always_inline int is_waiting(struct wait_config *c, __u64 g)
{
	return ((__u32)user_u64(g + c->g_status) & ~GOROUTINE_SCAN) == GOROUTINE_WAITING;
}

/* waker makes g runnable, which waits for something else than the netpoller: what
 * it got there is handed on. g is parked, so its stack begins where it was left;
 * the collector may move it meanwhile, which its stack pointer shows. */
static __always_inline void hands_on(struct wait_config *c, __u64 waker, __u64 g)
{
	__u64 key = key_of(c->process, waker), sp = user_u64(g + c->g_sched_sp);
	struct slot *slot = bpf_map_lookup_elem(&slots, &key);
	struct handoff_record r = {
		.header = {RECORD_HANDOFF, c->process},
		.reason = user_u64(g + c->g_reason),
	};

	if (r.reason == REASON_IO_WAIT || !slot || !slot->polled_ns || slot->goid != user_u64(waker + c->g_goid))
		return;
	r.waker_goid = slot->goid;
	r.waker_polled_ns = slot->polled_ns;
	slot->polled_ns = 0;
	r.time_ns = bpf_ktime_get_ns();
	r.goid = user_u64(g + c->g_goid);
	r.start_pc = user_u64(g + c->g_startpc);
	r.go_pc = user_u64(g + c->g_gopc);
	r.parent_goid = c->g_parent_goid == NO_FIELD ? 0 : user_u64(g + c->g_parent_goid);
	r.stack = capture(c->process, user_u64(g + c->g_sched_pc), 0, user_u64(g + c->g_sched_bp), 0);
	if (is_waiting(c, g) && user_u64(g + c->g_sched_sp) == sp)
		emit(&r, sizeof(r), wakeup_flags(), NO_HANDOFF_RECORD);
}

/* How a wait in the netpoller ended; old is what rg or wg held. pollDesc's
 * atomicInfo is tested in the order of netpollcheckerr. */
static __always_inline __u8 outcome(struct wait_config *c, struct slot *slot, __u64 old)
{
	__u32 info, expired = slot->write ? POLL_EXPIRED_WRITE : POLL_EXPIRED_READ;

	if (old == PD_READY)
		return OUTCOME_READY;
	info = user_u64(address_of(slot->pd) + c->pd_info);
	if (info & POLL_CLOSING)
		return OUTCOME_CLOSED;
	if (!(info & expired) || !slot->traceskip)
		return OUTCOME_UNKNOWN;
	return slot->traceskip == TRACESKIP_EXPIRED ? OUTCOME_TIMEOUT : OUTCOME_INTERRUPTED;
}

static __always_inline void finish_tcp(struct wait_record *r, struct slot *slot, struct pd_slot *pd)
{
	if (pd->kind != FD_TCP || pd->role == ROLE_LISTENING || r->outcome == OUTCOME_CLOSED)
		return;
	r->rtt_us = READ_FIELD(tcp_sock, pd->sk, srtt_us) >> 3;
	r->min_rtt_us = READ_FIELD(tcp_sock, pd->sk, rtt_min.s[0].v);
	r->retransmits = READ_FIELD(tcp_sock, pd->sk, total_retrans) - slot->retransmits;
	r->flags |= WAIT_HAS_TCP;
}

/* The netpoller's side of a resume. */
static __always_inline void finish_descriptor(struct wait_config *c, struct wait_record *r, struct slot *slot,
					      __u64 old)
{
	struct pd_slot *pd = bpf_map_lookup_elem(&pds, &slot->pd);
	struct direction *direction;

	r->outcome = outcome(c, slot, old);
	if (!pd || pd->gen != slot->pd_gen)
		return;
	direction = slot->write ? &pd->write : &pd->read;
	r->ready_ns = direction->ready_ns;
	r->poller_pc = direction->poller_pc;
	if (r->outcome == OUTCOME_READY)
		r->runnable_ns = direction->polled_ns;
	if (slot->flags & WAIT_PENDING_AT_PARK)
		r->pending_ns = slot->park_ns;
	else if (pd->pending_ns > slot->park_ns)
		r->pending_ns = pd->pending_ns;
	if (!slot->write && r->outcome == OUTCOME_READY)
		pd->received++;
	finish_tcp(r, slot, pd);
}

/* The goroutine runs again, on this thread, since now. m is its runtime.m; gpp_old what
 * rg or wg held when it woke, for a wait in the netpoller. */
static __always_inline void finish(struct wait_config *c, __u64 key, struct slot *slot, __u64 now, __u64 m,
				   __u64 old)
{
	struct woken_record woken = {
		.wait = {
			.header = {slot->waker.goid ? RECORD_WOKEN : RECORD_WAIT, process_of(key)},
			.g = key,
			.goid = slot->goid,
			.start_pc = slot->start_pc,
			.go_pc = slot->go_pc,
			.parent_goid = slot->parent_goid,
			.preempted_ns = slot->preempted_ns,
			.reason = slot->reason,
			.op = slot->op,
			.flags = slot->flags,
			.park_ns = slot->park_ns,
			.runnable_ns = slot->runnable_ns,
			.resume_ns = now,
			.stack = slot->stack,
			.pd = slot->pd,
			.pd_gen = slot->pd_gen,
			.outcome = OUTCOME_READY,
		},
		.waker = slot->waker,
	};
	struct wait_record *r = &woken.wait;

	slot->open = 0;
	slot->preempted_ns = 0;
	slot->ran_mode_changes = c->mode_changes;
	slot->polled_ns = slot->pd ? now : 0;
	if (slot->pd)
		finish_descriptor(c, r, slot, old);
	r->p = user_u64(m + c->m_p);
	r->tid = thread_id();
	count(r->header.process, ENDS);
	emit(r, woken.waker.goid ? sizeof(woken) : sizeof(*r), wakeup_flags(), LOST_RING);
}

/* The kernel made a descriptor ready for the directions in events. */
static __always_inline void became_ready(struct pd_slot *pd, __u32 events)
{
	__u64 now = bpf_ktime_get_ns();

	count(pd->process, HITS_READINESS);
	if ((events & READS) && !pd->read.ready_ns)
		pd->read.ready_ns = now;
	if ((events & WRITES) && !pd->write.ready_ns)
		pd->write.ready_ns = now;
}

static __always_inline struct pd_slot *descriptor_of_socket(void *sk)
{
	__u64 addr = (__u64)sk, *key = bpf_map_lookup_elem(&sockets, &addr);
	struct pd_slot *pd = key ? bpf_map_lookup_elem(&pds, key) : NULL;

	return pd && pd->sk == addr ? pd : NULL;
}

/* The key of the pollDesc that a process's epoll set has under data. */
static __always_inline __u64 decode(struct wait_config *c, __u64 data)
{
	__u64 addr = c->epoll_signed ? (__u64)((__s64)data >> c->epoll_shr) : data >> c->epoll_shr;

	return key_of(c->process, addr << c->epoll_shl);
}

/* A stale event names a descriptor that the pollDesc no longer serves; the
 * runtime drops it (netpoll_epoll.go). */
static __always_inline int stale(struct wait_config *c, __u64 data, struct pd_slot *pd)
{
	__u64 mask = (1ull << c->epoll_tag_bits) - 1;

	return c->pd_fdseq != NO_FIELD && c->epoll_tag_bits && (data & mask) != (pd->fdseq & mask);
}

static __always_inline void poll_one(struct wait_config *c, struct epoll_event_user *event, __u64 now, __u64 poller)
{
	__u64 key = decode(c, event->data);
	struct pd_slot *pd = bpf_map_lookup_elem(&pds, &key);

	if (!pd || stale(c, event->data, pd))
		return;
	if ((event->events & READS) && !pd->read.polled_ns) {
		pd->read.poller_pc = poller;
		pd->read.polled_ns = now;
	}
	if ((event->events & WRITES) && !pd->write.polled_ns) {
		pd->write.poller_pc = poller;
		pd->write.polled_ns = now;
	}
}

/* epoll_wait returned n events to the process: its runtime makes their
 * goroutines runnable at once. */
static __always_inline void polled(struct wait_config *c, __u64 events, int n)
{
	__u64 now = bpf_ktime_get_ns(), *poller;
	__u32 tid = bpf_get_current_pid_tgid();
	struct epoll_event_user event;

	count(c->process, HITS_POLL);
	poller = bpf_map_lookup_elem(&pollers, &tid);
	for (int i = 0; i < MAX_EVENTS && i < n; i++) {
		if (bpf_probe_read_user(&event, sizeof(event), (void *)(events + i * sizeof(event))))
			break;
		poll_one(c, &event, now, poller ? *poller : 0);
	}
}
