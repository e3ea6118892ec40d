"""Graph: inputs, outputs and updates as one frozen value, and its fingerprint.

`freeze` copies what the user built into interned nodes: equal applications of equal
ops to the same inputs are one object, so common subexpressions merge by construction.
Leaves (inputs, shared variables) stay the user's own objects. Rewrites build more
interned nodes inside ``with interner:``.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from symgraph.core.digest import digest as new_digest
from symgraph.core.node import Apply, Constant, Op, Variable, building, scalar_constant
from symgraph.core.record import Record
from symgraph.core.traverse import applies, leaves
from symgraph.errors import GraphError


class Interner:
    """Makes each application once. As a context manager it serves the whole thread.

    Several threads may work on one graph: what an interner interrupts is the thread's.
    """

    def __init__(self) -> None:
        self._applies: dict[tuple[Op, tuple[Variable, ...]], Apply] = {}
        self._constants: dict[tuple[str, tuple[int, ...], bytes], Constant] = {}

    def apply(self, op: Op, inputs: Sequence[Variable]) -> Apply:
        """The one application of `op` to `inputs`."""
        for v in inputs:
            if v.owner is None and isinstance(v, Constant):
                inputs = tuple(
                    self.constant(v) if isinstance(v, Constant) else v for v in inputs
                )
                break
        else:
            inputs = tuple(inputs)
        key = (op, inputs)
        found = self._applies.get(key)
        if found is None:
            made = Apply(op, inputs, op.infer(*inputs))
            found = self._applies.setdefault(key, made)  # another thread may be first
        return found

    def constant(self, constant: Constant) -> Constant:
        """The one constant of this dtype, shape and value."""
        data = constant.data
        key = (data.dtype.name, data.shape, data.tobytes())
        return self._constants.setdefault(key, constant)

    def __enter__(self) -> "Interner":
        building.interrupted.append(building.interner)
        building.interner = self
        return self

    def __exit__(self, *_: object) -> None:
        building.interner = building.interrupted.pop()


class Graph(Record):
    """A frozen graph.

    Attributes
    ----------
    inputs : the variables whose values a call passes
    outputs : what a call returns
    updates : (shared variable, its new value) pairs, all from the old values
    interner : holds the nodes; rewrites use it to build more
    kept : further values that are computed, which nobody gets
    """

    inputs: tuple[Variable, ...]
    outputs: tuple[Variable, ...]
    updates: tuple[tuple[Variable, Variable], ...]
    interner: Interner
    kept: tuple[Variable, ...]

    def __init__(
        self,
        inputs: tuple[Variable, ...],
        outputs: tuple[Variable, ...],
        updates: tuple[tuple[Variable, Variable], ...] = (),
        interner: Interner | None = None,
        kept: tuple[Variable, ...] = (),
    ) -> None:
        super().__init__(inputs, outputs, updates, interner or Interner(), kept)

    def _key(self) -> tuple[Any, ...]:
        return self.inputs, self.outputs, self.updates, self.kept

    @property
    def roots(self) -> tuple[Variable, ...]:
        """Outputs, then the new values of the updates, then what is kept."""
        return self.outputs + tuple(new for _, new in self.updates) + self.kept

    def applies(self) -> list[Apply]:
        """The applications in topological order."""
        return applies(self.roots)

    def leaves(self) -> list[Variable]:
        """Inputs, shared variables and constants that are used, in order of use."""
        return leaves(self.roots)

    def with_roots(self, roots: Sequence[Variable]) -> "Graph":
        """The same graph with other outputs and new values, in the order of `roots`."""
        count = len(self.outputs)
        targets = [target for target, _ in self.updates]
        end = count + len(targets)
        return Graph(
            self.inputs,
            tuple(roots[:count]),
            tuple(zip(targets, roots[count:end], strict=True)),
            self.interner,
            tuple(roots[end:]),
        )


def freeze(
    inputs: Iterable[Variable],
    outputs: Iterable[Variable],
    updates: Iterable[tuple[Variable, Variable]] = (),
    substitutes: Mapping[Variable, Variable] | None = None,
    promises: Mapping[Variable, Op] | None = None,
) -> Graph:
    """Interned copy of what the user built; `substitutes` take the place of leaves.

    `promises` are ops that tell more of the type of what an application computes.

    Extents that a type tells become numbers.
    """
    interner = Interner()
    outputs, updates = tuple(outputs), tuple(updates)
    roots = [*outputs, *(new for _, new in updates)]
    made: dict[Variable, Variable] = dict(substitutes or {})
    with interner:
        before = building.place
        try:
            for node in applies(roots, blockers=made):
                building.place = node.outputs[0].place
                operands = [made.get(v, v) for v in node.inputs]
                number = known_extent(node.op, operands)
                if number is not None:
                    made[node.outputs[0]] = interner.constant(number)
                    continue
                copies = node.op.refined(operands).make(*operands)
                for old, new in zip(node.outputs, copies, strict=True):
                    if isinstance(new, Constant):
                        new = interner.constant(new)
                    if promises and old in promises:
                        (new,) = promises[old].make(new)
                    made[old] = new
                    if new.name is None and new.owner is not None:
                        new.name = old.name
        finally:
            building.place = before
    final = [
        interner.constant(v) if isinstance(v, Constant) else made.get(v, v)
        for v in roots
    ]
    count = len(outputs)
    targets = (made.get(target, target) for target, _ in updates)
    pairs = zip(targets, final[count:], strict=True)
    return Graph(tuple(inputs), tuple(final[:count]), tuple(pairs), interner)


def known_extent(op: Op, operands: Sequence[Variable]) -> Constant | None:
    """The number that ``x.shape[axis]`` is where the type of x tells it."""
    if op.name != "extent":
        return None
    known = operands[0].type.shape[op.axis]  # type: ignore[attr-defined]
    return None if known is None else scalar_constant(known, "int64")


def verify(graph: Graph) -> None:
    """Check the rules of a frozen graph: interned once, types as inferred, no cycle."""
    seen: dict[tuple[Op, tuple[Variable, ...]], Apply] = {}
    for node in graph.applies():
        key = (node.op, node.inputs)
        if seen.setdefault(key, node) is not node:
            raise GraphError(f"two nodes compute {node.op} of the same inputs")
        inferred = node.op.infer(*node.inputs)
        for variable, expected in zip(node.outputs, inferred, strict=True):
            if variable.type != expected:
                raise GraphError(
                    f"{node.op}: the node says {variable.type}, its op {expected}"
                )
    for target, new in graph.updates:
        if target.type.dtype != new.type.dtype or target.ndim != new.ndim:
            raise GraphError(f"update of {target}: {target.type} becomes {new.type}")


def fingerprint(graph: Graph, extra: Iterable[Any] = ()) -> str:
    """Digest of the structure: ops, parameters, types, constants; names do not count.

    `extra` holds whatever else decides the machine code (versions, CPU features). Only
    values whose `repr` is exact may stand there.
    """
    digest = new_digest(repr(tuple(extra)).encode())
    number: dict[Variable, int] = {}

    def reference(variable: Variable) -> int:
        found = number.get(variable)
        if found is None:
            found = number[variable] = len(number)
            digest.update(f"leaf {variable.type!r}".encode())
            if isinstance(variable, Constant):
                digest.update(variable.data.tobytes())
        return found

    for variable in graph.inputs:
        reference(variable)
    for node in graph.applies():
        operands = [reference(v) for v in node.inputs]
        digest.update(f"{node.op.signature()} {operands}".encode())
        for variable in node.outputs:
            number[variable] = len(number)
    digest.update(repr([reference(v) for v in graph.outputs]).encode())
    pairs = [(reference(a), reference(b)) for a, b in graph.updates]
    digest.update(repr(pairs).encode())
    return digest.hexdigest()
