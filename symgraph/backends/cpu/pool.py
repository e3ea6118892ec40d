"""The native side of the thread pool, as LLVM text.

    void sg_parallel(ptr f, ptr context, i64 units, i64 block)
    void sg_pool_resize(i64 threads)
    [WORDS x i64] sg_pool_state

`sg_parallel` runs ``f(context, begin, end, scratch)`` over 0 .. units - 1 in blocks of
`block` units and returns when all are done. Each block is run by one thread; which one
is left to chance, so f must not care. `scratch` is memory of the running thread, 64-byte
aligned. One user at a time: a second caller, and a call from inside f, does its units
itself in one block, as do calls of one block and a pool of one thread.

Every thread owns a range of the blocks, so that consecutive jobs over the same arrays
find their parts in the caches they left them in, and takes from the others' ranges when
its own is done. The caller works like any other and then waits only for blocks that are
being run, so a worker that never wakes costs nothing.

Workers start at the first job that needs them. Between jobs they look for the next one
for `spin` nanoseconds and then sleep (futex; Linux only, elsewhere all is serial). They
know nothing of Python, never return, and end with the process. A job is open while the
epoch is odd. A worker enters by counting itself active *before* it looks whether the
job is still open, and the caller closes the job *before* it looks whether anybody is
active; both in sequentially consistent order, so one of them sees the other (Dekker's
argument). The same argument keeps a sleeper from missing its call. In: nothing. Out:
the text of a module that needs only the C library.
"""

import platform
import sys

from symgraph.lower.block_size import SCRATCH_BYTES

#: threads that a pool can have
MOST_THREADS = 256
#: ranges that the blocks of a job are dealt into
RANGES = 64
#: nanoseconds for which an idle worker looks for the next job before it sleeps
SPIN = 60_000

# Words of the state; each group has cache lines of its own.
WANTED, PARKED, BUSY, EPOCH, SLEEPERS, ACTIVE, STARTED, JOB = range(0, 64, 8)
NEXT = 64
SCRATCH = NEXT + 8 * RANGES
WORDS = SCRATCH + MOST_THREADS

_FUTEX = {"x86_64": 202, "aarch64": 98}
_PAUSE = {
    "x86_64": ("call void @llvm.x86.sse2.pause()", "void @llvm.x86.sse2.pause()"),
    "aarch64": ("call void @llvm.aarch64.hint(i32 1)", "void @llvm.aarch64.hint(i32)"),
}


def has_threads() -> bool:
    """Whether this system can have more than one thread in the pool."""
    return sys.platform == "linux" and _machine() in _FUTEX


def pool_text() -> str:
    """The text of the module.

    Examples
    --------
    >>> "define void @sg_parallel(" in pool_text()
    True
    """
    return _filled(_COMMON) + _filled(_THREADS if has_threads() else _SERIAL)


def _machine() -> str:
    name = platform.machine().lower()
    return {"amd64": "x86_64", "arm64": "aarch64"}.get(name, name)


def _filled(text: str) -> str:
    pause, declaration = _PAUSE.get(_machine(), ("", "void @sched_yield()"))
    words = {
        "SCRATCH_BYTES": SCRATCH_BYTES, "ALLOCATED": SCRATCH_BYTES + 64,
        "RANGES": RANGES, "SPIN": SPIN, "WANTED": WANTED, "PARKED": PARKED,
        "BUSY": BUSY, "EPOCH": EPOCH, "SLEEPERS": SLEEPERS, "ACTIVE": ACTIVE,
        "STARTED": STARTED, "JOB": JOB, "NEXT": NEXT, "SCRATCH": SCRATCH,
        "WORDS": WORDS, "FUTEX": _FUTEX.get(_machine(), 0), "PAUSE": pause,
        "DECLARE_PAUSE": declaration,
    }  # fmt: skip
    for name, value in sorted(words.items(), key=lambda item: -len(item[0])):
        text = text.replace(f"${name}", str(value))
    return text


_COMMON = """
@sg_pool_state = dso_local global [$WORDS x i64] zeroinitializer, align 64
declare ptr @malloc(i64)
declare void @free(ptr)
declare void @abort() noreturn

; the scratch memory of thread `index`, made when it is first wanted; null without memory
define internal ptr @scratch(i64 %index) nounwind {
entry:
  %at = getelementptr i64, ptr @sg_pool_state, i64 $SCRATCH
  %p = getelementptr i64, ptr %at, i64 %index
  %known = load ptr, ptr %p
  %none = icmp eq ptr %known, null
  br i1 %none, label %make, label %done
make:
  %raw = call ptr @malloc(i64 $ALLOCATED)
  %failed = icmp eq ptr %raw, null
  br i1 %failed, label %done, label %keep
keep:
  %value = ptrtoint ptr %raw to i64
  %up = add i64 %value, 63
  %aligned = and i64 %up, -64
  %made = inttoptr i64 %aligned to ptr
  store ptr %made, ptr %p
  br label %done
done:
  %result = phi ptr [ %known, %entry ], [ null, %make ], [ %made, %keep ]
  ret ptr %result
}

; all units in the caller, with scratch memory of their own
define internal void @alone(ptr %f, ptr %context, i64 %units) noinline nounwind {
entry:
  %raw = call ptr @malloc(i64 $ALLOCATED)
  %failed = icmp eq ptr %raw, null
  br i1 %failed, label %never, label %run
never:
  call void @abort()
  unreachable
run:
  %value = ptrtoint ptr %raw to i64
  %up = add i64 %value, 63
  %aligned = and i64 %up, -64
  %own = inttoptr i64 %aligned to ptr
  call void %f(ptr %context, i64 0, i64 %units, ptr %own)
  call void @free(ptr %raw)
  ret void
}
"""

_SERIAL = """
define void @sg_pool_resize(i64 %threads) nounwind {
  ret void
}

define void @sg_parallel(ptr %f, ptr %context, i64 %units, i64 %block) nounwind {
entry:
  %some = icmp sgt i64 %units, 0
  br i1 %some, label %ask, label %leave
ask:
  %busy = getelementptr i64, ptr @sg_pool_state, i64 $BUSY
  %asked = cmpxchg ptr %busy, i64 0, i64 1 acquire monotonic
  %free = extractvalue { i64, i1 } %asked, 1
  br i1 %free, label %mine, label %second
second:
  call void @alone(ptr %f, ptr %context, i64 %units)
  ret void
mine:
  %own = call ptr @scratch(i64 0)
  %poor = icmp eq ptr %own, null
  br i1 %poor, label %never, label %run
never:
  call void @abort()
  unreachable
run:
  call void %f(ptr %context, i64 0, i64 %units, ptr %own)
  store atomic i64 0, ptr %busy release, align 8
  br label %leave
leave:
  ret void
}
"""

_THREADS = """
declare i32 @pthread_create(ptr, ptr, ptr, ptr)
declare i32 @pthread_detach(i64)
declare i32 @pthread_sigmask(i32, ptr, ptr)
declare i32 @clock_gettime(i32, ptr)
declare i32 @sched_yield()
declare i64 @syscall(i64, ...)
declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)
declare $DECLARE_PAUSE

; nanoseconds of CLOCK_MONOTONIC
define internal i64 @now(ptr %time) nounwind {
  %ignored = call i32 @clock_gettime(i32 1, ptr %time)
  %seconds = load i64, ptr %time
  %fraction.at = getelementptr i64, ptr %time, i64 1
  %fraction = load i64, ptr %fraction.at
  %whole = mul i64 %seconds, 1000000000
  %sum = add i64 %whole, %fraction
  ret i64 %sum
}

; FUTEX_WAIT (0) and FUTEX_WAKE (1), private to the process (128)
define internal void @sleep(ptr %word, i32 %value) nounwind {
  %ignored = call i64 (i64, ...) @syscall(i64 $FUTEX, ptr %word, i32 128, i32 %value,
                                          ptr null)
  ret void
}
define internal void @wake(ptr %word, i32 %count) nounwind {
  %ignored = call i64 (i64, ...) @syscall(i64 $FUTEX, ptr %word, i32 129, i32 %count)
  ret void
}

; run blocks of the open job until none is left, those of range `first` before others
define internal void @take(i64 %first, ptr %scratch) nounwind {
entry:
  %job = getelementptr i64, ptr @sg_pool_state, i64 $JOB
  %f = load ptr, ptr %job
  %context.at = getelementptr i64, ptr %job, i64 1
  %context = load ptr, ptr %context.at
  %units.at = getelementptr i64, ptr %job, i64 2
  %units = load i64, ptr %units.at
  %block.at = getelementptr i64, ptr %job, i64 3
  %block = load i64, ptr %block.at
  %blocks.at = getelementptr i64, ptr %job, i64 4
  %blocks = load i64, ptr %blocks.at
  %ranges.at = getelementptr i64, ptr %job, i64 5
  %ranges = load i64, ptr %ranges.at
  br label %range
range:
  %k = phi i64 [ 0, %entry ], [ %k.next, %range.done ]
  %sum = add i64 %first, %k
  %r = urem i64 %sum, %ranges
  %r1 = add i64 %r, 1
  %share = mul i64 %r1, %blocks
  %limit = udiv i64 %share, %ranges
  %line = mul i64 %r, 8
  %next.base = getelementptr i64, ptr @sg_pool_state, i64 $NEXT
  %next.at = getelementptr i64, ptr %next.base, i64 %line
  br label %look
look:
  %seen = load atomic i64, ptr %next.at monotonic, align 8
  %left = icmp slt i64 %seen, %limit
  br i1 %left, label %grab, label %range.done
grab:
  %b = atomicrmw add ptr %next.at, i64 1 monotonic
  %got = icmp slt i64 %b, %limit
  br i1 %got, label %run, label %range.done
run:
  %begin = mul i64 %b, %block
  %far = add i64 %begin, %block
  %over = icmp sgt i64 %far, %units
  %end = select i1 %over, i64 %units, i64 %far
  call void %f(ptr %context, i64 %begin, i64 %end, ptr %scratch)
  br label %look
range.done:
  %k.next = add i64 %k, 1
  %more = icmp slt i64 %k.next, %ranges
  br i1 %more, label %range, label %leave
leave:
  ret void
}

define internal ptr @worker(ptr %argument) nounwind {
entry:
  %time = alloca [2 x i64]
  %signals = alloca [16 x i64]
  call void @llvm.memset.p0.i64(ptr %signals, i8 -1, i64 128, i1 false)
  %masked = call i32 @pthread_sigmask(i32 0, ptr %signals, ptr null)
  %index = ptrtoint ptr %argument to i64
  %scratch = call ptr @scratch(i64 %index)
  %poor = icmp eq ptr %scratch, null
  %wanted.at = getelementptr i64, ptr @sg_pool_state, i64 $WANTED
  %parked.at = getelementptr i64, ptr @sg_pool_state, i64 $PARKED
  %epoch.at = getelementptr i64, ptr @sg_pool_state, i64 $EPOCH
  %sleepers.at = getelementptr i64, ptr @sg_pool_state, i64 $SLEEPERS
  %active.at = getelementptr i64, ptr @sg_pool_state, i64 $ACTIVE
  br i1 %poor, label %end, label %idle
end:
  ret ptr null

idle:
  %done = phi i32 [ 0, %entry ], [ %done, %awake ], [ %done, %park ],
    [ %epoch.in, %left ]
  %parked = load atomic i32, ptr %parked.at seq_cst, align 4
  %wanted = load atomic i64, ptr %wanted.at seq_cst, align 8
  %surplus = icmp sge i64 %index, %wanted
  br i1 %surplus, label %park, label %watch
park:
  call void @sleep(ptr %parked.at, i32 %parked)
  br label %idle
watch:
  %start = call i64 @now(ptr %time)
  br label %look
look:
  %turns = phi i32 [ 0, %watch ], [ %turns.next, %look.on ], [ 0, %clock ]
  %epoch = load atomic i32, ptr %epoch.at acquire, align 4
  %open.bit = and i32 %epoch, 1
  %open = icmp ne i32 %open.bit, 0
  %fresh = icmp ne i32 %epoch, %done
  %go = and i1 %open, %fresh
  br i1 %go, label %enter, label %look.on
look.on:
  $PAUSE
  %turns.next = add i32 %turns, 1
  %often = icmp sge i32 %turns.next, 16
  br i1 %often, label %clock, label %look
clock:
  %present = call i64 @now(ptr %time)
  %waited = sub i64 %present, %start
  %long = icmp sgt i64 %waited, $SPIN
  br i1 %long, label %wait, label %look
wait:
  %before = atomicrmw add ptr %sleepers.at, i64 1 seq_cst
  %epoch.now = load atomic i32, ptr %epoch.at seq_cst, align 4
  %now.bit = and i32 %epoch.now, 1
  %now.open = icmp ne i32 %now.bit, 0
  %now.fresh = icmp ne i32 %epoch.now, %done
  %now.go = and i1 %now.open, %now.fresh
  br i1 %now.go, label %awake, label %asleep
asleep:
  call void @sleep(ptr %epoch.at, i32 %epoch.now)
  br label %awake
awake:
  %after = atomicrmw sub ptr %sleepers.at, i64 1 seq_cst
  br label %idle

enter:
  %entered = atomicrmw add ptr %active.at, i64 1 seq_cst
  %epoch.in = load atomic i32, ptr %epoch.at seq_cst, align 4
  %in.bit = and i32 %epoch.in, 1
  %in.open = icmp ne i32 %in.bit, 0
  br i1 %in.open, label %work, label %left
work:
  call void @take(i64 %index, ptr %scratch)
  br label %left
left:
  %exited = atomicrmw sub ptr %active.at, i64 1 seq_cst
  br label %idle
}

define internal void @start(i64 %wanted) noinline nounwind {
entry:
  %thread = alloca i64
  %started.at = getelementptr i64, ptr @sg_pool_state, i64 $STARTED
  br label %next
next:
  %started = load i64, ptr %started.at
  %new = add i64 %started, 1
  %more = icmp slt i64 %new, %wanted
  br i1 %more, label %make, label %leave
make:
  store i64 %new, ptr %started.at
  %index = inttoptr i64 %new to ptr
  %failed = call i32 @pthread_create(ptr %thread, ptr null, ptr @worker, ptr %index)
  %fine = icmp eq i32 %failed, 0
  br i1 %fine, label %made, label %next
made:
  %id = load i64, ptr %thread
  %detached = call i32 @pthread_detach(i64 %id)
  br label %next
leave:
  ret void
}

define void @sg_pool_resize(i64 %threads) nounwind {
  %wanted.at = getelementptr i64, ptr @sg_pool_state, i64 $WANTED
  %parked.at = getelementptr i64, ptr @sg_pool_state, i64 $PARKED
  %epoch.at = getelementptr i64, ptr @sg_pool_state, i64 $EPOCH
  store atomic i64 %threads, ptr %wanted.at seq_cst, align 8
  %before = atomicrmw add ptr %parked.at, i32 1 seq_cst
  call void @wake(ptr %parked.at, i32 2147483647)
  call void @wake(ptr %epoch.at, i32 2147483647)
  ret void
}

define void @sg_parallel(ptr %f, ptr %context, i64 %units, i64 %wish) nounwind {
entry:
  %some = icmp sgt i64 %units, 0
  br i1 %some, label %ask, label %leave
ask:
  %busy = getelementptr i64, ptr @sg_pool_state, i64 $BUSY
  %asked = cmpxchg ptr %busy, i64 0, i64 1 acquire monotonic
  %free = extractvalue { i64, i1 } %asked, 1
  br i1 %free, label %mine, label %second
second:
  call void @alone(ptr %f, ptr %context, i64 %units)
  ret void
mine:
  %own = call ptr @scratch(i64 0)
  %poor = icmp eq ptr %own, null
  br i1 %poor, label %never, label %choose
never:
  call void @abort()
  unreachable
choose:
  %positive = icmp sgt i64 %wish, 0
  %block = select i1 %positive, i64 %wish, i64 1
  %wanted.at = getelementptr i64, ptr @sg_pool_state, i64 $WANTED
  %wanted = load atomic i64, ptr %wanted.at monotonic, align 8
  %one = icmp slt i64 %wanted, 2
  %small = icmp sle i64 %units, %block
  %serial = or i1 %one, %small
  br i1 %serial, label %by.self, label %shared
by.self:
  call void %f(ptr %context, i64 0, i64 %units, ptr %own)
  store atomic i64 0, ptr %busy release, align 8
  br label %leave

shared:
  %started.at = getelementptr i64, ptr @sg_pool_state, i64 $STARTED
  %started = load i64, ptr %started.at
  %have = add i64 %started, 1
  %few = icmp slt i64 %have, %wanted
  br i1 %few, label %begin, label %ready
begin:
  call void @start(i64 %wanted)
  br label %ready
ready:
  %round = add i64 %units, %block
  %round1 = sub i64 %round, 1
  %blocks = udiv i64 %round1, %block
  %fewer = icmp slt i64 %blocks, %wanted
  %threads = select i1 %fewer, i64 %blocks, i64 %wanted
  %many = icmp sgt i64 %threads, $RANGES
  %ranges = select i1 %many, i64 $RANGES, i64 %threads
  %job = getelementptr i64, ptr @sg_pool_state, i64 $JOB
  store ptr %f, ptr %job
  %context.at = getelementptr i64, ptr %job, i64 1
  store ptr %context, ptr %context.at
  %units.at = getelementptr i64, ptr %job, i64 2
  store i64 %units, ptr %units.at
  %block.at = getelementptr i64, ptr %job, i64 3
  store i64 %block, ptr %block.at
  %blocks.at = getelementptr i64, ptr %job, i64 4
  store i64 %blocks, ptr %blocks.at
  %ranges.at = getelementptr i64, ptr %job, i64 5
  store i64 %ranges, ptr %ranges.at
  br label %deal
deal:
  %r = phi i64 [ 0, %ready ], [ %r.next, %deal ]
  %share = mul i64 %r, %blocks
  %first = udiv i64 %share, %ranges
  %line = mul i64 %r, 8
  %next.base = getelementptr i64, ptr @sg_pool_state, i64 $NEXT
  %next.at = getelementptr i64, ptr %next.base, i64 %line
  store atomic i64 %first, ptr %next.at monotonic, align 8
  %r.next = add i64 %r, 1
  %r.more = icmp slt i64 %r.next, %ranges
  br i1 %r.more, label %deal, label %open
open:
  %epoch.at = getelementptr i64, ptr @sg_pool_state, i64 $EPOCH
  %sleepers.at = getelementptr i64, ptr @sg_pool_state, i64 $SLEEPERS
  %active.at = getelementptr i64, ptr @sg_pool_state, i64 $ACTIVE
  %opened = atomicrmw add ptr %epoch.at, i32 1 seq_cst
  %sleepers = load atomic i64, ptr %sleepers.at seq_cst, align 8
  %asleep = icmp sgt i64 %sleepers, 0
  br i1 %asleep, label %call, label %work
call:
  %others = sub i64 %threads, 1
  %count = trunc i64 %others to i32
  call void @wake(ptr %epoch.at, i32 %count)
  br label %work
work:
  call void @take(i64 0, ptr %own)
  %closed = atomicrmw add ptr %epoch.at, i32 1 seq_cst
  br label %wait
wait:
  %turns = phi i32 [ 0, %work ], [ %turns.next, %again ], [ %turns.next, %yield ]
  %active = load atomic i64, ptr %active.at seq_cst, align 8
  %none = icmp eq i64 %active, 0
  br i1 %none, label %finish, label %turn
turn:
  %turns.next = add i32 %turns, 1
  %long = icmp sgt i32 %turns.next, 1000
  br i1 %long, label %yield, label %again
again:
  $PAUSE
  br label %wait
yield:
  %yielded = call i32 @sched_yield()
  br label %wait
finish:
  store atomic i64 0, ptr %busy release, align 8
  br label %leave
leave:
  ret void
}
"""
