"""Kernels written by hand, for the tests of what is made from Kernel IR."""

from symgraph.lower.ir import (
    Access,
    Buffer,
    Call,
    Const,
    Expression,
    Fold,
    Init,
    Kernel,
    Let,
    Load,
    Local,
    Loop,
    Size,
    Store,
)


def at(*terms: tuple[str, Size], offset: Size = 0, dynamic=None) -> Access:
    """Return the position sum(index * stride) + offset + dynamic."""
    return Access(offset, terms, dynamic)


def call(function: str, *arguments: Expression, dtype: str | None = None) -> Call:
    """Return a call whose result has the dtype of its last argument, or `dtype`."""
    return Call(function, arguments, dtype or arguments[-1].dtype)


def primitive(function: str, dtypes: tuple[str, ...], result: str) -> Kernel:
    """y[i] = function(x0[i], x1[i], ...)."""
    here = at(("i", 1))
    loads = [Load(f"x{k}", here, dtype) for k, dtype in enumerate(dtypes)]
    store = Store("y", here, Call(function, tuple(loads), result))
    inputs = [Buffer(load.buffer, load.dtype) for load in loads]
    buffers = (*inputs, Buffer("y", result, "out"))
    loop = Loop("i", "n", (store,), "vector")
    return Kernel(f"k_{function}", buffers, ("n",), (loop,))


def bias_sigmoid(dtype: str) -> Kernel:
    """y[i, j] = sigmoid(2 * x[i, j] + b[j]), b also with stride 0."""
    x = Load("x", at(("i", "columns"), ("j", 1)), dtype)
    b = Load("b", at(("j", "step")), dtype)
    z = call("add", call("mul", Const(2.0, dtype), x), b)
    store = Store("y", at(("i", "columns"), ("j", 1)), call("sigmoid", z))
    rows = Loop("i", "rows", (Loop("j", "columns", (store,), "vector"),))
    buffers = (Buffer("x", dtype), Buffer("b", dtype), Buffer("y", dtype, "out"))
    origin = (("model.py", 3), ("model.py", 4))
    return Kernel("bias_sigmoid", buffers, ("rows", "columns", "step"), (rows,), origin)


def row_reduction(combine: str, dtype: str) -> Kernel:
    """y[i] = 3 * combine over j of x[i, j]."""
    x = Load("x", at(("i", "columns"), ("j", 1)), dtype)
    result = Local("total", dtype)
    if dtype != "bool":
        result = call("mul", Const(3, dtype), result)
    row = (
        Init("total", combine, dtype),
        Loop("j", "columns", (Fold("total", x),), "vector"),
        Store("y", at(("i", 1)), result),
    )
    buffers = (Buffer("x", dtype), Buffer("y", dtype, "out"))
    return Kernel("rows", buffers, ("rows", "columns"), (Loop("i", "rows", row),))


def softmax(dtype: str) -> Kernel:
    """y[i, j] = exp(x[i, j] - max of row i) / sum of those over row i."""
    here = at(("i", "columns"), ("j", 1))
    exponential = call("exp", call("sub", Load("x", here, dtype), Local("top", dtype)))
    share = call("div", Load("y", here, dtype), Local("total", dtype))
    row = (
        Init("top", "maximum", dtype),
        Loop("j", "columns", (Fold("top", Load("x", here, dtype)),), "vector"),
        Init("total", "add", dtype),
        Loop(
            "j",
            "columns",
            (Let("e", exponential), Fold("total", Local("e", dtype)),
             Store("y", here, Local("e", dtype))),
            "vector",
        ),
        Loop("j", "columns", (Store("y", here, share),), "vector"),
    )  # fmt: skip
    buffers = (Buffer("x", dtype), Buffer("y", dtype, "out"))
    return Kernel("softmax", buffers, ("rows", "columns"), (Loop("i", "rows", row),))


def mean(dtype: str) -> Kernel:
    """y[0] = mean of all x[i, j]."""
    x = Load("x", at(("i", "columns"), ("j", 1)), dtype)
    inner = Loop("j", "columns", (Fold("total", x),), "vector")
    body = (
        Init("total", "add", dtype),
        Loop("i", "rows", (inner,)),
        Store(
            "y", at(), call("div", Local("total", dtype), Load("count", at(), dtype))
        ),
    )
    buffers = (Buffer("x", dtype), Buffer("count", dtype), Buffer("y", dtype, "out"))
    return Kernel("mean", buffers, ("rows", "columns"), body)


def column_sum(dtype: str) -> Kernel:
    """y[j] = sum over i of x[i, j], row after row."""
    here = at(("j", 1))
    x = Load("x", at(("i", "columns"), ("j", 1)), dtype)
    more = Store("y", here, call("add", Load("y", here, dtype), x))
    body = (
        Loop("j", "columns", (Store("y", here, Const(0.0, dtype)),), "vector"),
        Loop("i", "rows", (Loop("j", "columns", (more,), "vector"),)),
    )
    buffers = (Buffer("x", dtype), Buffer("y", dtype, "out"))
    return Kernel("column_sum", buffers, ("rows", "columns"), body)


def running_sum(dtype: str, columns: Size, columns_and_one: Size) -> Kernel:
    """x[i, j] = x[i, j - 1] + x[i, j] in place, j = 1 .. columns."""
    before = at(("i", columns_and_one), ("j", 1))
    here = at(("i", columns_and_one), ("j", 1), offset=1)
    add = call("add", Load("x", before, dtype), Load("x", here, dtype))
    steps = Loop("j", columns, (Store("x", here, add),))
    sizes = ("rows", *(s for s in (columns, columns_and_one) if isinstance(s, str)))
    rows = Loop("i", "rows", (steps,))
    return Kernel("running_sum", (Buffer("x", dtype, "inout"),), sizes, (rows,))


def scatter_add(dtype: str) -> Kernel:
    """y[index[i], j] += x[i, j]: rows follow one another, as an index may repeat."""
    row = call("mul", Load("index", at(("i", 1)), "int64"), Const(5, "int64"))
    there = at(("j", 1), dynamic=row)
    x = Load("x", at(("i", 5), ("j", 1)), dtype)
    store = Store("y", there, call("add", Load("y", there, dtype), x))
    loop = Loop("i", "rows", (Loop("j", 5, (store,), "vector"),))
    buffers = (
        Buffer("index", "int64"),
        Buffer("x", dtype),
        Buffer("y", dtype, "inout"),
    )
    return Kernel("scatter_add", buffers, ("rows",), (loop,))
