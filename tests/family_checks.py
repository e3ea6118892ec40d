"""Checks that hold for every function with samples: value, type, shape, derivative.

`check_value` compares the reference backend with an oracle and what was inferred with
what came out; `check_gradient` compares `grad` with central differences along a random
direction, in float64; `check_error` builds a failing sample.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from samples import Sample

from symgraph.autodiff.reverse import grad
from symgraph.backends.reference import evaluate
from symgraph.core.node import Variable
from symgraph.core.public import PUBLIC
from symgraph.core.text import expression
from symgraph.core.traverse import applies, replace
from symgraph.errors import SymgraphError
from symgraph.ops.shape import inferred_extents, variable

TOLERANCE = {"float32": 2e-6, "float64": 1e-12, "complex128": 1e-12}


def cases(
    samples: Mapping[str, Sequence[Sample]], keep: Callable[[Sample], bool]
) -> list[Any]:
    """Parameters for pytest: (name, sample) of the samples to keep."""
    return [
        pytest.param(name, sample, id=f"{name}-{number}")
        for name, some in samples.items()
        for number, sample in enumerate(some)
        if keep(sample)
    ]


def check_against_inferred(
    outputs: Sequence[Variable], values: Mapping[Any, Any]
) -> None:
    """Every node's inferred type and extents agree with the arrays it computes."""
    nodes = applies(outputs)
    made = [v for node in nodes for v in node.outputs]
    for v, array in zip(made, evaluate(made, values), strict=True):
        assert array.dtype.name == v.type.dtype, v.owner
        assert array.ndim == v.ndim, v.owner
        for known, extent in zip(v.type.shape, array.shape, strict=True):
            assert known in (None, extent), (v.owner, v.type, array.shape)
    for v in outputs:
        (array,) = evaluate([v], values)
        sizes = evaluate([variable(e) for e in inferred_extents(v)], values)
        assert tuple(map(int, sizes)) == array.shape
        assert expression(v)


def check_value(name: str, sample: Sample, oracle: Callable[..., Any]) -> None:
    """The reference backend gives what the oracle gives."""
    outputs, values = sample.build(name)
    with np.errstate(all="ignore"):
        told = oracle(*sample.args, **sample.kwargs)
    wanted = told if isinstance(told, tuple) else (told,)
    for v, array, right in zip(outputs, evaluate(outputs, values), wanted, strict=True):
        assert array.shape == np.shape(right)
        bound = TOLERANCE.get(v.type.dtype, 0)
        np.testing.assert_allclose(array, right, rtol=bound, atol=bound)
    check_against_inferred(outputs, values)


def check_gradient(name: str, sample: Sample) -> None:
    """Symbolic and numeric derivative agree along a random direction."""
    outputs, values = sample.build(name)
    compare_gradient(outputs[0], values)


def compare_gradient(out: Variable, values: Mapping[Variable, np.ndarray]) -> None:
    """Derivative of a weighted sum of `out` along a random direction, both ways."""
    random = np.random.default_rng(5)
    (array,) = evaluate([out], values)
    cost = PUBLIC["sum"](out * random.uniform(0.5, 1.5, array.shape))
    targets = [v for v in values if v.type.dtype == "float64"]
    assert targets
    found = grad(cost, targets, disconnected_inputs="ignore")
    for v, g in zip(targets, found, strict=True):
        assert g.type.dtype == v.type.dtype
    check_against_inferred(found, values)
    gradients = evaluate(found, values)
    directions = [random.normal(size=values[v].shape) for v in targets]
    exact = sum(
        float(np.sum(g * d)) for g, d in zip(gradients, directions, strict=True)
    )
    step = 1e-5
    costs = []
    for sign in (1, -1):
        moved = dict(values)
        for v, d in zip(targets, directions, strict=True):
            moved[v] = values[v] + sign * step * d
        costs.append(float(evaluate([cost], moved)[0]))
    numeric = (costs[0] - costs[1]) / (2 * step)
    assert exact == pytest.approx(numeric, rel=2e-6, abs=2e-7)
    for g, v in zip(gradients, targets, strict=True):
        assert g.shape == values[v].shape


def check_error(name: str, sample: Sample) -> None:
    """Building raises the named error, whose text describes the mistake."""
    assert sample.error is not None
    with pytest.raises(sample.error) as caught:
        sample.build(name)
    assert isinstance(caught.value, SymgraphError)
    text = str(caught.value)
    assert len(text) > 20
    if "\n  " in text:
        assert "made at" in text


def expanded(v: Variable) -> Variable:
    """The variable with every composition op replaced by what it stands for."""
    for _ in range(8):
        found = [n for n in applies([v]) if hasattr(n.op, "decompose")]
        if not found:
            return v
        node = found[0]
        new = node.op.decompose(*node.inputs)
        (v,) = replace([v], {node.outputs[0]: new})
    raise AssertionError("decompositions do not end")
