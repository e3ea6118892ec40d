"""The dialect of CUDA kernel text: its names, and how it becomes Python generators.

In: kernel text that numba-cuda and numba-cuda-mlir would both compile. Out: a Python
function that takes `cuda` (one thread, see `lockstep.py`) as its first argument, and
is a generator if it meets an event: `cuda.syncthreads()`, `cuda.syncwarp()` and the
shuffles become `yield Event(...)`, and calls of functions that reach one become
`yield from`.

Numbers follow Numba's typing: literals are int64 and float64, and integers are held
in 64 bits however narrow their memory is, since Numba computes no narrower. Running
the threads is left to `lockstep.py`.
"""

import ast
import functools
import math
from collections import namedtuple
from types import FunctionType, SimpleNamespace
from typing import Any

import numpy as np

from symgraph.errors import LockstepError

Event = namedtuple("Event", "kind line mask value lane", defaults=(None, None, None))
WIDE: dict[str, Any] = {
    "i": np.int64,
    "u": np.uint64,
}  # kind of integer → how it is held
SHUFFLES = {"shfl_sync", "shfl_up_sync", "shfl_down_sync", "shfl_xor_sync"}
EVENTS = {f"cuda.{event}" for event in {*SHUFFLES, "syncthreads", "syncwarp"}}
ARRAYS = {"cuda.shared.array": "shared_array", "cuda.local.array": "local_array"}


@functools.lru_cache(maxsize=256)
def load(source: str, name: str) -> tuple[FunctionType, bool]:
    """Compile the text; return the kernel and whether it is a generator."""
    tree = ast.parse(source)
    functions = {f.name: f for f in tree.body if isinstance(f, ast.FunctionDef)}
    if name not in functions:
        raise LockstepError(f"the text holds {sorted(functions)}, no kernel {name!r}")
    waiting = _waiting(functions)
    rewriter = _Rewriter(set(functions), waiting)
    body = [
        rewriter.visit(statement)
        for statement in tree.body
        if not isinstance(statement, (ast.Import, ast.ImportFrom))
    ]
    module = ast.fix_missing_locations(ast.Module(body, type_ignores=[]))
    scope = {**_SCOPE, **rewriter.literals}
    exec(compile(module, filename(name), "exec"), scope)
    return scope[name], name in waiting


def filename(name: str) -> str:
    return f"<kernel {name}>"


def _waiting(functions: dict[str, ast.FunctionDef]) -> set[str]:
    """Return the functions that reach an event, directly or by a call."""
    calls = {
        name: {_path(n.func) for n in ast.walk(node) if isinstance(n, ast.Call)}
        for name, node in functions.items()
    }
    waiting: set[str] = set()
    while True:
        more = {name for name in calls if calls[name] & (EVENTS | waiting)}
        if more == waiting:
            return waiting
        waiting = more


def _path(node: ast.expr) -> str:
    """Return `a.b.c` for nested attributes of a name."""
    if isinstance(node, ast.Attribute):
        return f"{_path(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else "?"


class _Rewriter(ast.NodeTransformer):
    """Give functions the parameter `cuda`, turn events to yields, type literals."""

    def __init__(self, functions: set[str], waiting: set[str]) -> None:
        self.functions, self.waiting = functions, waiting
        self.literals: dict[str, Any] = {}

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        self.generic_visit(node)
        node.decorator_list = []
        node.args.args.insert(0, ast.arg("cuda"))
        return node

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if type(node.value) not in (int, float):
            return node
        name = f"literal_{node.value!r}"
        self.literals[name] = np.asarray(node.value)[()]
        return ast.copy_location(ast.Name(name, ast.Load()), node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        path = _path(node.func)
        if path in ARRAYS:
            return ast.copy_location(self.array(node, path), node)
        self.generic_visit(node)
        if path in EVENTS:
            kind = ast.Constant(path.removeprefix("cuda."))
            fields = [kind, ast.Constant(node.lineno), *node.args]
            if path == "cuda.syncwarp" and not node.args:
                fields.append(ast.Constant(0xFFFFFFFF))
            event = ast.Call(ast.Name("Event", ast.Load()), fields, [])
            return ast.copy_location(ast.Yield(event), node)
        if path in self.functions:
            node.args.insert(0, ast.Name("cuda", ast.Load()))
            if path in self.waiting:
                return ast.copy_location(ast.YieldFrom(node), node)
        return node

    def array(self, node: ast.Call, path: str) -> ast.AST:
        """Mark an array with its place; both compilers want a literal shape."""
        named = {keyword.arg: keyword.value for keyword in node.keywords}
        shape, dtype = [*node.args, *named.values()][:2]
        if set(named) == {"shape", "dtype"}:
            shape, dtype = named["shape"], named["dtype"]
        extents = shape.elts if isinstance(shape, ast.Tuple) else [shape]
        if not all(isinstance(extent, ast.Constant) for extent in extents):
            raise LockstepError(
                f"line {node.lineno}: the shape of {path} must be literal numbers, "
                f"not {ast.unparse(shape)}"
            )
        method = ast.Attribute(ast.Name("cuda", ast.Load()), ARRAYS[path], ast.Load())
        key = ast.Constant(f"{path} of line {node.lineno}:{node.col_offset}")
        return ast.Call(method, [key, shape, dtype], [])


# --- the names of the dialect -------------------------------------------------------


class Scalar:
    """A number type of the dialect: a cast when called, a dtype in array shapes."""

    def __init__(self, name: str) -> None:
        self.dtype = np.dtype(name)
        self.wide = WIDE.get(self.dtype.kind)

    def __call__(self, value: Any = 0) -> Any:
        """Cast as C does; an integer keeps its wrapped value but 64 bits of room."""
        cast = np.asarray(value).astype(self.dtype)[()]
        return self.wide(cast) if self.wide else cast


_TYPES = {
    name: Scalar(name)
    for name in "int8 int16 int32 int64 uint8 uint16 uint32 uint64 "
    "float16 float32 float64 complex64 complex128".split()
}


def _same_dtype(function: Any) -> Any:
    """Lift a function of Python's math to NumPy scalars; its poles give inf."""

    def lifted(x: Any) -> Any:
        dtype = x.dtype if x.dtype.kind == "f" else np.dtype("float64")
        try:
            return dtype.type(function(float(x)))
        except (ValueError, OverflowError):
            return dtype.type(np.inf)

    return lifted


def _bits(source: str, target: str) -> Any:
    wide = WIDE.get(np.dtype(target).kind)

    def reinterpret(x: Any) -> Any:
        value = np.asarray(x).astype(source).view(target)[()]
        return wide(value) if wide else value

    return reinterpret


# not ceil, floor, trunc: one compiler returns floats and the other integers
_MATH = {
    name: getattr(np, name)
    for name in "acos acosh asin asinh atan atanh atan2 copysign cos cosh exp "
    "expm1 fabs fmod hypot isfinite isinf isnan log log10 log1p log2 sin "
    "sinh sqrt tan tanh".split()
}
# arrays: of scalars NumPy takes the square root where the exponent is 0.5, so that
# pow(-inf, 0.5) is NaN and not the infinity that C has
_MATH["pow"] = lambda x, y: np.power(np.array([x]), np.array([y]))[0]
_MATH |= {name: np.float64(getattr(math, name)) for name in "pi e inf nan tau".split()}
_MATH |= {
    name: _same_dtype(getattr(math, name)) for name in "erf erfc gamma lgamma".split()
}
_LIBDEVICE = {  # each also with the suffix f, for float32
    "cbrt": np.cbrt,
    "exp2": np.exp2,
    "rint": np.rint,
    "rsqrt": lambda x: np.reciprocal(np.sqrt(x)),
    "trunc": np.trunc,
}
_LIBDEVICE |= {f"{name}f": function for name, function in _LIBDEVICE.items()} | {
    "float_as_int": _bits("float32", "int32"),
    "int_as_float": _bits("int32", "float32"),
    "double_as_longlong": _bits("float64", "int64"),
    "longlong_as_double": _bits("int64", "float64"),
}


def _wide_range(*bounds: Any) -> Any:
    """Count as `range` does, in int64 scalars as a compiled loop does."""
    return map(np.int64, range(*(int(bound) for bound in bounds)))


_SCOPE = {
    **_TYPES,
    "Event": Event,
    "math": SimpleNamespace(**_MATH),
    "libdevice": SimpleNamespace(**_LIBDEVICE),
    "types": SimpleNamespace(**_TYPES),
    "np": SimpleNamespace(**_TYPES),
    "int": _TYPES["int64"],
    "float": _TYPES["float64"],
    "bool": np.bool_,
    "boolean": np.bool_,
    "abs": abs,
    "max": np.fmax,  # as the device functions do, NaN is ignored
    "min": np.fmin,
    "range": _wide_range,
    "__builtins__": {},
}
