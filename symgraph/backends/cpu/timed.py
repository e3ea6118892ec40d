"""A driver that takes the time of each step, for `f.profile()`.

    i64 step(ptr slots, ptr clock)        one execution; nanoseconds are added to clock[k]
                                          for step k

The steps are those of driver.py, with a look at the monotonic clock between them, which
costs about 30 ns each. In: a Program. Out: the text of the functions.
"""

import time
from typing import Any

from symgraph.backends.cpu.driver import Driver
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
    return _TimedDriver(program, ilp64).text() + NOW


class _TimedDriver(Driver):
    _number = 0
    _last = "%started"

    def _steps(self, name: str, choice: list[str]) -> str:
        self._number, self._last = 0, "%started"
        choice = [line.replace("(ptr %slots)", "(ptr %slots, ptr %clock)")
                  for line in choice]  # fmt: skip
        text = super()._steps(name, [*choice, "  %started = call i64 @sg.now()"])
        head = f"define {name}(ptr %slots"
        assert text.startswith(head)
        return f"{head}, ptr %clock{text[len(head) :]}"

    def _step(self, step: Any) -> None:
        super()._step(step)
        now = self._op("call i64 @sg.now()")
        spent = self._op(f"sub i64 {now}, {self._last}")
        at = self._op(f"getelementptr i64, ptr %clock, i64 {self._number}")
        before = self._op(f"load i64, ptr {at}")
        total = self._op(f"add i64 {before}, {spent}")
        self.lines.append(f"  store i64 {total}, ptr {at}")
        self._number, self._last = self._number + 1, now
