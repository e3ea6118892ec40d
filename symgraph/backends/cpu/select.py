"""Which library does a product or a convolution: BLAS, tiles, Winograd's method.

In: `Contraction` and `Convolution` steps and the settings of a function. Out: `BlasProduct`
and `Tiles` steps, and further slots of the program. Which products are small enough for
BLAS follows from their sizes; where these are known only by a call, the step has both.
"""

from collections.abc import Sequence
from typing import Any

from symgraph.backends.cpu.steps import LONG_INNER, SMALL_PRODUCT, BlasProduct, Tiles
from symgraph.core.dtypes import ITEMSIZE
from symgraph.core.record import Record
from symgraph.lower.block_size import MOST_BLOCKS
from symgraph.lower.sizes import ONE, ZERO, SizePolynomial, poly, product
from symgraph.lower.steps import Contraction, Convolution, Operand, Program, Span

AXES = ("depth", "height", "width")
#: kind of a convolution → operation of the library
OPERATIONS = {
    "forward": "convolution",
    "input": "convolution_input",
    "filters": "convolution_weight",
}
#: channels and filters from which on Winograd's transforms pay
LEAST = 16
#: channels and filters together for which a block of its tiles fits into the scratch
MOST = 8192
#: bytes of a vector, at most
VECTOR_BYTES = 64
#: parts that a gradient with respect to filters is added up in, at most
PARTS = 16
#: bytes that all these parts but one may take
PARTS_BYTES = 4 << 20
#: picoseconds of one multiply-add
RATE = {"float32": 16, "float64": 32}


class Choice(Record):
    """What a function may use.

    Attributes
    ----------
    blas : "auto", "own" or "blas", as `config.blas`; "own" where there is no BLAS
    winograd : 4, 2 or 0, as `config.winograd`
    """

    blas: str = "auto"
    winograd: int = 4


class Selection:
    """Chooses for the steps of one program, whose slots it adds to."""

    def __init__(self, program: Program, choice: Choice) -> None:
        self.program = program
        self.choice = choice
        self._slots: dict[Any, int] = {}
        for number, what in enumerate(program.slots):
            self._slots.setdefault(what, number)

    def slot(self, key: Any) -> int:
        """Slot that holds `key`; see `lower.steps.Program.slots`."""
        found = self._slots.get(key)
        if found is None:
            found = self._slots[key] = len(self.program.slots)
            self.program.slots.append(key)
        return found

    def memory(self, size: SizePolynomial, span: Span) -> int:
        """Slot of memory of this many bytes that is needed for so long."""
        self.program.temps.append((size, *span))
        return self.slot(("temp", len(self.program.temps) - 1))

    def size(self, slot: int | None) -> SizePolynomial:
        """The polynomial of a slot; 1 without a slot."""
        found = ONE if slot is None else self.program.slots[slot]
        assert isinstance(found, SizePolynomial)
        return found

    def _grain(self, work: SizePolynomial) -> int:
        return self.slot(("block_size", poly(MOST_BLOCKS), work, 1, ZERO))

    def _parameter(self, slot: int) -> Any:
        """A size as a parameter of tiles."""
        known = self.size(slot).constant
        return slot if known is None else ("literal", known)

    # --- products -----------------------------------------------------------------------

    def product(self, step: Contraction) -> BlasProduct | Tiles:
        """What does a product."""
        slots = (step.count, step.rows, step.columns, step.inner)
        total = product([self.size(slot) for slot in slots])
        inner = self.size(step.inner).constant
        wish = self.choice.blas
        if wish == "auto" and total.constant is not None:
            wish = "blas" if total.constant <= SMALL_PRODUCT else "own"
        elif wish == "auto" and _at_least(total) > SMALL_PRODUCT:
            wish = "own"
        tiles = None
        if wish != "blas":
            tiles = self._tiled_product(step, total)
        if wish == "own" and tiles is not None:
            return tiles
        return BlasProduct(
            step.dtype, step.rows, step.columns, step.inner, step.a, step.b, step.c,
            step.alpha, step.beta, step.count, step.step, tiles,
            (inner or LONG_INNER + 1) > LONG_INNER,
        )  # fmt: skip

    def _tiled_product(self, step: Contraction, total: SizePolynomial) -> Tiles:
        itemsize = ITEMSIZE[step.dtype]
        batch = ("literal", 1) if step.count is None else self._parameter(step.count)
        given: dict[str, Any] = {
            "c": step.c, "batch": batch, "rows": self._parameter(step.rows),
            "columns": self._parameter(step.columns),
            "depth": self._parameter(step.inner),
        }  # fmt: skip
        for name, operand in (("a", step.a), ("b", step.b)):
            given |= _matrix(name, operand, itemsize)
        given["c_down"] = given["columns"]
        each = self.size(step.rows) * self.size(step.columns)
        known = each.constant
        given["c_batch"] = self.slot(each) if known is None else ("literal", known)
        for name, factor, usual in (
            ("alpha", step.alpha, 1.0),
            ("beta", step.beta, 0.0),
        ):
            if isinstance(factor, tuple):
                given[name] = factor[1]
            elif factor != usual:
                given[name] = ("number", factor)
        block_size = self._grain(total * RATE[step.dtype])
        return Tiles("gemm", step.dtype, tuple(given.items()), block_size)

    # --- convolutions ---------------------------------------------------------------------

    def convolution(self, step: Convolution) -> Tiles:
        """What does a convolution or one of its adjoints."""
        extents = [*step.out_extents, *step.window]
        terms = [self.size(slot) for slot in (step.batch, step.filters, *extents)]
        depth = self.size(step.depth)
        work = product([*terms, depth]) * RATE[step.dtype]
        if self._suits_winograd(step):
            return self._winograd(step, work)
        parameters = self._parameters(step)
        kind = OPERATIONS[step.kind]
        window = [self.size(step.filters), depth, *map(self.size, step.window)]
        memory = workspace(kind, step.dtype, window, step.groups)
        parameters["workspace"] = self.memory(memory, step.span)
        return Tiles(kind, step.dtype, tuple(parameters.items()), self._grain(work))

    def _parameters(self, step: Convolution) -> dict[str, Any]:
        given: dict[str, Any] = {
            "x": step.x, "w": step.w, "y": step.y,
            "bias": ("literal", 0) if step.bias is None else step.bias,
            "slope": ("literal", 0) if step.slope is None else ("number", step.slope),
            "activation": ("literal", step.activation),
            "batch": self._parameter(step.batch),
            "channels": self._parameter(step.channels),
            "filters": self._parameter(step.filters),
            "groups": ("literal", step.groups), "flip": ("literal", int(step.flip)),
        }  # fmt: skip
        for name, slots in (
            ("", step.extents), ("out_", step.out_extents), ("window_", step.window),
        ):  # fmt: skip
            for axis, slot in zip(AXES, slots, strict=True):
                given[name + axis] = self._parameter(slot)
        for name, values in (
            ("stride_", step.strides), ("pad_", step.padding),
            ("dilation_", step.dilation),
        ):  # fmt: skip
            for axis, value in zip(AXES, values, strict=True):
                given[name + axis] = ("literal", value)
        return given

    def _suits_winograd(self, step: Convolution) -> bool:
        """Whether Winograd's F(4x4, 3x3) or F(2x2, 3x3) applies and is faster."""
        if step.kind == "filters" or not self.choice.winograd:
            return False
        if step.dtype != "float32" or step.groups != 1:
            return False
        if set(step.strides) != {1} or set(step.dilation) != {1}:
            return False
        window = [self.size(slot).constant for slot in step.window]
        if window != [1, 3, 3] or self.size(step.extents[0]) != ONE:
            return False
        if step.padding[0] or any(not 0 <= low <= 2 for low in step.padding):
            return False
        both = [self.size(slot).constant for slot in (step.channels, step.filters)]
        known = [extent for extent in both if extent is not None]
        return len(known) == 2 and sum(known) <= MOST and min(known) >= LEAST

    def _winograd(self, step: Convolution, work: SizePolynomial) -> Tiles:
        given = self._parameters(step)
        chosen = {
            name: given[name]
            for name in (
                "x", "w", "y", "bias", "slope", "activation", "batch", "channels",
                "filters", "height", "width", "out_height", "out_width", "pad_height",
                "pad_width", "flip",
            )
        }  # fmt: skip
        channels, filters = self.size(step.channels), self.size(step.filters)
        adjoint = step.kind == "input"
        if adjoint:
            for one, other in (
                ("x", "y"),
                ("channels", "filters"),
                ("height", "out_height"),
                ("width", "out_width"),
            ):
                chosen[one], chosen[other] = given[other], given[one]
            for place, name in enumerate(("pad_height", "pad_width"), 1):
                chosen[name] = ("literal", 2 - step.padding[place])
            channels, filters = filters, channels
        chosen["adjoint"] = ("literal", int(adjoint))
        points = (self.choice.winograd + 2) ** 2
        item = ITEMSIZE["float32"]
        memory = channels * (filters + VECTOR_BYTES // item) * (points * item)
        chosen["workspace"] = self.memory(memory, step.span)
        name = f"winograd{self.choice.winograd}"
        return Tiles(name, "float32", tuple(chosen.items()), self._grain(work))


def workspace(
    operation: str, dtype: str, window: Sequence[SizePolynomial | int], groups: int = 1
) -> SizePolynomial:
    """Bytes of memory, aligned to 64, that the phases of a convolution share.

    Parameters
    ----------
    operation : "convolution", "convolution_input" or "convolution_weight"
    dtype : float32 or float64
    window : shape of the weights (K, C/groups, T, R, S)
    groups : of the convolution

    Returns
    -------
    an upper bound for every CPU

    Examples
    --------
    >>> str(workspace("convolution", "float32", (32, 3, 1, 5, 5)))
    '14400'
    """
    item = ITEMSIZE[dtype]
    lanes = VECTOR_BYTES // item
    filters, channels, *taps = (poly(extent) for extent in window)
    columns, depth = filters, channels
    if operation == "convolution_input":
        # a group has filters / groups filters; where that is no polynomial, all
        known = filters.constant
        depth = filters if known is None else poly(known // groups)
        columns = channels * groups
    size = (columns + lanes * groups) * depth * product(taps) * item
    if operation != "convolution_weight":
        return size
    several, known = PARTS_BYTES, size.constant
    if known is not None:
        return poly(min(known * PARTS, known + several))
    return size + several


def _matrix(name: str, operand: Operand, itemsize: int) -> dict[str, Any]:
    """Parameters of a matrix that tiles read."""
    place: Any = operand.buffer
    if operand.offset is not None:
        place = ("bytes", operand.buffer, operand.offset, itemsize)
    near, far = ("down", "across") if operand.transposed else ("across", "down")
    given = {
        name: place,
        f"{name}_{near}": ("literal", 1),
        f"{name}_{far}": operand.lead,
    }
    if operand.batch is not None:
        given[f"{name}_batch"] = operand.batch
    return given


def _at_least(size: SizePolynomial) -> int:
    """The least value of a polynomial whose atoms are at least 1 (0: not known)."""
    coefficients = [coefficient for _, coefficient in size.terms]
    return sum(coefficients) if min(coefficients, default=0) > 0 else 0
