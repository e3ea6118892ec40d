"""SparseVariable: a sparse matrix in a graph, made of ordinary vectors.

`data`, `indices` and `indptr` are those of SciPy's compressed formats; the extent of the
axis that is not compressed is an int or a 0-d int64 variable. Operators and methods are
looked up in `FUNCTIONS`, which the other files of this folder fill. Values are SciPy
matrices; sparse/values.py takes them apart.
"""

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any, TypeVar

import numpy as np

from symgraph.core.composite import CompositeVariable
from symgraph.core.dtypes import is_discrete
from symgraph.core.node import Variable, as_variable, described
from symgraph.core.public import PUBLIC
from symgraph.core.types import TensorType
from symgraph.errors import ConversionError, NotSupportedError, ShapeError, UpdateError
from symgraph.ops.families import cast
from symgraph.ops.shape import (
    AnyExtent,
    as_extent,
    extents,
    folded,
    static,
    subtract,
    variable,
)
from symgraph.sparse.structure import MajorIndices
from symgraph.sparse.types import MAKERS, SparseType
from symgraph.sparse.values import arrays_of, checked_value, matrix_of

Function = TypeVar("Function", bound=Callable[..., Any])
#: functions of sparse matrices by name
FUNCTIONS: dict[str, Callable[..., Any]] = {}


def sparse_function(function: Function) -> Function:
    """Register a function, so that operators and methods find it."""
    FUNCTIONS[function.__name__.rstrip("_")] = function
    return function


def _called(name: str, swap: bool = False) -> Callable[..., Any]:
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        if swap:
            return FUNCTIONS[name](*args, self)
        return FUNCTIONS[name](self, *args, **kwargs)

    method.__name__ = name
    method.__doc__ = f"`symgraph.sparse.{name}` of this matrix."
    return method


class SparseVariable(CompositeVariable):
    """A sparse matrix, by the variables that it is made of.

    Attributes
    ----------
    type : SparseType
    data, indices, indptr : the vectors of SciPy's CSR or CSC format
    minor : extent of the axis that is not compressed: columns of CSR, rows of CSC
    name : str or None
    tag : namespace for anything the user wants to attach
    """

    def __init__(
        self,
        format: str,
        data: Variable,
        indices: Variable,
        indptr: Variable,
        minor: AnyExtent,
        name: str | None = None,
    ) -> None:
        self.data = data
        self.indices = indices
        self.indptr = indptr
        self.minor = folded(minor)
        self.name = name
        self.tag = SimpleNamespace()
        major = static(self.major)
        shape = (major, static(minor))
        if format == "csc":
            shape = shape[::-1]
        self.type = SparseType(format, data.type.dtype, shape)

    # --- what is known ----------------------------------------------------------------

    @property
    def format(self) -> str:
        """csr or csc."""
        return self.type.format

    @property
    def dtype(self) -> str:
        """Dtype of the elements."""
        return self.type.dtype

    @property
    def ndim(self) -> int:
        """Number of axes: 2."""
        return 2

    @property
    def broadcastable(self) -> tuple[bool, bool]:
        """Sparse matrices do not broadcast."""
        return (False, False)

    @property
    def major(self) -> AnyExtent:
        """Extent of the compressed axis."""
        return subtract(extents(self.indptr)[0], 1)

    @property
    def extents(self) -> tuple[AnyExtent, AnyExtent]:
        """(rows, columns), ints where they are known."""
        both = (self.major, self.minor)
        return both if self.format == "csr" else both[::-1]

    @property
    def shape(self) -> Variable:
        """(rows, columns), an int64 vector."""
        found: Variable = PUBLIC["stack"](list(map(variable, self.extents)))
        return found

    @property
    def size(self) -> Variable:
        """How many elements are stored."""
        return variable(extents(self.data)[0])

    nnz = size

    @property
    def majors(self) -> Variable:
        """For each element, its slice."""
        found: Variable = MajorIndices()(self.indptr, self.indices)
        return found

    @property
    def rows(self) -> Variable:
        """For each element, its row."""
        return self.majors if self.format == "csr" else self.indices

    @property
    def columns(self) -> Variable:
        """For each element, its column."""
        return self.indices if self.format == "csr" else self.majors

    def with_data(self, data: Variable) -> "SparseVariable":
        """A matrix of the same structure."""
        return SparseVariable(self.format, data, self.indices, self.indptr, self.minor)

    def __repr__(self) -> str:
        return self.name or f"<{self.format} {self.dtype} {self.type.shape}>"

    # --- the contract of composites -----------------------------------------------------

    @property
    def parts(self) -> tuple[Variable, ...]:  # type: ignore[override]
        """Data, indices, indptr, and the other extent if it is a variable."""
        last = (self.minor,) if isinstance(self.minor, Variable) else ()
        return (self.data, self.indices, self.indptr, *last)

    def with_parts(self, parts: Sequence[Variable]) -> "SparseVariable":
        """A matrix of the same format."""
        data, indices, indptr, *last = parts
        minor = last[0] if last else self.minor
        return SparseVariable(self.format, data, indices, indptr, minor)

    def with_gradient(self, gradient: Variable) -> "SparseVariable":
        """A matrix of the same structure: zeros have no gradient."""
        return self.with_data(gradient)

    def flatten(self, value: Any) -> list[np.ndarray]:
        """The arrays of a SciPy matrix, in the order of the parts."""
        matrix = checked_value(value, self.type, self.name)
        arrays = arrays_of(matrix)
        minor = matrix.shape[1 if self.format == "csr" else 0]
        return [*arrays, np.asarray(minor, np.int64)][: len(self.parts)]

    def unflatten(self, arrays: Sequence[np.ndarray]) -> Any:
        """A SciPy matrix."""
        if arrays[0].ndim != 1:
            raise NotSupportedError(
                "the sparse outputs of many steps cannot be stacked; call step by step, "
                "or give a dense output"
            )
        minor = int(arrays[3]) if len(arrays) > 3 else self.minor
        assert isinstance(minor, int)
        return matrix_of(self.format, arrays[0], arrays[1], arrays[2], minor)

    def replaced_by(self, other: Any) -> list[tuple[Variable, Variable]]:
        """The parts, each with the part of another matrix in the same format."""
        new = FUNCTIONS["as_sparse"](other)
        new = FUNCTIONS["asformat"](new, self.format)
        if isinstance(self.minor, int) and static(new.minor) not in (None, self.minor):
            raise UpdateError(
                f"the sparse matrix {self!r} has shape {self.type.shape}, what replaces "
                f"it {new.type.shape}"
            )
        pairs = zip(self.parts, (*new.parts[:3], variable(new.minor)), strict=False)
        return list(pairs)

    def product(self, left: Any, right: Any) -> Any:
        """`symgraph.sparse.dot`."""
        return FUNCTIONS["dot"](left, right)

    def _as_variable(self) -> Variable:
        raise ConversionError(
            f"a sparse matrix where a dense variable is needed\n  {self!r} : "
            f"{self.type}   made at {self.place[0]}:{self.place[1]}\n"
            "Use symgraph.sparse.dense_from_sparse(x), or a function of symgraph.sparse."
        )

    @property
    def place(self) -> tuple[str, int]:
        """File and line of the user's code that made it."""
        return self.data.place

    # --- operators and methods ------------------------------------------------------------

    __add__, __radd__ = _called("add"), _called("add", swap=True)
    __sub__, __rsub__ = _called("sub"), _called("sub", swap=True)
    __mul__, __rmul__ = _called("mul"), _called("mul", swap=True)
    __matmul__, __rmatmul__ = _called("dot"), _called("dot", swap=True)
    __truediv__ = _called("true_div")
    __neg__, __getitem__ = _called("neg"), _called("getitem")
    __abs__ = _called("structured_abs")
    dot, transpose, sum = _called("dot"), _called("transpose"), _called("sp_sum")
    toarray = todense = _called("dense_from_sparse")
    asformat, astype, diagonal = _called("asformat"), _called("cast"), _called("diag")
    T = property(_called("transpose"))

    def tocsr(self) -> "SparseVariable":
        """The same matrix, compressed by rows."""
        return self.asformat("csr")

    def tocsc(self) -> "SparseVariable":
        """The same matrix, compressed by columns."""
        return self.asformat("csc")

    def copy(self, name: str | None = None) -> "SparseVariable":
        """The same matrix under another name."""
        parts = (self.data, self.indices, self.indptr)
        return SparseVariable(self.format, *parts, self.minor, name)

    def eval(self, inputs_to_values: Any = None) -> Any:
        """The value, a SciPy matrix, given values for the inputs."""
        return PUBLIC["eval"](self, inputs_to_values)


class SparseConstant(SparseVariable):
    """A sparse matrix whose value is known; made of a SciPy matrix by `as_sparse`."""

    @property
    def value(self) -> Any:
        """The SciPy matrix."""
        return self.unflatten([part.data for part in self.parts])  # type: ignore[attr-defined]


def _make(type: SparseType, name: str | None = None) -> SparseVariable:
    """An input: a leaf for each part."""
    label = name or "sparse"
    shape = type.shape if type.format == "csr" else type.shape[::-1]
    major, minor = shape

    def leaf(dtype: str, part: str, *extent: int | None) -> Variable:
        made: Variable = TensorType(dtype, extent)(f"{label}.{part}")
        return made

    other = "columns" if type.format == "csr" else "rows"
    return SparseVariable(
        type.format,
        leaf(type.dtype, "data", None),
        leaf("int64", "indices", None),
        leaf("int64", "indptr", None if major is None else major + 1),
        leaf("int64", other) if minor is None else minor,
        name,
    )


MAKERS["variable"] = _make


def of_parts(
    format: str, data: Any, indices: Any, indptr: Any, shape: Any
) -> SparseVariable:
    """A matrix of expressions for its parts; `shape` is a pair, or a vector."""
    what = format.upper()
    data = as_variable(data)
    vectors = []
    for v, part in ((as_variable(indices), "indices"), (as_variable(indptr), "indptr")):
        if v.ndim != 1 or not is_discrete(v.type.dtype):
            raise ShapeError(
                f"{what}: {part} must be a vector of integers\n  {described(v)}"
            )
        vectors.append(cast(v, "int64"))
    if data.ndim != 1:
        raise ShapeError(f"{what}: data must be a vector\n  {described(data)}")
    if isinstance(shape, Variable):
        shape = [shape[0], shape[1]]
    pair = [as_extent(e, what) for e in shape]
    if len(pair) != 2:
        raise ShapeError(f"{what}: a sparse matrix has two extents, not {len(pair)}")
    minor = pair[1 if format == "csr" else 0]
    return SparseVariable(format, data, vectors[0], vectors[1], minor)
