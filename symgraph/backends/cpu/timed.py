"""A driver that takes the time of each step, for `f.profile()`.

    i64 step(ptr slots, ptr clock)        one execution; nanoseconds are added to clock[k]
                                          for step k

The steps are those of driver.py, with a look at the monotonic clock between them, which
costs about 30 ns each. In: a Program. Out: the text of the functions.
"""

import time

from symgraph.backends.cpu.driver import Driver
from symgraph.backends.cpu.driver_lines import Lines
from symgraph.backends.cpu.steps import NativeProgram

NOW = f"""
define internal i64 @sg.now() noinline nounwind {{
  %pair = alloca [2 x i64]
  %ignored = call i32 @clock_gettime(i32 {getattr(time, "CLOCK_MONOTONIC", 1)}, ptr %pair)
  %seconds = load i64, ptr %pair
  %more.at = getelementptr i64, ptr %pair, i64 1
  %more = load i64, ptr %more.at
  %far = mul i64 %seconds, 1000000000
  %now = add i64 %far, %more
  ret i64 %now
}}
declare i32 @clock_gettime(i32, ptr)
"""


def write_timed_driver(program: NativeProgram, ilp64: bool) -> str:
    """The text of `step` with clocks, and declarations of what it calls."""
    return Driver(program, ilp64, _StepClock()).text() + NOW


class _StepClock:
    """Adds what each step took to its place of the table of times."""

    parameter = ", ptr %clock"
    _number = 0
    _last = ""

    def begin(self, w: Lines) -> None:
        """The time before the first step."""
        self._number, self._last = 0, "%started"
        w.lines.append("  %started = call i64 @sg.now()")

    def step(self, w: Lines) -> None:
        """The time after a step."""
        now = w.op("call i64 @sg.now()")
        spent = w.op(f"sub i64 {now}, {self._last}")
        at = w.op(f"getelementptr i64, ptr %clock, i64 {self._number}")
        before = w.op(f"load i64, ptr {at}")
        total = w.op(f"add i64 {before}, {spent}")
        w.lines.append(f"  store i64 {total}, ptr {at}")
        self._number, self._last = self._number + 1, now
