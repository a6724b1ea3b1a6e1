/* SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause */
/* What passes between the kernel and user space: the records in the ring
 * buffer, the values of the maps that user space reads or fills, and the
 * configuration. Go's types are generated from these by bpf2go. All times are
 * CLOCK_MONOTONIC nanoseconds; 0 means "not seen".
 *
 * A recorded process has a number, never 0. Its low bits are its index in the
 * arrays below; the others tell it from those that had the index before, so
 * that what is left of a process that is gone is never taken for another's.
 * What is known by an address of a process (g, pollDesc) is known here by one
 * word: the address, which has 48 bits at most, and the number above it. */
#pragma once

#define MAX_PROCESSES 256 /* recorded at a time; a power of two */
#define ADDRESS_BITS 48

#define MAX_FRAMES 96   /* of a stack; deeper ones lose their root */
#define UNIX_PATH 108   /* sizeof(sockaddr_un.sun_path) */

enum record_type {
	RECORD_WAIT = 1,
	RECORD_SOCKET = 2,
	RECORD_EXEC = 3,
	RECORD_WOKEN = 4,
	RECORD_HANDOFF = 5,
};

/* What a descriptor is. */
enum fd_kind {
	FD_UNKNOWN = 0,
	FD_TCP,
	FD_MPTCP,      /* Go's listeners, unless told otherwise, since Go 1.24 */
	FD_UDP,
	FD_UNIX,       /* stream or seqpacket */
	FD_UNIXGRAM,
	FD_OTHER_SOCKET,
	FD_PIPE,
	FD_FILE,       /* terminals, event descriptors, ... */
};

enum fd_role {
	ROLE_NONE = 0,
	ROLE_DIALED,
	ROLE_ACCEPTED,
	ROLE_LISTENING,
};

enum wait_op {
	OP_NONE = 0,
	OP_READ,
	OP_WRITE,
	OP_ACCEPT,
	OP_CONNECT,
};

enum wait_outcome {
	OUTCOME_UNKNOWN = 0,
	OUTCOME_READY,
	OUTCOME_TIMEOUT,
	OUTCOME_INTERRUPTED,
	OUTCOME_CLOSED,
};

enum wait_flag {
	WAIT_STARTED_BEFORE = 1 << 0, /* parked before the recording began */
	WAIT_HAS_TCP = 1 << 1,        /* rtt_us and retransmits were read */
	WAIT_READY_AT_PARK = 1 << 2,  /* it would not have blocked at the park */
	WAIT_TRACKS_SENDS = 1 << 3,   /* pending_ns is known: 0 means that no reply is pending */
	WAIT_PENDING_AT_PARK = 1 << 4, /* a reply was pending already at the park */
	WAIT_POLLED_BEFORE = 1 << 5,  /* epoll_wait had returned the event before the park */
	WAIT_SAW_READY = 1 << 6,      /* ready() ended it, where who called is looked at */
};

/* Counters of a process, summed over all CPUs. The first are hits of programs:
 * what they cost the target is counted by them. The others are what was not
 * recorded. */
enum counter {
	HITS_PARK = 0,     /* uprobes */
	HITS_RESUME,
	HITS_GOREADY,
	HITS_READY,
	HITS_NETPOLL,
	HITS_HANDOFF,
	HITS_POLL,         /* kernel: returns of epoll_wait in the process */
	HITS_READINESS,    /* kernel: readiness of its descriptors */
	HITS_SEND,         /* kernel: sends on its sockets */
	ENDS,              /* waits that ended, delivered or not */
	LOST_RING,         /* waits that ended while the ring buffer was full */
	LOST_SLOT,         /* parks without a slot: more goroutines than --max-goroutines */
	LOST_RESUME,       /* parks of a goroutine whose last resume was not seen */
	REPLACED,          /* parks of a goroutine whose open wait was adopted too late,
			    * or begun in another mode */
	NO_STACK_ROOM,     /* more distinct stacks than --max-stacks */
	NO_FD_ROOM,        /* more descriptors than --max-fds */
	NO_SOCKET_RECORD,  /* a socket's description did not fit into the ring buffer */
	NO_GOID,           /* g could not be read */
	NO_HANDOFF_RECORD, /* a handoff did not fit into the ring buffer */
	NO_EXEC_RECORD,    /* a child's new program was not told: the ring buffer was full */
	COUNTERS,
};

/* How much of a process is seen. */
enum mode {
	MODE_IO = 1,
	MODE_ALL,
};

/* What is particular to a process: where its runtime keeps what is read here,
 * where the registers are at the places found, and its mode. User space fills
 * it in before it attaches, and changes the mode later; tgid and epoll are
 * learned by the programs. */
struct wait_config {
	__u32 process;        /* its number; 0 when it is recorded no longer */
	__u32 tgid;           /* in the initial PID namespace; 0 until it is found, and
			       * after it ran another program */
	__u64 epoll;          /* struct eventpoll of its netpoller; 0 until it is seen */
	__u64 epfd;           /* address of runtime.epfd; 0 when not known */
	__u32 g_m;
	__u32 g_goid;
	__u32 g_startpc;
	__u32 g_gopc;
	__u32 g_parent_goid;  /* NO_FIELD before Go 1.21 */
	__u32 g_reason;
	__u32 g_status;
	__u32 g_sched_pc;
	__u32 g_sched_sp;
	__u32 g_sched_bp;
	__u32 m_curg;
	__u32 m_p;
	__u32 m_waitlock;
	__u32 pd_fd;
	__u32 pd_fdseq;       /* NO_FIELD before Go 1.21 */
	__u32 pd_info;
	__u32 pd_rg;
	__u32 pd_wg;
	__u32 pd_self;
	__u32 resume_old;     /* register, at the resume place */
	__u32 epoll_shr;      /* epoll_event.data -> pollDesc */
	__u32 epoll_shl;
	__u32 epoll_signed;
	__u32 epoll_tag_bits;
	__u8 mode;            /* enum mode */
	__u8 mode_changes;    /* so far */
	__u8 readiness_by_epoll; /* ep_poll_callback tells of each of its descriptors */
	__u8 traceskip_off;   /* what the traceskip at the goready place lacks to that of ready() */
	__u8 pad[4];
};

#define NO_FIELD 0xffffffffu

enum sends {
	SENDS_TCP = 1 << 0,   /* seen before the data go out */
	SENDS_OTHER = 1 << 1,
};

/* What is counted of a process. */
struct process_counts {
	__u64 of[COUNTERS];   /* by enum counter */
};

/* A duration that was not measured. */
#define UNMEASURED (~0ull)

/* What is known of a goroutine that makes another runnable, at that moment. */
struct waker {
	__u64 goid;           /* 0: none, or not looked for */
	__u64 stack;          /* key in stacks */
	__u64 go_pc;          /* as in slot */
	__u64 parent_goid;
	__u64 started_ns;
	__u64 preempted_ns;
};

/* One goroutine's wait under way. There is one for each g for as long as the
 * process lives: g structures are reused and allgs only grows. */
struct slot {
	__u64 seq;            /* parks of this g so far */
	__u64 goid;
	__u64 start_pc;
	__u64 go_pc;          /* return address of the go statement that made it */
	__u64 parent_goid;    /* who executed that; 0 when not known */
	__u64 started_ns;     /* when it ran first; 0 when not seen */
	__u64 preempted_ns;   /* for how long it was runnable from its last resume or its
			       * start until now, or until the park; may be UNMEASURED */
	__u64 preempted_since; /* it is runnable since then; 0 if it is not */
	__u64 waking_stack;   /* key in stacks: its own, when it last made another runnable */
	__u64 park_ns;
	__u64 polled_ns;      /* mode io: when its last wait in the netpoller ended, if it
			       * made no other goroutine runnable since; else 0 */
	__u64 runnable_ns;    /* made runnable by ready() */
	struct waker waker;   /* who did that */
	__u64 stack;          /* key in stacks; user space's own number with STACK_OF_SNAPSHOT */
	__u64 pd;             /* key of its pollDesc; 0: not a wait of the netpoller */
	__u32 pd_gen;
	__u32 retransmits;    /* the socket's total at the park */
	__u32 tid;            /* the thread that executed it last, in the initial PID namespace */
	__u8 open;
	__u8 reason;          /* g.waitreason */
	__u8 op;
	__u8 write;           /* waits in pollDesc.wg */
	__u8 traceskip;       /* of the goready that woke it: 1 expired, 4 forced */
	__u8 flags;
	__u8 mode_changes;    /* of the process, at the park */
	__u8 ran_mode_changes; /* ... at the last resume or start, since when preempted_ns is */
	__u8 pad[4];
};

/* The goroutine that a thread executed last. */
struct run {
	__u64 g;              /* key */
	__u64 mode_changes;   /* of the process, then */
};

#define STACK_OF_SNAPSHOT (1ull << 63)

/* One direction of a descriptor. */
struct direction {
	__u64 ready_ns;       /* the kernel made it ready: the first time since the park */
	__u64 polled_ns;      /* epoll_wait returned it: the first time since the park */
	__u64 poller_pc;      /* return address of the runtime.netpoll that it was */
};

/* A pollDesc and what its descriptor is. pollDescs are never freed, but used
 * again: gen counts the descriptors that it has served. */
struct pd_slot {
	struct direction read;
	struct direction write;
	__u64 file;
	__u64 sk;
	__u64 inode;          /* tells the socket from a later one at the same address */
	__u64 pending_ns;     /* first send after the last receive */
	__u32 pending_received; /* what had been received then */
	__u32 received;       /* receives counted here, for what is not TCP */
	__u64 fdseq;
	__u32 gen;
	__s32 fd;
	__u8 kind;
	__u8 role;
	__u8 announced;       /* its socket_record was delivered */
	__u8 pad;
	__u32 process;
};

/* A descriptor that was in the netpoller when the recording began. */
struct polled_fd {
	__u64 pd;
	__u64 fdseq;
};

struct stack {
	__u32 frames;
	__u32 process;
	__u64 pcs[MAX_FRAMES]; /* innermost first; all but the first are return addresses */
};

/* What each record begins with. */
struct record_header {
	__u32 type;           /* enum record_type */
	__u32 process;
};

struct wait_record {
	struct record_header header;
	__u64 g;              /* key */
	__u64 goid;
	__u64 start_pc;
	__u64 go_pc;
	__u64 parent_goid;
	__u64 preempted_ns;   /* before the park; may be UNMEASURED */
	__u64 park_ns;
	__u64 ready_ns;       /* the kernel had it */
	__u64 runnable_ns;
	__u64 resume_ns;
	__u64 pending_ns;
	__u64 stack;
	__u64 pd;             /* key */
	__u64 poller_pc;
	__u64 p;              /* address of the runtime.p */
	__u32 pd_gen;
	__u32 tid;
	__u32 rtt_us;
	__u32 min_rtt_us;
	__u32 retransmits;
	__u8 reason;
	__u8 op;
	__u8 outcome;
	__u8 flags;
};

/* A wait that a goroutine ended. */
struct woken_record {
	struct wait_record wait;
	struct waker waker;
};

/* A goroutine that ended a wait in the netpoller made another runnable. */
struct handoff_record {
	struct record_header header;
	__u64 goid;           /* of the other */
	__u64 start_pc;
	__u64 go_pc;
	__u64 parent_goid;
	__u64 stack;
	__u64 waker_goid;
	__u64 waker_polled_ns; /* when the wait ended */
	__u64 time_ns;
	__u8 reason;
	__u8 pad[7];
};

/* What a pollDesc's descriptor is; sent before the first wait that names it. */
struct socket_record {
	struct record_header header;
	__u64 pd;             /* key */
	__u64 inode;
	__u32 gen;
	__s32 fd;
	__u16 local_port;
	__u16 peer_port;
	__u8 kind;
	__u8 role;
	__u8 ipv6;
	__u8 local_name_len;  /* unix; an abstract name begins with a NUL */
	__u8 peer_name_len;
	__u8 pad[7];
	__u8 local[16];
	__u8 peer[16];
	__u8 local_name[UNIX_PATH];
	__u8 peer_name[UNIX_PATH];
};

/* A process ran another program, or is found to have descended from a recorded
 * one. header.process is its number if it was recorded itself, else 0. */
struct exec_record {
	struct record_header header;
	__u64 time_ns;
	__s32 pid;            /* in the tracer's PID namespace */
	__u32 ancestor;       /* number of the recorded process that it descends from */
};
