"""SparseType: what is known of a sparse matrix before it exists; errors name its like."""

from typing import Any

from symgraph.core.dtypes import canonical
from symgraph.core.record import Record
from symgraph.errors import ArgumentError

FORMATS = ("csr", "csc")


class SparseType(Record):
    """Type of a sparse matrix.

    Attributes
    ----------
    format : "csr" (rows one after another) or "csc" (columns)
    dtype : of the elements
    shape : (rows, columns), None where the extent is not known

    Examples
    --------
    >>> SparseType("csr", "float32")
    SparseType(format='csr', dtype='float32', shape=(None, None))
    """

    format: str
    dtype: str
    shape: tuple[int | None, ...] = (None, None)

    def __init__(
        self,
        format: str,
        dtype: Any,
        shape: Any = (None, None),
        broadcastable: Any = None,
    ) -> None:
        if format not in FORMATS:
            raise ArgumentError(
                f"a sparse format must be one of {FORMATS}, not {format!r}"
            )
        super().__init__(format, canonical(dtype), tuple(shape))
        if len(self.shape) != 2:
            raise ArgumentError(f"a sparse matrix has two axes, not {len(self.shape)}")

    @property
    def ndim(self) -> int:
        """Number of axes: 2."""
        return 2

    @property
    def broadcastable(self) -> tuple[bool, bool]:
        """Sparse matrices do not broadcast."""
        return (False, False)

    def __call__(self, name: str | None = None) -> Any:
        """Make a variable of this type."""
        return MAKERS["variable"](self, name)


#: "variable" → (type, name) → SparseVariable; set by sparse/variable.py
MAKERS: dict[str, Any] = {}
