/* SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause */
/* The kernel's structures, with only the fields that are read here. libbpf's
 * CO-RE relocations find their real places when a program is loaded, so the
 * order, the types of pointers and what is left out do not matter. */
#pragma once

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct pid_namespace;

struct upid {
	int nr;
	struct pid_namespace *ns;
};

struct pid {
	unsigned int level;
	struct upid numbers[1];
};

struct inode {
	unsigned short i_mode;
	unsigned long i_ino;
};

struct file {
	struct inode *f_inode;
	void *private_data;
};

struct fdtable {
	unsigned int max_fds;
	struct file **fd;
};

struct files_struct {
	struct fdtable *fdt;
};

typedef struct {
	int counter;
} atomic_t;

struct signal_struct {
	atomic_t live; /* threads that have not exited */
};

struct task_struct {
	int pid;
	int tgid;
	struct task_struct *real_parent;
	struct pid *thread_pid;
	struct signal_struct *signal;
	struct files_struct *files;
};

struct in6_addr {
	unsigned char bytes[16];
};

struct sock_common {
	unsigned short skc_family;
	volatile unsigned char skc_state;
	__u32 skc_daddr;
	__u32 skc_rcv_saddr;
	__u16 skc_dport;
	__u16 skc_num;
	struct in6_addr skc_v6_daddr;
	struct in6_addr skc_v6_rcv_saddr;
};

struct sk_buff_head {
	__u32 qlen;
};

struct socket;

struct sock {
	struct socket *sk_socket;
	struct sock_common __sk_common;
	struct sk_buff_head sk_receive_queue;
	int sk_err;
	__u8 sk_shutdown;
	int sk_sndbuf;
	int sk_wmem_queued;
	__u16 sk_type;
	__u16 sk_protocol;
};

struct socket {
	struct sock *sk;
	struct file *file;
};

struct ipv6_pinfo {
	__u8 mcast_hops;
};

struct inet_sock {
	struct ipv6_pinfo *pinet6;
	__u8 mc_ttl;
};

struct request_sock_queue {
	void *rskq_accept_head;
};

struct inet_bind_bucket {
	signed char fastreuse;
};

struct inet_connection_sock {
	struct inet_bind_bucket *icsk_bind_hash;
	struct request_sock_queue icsk_accept_queue;
	struct {
		__u32 lrcvtime;
	} icsk_ack;
};

struct minmax_sample {
	__u32 v;
};

struct minmax {
	struct minmax_sample s[3];
};

struct tcp_sock {
	__u32 rcv_nxt;
	__u32 copied_seq;
	__u32 snd_una;
	__u32 snd_nxt;
	__u32 srtt_us;
	struct minmax rtt_min;
	__u32 total_retrans;
	__u32 lsndtime;
	__u64 bytes_received;
	__u64 bytes_sent;
};

struct mptcp_sock {
	struct sock *first;
};

struct udp_sock {
	struct sk_buff_head reader_queue;
};

struct unix_address {
	int len;
	char name[1];
};

struct unix_sock {
	struct unix_address *addr;
	struct sock *peer;
};

struct epoll_filefd {
	struct file *file;
	int fd;
};


/* Packed on amd64; CO-RE finds data wherever it is. */
struct epoll_event {
	__u32 events;
	__u64 data;
};

struct eventpoll;

struct epitem {
	struct eventpoll *ep;
	struct epoll_filefd ffd;
	struct epoll_event event;
};

struct wait_queue_entry {
	unsigned int flags;
};

struct eppoll_entry {
	struct epitem *base;
	struct wait_queue_entry wait;
};

struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
};

struct bpf_iter__task_file {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	__u32 fd;
	struct file *file;
};

#pragma clang attribute pop

/* Since Linux 6.2 a pointer can be given its type, and be read without a call
 * of a helper: a fifth of the price. */
extern void *bpf_rdonly_cast(const void *object, __u32 btf_id) __ksym __weak;

/* A field of a struct of the kernel; pointer is of that type, or a number. */
#define READ_FIELD(type, pointer, field)                                                            \
	({                                                                                         \
		struct type *object = (struct type *)(pointer);                                     \
		typeof(object->field) value;                                                        \
		if (bpf_rdonly_cast)                                                                \
			value = ((struct type *)bpf_rdonly_cast(                                    \
					 object, bpf_core_type_id_kernel(struct type)))->field;     \
		else                                                                                \
			value = BPF_CORE_READ(object, field);                                       \
		value;                                                                              \
	})
