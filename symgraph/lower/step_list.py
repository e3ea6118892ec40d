"""The steps of one graph while they are written, unit by unit.

A `StepList` knows in which slots the values of its graph are, and notes when each unit
runs: a unit has the moments between its first step and its last, and those of units
inside it (the body of a loop) lie between them. So memory is needed for an interval of
moments, whatever is nested in what. In: extents, the placement of values. Out: steps,
and slots of the program that all graphs of a function share.
"""

from collections.abc import Sequence

from symgraph.core.node import Apply, Constant, Variable
from symgraph.lower.extents import Extents
from symgraph.lower.memory import Placement, Storage
from symgraph.lower.program_builder import ProgramBuilder
from symgraph.lower.sizes import SizePolynomial
from symgraph.lower.steps import Span, Step
from symgraph.lower.views import view_of


class StepList:
    """Steps of a graph.

    Attributes
    ----------
    steps : so far
    sources : for each the nodes that it computes
    nodes : what the present unit computes
    """

    def __init__(
        self,
        builder: ProgramBuilder,
        extents: Extents,
        placement: Placement,
        leaves: Sequence[int] | None = None,
        outputs: Sequence[int] = (),
    ) -> None:
        """`leaves` and `outputs` are slots of an inner graph's; a function's have names."""
        self.builder = builder
        self.extents = extents
        self.placement = placement
        self.leaves, self.outputs = leaves, outputs
        self.steps: list[Step] = []
        self.sources: list[tuple[Apply, ...]] = []
        self.nodes: tuple[Apply, ...] = ()
        #: first and last moment of each unit
        self.moments: list[Span] = []
        self._temps = [builder.temp(size) for size, _, _ in placement.temps]
        self._scratch: list[Storage] = []  # of the present unit

    # --- time -------------------------------------------------------------------------

    def begin(self, nodes: Sequence[Apply]) -> None:
        """The next unit begins; what is added now computes these nodes."""
        self.nodes = tuple(nodes)
        now = self.builder.tick()
        self.moments.append((now, now))

    def end(self) -> None:
        """The present unit, inside which others have run, is done."""
        first, _ = self.moments[-1]
        self.moments[-1] = first, self.builder.tick()
        for temp in self._scratch:
            self.builder.live(temp, *self.moments[-1])
        self._scratch = []

    def close(self) -> None:
        """All units are written: say when temporaries are needed."""
        for temp, (_, first, last) in zip(
            self._temps, self.placement.temps, strict=True
        ):
            self.builder.live(temp, self.moments[first][0], self.moments[last][1])

    def span(self) -> Span:
        """The moments of the present unit."""
        return self.moments[-1]

    # --- slots ------------------------------------------------------------------------

    def size(self, size: SizePolynomial) -> int:
        """Slot of a size."""
        return self.builder.slot(size)

    def buffer(self, variable: Variable) -> int:
        """Slot of the address of a stored variable, leaf or constant."""
        if isinstance(variable, Constant):
            return self.builder.constant(variable.data)
        return self.stored(self.placement.of[variable])

    def address(self, variable: Variable) -> int:
        """Slot of the address of an operand that lies in memory as it is."""
        if isinstance(variable, Constant):
            return self.buffer(variable)
        view = view_of(variable, self.extents)
        return self.buffer(variable if view is None else view.source)

    def stored(self, storage: Storage) -> int:
        """Slot of the address of a storage."""
        kind, number = storage
        if kind == "temp":
            return self.builder.slot(self._temps[number])
        if self.leaves is None:
            return self.builder.slot(storage)
        return (self.leaves if kind == "leaf" else self.outputs)[number]

    def scratch(self, size: SizePolynomial) -> int:
        """Slot of memory that is needed until the end of the present unit."""
        temp = self.builder.temp(size)
        self._scratch.append(temp)
        return self.builder.slot(temp)

    def add(self, step: Step) -> None:
        """The next step."""
        self.steps.append(step)
        self.sources.append(self.nodes)
