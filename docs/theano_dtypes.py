"""Dtypes of results: what Theano 1.0.5 gives, and what comes here.

`TABLE` holds expressions and Theano's dtype (measured with floatX=float32), and a reason
where symgraph decides otherwise. Out: rows of docs/reference/theano.md.
"""

from typing import Any

import numpy as np

from symgraph import compat

#: (expression, dtype and pattern in Theano, why it is another one here)
TABLE: list[tuple[str, str, str]] = [
    ("x + i", "float64", ""),
    ("x + b", "float32", ""),
    ("x + w", "float32", ""),
    ("x * 2", "float32", ""),
    ("x * 2.5", "float32", ""),
    ("x ** 2", "float32", ""),
    ("i * 2.5", "float64", ""),
    ("i / i", "float32", ""),
    ("1 / i", "float32", ""),
    ("i / 2", "float32", ""),
    ("i // i", "int32", ""),
    ("i // 2.0", "float64", ""),
    ("x // 2", "float32", ""),
    ("T.mod(i, 2)", "int32", ""),
    ("i ** 2", "int32", ""),
    ("T.sqr(i)", "int32", ""),
    ("T.sgn(i)", "int32", ""),
    ("i / x", "float64", ""),
    ("T.minimum(i, x)", "float64", ""),
    ("b + b", "int8", ""),
    ("abs(b)", "int8", ""),
    ("T.exp(i)", "float64", ""),
    ("T.nnet.sigmoid(i)", "float64", ""),
    ("T.inv(i)", "float64", ""),
    ("T.erf(i)", "float64", ""),
    ("T.power(i, 0.5)", "float64", ""),
    ("T.sqrt(b)", "float32", ""),
    ("T.nnet.relu(i)", "float64", ""),
    ("T.clip(i, 0, 1.5)", "float64", ""),
    ("T.nnet.softmax(v)", "float32 row", ""),
    ("T.nnet.binary_crossentropy(x, i)", "float64", ""),
    ("T.set_subtensor(x[0], 1)", "float32", ""),
    ("T.max(x, axis=0, keepdims=True)", "float32 row", ""),
    ("theano.shared(np.zeros((1, 3)))", "float64 matrix", ""),
    ("i.sum()", "int64", ""),
    ("b.sum()", "int64", ""),
    ("T.prod(b)", "int64", ""),
    ("T.sum(x > 0)", "int64", ""),
    ("i.mean()", "float64", ""),
    ("T.mean(x > 0)", "float64", ""),
    ("T.mean(x, dtype='float64')", "float64", ""),
    ("x.sum()", "float32", ""),
    ("x.mean()", "float32", ""),
    ("x.std()", "float32", ""),
    ("T.argmax(x)", "int64", ""),
    ("T.argsort(v)", "int64", ""),
    ("T.arange(5)", "int64", ""),
    ("x.shape", "int64", ""),
    ("T.eq(x, 1)", "bool", ""),
    ("T.neq(x, 1)", "bool", ""),
    ("x < 1", "bool", ""),
    ("T.all(x)", "bool", ""),
    ("T.any(x)", "bool", ""),
    ("T.isnan(x)", "bool", ""),
    ("T.switch(x > 0, 1, 0)", "int8", ""),
    ("T.switch(x > 0, 1., 0.)", "float32", ""),
    ("T.constant(3)", "int8", ""),
    ("T.constant(300)", "int16", ""),
    ("T.constant(3.5)", "float32", ""),
    ("T.as_tensor_variable(2.0)", "float32", ""),
    ("theano.shared(3)", "int64", ""),
    ("theano.shared(3.0)", "float64", ""),
    ("theano.shared([1, 2])", "generic", "there are no generic values"),
    ("MRG().binomial((2,))", "int64", ""),
    ("MRG().uniform((2,))", "float32", ""),
    ("MRG().normal((2,))", "float32", ""),
    ("T.concatenate([x, d])", "float64", ""),
    ("T.cumsum(x)", "float32 vector", ""),
    ("T.alloc(0., 3, 1)", "float32 col", ""),
    ("T.row()", "float32 row", ""),
    ("T.unbroadcast(T.row(), 0)", "float32 matrix", ""),
    ("np.float64(2) * x", "float64", ""),
    ("np.float32(2) * x", "float32", ""),
    ("x + 10 ** 10", "float64", "Python numbers are weak, see decision 0001"),
]  # fmt: skip
PATTERNS = {
    (True, False): "row", (False, True): "col", (False, False): "matrix",
    (False,): "vector",
}  # fmt: skip


def found() -> dict[str, str]:
    """Expression → dtype here, with the pattern where Theano's is given."""
    theano = compat.install()
    try:
        with theano.config.change_flags(floatX="float32"):
            return _evaluated(theano)
    finally:
        compat.uninstall()


def _evaluated(theano: Any) -> dict[str, str]:
    T = theano.tensor
    names = {
        "theano": theano, "T": T, "np": np, "x": T.fmatrix("x"), "d": T.dmatrix("d"),
        "i": T.imatrix("i"), "b": T.bmatrix("b"), "w": T.wmatrix("w"),
        "v": T.fvector("v"), "MRG": theano.sandbox.rng_mrg.MRG_RandomStreams,
    }  # fmt: skip
    made = {}
    for text, wanted, _ in TABLE:
        variable = eval(text, names)
        pattern = PATTERNS.get(variable.broadcastable, "") if " " in wanted else ""
        made[text] = f"{variable.dtype} {pattern}".strip()
    return made


def rows() -> list[str]:
    """The rows of the page."""
    here = found()
    lines = []
    for text, wanted, why in TABLE:
        note = f"; {why}" if why else ""
        lines.append(f"| `{text}` | {wanted} | {here[text]}{note} |\n")
    return lines
