"""Text to expression: what is accepted, what is refused; nothing is executed."""

import numpy as np
import pytest

import symgraph as sg
from symgraph.backends.reference import evaluate
from symgraph.errors import ArgumentError, SymgraphError
from symgraph.train.expression import (
    FUNCTIONS,
    MAX_DEPTH,
    NNET_FUNCTIONS,
    SYMBOLIC_FUNCTIONS,
    parse,
)

A = np.array([[0.5, 2.0], [3.0, -1.5]])
B = np.array([[1.0, -2.0], [0.25, 4.0]])


def _value(text, types=None, **values):
    parsed = parse(text, types)
    (found,) = evaluate([parsed.output], {v: values[v.name] for v in parsed.inputs})
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("(x+y)+(x+y)", 2 * (A + B)),
        ("x - y * 2 / 4", A - B / 2),
        ("x @ y.T", A @ B.T),
        ("-x ** 2", -(A**2)),
        ("+x % 2", A % 2),
        ("x // y", A // B),
        ("maximum(x, y)", np.maximum(A, B)),
        ("sum(x, axis=0)", A.sum(0)),
        ("mean(x, axis=1, keepdims=True)", A.mean(1, keepdims=True)),
        ("T.exp(x)", np.exp(A)),
        ("T.nnet.sigmoid(x)", 1 / (1 + np.exp(-A))),
        ("softmax(x)", np.exp(A) / np.exp(A).sum(1, keepdims=True)),
        ("where(x < y, x, y)", np.minimum(A, B)),
        ("x[0]", A[0]),
        ("x[::-1, 1]", A[::-1, 1]),
        ("x[..., None]", A[..., None]),
        ("concatenate([x, y], axis=0)", np.concatenate([A, B])),
        ("dimshuffle(x, (1, 0))", A.T),
        ("reshape(x, (4, 1))", A.reshape(4, 1)),
        ("grad(sum(x * x), x)", 2 * A),
        ("sum(exp2(x))", np.exp2(A).sum()),
    ],
)
def test_expression_means_what_numpy_means(text, expected):
    names = {"x": A, "y": B}
    assert np.allclose(_value(text, **names), expected)


def test_inputs_come_in_the_order_of_first_use():
    assert [v.name for v in parse("b + a * b + c").inputs] == ["b", "a", "c"]


def test_name_is_a_double_matrix_unless_told_otherwise():
    parsed = parse("x * y", {"y": "fvector"})
    assert [(v.dtype, v.ndim) for v in parsed.inputs] == [
        ("float64", 2),
        ("float32", 1),
    ]


def test_every_listed_function_exists():
    import symgraph.tensor as T

    homes = ((FUNCTIONS, T), (NNET_FUNCTIONS, T.nnet), (SYMBOLIC_FUNCTIONS, sg))
    for names, home in homes:
        assert [n for n in names if not callable(getattr(home, n, None))] == []


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not an expression"),
        ("x +", "not an expression"),
        ("x; y", "not an expression"),
        ("x = 1", "not an expression"),
        ("x\0", "not an expression"),
        ("(" * 300 + "x" + ")" * 300, "not an expression|nested"),
        ("__import__('os').system('true')", "no function"),
        ("open('file')", "no function 'open'"),
        ("eval('1')", "no function 'eval'"),
        ("x.__class__", "x.__class__"),
        ("x.sum()", "no function"),
        ("T.config", "is not accepted"),
        ("T.function(x)", "no function"),
        ("__name__ + x", "is not accepted as a name"),
        ("lambda: x", "is not accepted"),
        ("[i for i in x]", "is not accepted"),
        ("x if y else x", "is not accepted"),
        ("x and y", "is not accepted"),
        ("x < y < x", "is not accepted"),
        ("f'{x}'", "is not accepted"),
        ("'text'", "is not accepted"),
        ("x + 'text'", "is not accepted"),
        ("{1: x}", "is not accepted"),
        ("(x := y)", "is not accepted"),
        ("exp(*x)", "is not accepted"),
        ("exp(**x)", "for None is not accepted"),
        ("sum(x, out=y)", "for 'out' is not accepted"),
        ("sum(x, axis=y)", "must be a number"),
        ("x[y]", "must be a number"),
        ("exp()", "exp"),
        ("[x, y]", "is no single expression"),
        ("[x, y] + x", "is no single value"),
        ("x" + "+x" * 2000, "over 2000"),
        ("-" * (MAX_DEPTH + 2) + "x", "nested deeper"),
        ("9" * 400 + " + x", "does not fit in int64"),
    ],
)
def test_text_that_is_not_listed_is_refused(text, reason):
    with pytest.raises(SymgraphError, match=reason):
        parse(text)


@pytest.mark.parametrize("kind", ["dmatrix()", "function", "zmatrix", "", "__doc__"])
def test_unknown_type_of_a_name_is_refused(kind):
    with pytest.raises(ArgumentError, match="constructor"):
        parse("x", {"x": kind})


def test_type_of_a_name_that_is_not_used_is_refused():
    with pytest.raises(ArgumentError, match="does not use z"):
        parse("x", {"z": "dvector"})


def test_operands_that_do_not_fit_are_told_by_their_columns():
    with pytest.raises(SymgraphError) as caught:
        parse("exp(x) @ y", {"y": "dtensor3", "x": "dscalar"})
    lines = str(caught.value).splitlines()
    assert any(line.endswith("made at column:1") for line in lines)
    assert any(line.endswith("made at column:10") for line in lines)
