/* SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause */
/* What a descriptor is, read from the kernel's own structures at the moment of
 * the wait: a later look into /proc would find whatever uses the number then. */
#pragma once

#define AF_UNIX 1
#define AF_INET 2
#define AF_INET6 10
#define SOCK_DGRAM 2
#define IPPROTO_TCP 6
#define IPPROTO_UDP 17
#define IPPROTO_MPTCP 262
#define TCP_SYN_SENT 2
#define TCP_CLOSE 7
#define TCP_LISTEN 10
#define RCV_SHUTDOWN 1
#define S_IFMT 0170000
#define S_IFSOCK 0140000
#define S_IFIFO 0010000

static __always_inline __u8 socket_kind(struct sock *sk)
{
	__u16 family = BPF_CORE_READ(sk, __sk_common.skc_family);
	__u16 protocol = BPF_CORE_READ(sk, sk_protocol);

	if (family == AF_UNIX)
		return BPF_CORE_READ(sk, sk_type) == SOCK_DGRAM ? FD_UNIXGRAM : FD_UNIX;
	if (family != AF_INET && family != AF_INET6)
		return FD_OTHER_SOCKET;
	if (protocol == IPPROTO_TCP)
		return FD_TCP;
	if (protocol == IPPROTO_MPTCP)
		return FD_MPTCP;
	return protocol == IPPROTO_UDP ? FD_UDP : FD_OTHER_SOCKET;
}

/* Whether the socket keeps the hop limit that a request to connect came with:
 * an accepted one does (tcp_v4_syn_recv_sock, tcp_v6_syn_recv_sock), where one
 * that was made by socket() has the 1 that multicast begins with. */
static __always_inline int keeps_hops_of_request(struct sock *sk)
{
	struct ipv6_pinfo *six;

	if (BPF_CORE_READ((struct inet_sock *)sk, mc_ttl) > 1)
		return 1;
	if (BPF_CORE_READ(sk, __sk_common.skc_family) != AF_INET6 || !bpf_core_field_exists(struct inet_sock, pinet6))
		return 0;
	six = BPF_CORE_READ((struct inet_sock *)sk, pinet6);
	return BPF_CORE_READ(six, mcast_hops) > 1;
}

/* A port that connect() chose by itself is in a bucket of its own, which is
 * marked with fastreuse = -1 (__inet_hash_connect); an accepted socket shares
 * its listener's bucket. What dialed from an address that it was told is in
 * neither sort of bucket. */
static __always_inline __u8 tcp_role(struct sock *sk, __u8 state)
{
	struct inet_bind_bucket *bucket;

	if (state == TCP_LISTEN)
		return ROLE_LISTENING;
	if (!sk)
		return ROLE_NONE;
	bucket = BPF_CORE_READ((struct inet_connection_sock *)sk, icsk_bind_hash);
	if (!bucket)
		return ROLE_NONE;
	if (BPF_CORE_READ(bucket, fastreuse) < 0 || !keeps_hops_of_request(sk))
		return ROLE_DIALED;
	return ROLE_ACCEPTED;
}

/* The TCP connection that an MPTCP socket began with; only where the kernel has
 * MPTCP. */
static __always_inline struct sock *first_subflow(struct sock *sk)
{
	if (!bpf_core_field_exists(struct mptcp_sock, first))
		return NULL;
	return BPF_CORE_READ((struct mptcp_sock *)sk, first);
}

static __always_inline __u8 unix_name(struct sock *sk, __u8 *name)
{
	struct unix_address *address = sk ? BPF_CORE_READ((struct unix_sock *)sk, addr) : NULL;
	int len;

	if (!address)
		return 0;
	len = BPF_CORE_READ(address, len) - (int)sizeof(__u16); /* sun_family */
	if (len <= 0)
		return 0;
	if (len > UNIX_PATH)
		len = UNIX_PATH;
	bpf_probe_read_kernel(name, len,
			      (void *)address + bpf_core_field_offset(struct unix_address, name) + sizeof(__u16));
	return len;
}

static __always_inline void describe_unix(struct socket_record *r, struct sock *sk, __u8 state)
{
	struct sock *peer = BPF_CORE_READ((struct unix_sock *)sk, peer);

	r->local_name_len = unix_name(sk, r->local_name);
	r->peer_name_len = unix_name(peer, r->peer_name);
	if (state == TCP_LISTEN)
		r->role = ROLE_LISTENING;
	else if (peer)
		/* An accepted socket carries its listener's name. */
		r->role = r->peer_name_len ? ROLE_DIALED : r->local_name_len ? ROLE_ACCEPTED : ROLE_NONE;
}

static __always_inline void describe_inet(struct socket_record *r, struct sock *sk, __u8 state)
{
	r->local_port = BPF_CORE_READ(sk, __sk_common.skc_num);
	r->peer_port = bpf_ntohs(BPF_CORE_READ(sk, __sk_common.skc_dport));
	if (BPF_CORE_READ(sk, __sk_common.skc_family) == AF_INET6) {
		r->ipv6 = 1;
		BPF_CORE_READ_INTO(&r->local, sk, __sk_common.skc_v6_rcv_saddr);
		BPF_CORE_READ_INTO(&r->peer, sk, __sk_common.skc_v6_daddr);
	} else {
		BPF_CORE_READ_INTO((__u32 *)r->local, sk, __sk_common.skc_rcv_saddr);
		BPF_CORE_READ_INTO((__u32 *)r->peer, sk, __sk_common.skc_daddr);
	}
	if (r->kind == FD_TCP)
		r->role = tcp_role(sk, state);
	else if (r->kind == FD_MPTCP)
		r->role = state == TCP_LISTEN ? ROLE_LISTENING : tcp_role(first_subflow(sk), state);
	else if (r->peer_port)
		r->role = ROLE_DIALED;
}

static __always_inline struct sock *socket_of(struct file *file)
{
	struct socket *socket = BPF_CORE_READ(file, private_data);

	return BPF_CORE_READ(socket, sk);
}

/* How much the socket has handed to its readers: only whether it changes
 * matters. TCP says it itself. */
static __always_inline __u32 received(struct pd_slot *pd)
{
	if (pd->kind == FD_TCP)
		return READ_FIELD(tcp_sock, pd->sk, copied_seq);
	return pd->received;
}

static __always_inline __u64 inode_of(struct sock *sk)
{
	return BPF_CORE_READ(sk, sk_socket, file, f_inode, i_ino);
}

/* Sockets of recorded processes, other than TCP, that sent before their first wait, such
 * as one that asks a DNS server. A socket is told from a later one at the same
 * address by its inode. */
struct early_send {
	__u64 inode;
	__u64 time_ns;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u64); /* struct sock */
	__type(value, struct early_send);
} early_sends SEC(".maps");

static __always_inline void sent_early(struct sock *sk)
{
	struct early_send early = {
		.inode = inode_of(sk),
		.time_ns = bpf_ktime_get_ns(),
	};
	__u64 key = (__u64)sk;

	bpf_map_update_elem(&early_sends, &key, &early, BPF_ANY);
}

static __always_inline __u64 early_send_of(struct pd_slot *pd)
{
	struct early_send *early = bpf_map_lookup_elem(&early_sends, &pd->sk);

	return early && early->inode == pd->inode ? early->time_ns : 0;
}

/* On a connection that is older than its first wait here, what was sent before
 * was seen at most as an early_send. On TCP a reply is pending if the last data
 * that passed was ours. The kernel keeps both times in jiffies: at a tie a peer
 * that has acknowledged has also answered, since it does both in one packet if
 * it answers within the 40 ms for which it puts acknowledging off. */
static __always_inline void guess_pending(struct pd_slot *pd)
{
	struct tcp_sock *tcp = (struct tcp_sock *)pd->sk;
	__u32 sent, last_received;

	pd->pending_ns = 0;
	if (pd->role != ROLE_DIALED)
		return;
	if (pd->kind != FD_TCP) {
		pd->pending_ns = early_send_of(pd);
		pd->pending_received = received(pd);
		return;
	}
	if (!BPF_CORE_READ(tcp, bytes_sent))
		return;
	if (BPF_CORE_READ(tcp, bytes_received)) {
		sent = BPF_CORE_READ(tcp, lsndtime);
		last_received = BPF_CORE_READ((struct inet_connection_sock *)tcp, icsk_ack.lrcvtime);
		if ((__s32)(sent - last_received) < 0)
			return;
		if (sent == last_received && BPF_CORE_READ(tcp, snd_una) == BPF_CORE_READ(tcp, snd_nxt))
			return;
	}
	pd->pending_ns = 1;
	pd->pending_received = received(pd);
}

/* Whether a read or an accept would not block. */
static __always_inline int readable(struct pd_slot *pd)
{
	struct sock *sk = (struct sock *)pd->sk;

	if (!sk)
		return 0;
	if (pd->kind == FD_TCP && pd->role != ROLE_LISTENING &&
	    READ_FIELD(tcp_sock, sk, rcv_nxt) != received(pd))
		return 1;
	if ((READ_FIELD(sock, sk, sk_shutdown) & RCV_SHUTDOWN) || READ_FIELD(sock, sk, sk_err))
		return 1;
	if (pd->role == ROLE_LISTENING && (pd->kind == FD_TCP || pd->kind == FD_MPTCP)) {
		if (pd->kind == FD_MPTCP)
			sk = first_subflow(sk);
		return sk && READ_FIELD(inet_connection_sock, sk, icsk_accept_queue.rskq_accept_head) != NULL;
	}
	if (pd->kind == FD_TCP)
		return 0;
	if (pd->kind == FD_UDP && READ_FIELD(udp_sock, sk, reader_queue.qlen))
		return 1;
	return READ_FIELD(sock, sk, sk_receive_queue.qlen) != 0;
}

/* Whether a write would not block, by the rule of sk_stream_is_writeable: a
 * third of the send buffer is free. The end of a connect is a writable socket. */
static __always_inline int writable(struct pd_slot *pd)
{
	int queued, size;

	if (pd->kind != FD_TCP || READ_FIELD(sock_common, pd->sk, skc_state) == TCP_SYN_SENT)
		return 0;
	queued = READ_FIELD(sock, pd->sk, sk_wmem_queued);
	size = READ_FIELD(sock, pd->sk, sk_sndbuf);
	return size - queued >= queued >> 1;
}

/* Forgets what a pollDesc served until now. Its socket may be another's by now,
 * which then stands in sockets under another pollDesc. */
static __always_inline void forget(__u64 key, struct pd_slot *pd)
{
	__u64 *owner = bpf_map_lookup_elem(&sockets, &pd->sk);

	if (owner && *owner == key)
		bpf_map_delete_elem(&sockets, &pd->sk);
	pd->announced = 0;
	pd->kind = FD_UNKNOWN;
	pd->role = ROLE_NONE;
	pd->file = 0;
	pd->sk = 0;
	pd->inode = 0;
	pd->pending_ns = 0;
}

/* Fills in what fd is, for a pollDesc that serves it from now on, and tells
 * user space. The record is large, hence on the ring buffer and not on the
 * stack. */
static __always_inline void describe(__u64 key, struct pd_slot *pd, struct file *file)
{
	struct socket_record *r = bpf_ringbuf_reserve(&records, sizeof(*r), 0);
	__u16 mode;
	__u8 state;

	forget(key, pd);
	pd->process = process_of(key);
	if (!r) {
		count(pd->process, NO_SOCKET_RECORD);
		return;
	}
	__builtin_memset(r, 0, sizeof(*r));
	r->header.type = RECORD_SOCKET;
	r->header.process = pd->process;
	r->pd = key;
	r->gen = pd->gen;
	r->fd = pd->fd;
	mode = BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT;
	r->inode = BPF_CORE_READ(file, f_inode, i_ino);
	if (mode == S_IFSOCK) {
		struct sock *sk = socket_of(file);

		r->kind = socket_kind(sk);
		state = BPF_CORE_READ(sk, __sk_common.skc_state);
		if (r->kind == FD_UNIX || r->kind == FD_UNIXGRAM)
			describe_unix(r, sk, state);
		else if (r->kind != FD_OTHER_SOCKET)
			describe_inet(r, sk, state);
		pd->sk = (__u64)sk;
	} else {
		r->kind = mode == S_IFIFO ? FD_PIPE : FD_FILE;
	}
	pd->kind = r->kind;
	pd->role = r->role;
	pd->announced = 1;
	pd->file = (__u64)file;
	pd->inode = r->inode;
	bpf_ringbuf_submit(r, wakeup_flags());
	if (pd->sk)
		bpf_map_update_elem(&sockets, &pd->sk, &key, BPF_ANY);
	guess_pending(pd);
}
