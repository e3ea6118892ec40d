"""Which kernels may be divided: only those whose iterations cannot meet."""

from typing import Any

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T
from symgraph.backends.cpu.partition import CUT, division_of, work_of
from symgraph.backends.cpu.steps import SMALL_PRODUCT, BlasProduct, Tiles
from symgraph.config import config
from symgraph.lower.block_size import SERIAL
from symgraph.lower.ir import (
    Access,
    Buffer,
    Call,
    Const,
    Fold,
    Init,
    Kernel,
    Let,
    Load,
    Local,
    Loop,
    Statement,
    Store,
)
from symgraph.lower.sizes import SizePolynomial, poly

N, M = SizePolynomial((((0,), 1),)), SizePolynomial((((1,), 1),))
SIZES = {"n": N, "m": M, "nm": N * M}
ONE = Const(1.0, "float32")


def kernel(*body: Statement) -> Kernel:
    buffers = tuple(Buffer(name, "float32", "inout") for name in ("x", "y", "r"))
    return Kernel("k", buffers, ("n", "m", "nm"), body)


def at(*terms: tuple[str, Any], offset: Any = 0) -> Access:
    return Access(offset, terms)


def load(buffer: str, access: Access) -> Load:
    return Load(buffer, access, "float32")


def cut(made: Kernel, *private: str) -> tuple[str, int] | None:
    """The loop that is divided, and the multiple at which it is cut."""
    found = division_of(made, SIZES, private)
    return None if found is None else (found.index, found.align)


def rows(*body: Statement, kind: str = "serial") -> Loop:
    return Loop("i", "n", body, kind)


def columns(*body: Statement) -> Loop:
    return Loop("j", "m", body, "vector")


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        # rows of a matrix
        ([rows(columns(Store("y", at(("i", "m"), ("j", 1)), ONE)))], 1),
        # a flat loop is cut where vectors begin
        ([rows(Store("y", at(("i", 1)), ONE), kind="vector")], CUT),
        # columns of a matrix
        ([rows(Loop("j", "m", (Store("y", at(("j", "n"), ("i", 1)), ONE),)))], 1),
        # columns that overlap: the rows are shorter than the range of i
        ([rows(Loop("j", "m", (Store("y", at(("j", 3), ("i", 1)), ONE),)))], 0),
        # all iterations store the same element
        ([rows(Store("y", at(), ONE))], 0),
        # rows that overlap by one element
        ([rows(Loop("j", 5, (Store("y", at(("i", 4), ("j", 1)), ONE),)))], 0),
        ([rows(Loop("j", 5, (Store("y", at(("i", 5), ("j", 1)), ONE),)))], 1),
        # two stores side by side, and two that meet
        ([rows(Store("y", at(("i", 2)), ONE), Store("y", at(("i", 2), offset=1), ONE))], 1),
        ([rows(Store("y", at(("i", 2)), ONE), Store("y", at(("i", 2), offset=2), ONE))], 0),
        # what is stored is read in another iteration
        ([rows(Store("y", at(("i", 1)), load("y", at(("i", 1), offset=1))))], 0),
        ([rows(Store("y", at(("i", 1)), load("y", at(("i", 1)))))], 1),
        # a value read before the loop and overwritten in it
        ([Let("v", load("y", at())), rows(Store("y", at(("i", 1)), ONE))], 0),
        ([Let("v", load("x", at())), rows(Store("y", at(("i", 1)), ONE))], 1),
        # where it is stored depends on data
        ([rows(Store("y", Access(0, (("i", 1),), Local("v", "int64")), ONE))], 0),
        # two loops
        ([rows(Store("y", at(("i", 1)), ONE)), columns(Store("x", at(("j", 1)), ONE))], 0),
        # a statement after the loop would be carried out by every part
        ([rows(Store("y", at(("i", 1)), ONE)), Store("x", at(), ONE)], 0),
    ],
)  # fmt: skip
def test_iterations_that_meet_are_not_divided(
    body: list[Statement], wanted: int
) -> None:
    assert cut(kernel(*body)) == (("i", wanted) if wanted else None)


def test_a_row_that_is_filled_and_read_again_is_private() -> None:
    made = kernel(
        rows(
            columns(Store("r", at(("j", 1)), load("x", at(("i", "m"), ("j", 1))))),
            columns(Store("y", at(("i", "m"), ("j", 1)), load("r", at(("j", 1))))),
        )
    )
    assert cut(made) is None
    assert cut(made, "r") == ("i", 1)


def test_sums_are_divided_if_nothing_else_depends_on_their_course() -> None:
    total = Init("s", "add", "float32")
    fold = Fold("s", load("x", at(("i", 1))))
    end = Store("y", at(), Local("s", "float32"))
    good = kernel(total, rows(fold, kind="vector"), end)
    assert cut(good) == ("i", CUT)
    found = division_of(good, SIZES)
    assert found is not None
    assert (found.units, found.partial) == (N, poly(8))
    # a running sum
    running = kernel(
        total, rows(fold, Store("r", at(("i", 1)), Local("s", "float32"))), end
    )
    assert cut(running) is None
    # nothing is made of the sum
    assert cut(kernel(total, rows(fold))) is None


def test_few_long_sums_are_divided_themselves() -> None:
    def sums(columns: Any) -> Kernel:
        inner = Loop("j", "m", (Fold("s", load("x", at(("j", columns), ("i", 1)))),))
        end = Store("y", at(("i", 1)), Local("s", "float32"))
        return kernel(
            Loop("i", columns, (Init("s", "add", "float32"), inner, end), "vector")
        )

    assert cut(sums("n")) == ("i", CUT)
    few = division_of(sums(32), SIZES)
    assert few is not None
    assert (few.index, few.align, few.units, few.partial) == ("j", 1, M, poly(8 * 32))
    # two sums, the second of which needs the first
    mean, spread = (
        (
            Init(name, "add", "float32"),
            Loop(
                f"j{name}",
                "m",
                (Fold(name, load("x", at((f"j{name}", 32), ("i", 1)))),),
            ),
        )
        for name in "st"
    )
    end = Store("y", at(("i", 1)), Local("t", "float32"))
    made = kernel(Loop("i", 32, (*mean, *spread, end), "vector"))
    assert cut(made) == ("i", CUT)


def test_work_grows_with_iterations_bytes_and_functions() -> None:
    def work(value: Any) -> int:
        made = kernel(rows(Store("y", at(("i", 1)), value), kind="vector"))
        return work_of(made, SIZES).value([1000, 1])

    x = load("x", at(("i", 1)))
    plain, tanh = work(x), work(Call("tanh", (x,), "float32"))
    assert work(ONE) < plain < tanh
    far = work(load("x", at(("i", "m"))))
    assert far > plain
    nested = kernel(rows(columns(Store("y", at(("i", "m"), ("j", 1)), ONE))))
    assert work_of(nested, SIZES).terms[0][0] == (0, 1)
    assert work_of(kernel(), SIZES) == poly(0)


# --- products -----------------------------------------------------------------------


def kinds(f: Any) -> list[str]:
    return [type(step).__name__ for step in f.lowered.native.steps]


def test_products_choose_by_size() -> None:
    def product(rows: int | None, inner: int, made: int) -> Any:
        x = T.matrix("x", "float32", shape=(rows, inner))
        w = sg.shared(np.ones((inner, made), np.float32), "w")
        return sg.function([x], T.dot(x, w))

    assert kinds(product(20, 20, 20)) == ["BlasProduct"]
    assert kinds(product(200, 200, 200)) == ["Tiles"]
    either = product(None, 30, 30)
    assert kinds(either) == ["BlasProduct"]
    (step,) = either.lowered.native.steps
    assert isinstance(step, BlasProduct)
    assert isinstance(step.tiles, Tiles)
    random = np.random.default_rng(0)
    for count in (1, SMALL_PRODUCT // 900, SMALL_PRODUCT // 900 + 1, 3000):
        x = random.normal(size=(count, 30)).astype("float32")
        np.testing.assert_allclose(
            either(x), x.sum(axis=1, keepdims=True) + np.zeros(30), rtol=1e-4, atol=1e-4
        )
    with config.override(blas="own"):
        assert kinds(product(20, 20, 20)) == ["Tiles"]
    with config.override(blas="blas"):
        assert kinds(product(200, 200, 200)) == ["BlasProduct"]


@pytest.mark.parametrize("wish", ["own", "blas", "auto"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_products_of_all_layouts_agree_with_numpy(wish: str, dtype: str) -> None:
    a, b = T.matrix("a", dtype), T.matrix("b", dtype)
    t, v = T.tensor3("t", dtype), T.vector("v", dtype)
    with config.override(blas=wish):
        f = sg.function(
            [a, b, t, v],
            [T.dot(a, b), T.dot(a.T, a), T.dot(a, a.T), T.dot(b.T, a.T), T.dot(a, v),
             T.dot(a[2:, 1:], b[1:]), T.batched_dot(t, t.dimshuffle(0, 2, 1)),
             b - 0.5 * T.dot(a.T, T.dot(a, b))],
        )  # fmt: skip
    random = np.random.default_rng(5)
    for m, k, n in [(1, 1, 1), (3, 5, 2), (70, 33, 90), (17, 200, 130), (4, 1, 7)]:
        x, y = random.normal(size=(m, k)), random.normal(size=(k, n))
        z, u = random.normal(size=(6, m, k)), random.normal(size=k)
        given = [array.astype(dtype) for array in (x, y, z, u)]
        got = f(*given)
        x, y, z, u = given
        wanted = [x @ y, x.T @ x, x @ x.T, y.T @ x.T, x @ u, x[2:, 1:] @ y[1:],
                  z @ z.transpose(0, 2, 1), y - 0.5 * (x.T @ (x @ y))]  # fmt: skip
        bound = 2e-4 if dtype == "float32" else 1e-11
        for have, want in zip(got, wanted, strict=True):
            assert have.shape == want.shape
            scale = max(1.0, float(np.abs(want).max(initial=0.0)))
            np.testing.assert_allclose(have, want, bound, bound * scale)


def test_products_have_the_same_bits_with_any_number_of_threads() -> None:
    a, b = T.fmatrix("a"), T.fmatrix("b")
    f = sg.function([a, b], [T.dot(a, b), T.dot(a.T, a), T.nnet.relu(T.dot(a, b))])
    random = np.random.default_rng(6)
    x = random.normal(size=(301, 257)).astype("float32")
    y = random.normal(size=(257, 129)).astype("float32")
    results = []
    for number in (1, 2, 3, 8):
        with config.override(threads=number):
            results.append([r.tobytes() for r in f(x, y)])
    assert all(r == results[0] for r in results)
    binding = list(f._executor.bindings.values())[-1]
    grains = [
        int(binding.slots[n])
        for n, what in enumerate(f._executor.program.slots)
        if isinstance(what, tuple) and what[0] == "block_size"
    ]
    assert min(grains) < SERIAL
