/* SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause */
/* What passes between the kernel and user space: the records in the ring
 * buffer, the values of the maps that user space reads or fills, and the
 * configuration. Go's types are generated from these by bpf2go. All times are
 * CLOCK_MONOTONIC nanoseconds; 0 means "not seen". */
#pragma once

#define MAX_FRAMES 96   /* of a stack; deeper ones lose their root */
#define UNIX_PATH 108   /* sizeof(sockaddr_un.sun_path) */

enum record_type {
	RECORD_WAIT = 1,
	RECORD_SOCKET = 2,
	RECORD_EXEC = 3,
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
	WAIT_TRACKS_SENDS = 1 << 3,   /* owed_ns is known: 0 means that nothing is owed */
	WAIT_OWED_AT_PARK = 1 << 4,   /* an answer was owed already at the park */
	WAIT_POLLED_BEFORE = 1 << 5,  /* epoll_wait had returned the event before the park */
};

/* Counters, summed over all CPUs. The first are hits of programs: what they
 * cost the target is counted by them. The others are what was not recorded. */
enum counter {
	HITS_PARK = 0,     /* uprobes */
	HITS_RESUME,
	HITS_GOREADY,
	HITS_READY,
	HITS_NETPOLL,
	HITS_POLL,         /* kernel: returns of epoll_wait in the target */
	HITS_READINESS,    /* kernel: readiness of the target's descriptors */
	HITS_SEND,         /* kernel: sends on the target's sockets */
	ENDS,              /* waits that ended, delivered or not */
	LOST_RING,         /* waits that ended while the ring buffer was full */
	LOST_SLOT,         /* parks without a slot: more goroutines than --max-goroutines */
	LOST_RESUME,       /* parks of a goroutine whose last resume was not seen */
	MOVED_ON,          /* parks of a goroutine whose last wait was adopted too late */
	NO_STACK_ROOM,     /* more distinct stacks than --max-stacks */
	NO_FD_ROOM,        /* more descriptors than --max-fds */
	NO_SOCKET_RECORD,  /* a socket's description did not fit into the ring buffer */
	NO_GOID,           /* g could not be read */
	COUNTERS,
};

/* Where the target's runtime keeps what is read here, and where the registers
 * are at the places found. Filled by user space before the programs load. */
struct wait_config {
	__u32 g_m;
	__u32 g_goid;
	__u32 g_startpc;
	__u32 g_reason;
	__u32 g_sched_pc;
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
	__s32 pid;            /* of the target, in the tracer's PID namespace */
	__u8 stacks;          /* capture them */
	__u8 only_io;         /* mode io: of all parks those in the netpoller count */
	__u8 readiness_by_epoll; /* ep_poll_callback, which sees every descriptor */
	__u8 traceskip_off;   /* what the traceskip at the goready place lacks to that of ready() */
	__u8 sends_seen;      /* SENDS_TCP, SENDS_OTHER: hooks on sends are attached */
};

#define NO_FIELD 0xffffffffu

enum sends {
	SENDS_TCP = 1 << 0,   /* seen before the data go out */
	SENDS_OTHER = 1 << 1,
};

/* One goroutine's wait under way. There is one for each g for as long as the
 * process lives: g structures are reused and allgs only grows. */
struct slot {
	__u64 seq;            /* parks of this g so far */
	__u64 goid;
	__u64 start_pc;
	__u64 park_ns;
	__u64 runnable_ns;    /* made runnable by ready() */
	__u64 waker_goid;
	__u64 stack;          /* key in stacks; user space's own number with STACK_OF_SNAPSHOT */
	__u64 pd;             /* 0: not a wait of the netpoller */
	__u32 pd_gen;
	__u32 retransmits;    /* the socket's total at the park */
	__u8 open;
	__u8 reason;          /* g.waitreason */
	__u8 op;
	__u8 write;           /* waits in pollDesc.wg */
	__u8 traceskip;       /* of the goready that woke it: 1 expired, 4 forced */
	__u8 flags;
	__u8 pad[2];
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
	__u64 owed_ns;        /* first send after the last receive */
	__u32 owed_received;  /* what had been received then */
	__u32 received;       /* receives counted here, for what is not TCP */
	__u64 fdseq;
	__u32 gen;
	__s32 fd;
	__u8 kind;
	__u8 role;
	__u8 announced;       /* its socket_record was delivered */
	__u8 pad[5];
};

/* A descriptor that was in the netpoller when the recording began. */
struct polled_fd {
	__u64 pd;
	__u64 fdseq;
};

struct stack {
	__u64 frames;
	__u64 pcs[MAX_FRAMES]; /* innermost first; all but the first are return addresses */
};

struct wait_record {
	__u32 type;           /* RECORD_WAIT */
	__u8 reason;
	__u8 op;
	__u8 outcome;
	__u8 flags;
	__u64 g;
	__u64 goid;
	__u64 start_pc;
	__u64 park_ns;
	__u64 ready_ns;       /* the kernel had it */
	__u64 runnable_ns;
	__u64 resume_ns;
	__u64 owed_ns;
	__u64 waker_goid;
	__u64 stack;
	__u64 pd;
	__u64 poller_pc;
	__u64 p;              /* address of the runtime.p */
	__u32 pd_gen;
	__u32 tid;
	__u32 rtt_us;
	__u32 min_rtt_us;
	__u32 retransmits;
	__u32 pad;
};

/* What a pollDesc's descriptor is; sent before the first wait that names it. */
struct socket_record {
	__u32 type;           /* RECORD_SOCKET */
	__u32 gen;
	__u64 pd;
	__u64 inode;
	__s32 fd;
	__u16 local_port;
	__u16 peer_port;
	__u8 kind;
	__u8 role;
	__u8 ipv6;
	__u8 local_name_len;  /* unix; an abstract name begins with a NUL */
	__u8 peer_name_len;
	__u8 pad[3];
	__u8 local[16];
	__u8 peer[16];
	__u8 local_name[UNIX_PATH];
	__u8 peer_name[UNIX_PATH];
};

struct exec_record {
	__u32 type;           /* RECORD_EXEC */
	__u32 pad;
	__u64 time_ns;
};
