/* SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause */
/* Which recorded process a program runs for, and what is known of it. */
#pragma once

#define ADDRESS_MASK ((1ull << ADDRESS_BITS) - 1)

static __always_inline __u64 key_of(__u32 process, __u64 address)
{
	return (__u64)process << ADDRESS_BITS | (address & ADDRESS_MASK);
}

static __always_inline __u64 address_of(__u64 key)
{
	return key & ADDRESS_MASK;
}

static __always_inline __u32 process_of(__u64 key)
{
	return key >> ADDRESS_BITS;
}

/* NULL where no process has that number any longer. */
static __always_inline struct wait_config *config_of(__u32 process)
{
	__u32 index = index_of(process);
	struct wait_config *c = bpf_map_lookup_elem(&configs, &index);

	return c && process && c->process == process ? c : NULL;
}

/* The current process, by its thread group; NULL if it is not recorded. */
static __always_inline struct wait_config *current_process(void)
{
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;
	__u32 *process = bpf_map_lookup_elem(&targets, &tgid);

	return process ? config_of(*process) : NULL;
}

/* The process that a uprobe was attached to; NULL if it is another that runs
 * into it: a child has its parent's breakpoints until it runs another program. */
static __always_inline struct wait_config *probed_process(void *ctx)
{
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;
	struct wait_config *c;

	if (!have_cookies)
		return current_process();
	c = config_of(bpf_get_attach_cookie(ctx));
	return c && c->tgid == tgid ? c : NULL;
}

/* A task's thread group as the tracer's PID namespace numbers it. */
static __always_inline __s32 pid_for_tracer(struct pid *pid)
{
	struct upid upid;

	bpf_core_read(&upid, sizeof(upid), &pid->numbers[tracer_level]);
	return upid.nr;
}

/* The thread's number as the tracer's PID namespace has it. */
static __always_inline __u32 thread_id(void)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();

	if (!tracer_level)
		return bpf_get_current_pid_tgid();
	return pid_for_tracer(BPF_CORE_READ(task, thread_pid));
}

static __always_inline __u64 user_u64(__u64 address)
{
	__u64 value = 0;

	bpf_probe_read_user(&value, sizeof(value), (void *)address);
	return value;
}

static __always_inline struct file *file_of(int fd)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct fdtable *table = BPF_CORE_READ(task, files, fdt);
	struct file **files = BPF_CORE_READ(table, fd);
	struct file *file = NULL;

	if (fd < 0 || (__u32)fd >= BPF_CORE_READ(table, max_fds))
		return NULL;
	bpf_probe_read_kernel(&file, sizeof(file), &files[fd]);
	return file;
}

/* The process's netpoller polls this epoll instance. */
static __always_inline void set_epoll(struct wait_config *c, struct file *file)
{
	__u64 epoll = (__u64)BPF_CORE_READ(file, private_data);
	__u32 process = c->process;

	if (epoll && !bpf_map_update_elem(&epolls, &epoll, &process, BPF_ANY))
		c->epoll = epoll;
}

/* Looks for the netpoller's epoll instance, in a thread of the process. There
 * is one before the first descriptor is waited for. */
static __always_inline void find_epoll(struct wait_config *c)
{
	struct file *file;

	if (c->epoll || !c->epfd)
		return;
	file = file_of((__s32)user_u64(c->epfd));
	if (file)
		set_epoll(c, file);
}
