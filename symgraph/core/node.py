"""Variable, Constant, Apply and Op: what a graph is made of, and what users hold.

A variable is a leaf or an output of an application of an op to variables, so these know
one another. A node keeps its identity, its name and its place of birth (the user's file
and line). Building the same expression twice gives two nodes; only the frozen copy that
the optimizer works on merges them (see core/graph.py). Operators and methods are
attached in core/operators.py.

An op is an immutable value: its class plus its parameters (a `Record`). Two ops with
equal parameters are equal, so equal applications merge in a frozen graph. What an op
must say of itself is listed in `Op`; the families in ops/families.py derive most of it
from a description. Numbers, arrays and lists become variables in `as_variable`.
"""

import contextlib
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType, SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

import numpy as np

from symgraph.core import copies, types
from symgraph.core.dtypes import (
    MASKED,
    NUMPY,
    canonical,
    holds_masked,
    python_dtype,
)
from symgraph.core.public import PUBLIC
from symgraph.core.record import Record
from symgraph.core.sizes import Sizes
from symgraph.core.types import TensorType, fast_type
from symgraph.errors import (
    ConversionError,
    GradientError,
    GraphError,
    NotSupportedError,
)

if TYPE_CHECKING:
    from symgraph.core.attached import Attached
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


# --- ops ------------------------------------------------------------------------------

#: an extent in shape reasoning: a known int, or a 0-d int64 variable
Extent = int | Variable
Shape = tuple[Extent, ...]
#: how an array lies in memory: wherever its elements are; one after the other; so along
#: all axes but the first; as BLAS takes a matrix; one after the other and nothing else's
Layout = Literal["any", "contiguous", "rows", "matrix", "own"]

OPS: dict[str, type["Op"]] = {}


class Under(NamedTuple):
    """A gradient that flows to an input only if a condition is as told."""

    position: int
    condition: Variable
    holds: bool
    gradient: Variable


class Op(Record):
    """What can be applied to variables.

    A subclass annotates its parameters; it is a `Record`. It states:

    `infer`        types of the outputs from the inputs (checks ranks, dtypes, extents)
    `infer_shape`  extents of the outputs, as ints or 0-d int64 variables
    `grad`         gradients of the inputs from the gradients of the outputs
    `reference`    the values, by NumPy: slow, obvious, the truth
    """

    name: ClassVar[str] = ""
    #: True where a wrong value in an input can make the op fail at run time
    can_fail: ClassVar[bool] = False
    #: True where compiled functions call `reference` back, in Python: LAPACK, sorting,
    #: ops of the user
    host: ClassVar[bool] = False
    #: True where the first input tells which of the others are read; see `reads`
    chooses: ClassVar[bool] = False
    #: False where `repr` does not tell in every process what is computed: the code of
    #: functions with such an op is not kept on disk
    portable: ClassVar[bool] = True
    #: False where it stays although all inputs are constants: random numbers, calls of
    #: the user, repetition (the array would cost memory), markers of differentiation
    foldable: ClassVar[bool] = True
    #: True where lowering has loops for it, so that `decompose` waits for it to look
    has_loops: ClassVar[bool] = False
    #: True where its elements are those of its first input, in other places
    is_view: ClassVar[bool] = False
    #: True where a step of a loop does it again rather than take the result from outside
    is_repeated: ClassVar[bool] = False
    #: True where it runs inner graphs (core/inner.py)
    has_inner: ClassVar[bool] = False

    # How compiled functions compute it. An op without any of these, and without loops of
    # its own (lower/single_op_kernels.py), has to be rewritten to others.
    #: True where kernels compute its elements one by one, beside those of other ops
    is_fused: ClassVar[bool] = False
    #: True where its elements follow from their places and from extents, without memory
    is_implied: ClassVar[bool] = False
    #: True where cheap scalars made of it are computed again by each kernel that reads them
    is_inlined: ClassVar[bool] = False
    #: True where its first input is read at other places, so that it must be in memory
    gathers: ClassVar[bool] = False
    #: True where it is its first input with some elements changed, and may overwrite it
    changes: ClassVar[bool] = False
    #: True for a product that is added to its first input, which it may overwrite
    accumulates: ClassVar[bool] = False
    #: which inputs a product multiplies, as matrices
    factors: ClassVar[tuple[int, int] | None] = None
    #: True for a product of many matrices, along the first axis of its factors
    is_batched: ClassVar[bool] = False
    #: what a convolution computes: "forward", "input" or "filters"
    convolves: ClassVar[str] = ""

    def __init_subclass__(cls, **named: Any) -> None:
        super().__init_subclass__(**named)
        if cls.host:
            cls.can_fail = True
        if cls.__dict__.get("name"):
            if cls.name in OPS and OPS[cls.name].__qualname__ != cls.__qualname__:
                raise ValueError(f"an op named {cls.name!r} is registered already")
            OPS[cls.name] = cls

    def __init__(self, *values: Any, **named: Any) -> None:
        super().__init__(*values, **named)
        key = super()._key()  # ops are keys of the interner: once is enough
        self.__dict__["_made"] = key, hash((type(self), key))

    def _key(self) -> tuple[Any, ...]:
        return self.__dict__["_made"][0]

    def __hash__(self) -> int:
        return self.__dict__["_made"][1]

    def infer(self, *inputs: Variable) -> tuple[TensorType, ...]:
        """Types of the outputs; raises a named error where the inputs do not fit."""
        raise NotImplementedError

    def infer_shape(
        self, inputs: Sequence[Variable], shapes: Sequence[Shape]
    ) -> tuple[Shape, ...]:
        """Extents of the outputs, given the extents of the inputs."""
        raise NotImplementedError

    def grad(
        self,
        inputs: Sequence[Variable],
        outputs: Sequence[Variable],
        gradients: Sequence[Variable | None],
    ) -> Sequence[Variable | None]:
        """Gradient of each input, None where nothing flows.

        `gradients` holds the gradient of each output, None where the cost does not
        depend on it.
        """
        raise GradientError(f"{self} has no gradient")

    def reference(self, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
        """The outputs as NumPy arrays of exactly the inferred dtypes."""
        raise NotSupportedError(f"{self} has no reference")

    def connection(self) -> tuple[bool, ...] | None:
        """For each input, whether a gradient can flow to it; None: to all."""
        return None

    def refined(self, inputs: Sequence[Variable]) -> "Op":
        """The op for inputs whose types tell more than those it was made for.

        Ops with inner graphs take the types over; all others stay as they are.
        """
        return self

    # What is asked about one application. Ops of the package answer from the operands
    # alone, by the methods above; ops of the user in Theano's form look at the node.

    def insides(self) -> Sequence[tuple[str, Any]]:
        """The inner graphs (core/inner.py), with what each is for."""
        return ()

    def extents_of(self, node: Apply, shapes: Sequence[Shape]) -> tuple[Shape, ...]:
        """Extents of the outputs of an application of this op."""
        return self.infer_shape(node.inputs, shapes)

    def gradients_of(
        self, node: Apply, gradients: Sequence[Variable | None]
    ) -> Sequence[Variable | None]:
        """Gradients of the inputs of an application of this op."""
        return self.grad(node.inputs, node.outputs, gradients)

    def is_light(self, node: Apply) -> bool:
        """Whether to compute an application again costs little beside loading operands.

        The reverse step of a loop does so; results of all others are kept for it.
        """
        return self.is_view

    def always_fits(self, node: Apply) -> bool:
        """Whether an application takes operands of all sizes, and so cannot fail.

        A branch may compute it though it is not chosen.
        """
        return False

    def require(self, sizes: Sizes) -> None:
        """State what sizes of the operands an application takes; by default, all."""

    def in_memory(self, inputs: Sequence[Variable]) -> Sequence[Variable]:
        """The inputs that are arrays in memory; the others are extents, known as sizes."""
        return inputs

    def layout(self, position: int) -> Layout:
        """How an input must lie in memory."""
        return "contiguous" if self.host else "any"

    def reads(self, condition: bool) -> list[int]:
        """Which inputs an op that `chooses` needs if its first one is so."""
        raise NotImplementedError

    def choices_of(
        self, node: Apply, gradients: Sequence[Variable | None]
    ) -> Sequence[Under] | None:
        """Gradients of an op that chooses: each flows only if a condition is as told.

        None for an op that does not choose; `gradients_of` gives its gradients.
        """
        return None

    def connection_of(self, node: Apply) -> tuple[bool, ...] | None:
        """`connection` of an application of this op."""
        return self.connection()

    def values_of(
        self, node: Apply, arrays: Sequence[np.ndarray]
    ) -> tuple[np.ndarray, ...]:
        """Values of the outputs of an application of this op."""
        return self.reference(*arrays)

    def signature(self) -> str:
        """Text that is equal for equal ops and no others; graphs are told apart by it."""
        return repr(self)

    def make(self, *inputs: Variable) -> tuple[Variable, ...]:
        """Apply the op; in a frozen graph, equal applications are one object.

        An op that stands for a graph of others gives that graph's outputs there.
        """
        interner = building.interner
        if interner is not None:
            return interner.apply(self, inputs).outputs
        node = Apply(self, inputs, self.infer(*inputs))
        if building.watch is not None:
            building.watch(node)
        return node.outputs

    def __call__(self, *inputs: Any) -> Any:
        """Apply the op to variables or constants; one output comes bare."""
        outputs = self.make(*(as_variable(value) for value in inputs))
        return outputs[0] if len(outputs) == 1 else outputs

    def __str__(self) -> str:
        inside = ", ".join(f"{name}={getattr(self, name)}" for name in self.fields)
        return f"{self.name}{{{inside}}}" if inside else self.name


# --- what becomes a variable ------------------------------------------------------------


def constant_of(
    data: Any, dtype: str | None = None, name: str | None = None
) -> Constant:
    """A Constant of a private copy of `data`."""
    array = np.array(data, dtype=None if dtype is None else NUMPY[dtype], order="C")
    return Constant(array, name)


def as_variable(
    value: Any, dtype: str | None = None, partners: tuple[str, ...] = ()
) -> Variable:
    """Variable, number, array or nested list as a variable.

    Parameters
    ----------
    value : Variable, number, array, or (nested) list of those
    dtype : str, optional
        dtype of the constant that is made
    partners : dtypes of the other operands; a Python number adapts to them
    """
    if isinstance(value, Variable):
        return value
    if dtype is not None:
        dtype = canonical(dtype)
    if isinstance(value, bool | int | float | complex) and not isinstance(
        value, np.generic
    ):
        return scalar_constant(value, dtype or python_dtype(value, partners))
    if isinstance(value, list | tuple) and any(map(_holds_variable, value)):
        return PUBLIC["stack"](value)
    if isinstance(value, list | tuple):
        return _constant_of_list(value, dtype)
    if isinstance(value, np.ndarray | np.generic):
        if holds_masked(value):
            raise ConversionError(f"a masked array as operand: {MASKED}")
        array = np.asarray(value)
        canonical(array.dtype)
        return constant_of(array, dtype)
    convert = getattr(value, "_as_variable", None)
    if convert is not None:
        return convert()
    raise ConversionError(
        f"{value!r} of type {type(value).__name__} cannot become a variable; pass a "
        "number, a NumPy array, a nested list of numbers, or a symbolic variable"
    )


_scalars: dict[tuple[str, Any, str], np.ndarray] = {}


def scalar_constant(value: bool | int | float | complex, dtype: str) -> Constant:
    """0-d constant; the arrays of small values are shared."""
    key = (type(value).__name__, value if value else repr(value), dtype)
    array = _scalars.get(key)
    if array is None:
        array = np.array(value, dtype=NUMPY[dtype])
        if len(_scalars) < 4096:
            _scalars[key] = array
    return Constant(array)


def _holds_variable(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return any(map(_holds_variable, value))
    return isinstance(value, Variable)


def _constant_of_list(value: Sequence[Any], dtype: str | None) -> Constant:
    try:
        array = np.array(value)
    except ValueError as error:
        raise ConversionError(f"{value!r} is ragged: rows differ in length") from error
    if array.dtype.kind not in "biufc":
        raise ConversionError(f"{value!r} holds something that is not a number")
    if dtype is None and array.dtype.kind == "f" and array.size:
        dtype = python_dtype(1.0, ())
    return constant_of(array, dtype)


def as_operands(*values: Any) -> tuple[Variable, ...]:
    """Operands of one elementwise op; Python numbers adapt to the others' dtypes."""
    for value in values:
        if not isinstance(value, Variable):
            break
    else:
        return values
    partners = tuple(
        value.type.dtype if isinstance(value, Variable) else value.dtype.name
        for value in values
        if isinstance(value, Variable | np.ndarray | np.generic)
    )
    return tuple(as_variable(value, None, partners) for value in values)


# --- in error texts -----------------------------------------------------------------------


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
