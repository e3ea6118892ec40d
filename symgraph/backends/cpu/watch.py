"""The watch: how native loops hear that they are to stop, and tell how far they are.

A loop asks every so many steps: `due` reads the clock, and where PERIOD has gone by, it
calls the function whose address the watch holds, which looks for signals with the lock
of the interpreter (`sg_watch` in entry_code.py). Without such a function the loop is left
when the time is over: the caller holds that lock, and takes another way for what lasts.
How many steps lie between two questions follows from the time that they take, so that
reading the clock costs less than a hundredth, and a signal is heard in about PERIOD.

A watch is a table of int64: CHECK address of ``i64 check(ptr watch)``, LOOP_DUE and
RUN_DUE when to call it next (nanoseconds; 0: the time begins now), DONE whole steps of
`run` so far, THREAD and PROGRESS for `sg_watch`, and two words for the clock. A pace is
three: the step of the next question, the steps between two, the time of the last.
"""

import time

import numpy as np

from symgraph.backends.base import LEFT

CHECK, LOOP_DUE, RUN_DUE, _DONE, THREAD, PROGRESS, _CLOCK = range(7)
WORDS = 8
#: nanoseconds after which Python is asked
PERIOD = 50_000_000
#: step at which a loop in a program asks first
FIRST = 8
#: nanoseconds between two questions: fewer are wasteful, more are slow to hear
SHORT, LONG = 20_000, 500_000

DUE = f"""
define i64 @sg_due(ptr %watch, i64 %which, ptr %pace, i64 %i) nounwind {{
entry:
  %clock = getelementptr i64, ptr %watch, i64 {_CLOCK}
  %read = call i32 @clock_gettime(i32 {getattr(time, "CLOCK_MONOTONIC", 1)}, ptr %clock)
  %seconds = load i64, ptr %clock
  %rest.at = getelementptr i64, ptr %clock, i64 1
  %rest = load i64, ptr %rest.at
  %whole = mul i64 %seconds, 1000000000
  %now = add i64 %whole, %rest
  %many.at = getelementptr i64, ptr %pace, i64 1
  %many = load i64, ptr %many.at
  %last.at = getelementptr i64, ptr %pace, i64 2
  %last = load i64, ptr %last.at
  store i64 %now, ptr %last.at
  %took = sub i64 %now, %last
  %first = icmp eq i64 %last, 0
  %quick = icmp slt i64 %took, {SHORT}
  %slow = icmp sgt i64 %took, {LONG}
  %more = shl i64 %many, 2
  %less = lshr i64 %many, 3
  %some = icmp ugt i64 %less, 0
  %least = select i1 %some, i64 %less, i64 1
  %kept = select i1 %slow, i64 %least, i64 %many
  %new = select i1 %quick, i64 %more, i64 %kept
  %steps = select i1 %first, i64 %many, i64 %new
  store i64 %steps, ptr %many.at
  %then = add i64 %i, %steps
  store i64 %then, ptr %pace
  %due.at = getelementptr i64, ptr %watch, i64 %which
  %due = load i64, ptr %due.at
  %begins = icmp eq i64 %due, 0
  br i1 %begins, label %begin, label %compare
begin:
  %at.first = add i64 %now, {PERIOD}
  store i64 %at.first, ptr %due.at
  ret i64 0
compare:
  %early = icmp slt i64 %now, %due
  br i1 %early, label %go, label %look
go:
  ret i64 0
look:
  %check = load ptr, ptr %watch
  %nobody = icmp eq ptr %check, null
  br i1 %nobody, label %leave, label %ask
ask:
  %said = call i64 %check(ptr %watch)
  store i64 0, ptr %due.at
  %stop = icmp ne i64 %said, 0
  br i1 %stop, label %leave, label %go
leave:
  ret i64 {LEFT}
}}
declare i32 @clock_gettime(i32, ptr)
"""


def made(check: int = 0) -> np.ndarray:
    """A watch that calls the function at an address, or leaves when time is over.

    Examples
    --------
    >>> made().tolist()
    [0, 0, 0, 0, 0, 0, 0, 0]
    """
    watch = np.zeros(WORDS, np.int64)
    watch[CHECK] = check
    return watch
