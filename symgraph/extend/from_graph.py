"""`OpFromGraph`: an expression as an op, whose gradient may be replaced.

In a frozen graph the expression takes the place of the op, so it costs nothing and is
optimised with what is around it. In: inputs and outputs. Out: an op to apply.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from symgraph.core.inner import closed
from symgraph.core.node import Apply, Shape, Variable, as_variable, building, listing
from symgraph.core.public import PUBLIC
from symgraph.core.shared import SharedVariable
from symgraph.errors import ArgumentError, GraphError, MissingInputError
from symgraph.extend.op import Op, check_type
from symgraph.extend.pullback import pulled
from symgraph.loops.ifelse import outer_extents
from symgraph.ops.shape import SpecifyShape
from symgraph.ops.undefined import Marker

DEFAULT = "default"


class OpFromGraph(Op):
    """outputs as a function of inputs, as an op.

    Parameters
    ----------
    inputs : list of leaves
    outputs : list of expressions; they may use shared variables beside the inputs
    inline : accepted for compatibility: the expression always takes the op's place when
        a function is compiled
    lop_overrides : "default" (or None), or a function ``(inputs, outputs,
        output_gradients) -> gradients of the inputs``, an OpFromGraph of those
        arguments, ``NullType(...)()`` or ``DisconnectedType()()``; or a list with one of
        these for each input, which gives the gradient of that input
    grad_overrides : as `lop_overrides`, of ``(inputs, output_gradients)``; give one of them
    rop_overrides : likewise ``(inputs, eval_points) -> products for the outputs``, or a
        list for each output
    connection_pattern : for each input a list: whether a gradient may flow to it from
        each output
    name : shown in printouts

    Raises
    ------
    MissingInputError : an output depends on a variable that is neither input nor shared
    ArgumentError : a list of overrides of the wrong length

    Examples
    --------
    >>> x, y = T.dscalars("x", "y")
    >>> clipped = sg.OpFromGraph(
    ...     [x, y], [x * y], grad_overrides=["default", lambda inputs, gs: gs[0] * 0.5])
    >>> a, b = T.dscalars("a", "b")
    >>> [float(g.eval({a: 2.0, b: 3.0})) if i == 0 else float(g.eval({}))
    ...  for i, g in enumerate(sg.grad(clipped(a, b), [a, b]))]
    [3.0, 0.5]
    """

    def __init__(
        self,
        inputs: Sequence[Variable],
        outputs: Sequence[Variable],
        inline: bool = False,
        lop_overrides: Any = DEFAULT,
        grad_overrides: Any = DEFAULT,
        rop_overrides: Any = DEFAULT,
        connection_pattern: Any = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        for given, what in ((inputs, "inputs"), (outputs, "outputs")):
            if not isinstance(given, list | tuple):
                raise ArgumentError(
                    f"OpFromGraph: {what} must be a list, not {given!r}"
                )
            for v in given:
                if not isinstance(v, Variable):
                    raise ArgumentError(
                        f"OpFromGraph: {what} has {v!r}, which is not a variable"
                    )
        if set(kwargs) - {"on_unused_input", "mode", "updates", "givens"}:
            raise ArgumentError(f"OpFromGraph: unknown arguments {sorted(kwargs)}")
        if kwargs.get("updates") or kwargs.get("givens"):
            raise ArgumentError("OpFromGraph: updates and givens are not accepted")
        if not _is_default(lop_overrides) and not _is_default(grad_overrides):
            raise ArgumentError(
                "OpFromGraph: give lop_overrides or grad_overrides, not both"
            )
        for v in inputs:
            if v.owner is not None or isinstance(v, SharedVariable):
                raise GraphError(
                    f"OpFromGraph: an input must be a variable without an owner"
                    f"{listing(v)}"
                )
        self.inner, shared = closed(inputs, outputs)
        free = [v for v in shared if not isinstance(v, SharedVariable)]
        if free:
            raise MissingInputError(
                f"OpFromGraph: the outputs depend on variables that are no inputs"
                f"{listing(*free)}\nAdd them to inputs."
            )
        self.shared_inputs = list(shared)
        self.own_inputs = list(inputs)
        self.local_inputs = list(self.inner.inputs)
        self.local_outputs = list(self.inner.outputs)
        self.input_types = [v.type for v in inputs]
        self.output_types = [v.type for v in self.inner.outputs]
        self.is_inline = inline
        self.lop_overrides = lop_overrides
        self.grad_overrides = grad_overrides
        self.rop_overrides = rop_overrides
        if connection_pattern is not None:
            self._pattern = [list(row) for row in connection_pattern]
        self.name = name or type(self).__name__  # type: ignore[misc]
        for given, count, what in (
            (lop_overrides, len(inputs), "lop_overrides"),
            (grad_overrides, len(inputs), "grad_overrides"),
            (rop_overrides, len(outputs), "rop_overrides"),
        ):
            if isinstance(given, list | tuple) and len(given) != count:
                raise ArgumentError(
                    f"OpFromGraph: {what} has {len(given)} entries, expected {count}"
                )

    def __str__(self) -> str:
        return self.name

    # --- building --------------------------------------------------------------------

    def make_node(self, *inputs: Any) -> Apply:
        """The application to inputs, and to the shared variables that are used."""
        count = len(self.input_types)
        if len(inputs) not in (count, count + len(self.shared_inputs)):
            raise ArgumentError(f"{self} takes {count} inputs, {len(inputs)} are given")
        given: list[Variable] = []
        for position, (value, type) in enumerate(zip(inputs, self.input_types)):
            v = as_variable(value, None, (type.dtype,))
            check_type(self, position, v, type)
            pairs = zip(v.type.shape, type.shape, strict=True)
            shape = tuple(b if a is None else a for a, b in pairs)
            given.append(v if shape == v.type.shape else SpecifyShape(shape)(v))
        given += inputs[count:] or self.shared_inputs
        return Apply(self, given, [t() for t in self.output_types])

    def make(self, *inputs: Variable) -> tuple[Variable, ...]:
        """Apply the op; in a frozen graph, the expression that it stands for."""
        node = self.checked_node(inputs)
        if building.interner is None:
            return node.outputs
        return tuple(self.inner.apply(node.inputs))

    def extents_of(self, node: Apply, shapes: Sequence[Shape]) -> tuple[Shape, ...]:
        """The extents of the expression."""
        return tuple(outer_extents(self.inner, node.inputs, shapes))

    def values_of(
        self, node: Apply, arrays: Sequence[np.ndarray]
    ) -> tuple[np.ndarray, ...]:
        """The values of the expression."""
        return tuple(self.inner.reference(arrays))

    def connection_pattern(self, node: Apply) -> Any:
        """As given; else every input is connected to every output."""
        pattern = self.__dict__.get("_pattern")
        if pattern is None:
            return [[True] * len(node.outputs) for _ in node.inputs]
        rest = len(node.inputs) - len(pattern)
        return pattern + [[True] * len(node.outputs)] * rest

    # --- derivatives -----------------------------------------------------------------

    def L_op(self, inputs: Any, outputs: Any, output_gradients: Any) -> Any:
        """The overridden gradients, the others of `grad`."""
        return self._overridden(
            self.lop_overrides,
            lambda: self.grad(inputs, output_gradients),
            (inputs[: len(self.input_types)], outputs, output_gradients),
        )

    def grad(self, inputs: Any, output_gradients: Any) -> Any:  # type: ignore[override]
        """The overridden gradients, the others of the expression."""
        return self._overridden(
            self.grad_overrides,
            lambda: pulled(self.inner, inputs, output_gradients),
            (inputs[: len(self.input_types)], output_gradients),
        )

    def R_op(self, inputs: Any, eval_points: Any) -> Any:
        """The overridden products, the others of the expression."""

        def own() -> Any:
            points = [
                PUBLIC["zeros_like"](v) if p is None else p
                for v, p in zip(inputs, eval_points, strict=True)
            ]
            return PUBLIC["Rop"](self.inner.apply(inputs), list(inputs), points)

        count = len(self.input_types)
        arguments = (inputs[:count], eval_points[:count])
        return self._overridden(self.rop_overrides, own, arguments)

    def has_own_push(self) -> bool:
        """Whether `Rop` uses `R_op`: where it, or its rule, is replaced."""
        return super().has_own_push() and (
            not _is_default(self.rop_overrides)
            or type(self).R_op is not OpFromGraph.R_op
            or "R_op" in self.__dict__
        )

    def _overridden(
        self, rules: Any, default: Callable[[], Any], arguments: Any
    ) -> list[Any]:
        """What the rules give; what they do not speak of, as the default gives it.

        That is also the gradients of shared variables, which are the last inputs.
        """
        found: list[Any] = []
        if isinstance(rules, Marker):
            found = [rules] * len(self.input_types)
        elif isinstance(rules, list | tuple):
            found = [
                rule
                if _is_default(rule) or isinstance(rule, Marker)
                else _called(rule, arguments)
                for rule in rules
            ]
        elif not _is_default(rules):
            flat = _called(rules, arguments)
            found = list(flat) if isinstance(flat, list | tuple) else [flat]
            if len(found) != len(self.input_types) or not self.shared_inputs:
                return found
        if found and not self.shared_inputs and not any(map(_is_default, found)):
            return found
        own = list(default())
        for position, value in enumerate(found):
            if not _is_default(value):
                own[position] = value
        return own


def _is_default(rule: Any) -> bool:
    return rule is None or (isinstance(rule, str) and rule == DEFAULT)


def _called(rule: Any, arguments: Sequence[Sequence[Variable]]) -> Any:
    """The result of an overriding rule: a function of lists, or an op of variables."""
    if isinstance(rule, OpFromGraph):
        return rule(*(v for group in arguments for v in group))
    if not callable(rule):
        raise ArgumentError(
            f"OpFromGraph: the override {rule!r} is neither a function nor an OpFromGraph"
        )
    return rule(*(list(group) for group in arguments))
