"""`Op`: the base of ops in Theano's form, and how they run in compiled functions.

A subclass says in `make_node` which types come out, in `perform` how values are
computed, and where it can in `grad` and `infer_shape`. In a graph of the user it is its
own op. In a frozen graph a `Perform` takes its place, a host op: compiled functions call
`perform` back in Python. Its operands are those of the node and the extents of its
outputs; without `infer_shape` another host op, `PerformFirst`, computes the outputs
beforehand to tell their extents.

Ops are taken as pure: equal inputs give equal outputs. Equal applications are merged,
those that nobody needs are dropped.
"""

import copyreg
import inspect
from collections.abc import Callable, Sequence
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

import numpy as np

from symgraph.core import node as core
from symgraph.core.node import (
    Apply,
    Shape,
    Variable,
    as_variable,
    building,
    listing,
    user_place,
)
from symgraph.core.types import TensorType
from symgraph.errors import (
    ArgumentError,
    DtypeError,
    GradientError,
    NotSupportedError,
    ShapeError,
    UserOpError,
)
from symgraph.extend import contract
from symgraph.extend.perform import Call, Perform, PerformFirst
from symgraph.extend.pullback import wrapped
from symgraph.ops import shape as shapes_of
from symgraph.ops.shape import static, variable

Gradients = Sequence[Variable | None]
#: op → its number among the unequal ops of its class
_numbers: "WeakKeyDictionary[Op, int]" = WeakKeyDictionary()
_count: dict[str, int] = {}


class Op(core.Op):
    """An op in Theano's form.

    A subclass may define

    `__props__`
        names of the attributes that tell its ops apart; without it, each op is equal to
        itself only
    `make_node(self, *inputs)`
        returns ``Apply(self, inputs, outputs)`` with new variables as outputs; or, for
        fixed types, the attributes `itypes` and `otypes`
    `perform(self, node, inputs, output_storage)`
        computes with NumPy arrays: ``output_storage[i][0] = array``. It must not change
        its inputs, unless `destroy_map` says so: then it gets copies.
    `grad(self, inputs, output_gradients)`, or
    `L_op(self, inputs, outputs, output_gradients)`
        the gradient of each input, as expressions; None, or ``DisconnectedType()()``,
        where nothing flows. The gradient of an output that nothing depends on is zeros.
    `R_op(self, inputs, eval_points)`
        the product of Jacobian and vector, for `Rop`; without it, `Rop` differentiates
        `L_op`
    `infer_shape(self, node, input_shapes)`
        a tuple of extents for each output; without it, and where the types do not tell the
        extents, compiled functions run `perform` before they can plan what depends on them
    `connection_pattern(self, node)`
        for each input a list that tells for each output whether a gradient may flow

    `view_map` is accepted: outputs are always copied. C code is not supported.

    Examples
    --------
    >>> class Double(sg.Op):
    ...     __props__ = ()
    ...     def make_node(self, x):
    ...         x = T.as_tensor_variable(x)
    ...         return sg.Apply(self, [x], [x.type()])
    ...     def perform(self, node, inputs, output_storage):
    ...         output_storage[0][0] = inputs[0] * 2
    ...     def infer_shape(self, node, shapes):
    ...         return shapes
    ...     def grad(self, inputs, output_gradients):
    ...         return [output_gradients[0] * 2]
    >>> x = T.dvector("x")
    >>> Double()(x).eval({x: [1.0, 2.0]})
    array([2., 4.])
    """

    fields: ClassVar[tuple[str, ...]] = ()
    view_map: ClassVar[dict[int, list[int]]] = {}
    destroy_map: ClassVar[dict[int, list[int]]] = {}
    #: number of the output that a call gives; None: all, bare if there is one
    default_output: ClassVar[int | None] = None

    def __init_subclass__(cls, **named: Any) -> None:
        # not a Record: attributes are the user's own, and so are annotations
        object.__init_subclass__(**named)
        if "name" not in cls.__dict__:
            cls.name = cls.__name__

    def __init__(self) -> None:
        pass

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    def __reduce__(self) -> tuple[Any, ...]:
        return copyreg.__newobj__, (type(self),), dict(self.__dict__)  # type: ignore

    # --- identity --------------------------------------------------------------------

    def _key(self) -> tuple[Any, ...]:
        props = getattr(type(self), "__props__", None)
        return (id(self),) if props is None else tuple(getattr(self, p) for p in props)

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        return type(self) is type(other) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash((type(self), self._key()))

    def __repr__(self) -> str:
        return str(self)

    def __str__(self) -> str:
        props = getattr(type(self), "__props__", None) or ()
        inside = ", ".join(f"{p}={getattr(self, p)!r}" for p in props)
        return f"{type(self).__name__}{{{inside}}}" if inside else type(self).__name__

    def signature(self) -> str:
        """Class and a number: equal ops have the same one, others another."""
        kind = f"{type(self).__module__}.{type(self).__qualname__}"
        number = _numbers.get(self)
        if number is None:
            number = _numbers[self] = _count[kind] = _count.get(kind, -1) + 1
        return f"{kind}#{number}"

    # --- what a subclass defines -----------------------------------------------------

    def make_node(self, *inputs: Any) -> Apply:
        """The application to inputs, by `itypes` and `otypes`."""
        itypes, otypes = (getattr(self, n, None) for n in ("itypes", "otypes"))
        if itypes is None or otypes is None:
            raise UserOpError(
                f"{type(self).__name__} defines no make_node\nDefine it, or give the "
                "attributes itypes and otypes."
            )
        if len(inputs) != len(itypes):
            raise ArgumentError(
                f"{self} takes {len(itypes)} inputs, {len(inputs)} are given"
            )
        wanted = [type_of(t) for t in itypes]
        pairs = zip(inputs, wanted, strict=True)
        given = [as_variable(v, None, (t.dtype,)) for v, t in pairs]
        for position, (v, t) in enumerate(zip(given, wanted, strict=True)):
            check_type(self, position, v, t)
        return Apply(self, given, [type_of(t)() for t in otypes])

    def perform(
        self,
        node: Apply,
        inputs: Sequence[np.ndarray],
        output_storage: Sequence[list[Any]],
    ) -> None:
        """Compute the outputs into ``output_storage[i][0]``."""
        raise NotSupportedError(
            f"{type(self).__name__} defines no perform; C code is not supported"
        )

    def grad(self, inputs: Any, output_gradients: Any) -> Any:  # type: ignore[override]
        """The gradients of the inputs, given those of the outputs."""
        raise GradientError(f"{self} has no gradient: it defines neither grad nor L_op")

    def L_op(self, inputs: Any, outputs: Any, output_gradients: Any) -> Any:
        """As `grad`, which it calls unless it is overridden."""
        return self.grad(inputs, output_gradients)

    def R_op(self, inputs: Any, eval_points: Any) -> Any:
        """The Jacobian times `eval_points`; None stands for a vector of zeros."""
        raise GradientError(f"{self} defines no R_op")

    # --- building --------------------------------------------------------------------

    def __call__(self, *inputs: Any, **named: Any) -> Any:
        """Apply the op. `name` names the output; `return_list` gives a list always."""
        name, as_list = named.pop("name", None), named.pop("return_list", False)
        outputs = list(self.checked_node(inputs, named).outputs)
        if name is not None:
            outputs[self.default_output or 0].name = name
        if self.default_output is not None and not as_list:
            return outputs[self.default_output]
        return outputs if as_list or len(outputs) != 1 else outputs[0]

    def checked_node(self, inputs: Sequence[Any], named: Any = None) -> Apply:
        """What `make_node` gives, if it is what it should be."""
        place = user_place()
        node = self.make_node(*inputs, **(named or {}))
        if not isinstance(node, Apply) or node.op is not self:
            raise UserOpError(
                f"{contract.method(self, 'make_node')} returned {node!r}\n"
                "Return Apply(self, inputs, outputs)."
            )
        for v in node.inputs:
            if not isinstance(v, Variable):
                raise UserOpError(
                    f"{contract.method(self, 'make_node')}: the input {v!r} is not a "
                    "variable\nConvert it with as_tensor_variable."
                )
        for out in node.outputs:
            out.place = place
        return node

    def infer(self, *inputs: Variable) -> tuple[TensorType, ...]:
        """The types of the outputs that `make_node` gives."""
        return tuple(v.type for v in self.checked_node(inputs).outputs)

    def make(self, *inputs: Variable) -> tuple[Variable, ...]:
        """Apply the op; in a frozen graph, the host op that calls `perform`."""
        node = self.checked_node(inputs)
        if building.interner is None:
            if building.watch is not None:
                building.watch(node)
            return node.outputs
        if type(self).perform is Op.perform:
            raise NotSupportedError(
                f"{type(self).__name__} defines no perform; C code is not supported"
                f"{listing(*node.outputs)}"
            )
        return _performed(self, node)

    # --- what the engine asks about a node -------------------------------------------

    def extents_of(self, node: Apply, shapes: Sequence[Shape]) -> tuple[Shape, ...]:
        """What `infer_shape` tells; NotImplementedError if there is none."""
        if type(self).infer_shape is core.Op.infer_shape:
            raise NotImplementedError
        given = [tuple(map(variable, shape)) for shape in shapes]
        method: Callable[..., Any] = self.infer_shape
        three = len(inspect.signature(method).parameters) == 3
        told = method(None, node, given) if three else method(node, given)
        return contract.extents(self, node, told)

    def gradients_of(self, node: Apply, gradients: Gradients) -> Gradients:
        """What `L_op` or `grad` gives, checked."""
        given = [
            contract.zeros(out) if g is None else g
            for out, g in zip(node.outputs, gradients, strict=True)
        ]
        name = "grad" if type(self).L_op is Op.L_op else "L_op"
        what = contract.method(self, name)
        if not self.has_own_push():
            found = self.L_op(list(node.inputs), list(node.outputs), given)
            return contract.gradients(self, what, node, found)

        def rule(inputs: list[Variable], flowing: list[Variable]) -> Gradients:
            inside = self.checked_node(inputs)
            found = self.L_op(list(inside.inputs), list(inside.outputs), flowing)
            return contract.gradients(self, what, inside, found)

        def push(inputs: Sequence[Variable], points: Gradients) -> Gradients:
            found = self.R_op(list(inputs), list(points))
            return contract.products(self, node, found)

        return wrapped(push, node.inputs, given, rule)

    def has_own_push(self) -> bool:
        """Whether `Rop` uses `R_op`."""
        return type(self).R_op is not Op.R_op or "R_op" in self.__dict__

    def connection_of(self, node: Apply) -> tuple[bool, ...] | None:
        """`connection_pattern`, whichever output it is."""
        pattern = getattr(self, "connection_pattern", None)
        if pattern is None:
            return None
        found = pattern(node)
        if len(found) != len(node.inputs):
            raise UserOpError(
                f"{contract.method(self, 'connection_pattern')} returned {len(found)} "
                f"lists for {len(node.inputs)} inputs{contract.applied(node)}"
            )
        return tuple(any(row) for row in found)

    def values_of(
        self, node: Apply, arrays: Sequence[np.ndarray]
    ) -> tuple[np.ndarray, ...]:
        """What `perform` computes, checked."""
        types = tuple(v.type for v in node.outputs)
        return Call(self, node).run(arrays, types)


def type_of(given: Any) -> TensorType:
    """A TensorType, or what makes variables (``T.dvector``), as a TensorType."""
    if isinstance(given, TensorType):
        return given
    made = (
        given if isinstance(given, Variable) else given() if callable(given) else None
    )
    if not isinstance(made, Variable):
        raise ArgumentError(
            f"{given!r} is no type; pass a TensorType or a constructor such as T.dvector"
        )
    return made.type


def check_type(op: Op, position: int, given: Variable, wanted: TensorType) -> None:
    """Refuse an input of another dtype or rank, or with other known extents."""
    if given.type.dtype != wanted.dtype:
        raise DtypeError(
            f"{op}: input {position} has dtype {given.type.dtype}, expected "
            f"{wanted.dtype}{listing(given)}\nCast it."
        )
    pairs = zip(given.type.shape, wanted.shape, strict=False)
    if given.ndim != wanted.ndim or any(
        want is not None and have is not None and want != have for have, want in pairs
    ):
        raise ShapeError(
            f"{op}: input {position} has type {given.type}, expected {wanted}"
            f"{listing(given)}"
        )


def _performed(op: Op, node: Apply) -> tuple[Variable, ...]:
    """The host ops that take the place of a node in a frozen graph."""
    call = Call(op, node)
    types = tuple(v.type for v in node.outputs)
    inputs = list(node.inputs)
    try:
        told = op.extents_of(node, [shapes_of.extents(v) for v in inputs])
    except NotImplementedError:
        told = None
    if told is None and any(None in t.shape for t in types):
        *extents, ticket = PerformFirst(call, types).make(*inputs)
        return Perform(call, types, len(inputs), True).make(*inputs, *extents, ticket)
    if told is not None:
        types = tuple(
            t.clone(
                shape=[static(e) if k is None else k for k, e in zip(t.shape, shape)]
            )
            for t, shape in zip(types, told, strict=True)
        )
    unknown = [
        variable(extent)
        for t, shape in zip(types, told or [()] * len(types), strict=True)
        for known, extent in zip(t.shape, shape, strict=bool(shape))
        if known is None
    ]
    return Perform(call, types, len(inputs), False).make(*inputs, *unknown)
