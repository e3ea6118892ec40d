"""DEBUG mode: the call is first carried out by the reference, node by node.

A NaN in the results is reported with the first node that made one, and the user's line.
Then the rewritten graph must have the values of the graph as it was built, and the
compiled code those of the rewritten graph at every node; the first that differs is
named. At last the function itself runs: its program is verified, its kernels check what
they access, its memory holds NaN before, and its results and updates are compared.

What counts as the same follows from the computation itself: it is carried out once more
with every value changed in its last digits, and where that moves a result, as where
large terms cancel, so much is no difference. A rewrite may be finite where the graph as
it was built overflows. In: a compiled function and its arguments. Out: its results, or
NaNError or DebugError, after which shared values are as before.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from symgraph.backends.reference import evaluate
from symgraph.compile.build import build, optimized, under
from symgraph.core.graph import Graph
from symgraph.core.inner import all_applies
from symgraph.core.node import Apply, Variable, described, listing
from symgraph.core.text import expression
from symgraph.errors import DebugError, NaNError, SymgraphError

TOLERANCE = {"float32": 1e-4, "complex64": 1e-4, "float64": 1e-9, "complex128": 1e-9}
#: relative change of each value, some hundred times its precision
SHAKE = {"float32": 1e-5, "complex64": 1e-5, "float64": 1e-13, "complex128": 1e-13}
#: a difference counts from so many times the change that shaking makes
SAFETY = 50.0


def compared(
    function: Any,
    arrays: Sequence[np.ndarray],
    run: Callable[[], list[np.ndarray]],
) -> list[np.ndarray]:
    """What `run` gives, after all checks of one call of a function in DEBUG mode.

    Its results and the new values of shared variables must be those of the graph as it
    was built; where they are not, shared variables keep their values.
    """
    # the reference gives views, of shared values as well
    wanted, shaken = (
        [np.array(value) for value in values]
        for values in _compare_stages(function, arrays)
    )
    request, roots = function.request, function.specialization.graph.roots
    before = [v.get_value() for v in request.shared]
    outputs = run()
    if not all(node.op.portable for node in all_applies(roots)):
        return outputs  # what Python computes may be another value each time
    got = [*outputs, *(target.get_value(borrow=True) for target, _ in request.updates)]
    for root, want, have, moved in zip(roots, wanted, got, shaken, strict=True):
        if not _close(*_both_finite(want, have, moved)):
            text = _difference(want, have)
            for variable, value in zip(request.shared, before, strict=True):
                variable.set_value(value)
            raise DebugError(
                f"the compiled function and the reference disagree at "
                f"{expression(root)}{listing(root)}\n{text}"
            )
    return outputs


def _compare_stages(
    function: Any, arrays: Sequence[np.ndarray]
) -> tuple[Sequence[np.ndarray], Sequence[np.ndarray]]:
    """Check the rewritten graph and every node of it; the values of the roots, twice."""
    special = function.specialization_for(arrays)
    values: dict[Variable, np.ndarray] = dict(
        zip(special.graph.inputs, arrays, strict=True)
    )
    for leaf, variable in zip(special.leaves, function.request.shared, strict=True):
        values[leaf] = variable.container.array
    found: list[NaNError] = []
    wanted = evaluate(special.graph.roots, values, watch=note_nan(values, found))
    with under(function.options):
        rewritten = optimized(special.graph, function.options.optimize).graph
    count = len(special.graph.roots)  # what is kept for checks comes after these
    results = evaluate(rewritten.roots[:count], values)
    if found and any(a.dtype.kind in "fc" and np.isnan(a).any() for a in results):
        raise found[0]
    moving = _shaken(special.graph.roots, values, wanted)
    for root, want, have, moved in zip(
        special.graph.roots, wanted, results, moving, strict=True
    ):
        if not _close(*_both_finite(want, have, moved)):
            raise DebugError(
                f"a rewrite changed the value of {expression(root)}{listing(root)}\n"
                f"{_difference(want, have)}\nSee explain() for the rewrites."
            )
    inner = _stages(rewritten)
    truth = evaluate(inner, values)
    probe = Graph(rewritten.inputs, tuple(inner), (), rewritten.interner)
    native, _, _ = build(
        probe, special.leaves, function.request.shared, function.options
    )
    got = native.call(list(arrays))
    shaken = _shaken(inner, values, truth)
    for variable, want, have, moved in zip(inner, truth, got, shaken, strict=True):
        if not _close(want, have, moved):
            raise DebugError(
                f"compiled code and reference disagree at {expression(variable)}"
                f"{listing(variable)}\n{_difference(want, have)}"
            )
    return wanted, moving


def note_nan(values: dict[Variable, np.ndarray], found: list[NaNError]) -> Any:
    """A watcher that notes a NaNError for the first node that makes a NaN."""
    known = dict(values)

    def watch(node: Apply, results: tuple[np.ndarray, ...]) -> None:
        for variable, array in zip(node.outputs, results, strict=True):
            known[variable] = array
            if found or array.dtype.kind not in "fc" or not np.isnan(array).any():
                continue
            operands = [known[v] for v in node.inputs if v in known]
            if any(a.dtype.kind in "fc" and np.isnan(a).any() for a in operands):
                continue
            texts = "".join(
                f"\n  {described(v)}\n    values {_range(known[v])}"
                for v in node.inputs
                if v in known
            )
            found.append(
                NaNError(
                    f"{expression(variable)} has {int(np.isnan(array).sum())} NaN of "
                    f"{array.size} values, and its operands have none, at "
                    f"{variable.place[0]}:{variable.place[1]}{texts}"
                )
            )

    return watch


def _stages(graph: Graph) -> list[Variable]:
    """Every floating or integer value that the rewritten graph computes."""
    # the ticket of `perform_first`, its last output, is another in each call
    found = [
        v
        for node in graph.applies()
        for v in node.outputs[: -1 if node.op.name == "perform_first" else None]
    ]
    return found or list(graph.roots)


def _shaken(
    roots: Sequence[Variable],
    values: dict[Variable, np.ndarray],
    exact: Sequence[np.ndarray],
) -> Sequence[np.ndarray]:
    """The values of the roots when all that is computed changes in its last digits."""
    random = np.random.default_rng(0)

    def shake(node: Apply, results: tuple[np.ndarray, ...]) -> None:
        for array in results:
            amount = SHAKE.get(array.dtype.name)
            if amount is None or not (array.flags.owndata and array.flags.writeable):
                continue  # a view: what it shows has been shaken
            if any(array is given for given in kept):
                continue
            with np.errstate(all="ignore"):
                array *= 1 + amount * random.choice((-1.0, 1.0), array.shape)

    kept = list(values.values())
    try:
        moved = evaluate(roots, values, watch=shake)
    except SymgraphError:  # an op that needs exact values, such as a decomposition
        return exact
    # where values decide extents there may be other elements: nothing to hold on to
    return [a if a.shape == b.shape else b for a, b in zip(moved, exact, strict=True)]


def _both_finite(
    want: np.ndarray, have: np.ndarray, moved: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The values but those where the graph as built overflows and a rewrite does not."""
    if (
        want.shape != have.shape
        or want.dtype != have.dtype
        or want.dtype.kind not in "fc"
    ):
        return want, have, moved
    better = ~np.isfinite(want) & np.isfinite(have)
    if not better.any():
        return want, have, moved
    return want[~better], have[~better], moved[~better]


def _close(want: np.ndarray, have: np.ndarray, moved: np.ndarray) -> bool:
    if want.shape != have.shape or want.dtype != have.dtype:
        return False
    if want.dtype.kind not in "fc":
        return bool(np.all((want == have) | (want != moved)))
    tolerance = TOLERANCE[want.dtype.name]
    finite = np.abs(want[np.isfinite(want)])
    scale = float(finite.max()) if finite.size else 1.0
    with np.errstate(all="ignore"):
        spread = np.nan_to_num(np.abs(moved - want), nan=0.0, posinf=0.0, neginf=0.0)
        most = float(spread.max()) if spread.size else 0.0
        bound = tolerance * (scale + np.abs(want)) + np.maximum(SAFETY * spread, most)
        same = (want == have) | (np.isnan(want) & np.isnan(have))
        return bool(np.all(same | (np.abs(have - want) <= bound)))


def _difference(want: np.ndarray, have: np.ndarray) -> str:
    if want.shape != have.shape or want.dtype != have.dtype:
        return (
            f"reference {want.dtype} {want.shape}, compiled {have.dtype} {have.shape}"
        )
    with np.errstate(all="ignore"):
        apart = want.astype(np.complex128) - have.astype(np.complex128)
        distance = np.atleast_1d(np.abs(apart)).reshape(want.shape)
        distance = np.where(np.isnan(distance), np.inf, distance)
        distance[(want == have) | (np.isnan(want) & np.isnan(have))] = 0.0
    worst = np.unravel_index(int(np.argmax(distance)), want.shape) if want.size else ()
    return (
        f"at {tuple(map(int, worst))}: reference {want[worst]}, compiled {have[worst]}"
    )


def _range(array: np.ndarray) -> str:
    if array.size == 0:
        return "(none)"
    if array.dtype.kind == "c" or array.size == 1:
        return f"{array.reshape(-1)[:4].tolist()}"
    return f"from {array.min()} to {array.max()}"
