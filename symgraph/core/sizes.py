"""What an op is given to say which sizes it takes: `Op.require(sizes)`.

Sizes are polynomials of what a call tells (lower/sizes.py); an op adds, multiplies and
compares them, and needs not know what they are made of. What it states is checked when a
call binds its arguments, before anything runs; lower/extents.py implements `Sizes`.
"""

from collections.abc import Sequence
from typing import Any, Protocol


class Size(Protocol):
    """An extent, an index, or what is computed from some."""

    @property
    def constant(self) -> int | None:
        """The number, if it is known without a call."""

    def __add__(self, other: Any) -> "Size": ...
    def __sub__(self, other: Any) -> "Size": ...
    def __mul__(self, other: Any) -> "Size": ...


class Sizes(Protocol):
    """The sizes of one application's operands, and what can be required of sizes.

    Texts tell what is wrong; the place of the application and the `operands`, by their
    positions, are added.
    """

    @property
    def one(self) -> Size:
        """The size 1."""

    @property
    def inputs(self) -> Sequence[Any]:
        """The operands, which are variables."""

    @property
    def shapes(self) -> Sequence[Sequence[Any]]:
        """Their extents, as sizes."""

    def given(self, position: int) -> Sequence[Any]:
        """Extents of an operand as ints and 0-d int64 variables, as `infer_shape` sees."""

    def of(self, extent: Any) -> Any:
        """An int or a 0-d int64 variable as a size."""

    def equal(
        self,
        left: Any,
        right: Any,
        operands: Sequence[int],
        axis: int | None = None,
        what: str = "",
        broadcast: bool = False,
    ) -> None:
        """Two sizes are the same; with `broadcast`, one that is 1 in a call is let be."""

    def divides(self, number: int, size: Any, operands: Sequence[int]) -> None:
        """A number of channels is a multiple of the number of groups."""

    def inside(
        self, index: Any, extent: Any, text: str, operands: Sequence[int] = (0,)
    ) -> None:
        """An index, counted from either end, lies in an axis.

        ``{index}`` and ``{extent}`` in the text are their values.
        """

    def positive(
        self, size: Any, text: str, operands: Sequence[int] = (0,), index: Any = None
    ) -> None:
        """A size is above 0; ``{index}`` in the text is the value of `index`."""
