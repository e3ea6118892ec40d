"""`verify_grad` finds a wrong gradient planted in any rule, and passes the right one.

The rules are those of every op that has a gradient and of every elementwise function.
For each a sample is looked for that goes through it, in the function itself or in its
first derivative; then each gradient that the rule gives is made a thousandth too large.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pytest
from sampling import Sample
from tables import rows

import symgraph as sg
import symgraph.tensor as T
from symgraph import sparse
from symgraph.core.node import OPS, Op, Variable, as_variable
from symgraph.core.traverse import applies, replace
from symgraph.errors import GradientError, VerifyGradError
from symgraph.ops.families import SCALARS, Elementwise, Scalar
from symgraph.ops.gemm import Gemm
from symgraph.ops.polygamma import HIGHEST
from symgraph.sparse.structure import StructureOp

#: ops whose rule passes nothing on that differences could see, and why
SILENT = {
    "extent": "an extent does not depend on values",
    "make_vector": "its operands are extents",
    "iota": "it counts",
    "arg_reduce": "it gives positions",
    "random_bits": "it gives integers",
    "permutation": "it gives integers",
    "disconnected_grad": "nothing flows, by its name",
    "zero_grad": "nothing flows, by its name",
    "grad_clip": "its gradient is by purpose another one",
    "gradient_like": "it stands for the gradient inside a rule",
    "check_index": "its operand is an index",
    "convolution_epilogue": "it is made by rewrites, after gradients are taken",
    "elementwise materialize": "it is made by lowering, after gradients are taken",
    f"elementwise polygamma_{HIGHEST}": "it has no gradient",
    "elementwise angle": "of real numbers it is constant; of complex ones, below",
}

SQUARE = np.array([[0.3, 0.8, -1.7], [1.1, -0.4, 2.0], [0.5, 0.9, 1.4]])
Function = Callable[..., Any]


def complex_of(x: Variable) -> Variable:
    return T.cast(x, "complex128") * (1 + 2j) + 1j


def squared_slope(f: Function) -> Function:
    """X → gradient of the sum of f(x)**2."""
    return lambda x: sg.grad(T.sum(f(x) ** 2), x)


def pulled(x: Variable) -> Variable:
    """A gradient that an op's own `R_op` differentiates."""
    leaf = T.dmatrix("leaf")
    op = sg.OpFromGraph(
        [leaf], [leaf**3], rop_overrides=lambda xs, points: 3 * xs[0] ** 2 * points[0]
    )
    return squared_slope(op)(x)


#: rules that no sample of a table goes through → a function that does
BY_HAND: dict[str, Function] = {
    "cast": lambda x: T.cast(T.cast(x, "complex128") ** 2, "complex128").real,
    "sum_to": squared_slope(lambda x: (x * x[: x.shape[0] // 2]) ** 3),
    "product_of_others": squared_slope(lambda x: T.prod(x, axis=1)),
    "print": lambda x: sg.printing.Print("x")(x) ** 2,
    "rows": lambda x: sg.jacobian(x[0] ** 3, x),
    "gemm": lambda x: Gemm()(x, as_variable(0.5), x, x.T, as_variable(2.0)),
    "pool_max_input": squared_slope(lambda x: T.pool_2d(x, (2, 2), True)),
    "pool_max_pick": squared_slope(
        squared_slope(lambda x: T.pool_2d(x**2, (2, 2), True))
    ),
    "eig": lambda x: T.real(T.linalg.eigvals(T.dot(x, x.T))),
    "ifelse": lambda x: sg.ifelse(T.gt(T.sum(x), 0), x**2, x**3),
    "scan": lambda x: sg.scan(
        lambda row, total: T.tanh(total + row * 2), [x], [T.zeros((3,), "float64")]
    )[0],
    "pullback": pulled,
    "compressed_dot": lambda x: sparse.dot(sparse.csr_from_dense(x), x.T),
    "sampled_product": squared_slope(
        lambda x: sparse.dot(sparse.csr_from_dense(x), x.T)
    ),
    "elementwise sub": lambda x: x[0] - x[1],
    "elementwise real": lambda x: T.real(complex_of(x) ** 2),
    "elementwise imag": lambda x: T.imag(complex_of(x) ** 2),
    "elementwise conj": lambda x: T.real(T.conj(complex_of(x)) ** 3),
    "elementwise heaviside": lambda x: T.heaviside(T.zeros_like(x), x),
}


@dataclass(frozen=True)
class ByHand:
    """A function of one matrix that goes through some rule."""

    name: str

    def verify(self) -> None:
        """Check the gradient of the function."""
        verify(BY_HAND[self.name], [SQUARE])


@dataclass(frozen=True)
class Way:
    """A function of float64 arrays that goes through some rule."""

    name: str
    sample: Sample
    slope: bool

    def parts(self) -> tuple[list[Variable], dict[Variable, np.ndarray]]:
        """Results (or gradients of their squares), and values of the leaves."""
        outputs, values = self.sample.build(self.name)
        outputs = [v for v in outputs if v.type.dtype == "float64"]
        leaves = [v for v in values if v.type.dtype == "float64"]
        if self.slope and outputs and leaves:
            cost = sum(T.sum(v + v * v) for v in outputs)
            outputs = sg.grad(cost, leaves, disconnected_inputs="ignore")
        return outputs, values

    def verify(self) -> None:
        """Check the gradient of the function."""
        outputs, values = self.parts()
        leaves = [v for v in values if v.type.dtype == "float64"]
        fixed = {v: as_variable(a) for v, a in values.items() if v not in leaves}

        def function(*given: Variable) -> list[Variable]:
            news = dict(zip(leaves, given, strict=True)) | fixed
            return [T.tensor_copy(v) for v in replace(outputs, news)]

        verify(function, [values[v] for v in leaves])


def verify(function: Function, points: list[np.ndarray]) -> None:
    sg.verify_grad(
        function, points, n_tests=1, rng=np.random.default_rng(1), abs_tol=1e-6,
        rel_tol=1e-5, mode="FAST_COMPILE",
    )  # fmt: skip


def rules_of(outputs: Sequence[Variable]) -> set[str]:
    """Ops and elementwise functions on the way to some variables."""
    return {
        f"elementwise {node.op.scalar}"
        if isinstance(node.op, Elementwise)
        else node.op.name
        for node in applies(outputs)
    }


@cache
def ways() -> dict[str, list[Way]]:
    """Rule → up to three functions through it, those of few elements first."""
    found: dict[str, list[Way]] = {}
    seen: set[tuple[str, bool]] = set()
    calls = [
        (sum(a.size for a in sample.build(name)[1].values()), name, sample)
        for _, name, some in rows()
        for sample in some
        if sample.gradient
    ]
    calls.sort(key=lambda call: call[0])
    for slope in (False, True):
        for size, name, sample in calls:
            if not 0 < size < 200 or (name, slope) in seen:
                continue
            way = Way(name, sample, slope)
            try:
                outputs, values = way.parts()
            except GradientError:
                continue
            if not outputs or not any(v.type.dtype == "float64" for v in values):
                continue
            if slope:
                seen.add((name, slope))
            for rule in rules_of(outputs):
                some = found.setdefault(rule, [])
                if len(some) < 3 and all(w.name != name for w in some):
                    some.append(way)
    return found


def planted(monkeypatch: pytest.MonkeyPatch, rule: str) -> None:
    """Make what a rule gives a thousandth too large."""

    def wrong(right: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *args: [None if g is None else g * 1.001 for g in right(*args)]

    if rule.startswith("elementwise "):
        old = SCALARS[rule.split()[1]]
        assert old.grad is not None
        fields = {name: getattr(old, name) for name in old.fields}
        new = Scalar(**(fields | {"grad": wrong(old.grad)}))
        monkeypatch.setitem(SCALARS, old.name, new)
    elif OPS[rule].choices_of is not Op.choices_of:
        choices = OPS[rule].choices_of

        def larger(op: Any, node: Any, gradients: Any) -> Any:
            found = choices(op, node, gradients)
            return [under._replace(gradient=under.gradient * 1.001) for under in found]

        monkeypatch.setattr(OPS[rule], "choices_of", larger)
    else:
        monkeypatch.setattr(OPS[rule], "grad", wrong(OPS[rule].grad))


def all_rules() -> list[str]:
    """Rules that must be found out."""
    rules = [
        name
        for name, op in OPS.items()
        if op.__module__.startswith("symgraph.")
        and (op.grad is not Op.grad or op.choices_of is not Op.choices_of)
        and op is not Elementwise
        and not issubclass(op, StructureOp)  # they give positions
    ]
    rules += [
        f"elementwise {name}"
        for name, scalar in SCALARS.items()
        if scalar.grad and not name.startswith("user_")
    ]
    return rules


@pytest.mark.parametrize("rule", [r for r in all_rules() if r not in SILENT])
def test_a_planted_wrong_gradient_is_found_and_the_right_one_passes(
    rule: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    some = [ByHand(rule)] if rule in BY_HAND else ways().get(rule, [])
    assert some, "no sample goes through it"
    for way in some:
        way.verify()
        with monkeypatch.context() as patch:
            planted(patch, rule)
            try:
                way.verify()
            except VerifyGradError as error:
                text = str(error)
                assert "input 0, index (" in text or "input 1, index (" in text
                assert "gradient  " in text
                assert "differences  " in text
                return
    raise AssertionError(f"{rule}: found by none of {[w.name for w in some]}")


def test_the_lists_name_rules_that_exist() -> None:
    assert {*SILENT, *BY_HAND} <= set(all_rules())
    assert {*SILENT}.isdisjoint(BY_HAND)


class Cubed(sg.Op):
    """x**3 in Theano's form; `factor` is 3 where the gradient is right."""

    __props__ = ("factor",)

    def __init__(self, factor: float) -> None:
        self.factor = factor

    def make_node(self, x: Any) -> Any:
        x = T.as_tensor_variable(x)
        return sg.Apply(self, [x], [x.type()])

    def perform(self, node: Any, inputs: Any, output_storage: Any) -> None:
        output_storage[0][0] = inputs[0] ** 3

    def infer_shape(self, node: Any, shapes: Any) -> Any:  # type: ignore[override]
        return shapes

    def grad(self, inputs: Any, gradients: Any) -> Any:  # type: ignore[override]
        return [gradients[0] * self.factor * inputs[0] ** 2]


def overridden(factor: float) -> Function:
    leaf = T.dmatrix("leaf")
    return sg.OpFromGraph(
        [leaf], [leaf**3],
        lop_overrides=lambda xs, ys, gs: [gs[0] * factor * xs[0] ** 2],
    )  # fmt: skip


@pytest.mark.parametrize("make", [Cubed, overridden])
@pytest.mark.parametrize("mode", ["FAST_COMPILE", "FAST_RUN"])
def test_wrong_gradients_of_the_users_own_ops_are_found(make: Any, mode: str) -> None:
    sg.verify_grad(make(3.0), [SQUARE], n_tests=1, mode=mode)
    sg.verify_grad(lambda x: T.exp(make(3.0)(x) / 4), [SQUARE], n_tests=1, mode=mode)
    with pytest.raises(
        VerifyGradError, match=r"input 0, index \(\d, \d\), where it is"
    ):
        sg.verify_grad(make(3.01), [SQUARE], n_tests=1, mode=mode)
