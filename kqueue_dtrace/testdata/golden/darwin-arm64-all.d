/*
 * What the goroutines of a Go program wait for: made by netpolltrace for
 * a program of go1.26 for darwin/arm64, mode all.
 * Run it as root: dtrace -q -s SCRIPT -p PID
 * netpolltrace dtrace --parse OUTPUT makes a recording of what it prints.
 * No script of netpolltrace has run on a Mac yet.
 * System Integrity Protection keeps DTrace from most programs: see docs/compatibility.md.
 */
#pragma D option quiet
#pragma D option bufsize=8m
#pragma D option switchrate=20hz

dtrace:::BEGIN
{
	printf("\nNPT1 B %d %d %d darwin arm64 all go1.26", timestamp, walltimestamp, $target);
}

/* A goroutine parks, on the thread's own stack. Nothing is read that could fail
 * before the wait itself is told; what follows is lost by itself. */
pid$target:a.out:runtime.park_m:entry
{
	printf("\nNPT1 P %d %d %d %x\n", timestamp, cpu, tid, (uint64_t)uregs[R_X0]);
}
pid$target:a.out:runtime.park_m:entry
{
	this->g = (uint64_t)uregs[R_X0];
	this->reason = *(uint8_t *)copyin(this->g + 176, 1);
	this->m = *(uint64_t *)copyin((uint64_t)uregs[R_X28] + 48, 8);
	this->lock = *(uint64_t *)copyin(this->m + 768, 8);
	this->lock = this->reason == 2 ? this->lock : 0;
	/* The lock is &pollDesc.rg or &pollDesc.wg; pollDesc.self tells which. */
	this->pd = this->lock != 0 ? this->lock - 32 : 0;
	this->write = this->lock != 0 ? *(uint64_t *)copyin(this->pd + 288, 8) != this->pd : 0;
	this->pd = this->write ? this->lock - 40 : this->pd;
	this->fd = this->lock != 0 ? *(uint64_t *)copyin(this->pd + 8, 8) : 0;
	printf("\nNPT1 I %d %d %d %x %d %d %x %d %d %x %x %d\n", timestamp, cpu, tid, this->g,
	    *(uint64_t *)copyin(this->g + 152, 8), this->reason, this->pd, this->write, this->fd,
	    *(uint64_t *)copyin(this->g + 304, 8), *(uint64_t *)copyin(this->g + 288, 8),
	    *(uint64_t *)copyin(this->g + 280, 8));
}
pid$target:a.out:runtime.park_m:entry
{
	this->g = (uint64_t)uregs[R_X0];
	this->lo = *(uint64_t *)copyin(this->g + 0, 8);
	this->hi = *(uint64_t *)copyin(this->g + 8, 8) - 16;
	this->f = *(uint64_t *)copyin(this->g + 96, 8);
	this->frame = (uint64_t *)alloca(16);
	this->in = this->f > this->lo && this->f < this->hi;
	copyinto(this->in ? this->f : this->g, 16, this->frame);
	this->p0 = this->in ? this->frame[1] : 0;
	this->f = this->in ? this->frame[0] : 0;
	this->in = this->f > this->lo && this->f < this->hi;
	copyinto(this->in ? this->f : this->g, 16, this->frame);
	this->p1 = this->in ? this->frame[1] : 0;
	this->f = this->in ? this->frame[0] : 0;
	this->in = this->f > this->lo && this->f < this->hi;
	copyinto(this->in ? this->f : this->g, 16, this->frame);
	this->p2 = this->in ? this->frame[1] : 0;
	this->f = this->in ? this->frame[0] : 0;
	this->in = this->f > this->lo && this->f < this->hi;
	copyinto(this->in ? this->f : this->g, 16, this->frame);
	this->p3 = this->in ? this->frame[1] : 0;
	this->f = this->in ? this->frame[0] : 0;
	this->in = this->f > this->lo && this->f < this->hi;
	copyinto(this->in ? this->f : this->g, 16, this->frame);
	this->p4 = this->in ? this->frame[1] : 0;
	this->f = this->in ? this->frame[0] : 0;
	this->in = this->f > this->lo && this->f < this->hi;
	copyinto(this->in ? this->f : this->g, 16, this->frame);
	this->p5 = this->in ? this->frame[1] : 0;
	this->f = this->in ? this->frame[0] : 0;
	this->in = this->f > this->lo && this->f < this->hi;
	copyinto(this->in ? this->f : this->g, 16, this->frame);
	this->p6 = this->in ? this->frame[1] : 0;
	this->f = this->in ? this->frame[0] : 0;
	this->in = this->f > this->lo && this->f < this->hi;
	copyinto(this->in ? this->f : this->g, 16, this->frame);
	this->p7 = this->in ? this->frame[1] : 0;
	this->f = this->in ? this->frame[0] : 0;
	this->in = this->f > this->lo && this->f < this->hi;
	copyinto(this->in ? this->f : this->g, 16, this->frame);
	this->p8 = this->in ? this->frame[1] : 0;
	this->f = this->in ? this->frame[0] : 0;
	this->in = this->f > this->lo && this->f < this->hi;
	copyinto(this->in ? this->f : this->g, 16, this->frame);
	this->p9 = this->in ? this->frame[1] : 0;
	this->f = this->in ? this->frame[0] : 0;
	this->in = this->f > this->lo && this->f < this->hi;
	copyinto(this->in ? this->f : this->g, 16, this->frame);
	this->p10 = this->in ? this->frame[1] : 0;
	this->f = this->in ? this->frame[0] : 0;
	this->in = this->f > this->lo && this->f < this->hi;
	copyinto(this->in ? this->f : this->g, 16, this->frame);
	this->p11 = this->in ? this->frame[1] : 0;
	this->f = this->in ? this->frame[0] : 0;
	this->in = this->f > this->lo && this->f < this->hi;
	copyinto(this->in ? this->f : this->g, 16, this->frame);
	this->p12 = this->in ? this->frame[1] : 0;
	this->f = this->in ? this->frame[0] : 0;
	this->in = this->f > this->lo && this->f < this->hi;
	copyinto(this->in ? this->f : this->g, 16, this->frame);
	this->p13 = this->in ? this->frame[1] : 0;
	this->f = this->in ? this->frame[0] : 0;
	this->in = this->f > this->lo && this->f < this->hi;
	copyinto(this->in ? this->f : this->g, 16, this->frame);
	this->p14 = this->in ? this->frame[1] : 0;
	this->f = this->in ? this->frame[0] : 0;
	this->in = this->f > this->lo && this->f < this->hi;
	copyinto(this->in ? this->f : this->g, 16, this->frame);
	this->p15 = this->in ? this->frame[1] : 0;
	this->f = this->in ? this->frame[0] : 0;
	printf("\nNPT1 S %d %d %d %x %x %x %x %x %x %x %x %x %x %x %x %x %x %x %x %x %x\n", timestamp, cpu, tid, this->g, (uint64_t)uregs[R_PC]
	    , this->p0, this->p1, this->p2, this->p3, this->p4, this->p5, this->p6, this->p7, this->p8, this->p9, this->p10, this->p11, this->p12, this->p13, this->p14, this->p15);
}

/* The netpoller has an event for a descriptor. pollDesc.rg and wg are still the
 * goroutines that wait, or a small number. */
pid$target:a.out:runtime.netpollready:entry
{
	this->pd = (uint64_t)uregs[R_X1];
	printf("\nNPT1 N %d %d %d %x %d %x %x\n", timestamp, cpu, tid, this->pd, (int)uregs[R_X2],
	    *(uint64_t *)copyin(this->pd + 32, 8), *(uint64_t *)copyin(this->pd + 40, 8));
}

/* A goroutine is made runnable by another one, or by a timer of the netpoller. */
pid$target:a.out:runtime.ready:entry
{
	printf("\nNPT1 R %d %d %d %x %d\n", timestamp, cpu, tid, (uint64_t)uregs[R_X0], (int)uregs[R_X1] == 1);
}
pid$target:a.out:runtime.ready:entry
{
	this->g = (uint64_t)uregs[R_X0];
	this->m = *(uint64_t *)copyin((uint64_t)uregs[R_X28] + 48, 8);
	this->waker = *(uint64_t *)copyin(this->m + 184, 8);
	this->id = this->waker != 0 ? *(uint64_t *)copyin(this->waker + 152, 8) : 0;
	this->lo = this->waker != 0 ? *(uint64_t *)copyin(this->waker + 0, 8) : 0;
	this->hi = this->waker != 0 ? *(uint64_t *)copyin(this->waker + 8, 8) - 16 : 0;
	this->f = this->waker != 0 ? *(uint64_t *)copyin(this->waker + 96, 8) : 0;
	this->frame = (uint64_t *)alloca(16);
	this->in = this->f > this->lo && this->f < this->hi;
	copyinto(this->in ? this->f : this->g, 16, this->frame);
	this->p0 = this->in ? this->frame[1] : 0;
	this->f = this->in ? this->frame[0] : 0;
	this->in = this->f > this->lo && this->f < this->hi;
	copyinto(this->in ? this->f : this->g, 16, this->frame);
	this->p1 = this->in ? this->frame[1] : 0;
	this->f = this->in ? this->frame[0] : 0;
	this->in = this->f > this->lo && this->f < this->hi;
	copyinto(this->in ? this->f : this->g, 16, this->frame);
	this->p2 = this->in ? this->frame[1] : 0;
	this->f = this->in ? this->frame[0] : 0;
	this->in = this->f > this->lo && this->f < this->hi;
	copyinto(this->in ? this->f : this->g, 16, this->frame);
	this->p3 = this->in ? this->frame[1] : 0;
	this->f = this->in ? this->frame[0] : 0;
	this->in = this->f > this->lo && this->f < this->hi;
	copyinto(this->in ? this->f : this->g, 16, this->frame);
	this->p4 = this->in ? this->frame[1] : 0;
	this->f = this->in ? this->frame[0] : 0;
	this->in = this->f > this->lo && this->f < this->hi;
	copyinto(this->in ? this->f : this->g, 16, this->frame);
	this->p5 = this->in ? this->frame[1] : 0;
	this->f = this->in ? this->frame[0] : 0;
	this->in = this->f > this->lo && this->f < this->hi;
	copyinto(this->in ? this->f : this->g, 16, this->frame);
	this->p6 = this->in ? this->frame[1] : 0;
	this->f = this->in ? this->frame[0] : 0;
	this->in = this->f > this->lo && this->f < this->hi;
	copyinto(this->in ? this->f : this->g, 16, this->frame);
	this->p7 = this->in ? this->frame[1] : 0;
	this->f = this->in ? this->frame[0] : 0;
	printf("\nNPT1 T %d %d %d %x %d %d %d %x %x %x %x %x %x %x %x %x %x\n", timestamp, cpu, tid, this->g, this->id,
	    *(uint64_t *)copyin(this->g + 152, 8), *(uint8_t *)copyin(this->g + 176, 1),
	    (uint64_t)uregs[R_PC], (uint64_t)0
	    , this->p0, this->p1, this->p2, this->p3, this->p4, this->p5, this->p6, this->p7);
}

/* A goroutine runs again. */
pid$target:a.out:runtime.execute:entry
{
	printf("\nNPT1 X %d %d %d %x\n", timestamp, cpu, tid, (uint64_t)uregs[R_X0]);
}

/* The program asks the kernel for events, and what it gets. */

syscall::*kevent:entry
/pid == $target && arg2 > 0/
{
	printf("\nNPT1 C %d %d %d %d\n", timestamp, cpu, tid, *(int *)copyin(arg1, 4));
}
syscall::*kevent:entry
/pid == $target && arg4 > 0/
{
	self->since = timestamp;
	self->events = arg3;
	self->sleeps = 1;
}
syscall::*kevent:entry
/self->since && arg5 != 0/
{
	self->sleeps = (*(int64_t *)copyin(arg5, 8) | *(int64_t *)copyin(arg5 + 8, 8)) != 0;
}
syscall::*kevent:return
/self->since && (int)arg1 > 0/
{
	printf("\nNPT1 V %d %d %d %d %d %d %x %x\n", timestamp, cpu, tid, self->sleeps,
	    *(int *)copyin(self->events + 0, 4), *(int16_t *)copyin(self->events + 0 + 8, 2),
	    *(uint16_t *)copyin(self->events + 0 + 10, 2), *(uint64_t *)copyin(self->events + 0 + 24, 8));
}
syscall::*kevent:return
/self->since && (int)arg1 > 1/
{
	printf("\nNPT1 V %d %d %d %d %d %d %x %x\n", timestamp, cpu, tid, self->sleeps,
	    *(int *)copyin(self->events + 32, 4), *(int16_t *)copyin(self->events + 32 + 8, 2),
	    *(uint16_t *)copyin(self->events + 32 + 10, 2), *(uint64_t *)copyin(self->events + 32 + 24, 8));
}
syscall::*kevent:return
/self->since && (int)arg1 > 2/
{
	printf("\nNPT1 V %d %d %d %d %d %d %x %x\n", timestamp, cpu, tid, self->sleeps,
	    *(int *)copyin(self->events + 64, 4), *(int16_t *)copyin(self->events + 64 + 8, 2),
	    *(uint16_t *)copyin(self->events + 64 + 10, 2), *(uint64_t *)copyin(self->events + 64 + 24, 8));
}
syscall::*kevent:return
/self->since && (int)arg1 > 3/
{
	printf("\nNPT1 V %d %d %d %d %d %d %x %x\n", timestamp, cpu, tid, self->sleeps,
	    *(int *)copyin(self->events + 96, 4), *(int16_t *)copyin(self->events + 96 + 8, 2),
	    *(uint16_t *)copyin(self->events + 96 + 10, 2), *(uint64_t *)copyin(self->events + 96 + 24, 8));
}
syscall::*kevent:return
/self->since && (int)arg1 > 4/
{
	printf("\nNPT1 V %d %d %d %d %d %d %x %x\n", timestamp, cpu, tid, self->sleeps,
	    *(int *)copyin(self->events + 128, 4), *(int16_t *)copyin(self->events + 128 + 8, 2),
	    *(uint16_t *)copyin(self->events + 128 + 10, 2), *(uint64_t *)copyin(self->events + 128 + 24, 8));
}
syscall::*kevent:return
/self->since && (int)arg1 > 5/
{
	printf("\nNPT1 V %d %d %d %d %d %d %x %x\n", timestamp, cpu, tid, self->sleeps,
	    *(int *)copyin(self->events + 160, 4), *(int16_t *)copyin(self->events + 160 + 8, 2),
	    *(uint16_t *)copyin(self->events + 160 + 10, 2), *(uint64_t *)copyin(self->events + 160 + 24, 8));
}
syscall::*kevent:return
/self->since && (int)arg1 > 6/
{
	printf("\nNPT1 V %d %d %d %d %d %d %x %x\n", timestamp, cpu, tid, self->sleeps,
	    *(int *)copyin(self->events + 192, 4), *(int16_t *)copyin(self->events + 192 + 8, 2),
	    *(uint16_t *)copyin(self->events + 192 + 10, 2), *(uint64_t *)copyin(self->events + 192 + 24, 8));
}
syscall::*kevent:return
/self->since && (int)arg1 > 7/
{
	printf("\nNPT1 V %d %d %d %d %d %d %x %x\n", timestamp, cpu, tid, self->sleeps,
	    *(int *)copyin(self->events + 224, 4), *(int16_t *)copyin(self->events + 224 + 8, 2),
	    *(uint16_t *)copyin(self->events + 224 + 10, 2), *(uint64_t *)copyin(self->events + 224 + 24, 8));
}
syscall::*kevent:return
/self->since && (int)arg1 > 8/
{
	printf("\nNPT1 V %d %d %d %d %d %d %x %x\n", timestamp, cpu, tid, self->sleeps,
	    *(int *)copyin(self->events + 256, 4), *(int16_t *)copyin(self->events + 256 + 8, 2),
	    *(uint16_t *)copyin(self->events + 256 + 10, 2), *(uint64_t *)copyin(self->events + 256 + 24, 8));
}
syscall::*kevent:return
/self->since && (int)arg1 > 9/
{
	printf("\nNPT1 V %d %d %d %d %d %d %x %x\n", timestamp, cpu, tid, self->sleeps,
	    *(int *)copyin(self->events + 288, 4), *(int16_t *)copyin(self->events + 288 + 8, 2),
	    *(uint16_t *)copyin(self->events + 288 + 10, 2), *(uint64_t *)copyin(self->events + 288 + 24, 8));
}
syscall::*kevent:return
/self->since && (int)arg1 > 10/
{
	printf("\nNPT1 V %d %d %d %d %d %d %x %x\n", timestamp, cpu, tid, self->sleeps,
	    *(int *)copyin(self->events + 320, 4), *(int16_t *)copyin(self->events + 320 + 8, 2),
	    *(uint16_t *)copyin(self->events + 320 + 10, 2), *(uint64_t *)copyin(self->events + 320 + 24, 8));
}
syscall::*kevent:return
/self->since && (int)arg1 > 11/
{
	printf("\nNPT1 V %d %d %d %d %d %d %x %x\n", timestamp, cpu, tid, self->sleeps,
	    *(int *)copyin(self->events + 352, 4), *(int16_t *)copyin(self->events + 352 + 8, 2),
	    *(uint16_t *)copyin(self->events + 352 + 10, 2), *(uint64_t *)copyin(self->events + 352 + 24, 8));
}
syscall::*kevent:return
/self->since && (int)arg1 > 12/
{
	printf("\nNPT1 V %d %d %d %d %d %d %x %x\n", timestamp, cpu, tid, self->sleeps,
	    *(int *)copyin(self->events + 384, 4), *(int16_t *)copyin(self->events + 384 + 8, 2),
	    *(uint16_t *)copyin(self->events + 384 + 10, 2), *(uint64_t *)copyin(self->events + 384 + 24, 8));
}
syscall::*kevent:return
/self->since && (int)arg1 > 13/
{
	printf("\nNPT1 V %d %d %d %d %d %d %x %x\n", timestamp, cpu, tid, self->sleeps,
	    *(int *)copyin(self->events + 416, 4), *(int16_t *)copyin(self->events + 416 + 8, 2),
	    *(uint16_t *)copyin(self->events + 416 + 10, 2), *(uint64_t *)copyin(self->events + 416 + 24, 8));
}
syscall::*kevent:return
/self->since && (int)arg1 > 14/
{
	printf("\nNPT1 V %d %d %d %d %d %d %x %x\n", timestamp, cpu, tid, self->sleeps,
	    *(int *)copyin(self->events + 448, 4), *(int16_t *)copyin(self->events + 448 + 8, 2),
	    *(uint16_t *)copyin(self->events + 448 + 10, 2), *(uint64_t *)copyin(self->events + 448 + 24, 8));
}
syscall::*kevent:return
/self->since && (int)arg1 > 15/
{
	printf("\nNPT1 V %d %d %d %d %d %d %x %x\n", timestamp, cpu, tid, self->sleeps,
	    *(int *)copyin(self->events + 480, 4), *(int16_t *)copyin(self->events + 480 + 8, 2),
	    *(uint16_t *)copyin(self->events + 480 + 10, 2), *(uint64_t *)copyin(self->events + 480 + 24, 8));
}
syscall::*kevent:return
/self->since/
{
	printf("\nNPT1 W %d %d %d %d %d %d %d\n", timestamp, cpu, tid, self->since, self->sleeps, (int)arg1, errno);
	self->since = 0;
	self->events = 0;
	self->sleeps = 0;
}

/* What sockets are, and when they were sent on and received from. */
syscall::socket:entry
/pid == $target/
{
	self->family = arg0;
	self->type = arg1 + 1;
}
syscall::socket:return
/self->type/
{
	printf("\nNPT1 D %d %d %d s %d %x %x 0 0\n", timestamp, cpu, tid, (int)arg1, (uint64_t)self->family, (uint64_t)self->type - 1);
	self->type = 0;
	self->family = 0;
}
syscall::connect:entry
/pid == $target && arg2 >= 16/
{
	printf("\nNPT1 D %d %d %d c %d %x %x %x %x\n", timestamp, cpu, tid, (int)arg0, *(uint64_t *)copyin(arg1 + 0, 8), *(uint64_t *)copyin(arg1 + 8, 8), arg2 >= 28 ? *(uint64_t *)copyin(arg1 + 16, 8) : 0, arg2 >= 28 ? *(uint32_t *)copyin(arg1 + 24, 4) : 0);
}
syscall::accept:entry
/pid == $target && arg1 != 0/
{
	self->peer = arg1;
}
syscall::accept:return
/self->peer && (int)arg1 >= 0/
{
	printf("\nNPT1 D %d %d %d a %d %x %x %x %x\n", timestamp, cpu, tid, (int)arg1, *(uint64_t *)copyin(self->peer + 0, 8), *(uint64_t *)copyin(self->peer + 8, 8), *(uint64_t *)copyin(self->peer + 16, 8), *(uint32_t *)copyin(self->peer + 24, 4));
}
syscall::accept:return
/self->peer/
{
	self->peer = 0;
}
syscall::listen:entry
/pid == $target/
{
	printf("\nNPT1 D %d %d %d l %d 0 0 0 0\n", timestamp, cpu, tid, (int)arg0);
}
syscall::close:entry
/pid == $target/
{
	printf("\nNPT1 D %d %d %d x %d 0 0 0 0\n", timestamp, cpu, tid, (int)arg0);
}
syscall::write:entry, syscall::writev:entry, syscall::sendto:entry, syscall::sendmsg:entry
/pid == $target/
{
	printf("\nNPT1 O %d %d %d %d\n", timestamp, cpu, tid, (int)arg0);
}
syscall::read:entry, syscall::readv:entry, syscall::recvfrom:entry, syscall::recvmsg:entry
/pid == $target/
{
	self->from = arg0 + 1;
}
syscall::read:return, syscall::readv:return, syscall::recvfrom:return, syscall::recvmsg:return
/self->from && (int)arg1 > 0/
{
	printf("\nNPT1 Q %d %d %d %d\n", timestamp, cpu, tid, (int)self->from - 1);
}
syscall::read:return, syscall::readv:return, syscall::recvfrom:return, syscall::recvmsg:return
/self->from/
{
	self->from = 0;
}

dtrace:::ERROR
{
	printf("\nNPT1 F %d %d %d %d %x\n", timestamp, cpu, arg1, arg4, arg5);
}
proc:::exit
/pid == $target/
{
	exit(0);
}
dtrace:::END
{
	printf("\nNPT1 E %d\n", timestamp);
}
