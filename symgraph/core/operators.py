"""Tables: Python operator → public function, method → public function.

Variables get their operators and methods from here; rewrite patterns use the same
table, so ``x + y`` means the same op in user code and in a rule. The functions
themselves are registered by the files of ops/ and looked up when first called.
"""

from collections.abc import Callable, Iterator
from typing import Any

from symgraph.core.composite import CompositeVariable
from symgraph.core.node import Constant, Variable, listing
from symgraph.core.numpy_functions import HANDLERS
from symgraph.core.public import PUBLIC
from symgraph.errors import MissingAttributeError, SymbolicValueError

UNARY = {
    "__neg__": "neg",
    "__abs__": "abs",
    "__invert__": "invert",
    "__ceil__": "ceil",
    "__floor__": "floor",
    "__trunc__": "trunc",
}
BINARY = {
    "__add__": "add",
    "__sub__": "sub",
    "__mul__": "mul",
    "__truediv__": "true_div",
    "__floordiv__": "floor_div",
    "__mod__": "mod",
    "__pow__": "power",
    "__matmul__": "matmul",
    "__and__": "and_",
    "__or__": "or_",
    "__xor__": "xor",
    "__lshift__": "left_shift",
    "__rshift__": "right_shift",
}
COMPARISONS = {"__lt__": "lt", "__le__": "le", "__gt__": "gt", "__ge__": "ge"}

#: methods of variables, each a public function whose first argument is the variable
METHODS = (
    "all", "any", "argmax", "argmin", "argsort", "astype", "ceil", "choose", "clip",
    "conj", "cumprod", "cumsum", "diagonal", "dimshuffle", "dot", "eval", "exp", "expm1",
    "fill", "flatten", "floor", "log", "log10", "log1p", "log2", "max", "mean", "min",
    "nonzero", "nonzero_values", "norm", "ones_like", "prod", "ptp", "ravel", "repeat",
    "reshape", "round", "searchsorted",
    "sin", "cos", "tan", "sinh", "cosh", "tanh", "arcsin", "arccos", "arctan", "sort",
    "sqr", "sqrt", "squeeze", "std", "sum", "swapaxes", "take", "trace", "transpose",
    "trunc", "var", "zeros_like", "copy",
)  # fmt: skip
#: attributes of variables that are expressions
PROPERTIES = {"shape": "shape", "T": "transpose", "size": "size", "real": "real",
              "imag": "imag"}  # fmt: skip

Method = Callable[..., Any]


def _unary(function: str) -> Method:
    return lambda self: PUBLIC[function](self)


def _forward(function: str) -> Method:
    return lambda self, other: PUBLIC[function](self, other)


def _operator(function: str) -> Method:
    def operator(self: Variable, other: Any) -> Any:
        if isinstance(
            other, CompositeVariable
        ):  # it knows what to do, in its reflected method
            return NotImplemented
        return PUBLIC[function](self, other)

    return operator


def _reflected(function: str) -> Method:
    return lambda self, other: PUBLIC[function](other, self)


def _method(function: str) -> Method:
    def method(self: Variable, *args: Any, **kwargs: Any) -> Any:
        found = PUBLIC.get(function)
        if found is None:
            raise AttributeError(f"variables have no method {function!r}")
        return found(self, *args, **kwargs)

    method.__name__ = function
    method.__doc__ = f"`symgraph.tensor.{function}` of this variable."
    return method


def _compress(self: Variable, condition: Any, axis: int | None = None) -> Variable:
    found: Variable = PUBLIC["compress"](condition, self, axis)
    return found


def _iterate(self: Variable) -> Iterator[Variable]:
    if not self.type.shape or self.type.shape[0] is None:
        raise SymbolicValueError(
            "only a variable whose first extent is known can be iterated or unpacked"
            f"{listing(self)}\nUse scan, or give the extent with TensorType."
        )
    return (self[i] for i in range(self.type.shape[0]))


def _length(self: Variable) -> int:
    raise SymbolicValueError(
        f"len() of a symbolic variable{listing(self)}\nUse x.shape[0]."
    )


def _truth(self: Variable) -> bool:
    owner = self.owner
    if owner is not None and getattr(owner.op, "is_comparison", False):
        raise SymbolicValueError(
            "the truth of a comparison is not known while the graph is built"
            f"{listing(self)}\nUse switch(condition, a, b), all() or any()."
        )
    return True


def _number(kind: type) -> Method:
    def convert(self: Variable) -> Any:
        if isinstance(self, Constant) and self.data.size == 1:
            return kind(self.data.item())
        raise SymbolicValueError(
            f"{kind.__name__}() of a symbolic variable{listing(self)}\n"
            "Its value is known only when a compiled function runs."
        )

    return convert


def _index(self: Variable) -> int:
    if isinstance(self, Constant) and self.ndim == 0 and self.data.dtype.kind in "iu":
        return int(self.data)
    raise SymbolicValueError(
        f"a symbolic variable where Python needs an int{listing(self)}\n"
        "Use arange instead of range, and symbolic sizes where they are accepted."
    )


def _assigned(self: Variable, index: Any, value: Any = None) -> None:
    raise SymbolicValueError(
        f"an element of a symbolic variable cannot be assigned{listing(self)}\n"
        "Use y = set_subtensor(x[index], value), or inc_subtensor for x[index] += value: "
        "each gives a new variable."
    )


def _contains(self: Variable, value: Any) -> bool:
    raise SymbolicValueError(
        f"`in` asks for the values of a symbolic variable{listing(self)}\n"
        "Use any(eq(x, value)), which is computed when a compiled function runs."
    )


def _format(self: Variable, form: str) -> str:
    if not form:
        return str(self)
    raise SymbolicValueError(
        f"the format {form!r} needs the value of a symbolic variable{listing(self)}\n"
        "Its value is known only when a compiled function runs: format what that "
        "returns, x.eval(), or w.get_value() of a shared variable."
    )


def _missing(self: Variable, name: str) -> Any:
    raise MissingAttributeError(name, self, _known_names)


def _known_names(variable: Variable) -> tuple[str, list[str]]:
    return listing(variable), [*dir(type(variable)), *variable.__dict__]


def _round(self: Variable, digits: int = 0) -> Variable:
    if digits:
        raise SymbolicValueError(
            f"round to {digits} digits{listing(self)}\nWrite round(x * 10**digits) / "
            "10**digits, with its error, or round the values that a function returns."
        )
    found: Variable = PUBLIC["round"](self)
    return found


def install() -> None:
    """Attach operators, methods and properties to `Variable`."""
    attach: Any = setattr
    for name, function in UNARY.items():
        attach(Variable, name, _unary(function))
    for name, function in (BINARY | COMPARISONS).items():
        attach(Variable, name, _operator(function))
    for name, function in BINARY.items():
        attach(Variable, "__r" + name[2:], _reflected(function))
    for name in METHODS:
        attach(Variable, name, _method(name))
    for name, function in PROPERTIES.items():
        attach(Variable, name, property(_unary(function)))
    for name, handler in HANDLERS.items():
        attach(Variable, name, handler)
    attach(Variable, "compress", _compress)
    attach(Variable, "__getitem__", _forward("getitem"))
    attach(Variable, "__iter__", _iterate)
    attach(Variable, "__len__", _length)
    attach(Variable, "__bool__", _truth)
    attach(Variable, "__float__", _number(float))
    attach(Variable, "__int__", _number(int))
    attach(Variable, "__index__", _index)
    attach(Variable, "__round__", _round)
    attach(Variable, "__setitem__", _assigned)
    attach(Variable, "__delitem__", _assigned)
    attach(Variable, "__contains__", _contains)
    attach(Variable, "__format__", _format)
    attach(Variable, "__getattr__", _missing)


install()
