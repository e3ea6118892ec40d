"""Which loops add floats up in blocks: those that may be long, and no others."""

import pytest

import symgraph as sg
import symgraph.tensor as T
from symgraph.lower.blocks import BLOCK, in_blocks
from symgraph.lower.ir import (
    Access,
    Buffer,
    Const,
    Fold,
    Init,
    Kernel,
    Load,
    Local,
    Loop,
    Store,
    walk,
)

HEAD = (Buffer("x", "float32"), Buffer("y", "float32", "out"))
X = Load("x", Access(terms=(("i", 1),)), "float32")


def kernel(extent: int | str, combine: str = "add", kind: str = "serial") -> Kernel:
    """y[0] = x[0] + x[1] + ..."""
    body = (
        Init("a", combine, "float32"),
        Loop("i", extent, (Fold("a", X),), kind),
        Store("y", Access(), Local("a", "float32")),
    )
    return Kernel("k", HEAD, ("n",), body)


def blocks(k: Kernel) -> list[int]:
    """Blocks of all loops, outer ones first."""
    return [s.block for s in walk(k.body) if isinstance(s, Loop)]


@pytest.mark.parametrize("kind", ["serial", "vector"])
def test_loops_that_may_be_long_get_blocks(kind: str) -> None:
    assert blocks(in_blocks(kernel("n", kind=kind))) == [BLOCK]
    assert blocks(in_blocks(kernel(BLOCK + 1, kind=kind))) == [BLOCK]


def test_short_loops_and_other_combinations_get_none() -> None:
    same = kernel(BLOCK), kernel("n", "maximum"), kernel("n", "mul"), kernel(0)
    for one in (*same, kernel(16, kind="unroll")):
        assert in_blocks(one) is one


def test_sums_of_integers_get_none() -> None:
    k = kernel("n")
    body = (
        Init("a", "add", "int64"),
        Loop("i", "n", (Fold("a", Const(1, "int64")),)),
    )
    assert blocks(in_blocks(k.replace(body=body))) == [0]


def test_only_loops_around_a_fold_and_inside_its_accumulator_get_blocks() -> None:
    inner = Loop("i", "n", (Fold("a", X),))
    row = Loop("j", "n", (Init("a", "add", "float32"), inner))
    assert blocks(in_blocks(kernel("n").replace(body=(row,)))) == [0, BLOCK]
    nest = (Init("a", "add", "float32"), Loop("j", "n", (inner,)))
    assert blocks(in_blocks(kernel("n").replace(body=nest))) == [BLOCK, BLOCK]


def test_kernels_of_functions_show_their_blocks() -> None:
    x = T.fmatrix("x")
    assert "by blocks of 128" in str(sg.function([x], x.sum(axis=0)).kernels)
    assert "blocks" not in str(sg.function([x], x.max(axis=0)).kernels)
