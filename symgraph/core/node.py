"""Variable, Apply, Constant, SharedVariable: what users hold.

A node keeps its identity, its name and its place of birth (the user's file and line).
Building the same expression twice gives two nodes; only the frozen copy that the
optimizer works on merges them (see core/graph.py). Operators and methods are attached
in core/operators.py; ops are in core/op.py.
"""

import contextlib
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from symgraph.core import copies, types
from symgraph.core.dtypes import NUMPY
from symgraph.core.types import TensorType, fast_type
from symgraph.errors import GraphError

if TYPE_CHECKING:
    from symgraph.core.attached import Attached
    from symgraph.core.op import Op
else:
    Attached = object  # core/operators.py attaches what the stub attached.pyi tells

PACKAGE = str(Path(__file__).resolve().parent.parent)
Place = tuple[str, int]
#: entries of a variable's dictionary that other files keep there for themselves
CACHES = ("_compiled", "_extents", "_extent_key", "_not_negative", "_serial")


class _Building(threading.local):
    """What is going on in this thread.

    The interner at work and those that it interrupts, the place it works for, and who is
    told of each application that is made outside of frozen graphs.
    """

    interner: Any = None
    interrupted: list[Any]
    place: Place | None = None
    watch: "Callable[[Apply], None] | None" = None

    def __init__(self) -> None:  # once for each thread
        self.interrupted = []


building = _Building()


def user_place() -> Place:
    """File and line of the nearest caller outside the package."""
    if building.place is not None:
        return building.place
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        filename = frame.f_code.co_filename
        if not filename.startswith(PACKAGE):
            return filename, frame.f_lineno
        frame = frame.f_back
    return "<symgraph>", 0


@contextlib.contextmanager
def at_place_of(variable: "Variable") -> Iterator[None]:
    """Give what is made meanwhile the place of birth of `variable`."""
    before = building.place
    building.place = variable.place
    try:
        yield
    finally:
        building.place = before


class Variable(Attached):
    """A symbolic tensor: a leaf, or one output of an `Apply`.

    Attributes
    ----------
    type : TensorType
    owner : Apply or None
        the application that computes it; None for a leaf.
    index : int
        which output of the owner it is.
    name : str or None
    tag : namespace for anything the user wants to attach
    place : (file, line) of the user's code that made it
    """

    __array_priority__ = 1000

    def __init__(
        self,
        type: TensorType,
        owner: "Apply | None" = None,
        index: int = 0,
        name: str | None = None,
        place: Place | None = None,
    ) -> None:
        self.type = type
        self.owner = owner
        self.index = index
        self.name = name
        self.place = user_place() if place is None else place

    @property
    def tag(self) -> SimpleNamespace:
        """Namespace for the user's own notes about the variable."""
        found = self.__dict__.get("_tag")
        if found is None:
            found = self.__dict__["_tag"] = SimpleNamespace()
        return found

    @tag.setter
    def tag(self, value: Any) -> None:
        self.__dict__["_tag"] = value

    @property
    def dtype(self) -> str:
        """Name of the dtype."""
        return self.type.dtype

    @property
    def ndim(self) -> int:
        """Number of axes, known while building."""
        return len(self.type.shape)

    @property
    def broadcastable(self) -> tuple[bool, ...]:
        """True for each axis known to have extent 1."""
        return self.type.broadcastable

    def __repr__(self) -> str:
        return self.name or (f"{self.owner.op}.out" if self.owner else f"<{self.type}>")

    def __getstate__(self) -> dict[str, Any]:
        """What a copy keeps: all but what can be worked out again."""
        return {k: v for k, v in self.__dict__.items() if k not in CACHES}

    def __reduce_ex__(self, protocol: Any) -> Any:
        owner = self.owner
        if owner is None or owner.outputs[self.index] is not self:
            return super().__reduce_ex__(protocol)
        first = () if copies.is_given(owner) else copies.InOrder([owner], _below)
        return _output_of, (first, owner, self.index)

    def clone(self, name: str | None = None) -> "Variable":
        """A new leaf (or output of the same owner) of the same type."""
        return Variable(self.type, self.owner, self.index, name or self.name)


class Constant(Variable):
    """A value known while building. `data` is a read-only NumPy array."""

    def __init__(
        self, data: np.ndarray, name: str | None = None, place: Place | None = None
    ) -> None:
        super().__init__(fast_type(data.dtype.name, data.shape), None, 0, name, place)
        self.data = data
        data.flags.writeable = False

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.data.flags.writeable = False

    @property
    def value(self) -> np.ndarray:
        """The array (Theano's name for `data`)."""
        return self.data

    def __repr__(self) -> str:
        if self.name:
            return self.name
        text = repr(self.data.tolist()) if self.data.size < 6 else f"<{self.type}>"
        return text


class Apply:
    """An op applied to inputs; `outputs` are the variables it computes.

    What is given as outputs are their types, or leaves, which become its outputs (as an
    op of the user has it: ``Apply(self, [x], [x.type()])``).
    """

    __slots__ = ("__weakref__", "inputs", "op", "outputs")

    def __init__(
        self,
        op: "Op",
        inputs: Sequence[Variable],
        outputs: Sequence["TensorType | Variable"],
        place: Place | None = None,
    ) -> None:
        self.op = op
        self.inputs = tuple(inputs)
        place = user_place() if place is None else place
        self.outputs = tuple(
            self._adopted(given, index, place)
            if isinstance(given, Variable)
            else Variable(given, self, index, None, place)
            for index, given in enumerate(outputs)
        )

    def _adopted(self, leaf: Variable, index: int, place: Place) -> Variable:
        if leaf.owner is not None or type(leaf) is not Variable:
            raise GraphError(
                f"{self.op}: an output must be a new variable{listing(leaf)}\n"
                "Make it with the type's call: x.type()."
            )
        leaf.owner, leaf.index, leaf.place = self, index, place
        return leaf

    def __reduce_ex__(self, protocol: Any) -> Any:
        kept = ("owner", "index")
        states = [
            (v.type, {k: a for k, a in v.__getstate__().items() if k not in kept})
            for v in self.outputs
        ]
        first: Any = ()
        if not copies.is_given(self) and not all(
            v.owner is None or copies.is_given(v.owner) for v in self.inputs
        ):
            first = copies.InOrder(_below(self), _below)
        return _applied, (first, self.op, self.inputs, states)

    def __repr__(self) -> str:
        return f"{self.op}({', '.join(map(repr, self.inputs))})"


def _below(node: Apply) -> list[Apply]:
    return [v.owner for v in node.inputs if v.owner is not None]


def _output_of(order: Any, owner: Apply, index: int) -> Variable:
    """What a copied output is, whose owner was copied before it."""
    return owner.outputs[index]


def _applied(
    order: Any, op: "Op", inputs: Sequence[Variable], states: Sequence[Any]
) -> Apply:
    """A copied application."""
    made = Apply(op, inputs, [type for type, _ in states], ("", 0))
    for variable, (_, state) in zip(made.outputs, states, strict=True):
        variable.__dict__.update(state)
    return made


def computing(variables: Sequence[Variable]) -> copies.InOrder:
    """All that computes some variables, in an order in which it can be copied."""
    owners = [v.owner for v in variables if v.owner is not None]
    return copies.InOrder(owners, _below, variables)


def _make_variable(type: TensorType, name: str | None = None) -> Variable:
    return Variable(type, None, 0, name)


types.make_variable = _make_variable


def constant_of(
    data: Any, dtype: str | None = None, name: str | None = None
) -> Constant:
    """A Constant of a private copy of `data`."""
    array = np.array(data, dtype=None if dtype is None else NUMPY[dtype], order="C")
    return Constant(array, name)


def described(variable: Variable) -> str:
    """One line for error texts: name, type and place of birth."""
    file, line = variable.place
    return f"{_label(variable, 1)} : {variable.type}   made at {file}:{line}"


def _label(variable: Variable, depth: int) -> str:
    if variable.name is not None:
        return variable.name
    if isinstance(variable, Constant):
        return repr(variable.data.item()) if variable.data.size == 1 else "<constant>"
    if variable.owner is None:
        return "<unnamed>"
    op, inputs = variable.owner.op, variable.owner.inputs
    if op.name == "check_index":  # ours, around what the user wrote
        below = inputs[0]
        converted = below.owner is not None and below.owner.op.name == "cast"
        return _label(below.owner.inputs[0] if converted else below, depth)  # type: ignore
    if depth == 0 or len(inputs) > 6:
        return f"{op}(...)"
    return f"{op}({', '.join(_label(v, depth - 1) for v in inputs)})"


def listing(*variables: Variable) -> str:
    """The lines of an error text that describe its operands."""
    return "".join(f"\n  {described(v)}" for v in variables)
