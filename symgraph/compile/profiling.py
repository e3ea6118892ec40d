"""`f.profile()`: where the time of a call goes, or that of compilation.

The measuring is done in runtime/profile.py. In: a compiled function and arguments. Out:
values that print as tables.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from symgraph.backends.base import Options
from symgraph.backends.registry import backend_of
from symgraph.compile.arguments import Request
from symgraph.compile.build import Timings
from symgraph.compile.modes import Mode
from symgraph.compile.specialization import Specialization
from symgraph.core.record import Record
from symgraph.errors import ArgumentError, NotSupportedError
from symgraph.runtime.executor import Executor

if TYPE_CHECKING:
    from symgraph.runtime.profile import Profile

#: what each stage does, for the table
STAGES = {
    "key": "digest of the graph, the versions and the machine",
    "read cache": "look for object code on disk, read and check it",
    "import": "import the compiler's floors",
    "rewrite": "simplify, stabilise and specialise the graph",
    "lower": "fuse, plan memory, write loops",
    "libraries": "map thread pool and tiles, compiled once on a machine",
    "import numba": "import the part of Numba that compiles",
    "emit": "write LLVM's assembly",
    "llvm": "machine code",
    "load": "keep the object, map it",
}


class CompileProfile(Record):
    """Seconds of each stage of a compilation, and of each pass of rewriting.

    Attributes
    ----------
    stages, passes : name → seconds
    cached : whether the object code came from the cache
    """

    name: str
    stages: dict[str, float]
    passes: dict[str, float]
    cached: bool

    @property
    def seconds(self) -> float:
        """Time of all stages."""
        return sum(self.stages.values())

    def __str__(self) -> str:
        origin = "from the cache" if self.cached else "compiled"
        lines = [
            f"{self.name or 'function'}: {origin} in {self.seconds * 1e3:.1f} ms",
            "",
        ]
        for stage, seconds in self.stages.items():
            about = STAGES.get(stage, "")
            lines.append(f"{seconds * 1e3:9.1f} ms  {stage:13} {about}".rstrip())
            if stage == "rewrite":
                lines += [
                    f"{spent * 1e3:9.1f} ms    {name}"
                    for name, spent in self.passes.items()
                ]
        return "\n".join(lines)

    __repr__ = __str__


class Profiling:
    """What `CompiledFunction` inherits to be profiled."""

    specialization: Specialization
    request: Request
    mode: Mode
    options: Options
    timings: Timings
    name: str | None

    if TYPE_CHECKING:

        @property
        def lowered(self) -> Any: ...
        def convert(
            self, args: Sequence[Any], kwargs: dict[str, Any]
        ) -> list[np.ndarray]: ...
        def executor_for(self, arrays: Sequence[np.ndarray]) -> Executor: ...

    def profile(
        self, *args: Any, calls: int = 10, compile: bool = False, **kwargs: Any
    ) -> "Profile | CompileProfile":
        """Time of a call, step by step; or of compilation, stage by stage.

        Runs the function 1 + `calls` times with these arguments and a clock beside each
        step, on copies of the shared variables: these keep their values, so a training
        step can be profiled in the middle of training. The steps are compiled anew for
        it; Python's part of a call, about a microsecond, is not in it.

        Parameters
        ----------
        *args, **kwargs : values of the inputs, as for a call
        calls : how many calls are measured
        compile : tell the time of compilation instead; takes no values

        Returns
        -------
        Profile : `rows` (see `symgraph.runtime.profile.Row`), `by_kind`, `seconds`,
            `peak_bytes`; prints as tables: time, share of the time, operations and bytes
            per second, the share of the best that this machine could do (its roofline),
            and the line of the user's code that the step comes from
        CompileProfile : `stages`, `passes`, `seconds`, `cached`

        Raises
        ------
        ArgumentError : `calls` is below 1, or values beside ``compile=True``
        NotSupportedError : the function's mode does not compile

        Examples
        --------
        >>> import numpy as np
        >>> import symgraph as sg, symgraph.tensor as T
        >>> x = T.fmatrix("x")
        >>> f = sg.function([x], T.exp(T.dot(x, x)), name="f")
        >>> found = f.profile(np.ones((64, 64), "float32"))
        >>> sorted(row.kind for row in found.rows)
        ['dot', 'elementwise']
        >>> f.profile(compile=True).seconds > 0
        True
        """
        if not self.mode.compiled:
            raise NotSupportedError(
                f"{self!r}: mode {self.mode.name} compiles nothing, so there is nothing to "
                "profile\nMake the function with another mode."
            )
        if compile:
            if args or kwargs:
                raise ArgumentError("profile(compile=True) takes no values of inputs")
            made = self.timings
            return CompileProfile(
                self.name or "", dict(made.stages), dict(made.passes), made.cached
            )
        if calls < 1:
            raise ArgumentError(f"profile: calls={calls}, expected at least 1")
        # late: calls need none of it
        from symgraph.runtime.profile import measure

        arrays = [np.asarray(a, order="C") for a in self.convert(args, kwargs)]
        self.executor_for(arrays)
        made = self.lowered
        timed = backend_of(self.options.device).timed(made.native, self.options)
        return measure(
            made.program, made.native, timed, self.request.shared, arrays,
            calls, self.name or "",
        )  # fmt: skip
