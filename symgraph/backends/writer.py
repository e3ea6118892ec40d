"""Kernel IR → Python source: explicit loops over flat NumPy arrays, made to be read.

In: a `Kernel`. Out: text of one function whose parameters are the kernel's buffers,
its sizes, and `error` (an int64 array of one element) if it can fail. `f.source` shows
this text; run by Python on NumPy arrays it computes what the compiled kernel computes,
slowly. The methods of `Writer` that differ between dialects are overridden by
`cuda/writer.py`.

Every constant is printed with its type: next to a bare `2.0`, Numba would turn a
float32 into a float64.

How a primitive is written is data: a template is an expression of its arguments `a`,
`b`, `c`, after any number of named helper values, split by `;`. `T` is the type of the
arguments, `R` that of the result. `name.k` holds for arguments of kind `k`
(float, int, unsigned, bool, complex) and comes before the plain name.
"""

import keyword
import re
from collections import ChainMap
from collections.abc import Iterable, Mapping
from typing import ClassVar

from symgraph.backends.special import HELPERS
from symgraph.errors import NotSupportedError
from symgraph.lower.ir import (
    USER,
    Access,
    Call,
    Const,
    Expression,
    Fail,
    Fold,
    Index,
    Init,
    Kernel,
    Let,
    Load,
    Local,
    Loop,
    Size,
    SizeValue,
    Statement,
    Store,
    identity,
    walk,
)

# fmt: off
#: what reads the same in every dialect, but for the dialect's words
TEMPLATES = {
    "add": "a + b", "sub": "a - b", "mul": "a * b", "div": "a / b", "neg": "-a",
    "add.b": "a or b", "mul.b": "a and b",
    "maximum.b": "a or b", "minimum.b": "a and b",
    "lt": "a < b", "le": "a <= b", "gt": "a > b", "ge": "a >= b",
    "eq": "a == b", "ne": "a != b",
    "and": "a & b", "or": "a | b", "xor": "a ^ b", "not": "~a",
    "and.b": "a and b", "or.b": "a or b", "xor.b": "a != b", "not.b": "not a",
    "where": "b if a else c", "cast": "R(a)", "to_bool": "a != T(0)",
    "real": "a.real", "imag": "a.imag",
    "abs": "abs(a)", "abs.u": "a", "abs.b": "a", "rsqrt": "T(1) / sqrt(a)",
    "round_half_away":
        "whole = copysign(floor(fabs(a)), a);"
        "whole + copysign(T(1), a) if fabs(a - whole) >= T(0.5) else whole",
    # in these three exp never overflows: its argument is not positive
    "sigmoid": "decay = exp(-fabs(a)); (T(1) if a >= T(0) else decay) / (T(1) + decay)",
    "softplus": "(a if a > T(0) else T(0)) + log1p(exp(-fabs(a)))",
    "log_sigmoid": "(a if a < T(0) else T(0)) - log1p(exp(-fabs(a)))",
    "erf": "T(erf(a))", "erfc": "T(erfc(a))",
    "erfinv": "T(erfinv(float64(a)))", "erfcinv": "T(erfcinv(float64(a)))",
    "erfcx": "T(erfcx(float64(a)))", "digamma": "T(digamma(float64(a)))",
    "philox": "philox(a, b, uint64(c))",
}

#: what Python has through NumPy
PYTHON = {
    "floordiv": "a // b", "mod": "a % b", "pow": "a ** b",
    "shift_left": "R(a << T(b))", "shift_right": "R(a >> T(b))",
    "gammaln":
        "T(inf) if a == floor(a) and a <= T(0) or a > T(1e305) else T(math.lgamma(a))",
    "gammaln.float32": "T(inf) if a == floor(a) and a <= T(0) else T(math.lgamma(a))",
}
NUMPY = """fmod sign maximum minimum fmax fmin sqrt cbrt floor ceil trunc rint isnan
    isinf isfinite signbit copysign exp exp2 expm1 log log2 log10 log1p sin cos tan
    arcsin arccos arctan arctan2 sinh cosh tanh arcsinh arccosh arctanh conj
    angle""".split()
BINARY = {"fmod", "maximum", "minimum", "fmax", "fmin", "copysign", "arctan2"}
# fmt: on

TYPES = """int8 int16 int32 int64 uint8 uint16 uint32 uint64 float32 float64 complex64
    complex128""".split()
WORD = re.compile(r"(?<![\w.])[A-Za-z_]\w*")
RESERVED = {"np", "math", "cuda", "range", "abs", "error", "complex", *TYPES, *HELPERS}


def source(*kernels: Kernel) -> str:
    """Return a Python module with one function for each kernel.

    Examples
    --------
    >>> from symgraph.lower.ir import Buffer
    >>> x = Load("x", Access(terms=(("i", 1),)), "float32")
    >>> twice = Call("mul", (x, Const(2.0, "float32")), "float32")
    >>> store = Store("y", Access(terms=(("i", 1),)), twice)
    >>> buffers = (Buffer("x", "float32"), Buffer("y", "float32", "out"))
    >>> print(source(Kernel("k", buffers, ("n",), (Loop("i", "n", (store,)),))))
    import numpy as np
    <BLANKLINE>
    <BLANKLINE>
    def k(x, y, n):
        for i in range(n):
            y[i] = x[i] * np.float32(2.0)
    <BLANKLINE>
    """
    writers = [Writer(kernel) for kernel in kernels]
    functions = [writer.function() for writer in writers]
    needed = {helper: None for writer in writers for helper in writer.helpers}
    parts = [Writer.helper_text(helper) for helper in needed] + functions
    imports = ["import math"] if any("math." in part for part in parts) else []
    return "\n\n\n".join(["\n".join([*imports, "import numpy as np"]), *parts]) + "\n"


class Writer:
    """Writes one kernel. A dialect overrides its tables and the methods it must."""

    #: whether functions of the user can be called by their names
    calls_python: ClassVar[bool] = True
    #: primitive → template
    templates: ClassVar[Mapping[str, str]] = ChainMap(
        PYTHON,
        {f: f"{f}(a, b)" if f in BINARY else f"{f}(a)" for f in NUMPY},
        TEMPLATES,
    )
    #: bare word in a template or helper → the dialect's text
    words: ClassVar[Mapping[str, str]] = {
        **{name: f"np.{name}" for name in (*NUMPY, *TYPES, "fabs", "inf", "nan")},
        "erf": "math.erf",
        "erfc": "math.erfc",
    }

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.lines: list[str] = []
        self.depth = 1
        self.helpers: dict[str, None] = {}
        self.combines = {
            s.name: (s.combine, s.dtype)
            for s in walk(kernel.body)
            if isinstance(s, Init)
        }
        self.names: dict[str, str] = {}
        self.given: dict[str, str] = {}
        self.taken = set(RESERVED)
        for name in _names(kernel):
            self.names[name] = self.fresh(name)

    # --- text -----------------------------------------------------------------------

    def function(self) -> str:
        """Return the text of the whole function."""
        self.body(self.kernel.body)
        return "\n".join([*self.header(), *(self.lines or ["    pass"])])

    def header(self) -> list[str]:
        """Return the first lines: where the kernel comes from, and its parameters."""
        names = dict.fromkeys(f"{file}:{line}" for file, line in self.kernel.origin)
        comment = [f"# computes {', '.join(names)}"] if names else []
        return [*comment, f"def {self.kernel.name}({', '.join(self.parameters())}):"]

    def parameters(self) -> list[str]:
        """Return the names of the function's parameters, in order."""
        buffers = [self.names[buffer.name] for buffer in self.kernel.buffers]
        sizes = [self.names[size] for size in self.kernel.sizes]
        fails = any(isinstance(s, Fail) for s in walk(self.kernel.body))
        return buffers + sizes + ["error"] * fails

    @classmethod
    def helper_text(cls, name: str) -> str:
        """Return the text of a special function in this dialect."""
        words = {word: text for word, text in cls.words.items() if word != name}
        return _substitute(HELPERS[name].strip(), words)

    def line(self, text: str) -> None:
        """Add a line at the present depth."""
        self.lines.append("    " * self.depth + text)

    def fresh(self, wanted: str) -> str:
        """Return `wanted`, or something like it that no name of the kernel uses."""
        name = re.sub(r"\W", "_", wanted)
        name = f"{name}_" if keyword.iskeyword(name) or name in RESERVED else name
        number, first = 2, name
        while name in self.taken:
            name, number = f"{first}_{number}", number + 1
        self.taken.add(name)
        return name

    def own(self, wanted: str) -> str:
        """Return the kernel's one name for something of the writer's, made once."""
        if wanted not in self.given:
            self.given[wanted] = self.fresh(wanted)
        return self.given[wanted]

    # --- statements -----------------------------------------------------------------

    def body(self, statements: Iterable[Statement]) -> None:
        """Write statements one after the other."""
        for statement in statements:
            self.statement(statement)

    def statement(self, statement: Statement) -> None:
        """Write one statement."""
        match statement:
            case Let(name, value):
                self.line(f"{self.names[name]} = {bare(self.expression(value))}")
            case Store(buffer, access, value):
                text = bare(self.expression(value))
                self.line(f"{self.element(buffer, access)} = {text}")
            case Loop(index, extent, body, _):
                self.loop(
                    f"for {self.names[index]} in range({self.size(extent)}):", body
                )
            case Init(name, combine, dtype):
                unit = self.constant(identity(combine, dtype), dtype)
                self.line(f"{self.names[name]} = {unit}")
            case Fold(name, value):
                self.fold(name, self.expression(value))
            case Fail(condition, code):
                self.line(f"if {bare(self.expression(condition))}:")
                self.line(f"    error[0] = {code}")

    def loop(self, head: str, body: Iterable[Statement]) -> None:
        """Write a loop; what its body needs goes inside."""
        self.line(head)
        self.depth += 1
        before = len(self.lines)
        self.body(body)
        if len(self.lines) == before:
            self.line("pass")
        self.depth -= 1

    def fold(self, name: str, value: str) -> None:
        """Write accumulator = combine(accumulator, value)."""
        combine, dtype = self.combines[name]
        own = self.names[name]
        text = bare(self.apply(combine, [own, value], dtype, dtype))
        for sign in "+*":
            if text.startswith(f"{own} {sign} "):
                self.line(f"{own} {sign}= {bare(text.removeprefix(f'{own} {sign} '))}")
                return
        self.line(f"{own} = {text}")

    # --- expressions ----------------------------------------------------------------

    def expression(self, expression: Expression) -> str:
        """Return an expression as text that can stand as an operand."""
        match expression:
            case Const(value, dtype):
                return self.constant(value, dtype)
            case Local(name, _):
                return self.names[name]
            case Index(name, _):
                return self.index(self.names[name])
            case SizeValue(size, _):
                return self.index(self.size(size))
            case Load(buffer, access, _):
                return self.element(buffer, access)
            case Call(function, arguments, dtype):
                of = arguments[1 if function == "where" else 0].dtype
                texts = [self.expression(argument) for argument in arguments]
                return self.apply(function, texts, of, dtype)

    def apply(self, function: str, arguments: list[str], of: str, dtype: str) -> str:
        """Return a primitive of arguments of dtype `of`; `dtype` is its result's."""
        if function == "cast" and of == dtype:
            return arguments[0]
        if function.startswith(USER) and self.calls_python:
            return f"{function}({', '.join(map(bare, arguments))})"
        *helpers, value = (part.strip() for part in self.template(function, of, dtype))
        words = dict(zip("abc", arguments, strict=False))
        found = WORD.findall(" ".join([*helpers, value]))
        for name, text in words.items():
            if found.count(name) > 1 and not _is_atom(text):
                words[name] = self.fresh("value")
                self.line(f"{words[name]} = {bare(text)}")
        words |= {"T": self.type(of), "R": self.type(dtype)}
        for helper in helpers:
            name, text = helper.split(" = ", 1)
            named = self.fresh(name)
            self.line(f"{named} = {self.words_of(text, words)}")
            words[name] = named
        return operand(self.words_of(value, words))

    def template(self, function: str, of: str, dtype: str) -> list[str]:
        """Return the parts of the template of a primitive for arguments of `of`."""
        if function == "cast" and dtype == "bool":
            function = "to_bool"
        if function == "cast" and of.startswith("complex") and "complex" not in dtype:
            return ["R(a.real)"]
        for key in (f"{function}.{of}", f"{function}.{of[0]}", function):
            if key in self.templates:
                return self.templates[key].split(";")
        raise NotSupportedError(
            f"kernel {self.kernel.name}: {function} of {of} cannot be written as "
            f"{type(self).__name__.removesuffix('Writer') or 'Python'} source"
        )

    def words_of(self, text: str, more: Mapping[str, str]) -> str:
        """Return template text in the dialect; note the helpers it uses."""
        for word in WORD.findall(text):
            if word in HELPERS:
                self.helpers[word] = None
        return _substitute(text, {**self.words, **more})

    def element(self, buffer: str, access: Access) -> str:
        """Return buffer[position]."""
        terms = [
            self.names[index]
            if stride == 1
            else f"{self.names[index]} * {self.size(stride)}"
            for index, stride in access.terms
        ]
        if access.dynamic is not None:
            terms.append(bare(self.expression(access.dynamic)))
        if access.offset != 0:
            terms.append(self.size(access.offset))
        position = " + ".join(terms or ["0"]).replace("+ -", "- ")
        return f"{self.names[buffer]}[{position}]"

    def size(self, size: Size) -> str:
        """Return a literal or the name of a size."""
        return str(size) if isinstance(size, int) else self.names[size]

    # --- what dialects differ in ----------------------------------------------------

    def type(self, dtype: str) -> str:
        """Return the name of a type, which casts when called."""
        return "np.bool_" if dtype == "bool" else f"np.{dtype}"

    def index(self, text: str) -> str:
        """Return a loop index or size as an int64 value."""
        return f"np.int64({text})"

    def constant(self, value: bool | int | float | complex, dtype: str) -> str:
        """Return a typed literal."""
        if dtype == "bool":
            return str(bool(value))
        if dtype.startswith("complex"):
            pair = complex(value)
            parts = f"{self.real(pair.real)}, {self.real(pair.imag)}"
            return f"{self.type(dtype)}(complex({parts}))"
        assert not isinstance(value, complex)
        text = self.real(value) if dtype.startswith("float") else str(int(value))
        return f"{self.type(dtype)}({text})"

    def real(self, value: float) -> str:
        """Return a float literal; infinities and NaN by name."""
        text = repr(float(value))
        return _substitute(text, self.words)


def _names(kernel: Kernel) -> Iterable[str]:
    """Yield every name of a kernel, parameters first."""
    yield from dict.fromkeys(buffer.name for buffer in kernel.buffers)
    yield from kernel.sizes
    named = (Let, Init, Loop)
    inner = (
        s.index if isinstance(s, Loop) else s.name
        for s in walk(kernel.body)
        if isinstance(s, named)
    )
    parameters = {buffer.name for buffer in kernel.buffers} | set(kernel.sizes)
    yield from (name for name in dict.fromkeys(inner) if name not in parameters)


def _substitute(text: str, words: Mapping[str, str]) -> str:
    """Return `text` with its words replaced; a whole argument loses its brackets."""

    def put(match: re.Match[str]) -> str:
        word = words.get(match[0], match[0])
        alone = text[: match.start()].rstrip()[-1:] in ("(", ",")
        return bare(word) if alone and text[match.end() :][:1] in (")", ",") else word

    return WORD.sub(put, text)


def _is_atom(text: str) -> bool:
    """Tell whether writing `text` twice costs nothing: a name or a typed literal."""
    return bool(re.fullmatch(r"\w+|[\w.]+\(-?[\w.+-]+\)", text))


def _closed(text: str) -> bool:
    """Tell whether the first bracket of `text` closes at its very end."""
    depth = 0
    for position, letter in enumerate(text):
        depth += (letter in "([") - (letter in ")]")
        if depth == 0 and letter in ")]":
            return position == len(text) - 1
    return False


def operand(text: str) -> str:
    """Return `text` in brackets unless it is a name, a call, or an element already."""
    head = re.match(r"[\w.]*(?=[(\[])", text)
    if re.fullmatch(r"[\w.]+", text) or (head and _closed(text)):
        return text
    return f"({text})"


def bare(text: str) -> str:
    """Return `text` without the brackets around the whole of it."""
    return text[1:-1] if text.startswith("(") and _closed(text) else text
