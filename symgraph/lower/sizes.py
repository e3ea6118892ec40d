"""Extents as polynomials, so that sizes and strides can be compared and multiplied.

A `SizePolynomial` is a sum of integer multiples of products of atoms. An atom is
something that is known only when a call binds its arguments: the extent of an input
axis, the value of a 0-d integer input, a scalar expression of those that is no
polynomial, or (late) a value that the function computes from data and reads before it
goes on. Equal sizes are equal objects. `SizeSymbols` numbers the atoms and turns 0-d
int64 variables into Polys; `evaluate` computes atoms from a call's shapes. Which
extents a graph has is decided in lower/extents.py.
"""

import contextlib
import ctypes
import math
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any

from symgraph.core.dtypes import INTEGERS
from symgraph.core.node import Constant, Op, Variable, described
from symgraph.errors import NotSupportedError

Monomial = tuple[int, ...]


class SizePolynomial:
    """sum of coefficient * product of atoms; `terms` is sorted and has no zeros."""

    __slots__ = ("terms",)

    def __init__(self, terms: tuple[tuple[Monomial, int], ...]) -> None:
        self.terms = terms

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        return isinstance(other, SizePolynomial) and self.terms == other.terms

    def __ne__(self, other: object) -> bool:
        if self is other:
            return False
        return not isinstance(other, SizePolynomial) or self.terms != other.terms

    def __hash__(self) -> int:
        return hash(self.terms)

    def __repr__(self) -> str:
        return f"SizePolynomial({self})"

    def __add__(self, other: "SizePolynomial | int") -> "SizePolynomial":
        other = poly(other)
        if not other.terms:
            return self
        if not self.terms:
            return other
        if len(other.terms) == 1:  # long sums grow by one term at a time
            return self._plus(other.terms[0])
        merged = dict(self.terms)
        for monomial, coefficient in other.terms:
            merged[monomial] = merged.get(monomial, 0) + coefficient
        return _made(merged)

    def _plus(self, term: tuple[Monomial, int]) -> "SizePolynomial":
        """The sum with one more term, put where it belongs."""
        terms, (monomial, coefficient) = self.terms, term
        place = bisect_left(terms, monomial, key=itemgetter(0))
        rest = terms[place:]
        if rest and rest[0][0] == monomial:
            coefficient += rest[0][1]
            rest = rest[1:]
        middle = ((monomial, coefficient),) if coefficient else ()
        return SizePolynomial(terms[:place] + middle + rest)

    def __mul__(self, other: "SizePolynomial | int") -> "SizePolynomial":
        other = poly(other)
        if other.terms == _UNIT:
            return self
        if self.terms == _UNIT:
            return other
        merged: dict[Monomial, int] = {}
        for a, p in self.terms:
            for b, q in other.terms:
                key = tuple(sorted(a + b))
                merged[key] = merged.get(key, 0) + p * q
        return _made(merged)

    def __neg__(self) -> "SizePolynomial":
        return SizePolynomial(tuple([(m, -c) for m, c in self.terms]))

    def __sub__(self, other: "SizePolynomial | int") -> "SizePolynomial":
        return self + -poly(other)

    @property
    def constant(self) -> int | None:
        """The value, if no atom takes part."""
        if not self.terms:
            return 0
        monomial, coefficient = self.terms[0]  # sorted: the number comes first
        return coefficient if not monomial and len(self.terms) == 1 else None

    @property
    def atom(self) -> int | None:
        """The atom, if the polynomial is one atom."""
        if len(self.terms) == 1 and self.terms[0][1] == 1:
            monomial = self.terms[0][0]
            return monomial[0] if len(monomial) == 1 else None
        return None

    def atoms(self) -> set[int]:
        """The atoms that take part."""
        return {atom for monomial, _ in self.terms for atom in monomial}

    def value(self, atoms: Sequence[int] | Mapping[int, int]) -> int:
        """The number, given the value of each atom."""
        return sum(c * math.prod(atoms[a] for a in m) for m, c in self.terms)

    def substitute(self, values: Mapping[int, "SizePolynomial"]) -> "SizePolynomial":
        """The polynomial with polynomials in place of some atoms."""
        if self.atom is not None:
            return values.get(self.atom, self)
        merged: dict[Monomial, int] = {}
        for monomial, coefficient in self.terms:
            term = poly(coefficient)
            for atom in monomial:
                term = term * values.get(atom, SizePolynomial((((atom,), 1),)))
            for key, number in term.terms:
                merged[key] = merged.get(key, 0) + number
        return _made(merged)

    def __str__(self) -> str:
        if not self.terms:
            return "0"
        return " + ".join(
            "*".join([str(c)] * (c != 1 or not m) + [f"n{a}" for a in m])
            for m, c in self.terms
        )


_UNIT: tuple[tuple[Monomial, int], ...] = (((), 1),)


def _made(terms: dict[Monomial, int]) -> SizePolynomial:
    return SizePolynomial(tuple(sorted((m, c) for m, c in terms.items() if c)))


def poly(value: "SizePolynomial | int") -> SizePolynomial:
    """An int as a polynomial."""
    if isinstance(value, SizePolynomial):
        return value
    return SizePolynomial((((), int(value)),)) if value else ZERO


ZERO = SizePolynomial(())
ONE = SizePolynomial((((), 1),))


def product(factors: Sequence[SizePolynomial]) -> SizePolynomial:
    """Product of polynomials; 1 for none."""
    result = ONE
    for factor in factors:
        result = result * factor
    return result


def row_major(shape: Sequence[SizePolynomial]) -> tuple[SizePolynomial, ...]:
    """Strides, in elements, of a contiguous array."""
    strides: list[SizePolynomial] = []
    step = ONE
    for extent in reversed(shape):
        strides.append(step)
        step = step * extent
    return tuple(reversed(strides))


#: an atom as data: ("extent", leaf, axis) | ("value", leaf) | ("element", leaf, position)
#: | ("poly", terms) | ("call", function, *atoms as data) | ("number", value)
#: | ("late", k), the k-th of `SizeSymbols.late`
SizeExpression = tuple[Any, ...]


class SizeSymbols:
    """Numbers the atoms of one graph and knows how each is computed."""

    def __init__(self, leaves: Sequence[Variable]) -> None:
        self.leaf = {variable: i for i, variable in enumerate(leaves)}
        self.recipes: list[SizeExpression] = []
        self._number: dict[Any, int] = {}
        self._bound: dict[int, SizePolynomial] = {}
        self._polys: dict[Variable, SizePolynomial] = {}
        #: 0-d variables computed from data that decide extents
        self.late: list[Variable] = []
        #: whether the steps that read these have been planned, so that none may follow
        self.closed = False
        #: extents of an inner variable, set by who walks the graph
        self.shape_of: Callable[[Variable], Sequence[Any]] | None = None

    def number(self, recipe: SizeExpression) -> int:
        """Number of the atom with this recipe."""
        found = self._number.get(recipe)
        if found is None:
            found = self._number[recipe] = len(self.recipes)
            self.recipes.append(recipe)
        return found

    def poly(self, extent: Any) -> SizePolynomial:
        """An int or a 0-d integer variable as polynomial, with what `bind` told."""
        if isinstance(extent, SizePolynomial):
            return self.resolve(extent)
        if not isinstance(extent, Variable):
            return poly(int(extent))
        found = self._polys.get(extent)
        if found is None:
            self._convert_below(extent)
            found = self._polys[extent]
        return self.resolve(found)

    def _convert_below(self, extent: Variable) -> None:
        """Convert a variable after those that its polynomial is made of, however many."""
        stack = [extent]
        while stack:
            variable = stack[-1]
            if variable not in self._polys:
                waiting = [v for v in self._made_of(variable) if v not in self._polys]
                if waiting:
                    stack += reversed(waiting)
                    continue
                self._polys[variable] = self._convert(variable)
            stack.pop()

    def _made_of(self, variable: Variable) -> Sequence[Variable]:
        """The variables whose polynomials `_convert` asks for."""
        node = variable.owner
        if node is None or variable.type.dtype != "int64":
            return ()
        name = getattr(node.op, "scalar", node.op.name)
        if name in _POLYNOMIAL:
            return node.inputs
        if name in _SAME and node.inputs[0].type.dtype in _HELD:
            return node.inputs
        if name == "extent" and node.inputs[0] not in self.leaf:
            axis = node.op.axis  # type: ignore[attr-defined]
            if node.inputs[0].type.shape[axis] is None:
                assert self.shape_of is not None
                below = self.shape_of(node.inputs[0])[axis]
                return (below,) if isinstance(below, Variable) else ()
        return ()

    def _convert(self, variable: Variable) -> SizePolynomial:
        if isinstance(variable, Constant):
            return poly(int(variable.data))
        node = variable.owner
        if node is not None and variable.type.dtype == "int64":
            name = getattr(node.op, "scalar", node.op.name)
            if name in ("add", "sub", "mul"):
                a, b = (self.poly(v) for v in node.inputs)
                return a + b if name == "add" else a - b if name == "sub" else a * b
            if name == "neg":
                return -self.poly(node.inputs[0])
            if name == "floordiv":
                a, b = (self.poly(v) for v in node.inputs)
                if a.constant is not None and b.constant:
                    return poly(a.constant // b.constant)
                quotient = ("call", "floordiv", self._data(a), self._data(b))
                return SizePolynomial((((self.number(quotient),), 1),))
            if name == "extent":
                known = node.inputs[0].type.shape[node.op.axis]  # type: ignore[attr-defined]
                if known is not None:
                    return poly(known)
            if name == "extent" and node.inputs[0] not in self.leaf:
                assert self.shape_of is not None
                axis = node.op.axis  # type: ignore[attr-defined]
                return self.poly(self.shape_of(node.inputs[0])[axis])
            if name in _SAME and node.inputs[0].type.dtype in _HELD:
                return self.poly(node.inputs[0])
            if name == "broadcast_extent":
                a, b = (self.poly(v) for v in node.inputs)
                if a == b or b == ONE:
                    return a
                if a == ONE:
                    return b
        recipe = self.recipe(variable)
        if recipe[0] == "number":
            return poly(int(recipe[1]))
        return SizePolynomial((((self.number(recipe),), 1),))

    def recipe(self, variable: Variable) -> SizeExpression:
        """How a scalar is computed from the shapes and integer values of leaves."""
        if isinstance(variable, Constant):
            return ("number", variable.data.item())
        if variable in self.leaf and variable.ndim == 0:
            return ("value", self.leaf[variable])
        node = variable.owner
        if node is None:
            told = self.known(variable)  # an inner variable, see `preset`
            return self._late(variable) if told is None else self._data(told)
        op: Op = node.op
        name = getattr(op, "scalar", op.name)
        if name == "extent":
            (x,) = node.inputs
            if x in self.leaf:
                return ("extent", self.leaf[x], op.axis)  # type: ignore[attr-defined]
            return self._data(self.poly(variable))
        if name == "materialize":  # the copy that a loop or branch is given
            return self.recipe(node.inputs[0])
        if name == "subtensor" and node.inputs[0] in self.leaf:
            (entry,) = op.spec if len(op.spec) == 1 else (None,)  # type: ignore[attr-defined]
            if isinstance(entry, int):
                return ("element", self.leaf[node.inputs[0]], entry)
        dtype = variable.type.dtype
        if name == "cast":
            return _folded("call", f"to_{dtype}", self.recipe(node.inputs[0]))
        if name in SCALAR_FUNCTIONS and all(v.ndim == 0 for v in node.inputs):
            found = _folded("call", name, *(self.recipe(v) for v in node.inputs))
            return found if dtype in _WIDE else _folded("call", f"to_{dtype}", found)
        return self._late(variable)

    def _late(self, variable: Variable) -> SizeExpression:
        """What the function computes from data is read when it has been computed."""
        if variable.ndim:
            raise NotSupportedError(
                f"an extent is taken from {described(variable)}\n"
                "Index it: an extent is a 0-d integer."
            )
        if variable not in self.late:
            assert not self.closed, f"{described(variable)} decides an extent, too late"
            self.late.append(variable)
        return ("late", self.late.index(variable))

    def _data(self, size: SizePolynomial) -> SizeExpression:
        """A polynomial as a recipe."""
        if size.constant is not None:
            return ("number", size.constant)
        if size.atom is not None:
            return self.recipes[size.atom]
        return (
            "poly",
            tuple((c, tuple(self.recipes[a] for a in m)) for m, c in size.terms),
        )

    def preset(self, variable: Variable, value: SizePolynomial) -> None:
        """State what a 0-d variable of an inner graph is, in atoms of the outer one."""
        self._polys[variable] = value

    def quotient(self, size: SizePolynomial, number: int) -> SizePolynomial:
        """size // number"""
        recipe = ("call", "floordiv", self._data(size), ("number", number))
        return SizePolynomial((((self.number(recipe),), 1),))

    def lates(self, size: SizePolynomial) -> set[int]:
        """The late values that a size is computed from."""
        if not self.late:
            return set()
        return set().union(*(lates_of(self.recipes[a]) for a in size.atoms()))

    def known(self, variable: Variable) -> SizePolynomial | None:
        """What a 0-d variable is, if somebody asked for it as a size."""
        found = self._polys.get(variable)
        return None if found is None else self.resolve(found)

    def copy(self) -> "SizeSymbols":
        """SizeSymbols to go on with on trial; `adopt` takes them over."""
        made = SizeSymbols(())
        made.leaf = self.leaf
        made.recipes, made.late = list(self.recipes), list(self.late)
        made._number, made._bound = dict(self._number), dict(self._bound)
        made._polys = dict(self._polys)
        return made

    def adopt(self, other: "SizeSymbols") -> None:
        """Go on with what `other`, a copy of this one, has become."""
        self.__dict__.update(other.__dict__)

    @contextlib.contextmanager
    def branch(self) -> Iterator[None]:
        """What is told inside holds in a branch alone, and is forgotten after it."""
        bound, polys = dict(self._bound), dict(self._polys)
        try:
            yield
        finally:
            self._bound, self._polys = bound, polys

    def bind(self, atom: int, value: SizePolynomial) -> None:
        """State that an atom equals a polynomial in which it does not occur."""
        self._bound[atom] = value

    @property
    def bindings(self) -> int:
        """How many atoms `bind` has told of."""
        return len(self._bound)

    def resolve(self, size: SizePolynomial) -> SizePolynomial:
        """The polynomial after all that `bind` told."""
        if not self._bound or size.constant is not None:
            return size
        bound = size.atoms() & self._bound.keys()
        if not bound:
            return size
        for atom in bound:
            self._settle(atom)
        return size.substitute({atom: self._bound[atom] for atom in bound})

    def _settle(self, atom: int) -> None:
        """Have what an atom is bound to hold no bound atoms.

        What was found is kept, so a chain of equal extents is followed once.
        """
        stack, above = [atom], set()
        while stack:
            current = stack[-1]
            above.add(current)
            value = self._bound[current]
            inside = value.atoms() & self._bound.keys()
            waiting = [a for a in inside if self._bound[a].atoms() & self._bound.keys()]
            if waiting:
                assert not above.intersection(waiting), "extents are bound in a circle"
                stack += waiting
                continue
            if inside:
                assert current not in inside, "extents are bound in a circle"
                values = {a: self._bound[a] for a in inside}
                self._bound[current] = value.substitute(values)
            above.discard(current)
            stack.pop()


#: functions of polynomials that are polynomials, or may be
_POLYNOMIAL = frozenset({"add", "sub", "mul", "neg", "floordiv", "broadcast_extent"})
#: ops whose result is the integer that they are given, where an int64 holds it
_SAME = ("cast", "materialize")
_HELD = frozenset(INTEGERS) - {"uint64"}
#: dtypes in which Python computes; a result of another one is rounded, or wraps around
_WIDE = frozenset({"bool", "int64", "float64"})

#: what a NaN, or too large a float, is as an int64, on every machine that symgraph knows
LEAST_INT = -(2**63)
SCALAR_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b if b else math.nan,
    "floordiv": lambda a, b: a // b if b else 0,
    "mod": lambda a, b: a % b if b else 0,
    "neg": lambda a: -a,
    "abs": abs,
    "sign": lambda a: (a > 0) - (a < 0),
    "maximum": max,
    "minimum": min,
    "pow": lambda a, b: a**b,
    "sqr": lambda a: a * a,
    "ceil": lambda a: float(math.ceil(a)) if math.isfinite(a) else a,
    "floor": lambda a: float(math.floor(a)) if math.isfinite(a) else a,
    "lt": lambda a, b: a < b,
    "le": lambda a, b: a <= b,
    "gt": lambda a, b: a > b,
    "ge": lambda a, b: a >= b,
    "eq": lambda a, b: a == b,
    "ne": lambda a, b: a != b,
    "and": lambda a, b: a & b,
    "or": lambda a, b: a | b,
    "not": lambda a: not a if isinstance(a, bool) else ~a,
    "where": lambda c, a, b: a if c else b,
    "broadcast_extent": lambda a, b: b if a == 1 else a,
    "to_float64": float,
    "to_float32": lambda a: ctypes.c_float(a).value,
    "to_bool": bool,
}


def _to_integer(kind: Callable[[int], Any]) -> Callable[[Any], int]:
    """Conversion to a C integer, which wraps around."""

    def convert(a: Any) -> int:
        held = not isinstance(a, float) or -(2.0**63) <= a < 2.0**63
        return int(kind(int(a) if held else LEAST_INT).value)

    return convert


SCALAR_FUNCTIONS |= {
    f"to_{name}": _to_integer(getattr(ctypes, f"c_{name}")) for name in INTEGERS
}


def _folded(word: str, name: str, *arguments: SizeExpression) -> SizeExpression:
    """A call, or the number that it gives of numbers."""
    if all(argument[0] == "number" for argument in arguments):
        return ("number", SCALAR_FUNCTIONS[name](*(a[1] for a in arguments)))
    return (word, name, *arguments)


def evaluate(
    recipe: SizeExpression,
    shapes: Sequence[Sequence[int]],
    value: Callable[[int], Any],
    late: Mapping[int, Any] | None = None,
) -> Any:
    """Compute an atom from the shapes of the leaves.

    `value(leaf)` gives an array; `late` holds what has been computed from data.
    """
    match recipe:
        case ("number", number):
            return number
        case ("extent", leaf, axis):
            return shapes[leaf][axis]
        case ("value", leaf):
            return value(leaf).item()
        case ("element", leaf, position):
            return value(leaf)[position].item()
        case ("poly", terms):
            return sum(
                c * math.prod(evaluate(r, shapes, value, late) for r in factors)
                for c, factors in terms
            )
        case ("call", name, *arguments):
            return SCALAR_FUNCTIONS[name](
                *(evaluate(argument, shapes, value, late) for argument in arguments)
            )
        case ("late", number):
            assert late is not None
            return late[number]
    raise AssertionError(f"unknown recipe {recipe!r}")


def lates_of(recipe: SizeExpression) -> set[int]:
    """Which late values a recipe needs."""
    match recipe:
        case ("late", number):
            return {number}
        case ("poly", terms):
            return set().union(*(lates_of(r) for _, rs in terms for r in rs))
        case ("call", _, *arguments):
            return set().union(*(lates_of(argument) for argument in arguments))
    return set()


def reads_values(recipe: SizeExpression) -> set[int]:
    """Leaves whose values, not only shapes, a recipe needs."""
    match recipe:
        case ("value", leaf) | ("element", leaf, _):
            return {leaf}
        case ("poly", terms):
            factors = [r for _, product_of in terms for r in product_of]
            return set().union(*(reads_values(r) for r in factors))
        case ("call", _, *arguments):
            return set().union(*(reads_values(argument) for argument in arguments))
    return set()
