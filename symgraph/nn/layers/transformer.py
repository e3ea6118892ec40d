"""Spatial transformers: images read at places that another network computes.

In: images (batch, channels, rows, columns) and, from a localization network, numbers that
say where each pixel of the output comes from: an affine map (`TransformerLayer`) or a
thin-plate spline through control points (`TPSTransformerLayer`). Out: images, read there by
bilinear interpolation, so that both networks get a gradient. Places are x and y in -1 .. 1
from the centre of the first pixel to that of the last.
"""

from typing import Any

import numpy as np

import symgraph.tensor as T
from symgraph.core.node import Variable
from symgraph.errors import ArgumentError, ShapeError
from symgraph.nn.layers.base import LayerShape, MergeLayer
from symgraph.nn.utils import as_tuple, int_types

BORDERS = ("nearest", "mirror", "wrap")


class _SpatialTransformer(MergeLayer):
    """What both transformers share: all but the places."""

    def __init__(
        self,
        incoming: Any,
        localization_network: Any,
        downsample_factor: Any,
        border_mode: str,
        count: int,
        **kwargs: Any,
    ) -> None:
        super().__init__([incoming, localization_network], **kwargs)
        self.downsample_factor = as_tuple(downsample_factor, 2)
        self.border_mode = border_mode
        if border_mode not in BORDERS:
            raise ArgumentError(
                f"{self!r}: border_mode={border_mode!r}; use {', '.join(BORDERS)}"
            )
        if any(not factor > 0 for factor in self.downsample_factor):
            raise ArgumentError(
                f"{self!r}: downsample_factor={downsample_factor!r} must be positive"
            )
        shape, places = self.input_shapes
        if len(shape) != 4:
            raise ShapeError(
                f"{self!r}: takes (batch, channels, rows, columns); the input shape is "
                f"{shape}"
            )
        if len(places) != 2 or places[1] != count:
            raise ShapeError(
                f"{self!r}: the localization network must give (batch, {count}); its "
                f"output shape is {places}"
            )
        out = self.get_output_shape_for(self.input_shapes)[2:]
        if any(extent == 0 for extent in out):
            raise ShapeError(
                f"{self!r}: downsample_factor={downsample_factor!r} leaves nothing of the "
                f"input shape {shape}"
            )

    @property
    def roles(self) -> list[str | None]:
        """The images and the network."""
        return ["incoming", "localization_network"]

    def get_output_shape_for(self, input_shapes: Any) -> LayerShape:
        """The input's, rows and columns divided by the factors and rounded down."""
        shape = input_shapes[0]
        sides = zip(shape[2:], self.downsample_factor, strict=True)
        return (*shape[:2], *(None if e is None else int(e / f) for e, f in sides))

    def get_output_for(self, inputs: Any, **kwargs: Any) -> Variable:  # type: ignore[override]
        """The images, read at the places."""
        images, numbers = inputs
        sides = [
            T.cast(images.shape[axis] / factor, "int64") if known is None else known
            for axis, (factor, known) in enumerate(
                zip(
                    self.downsample_factor,
                    self.get_output_shape_for(self.input_shapes)[2:],
                    strict=True,
                ),
                start=2,
            )
        ]
        x, y = self.places(numbers, *sides)
        return _read(images, x, y, sides, self.border_mode)

    def places(self, numbers: Variable, rows: Any, columns: Any) -> tuple[Any, Any]:
        """Places x and y, (batch, rows * columns) each, for what the network gave."""
        raise NotImplementedError


class TransformerLayer(_SpatialTransformer):
    """out[n, c, i, j] = image[n, c] at the place A[n] (x[j], y[i], 1), bilinearly.

    x and y go from -1 to 1 over the columns and rows of the output. A[n] is a matrix (2,
    3): the network's six numbers t1 .. t6, row by row. t1 and t5 zoom, t2 and t4 shear, t3
    and t6 shift; 1, 0, 0, 0, 1, 0 is the identity.

    Parameters
    ----------
    incoming : Layer or shape, (batch, channels, rows, columns)
    localization_network : Layer that gives (batch, 6), mostly without a nonlinearity
    downsample_factor : number or pair (rows, columns); the output has the extents of the
        input, divided by it
    border_mode : what lies outside the image: "nearest" its last pixel, "mirror" the
        image mirrored at that, "wrap" the image again

    Raises
    ------
    ShapeError : shapes are not those above
    ArgumentError : border_mode or downsample_factor is none of those

    References
    ----------
    Jaderberg et al. 2015, Spatial transformer networks, equations 1 and 5.
    arXiv:1506.02025

    Examples
    --------
    >>> import numpy as np
    >>> from symgraph.nn import init
    >>> from symgraph.nn.layers import DenseLayer, InputLayer, TransformerLayer
    >>> identity = np.array([1, 0, 0, 0, 1, 0], "float32")
    >>> x = InputLayer((None, 3, 28, 28))
    >>> where = DenseLayer(x, 6, W=init.Constant(0.0), b=identity, nonlinearity=None)
    >>> TransformerLayer(x, where, downsample_factor=2).output_shape
    (None, 3, 14, 14)
    """

    saved = ("downsample_factor", "border_mode")

    def __init__(
        self,
        incoming: Any,
        localization_network: Any,
        downsample_factor: Any = 1,
        border_mode: str = "nearest",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            incoming, localization_network, downsample_factor, border_mode, 6, **kwargs
        )

    def places(self, numbers: Variable, rows: Any, columns: Any) -> tuple[Any, Any]:
        """The affine map of the grid."""
        x, y = _grid(rows, columns, numbers.dtype)
        t: Any = [numbers[:, i].dimshuffle(0, "x") for i in range(6)]
        x, y = x.dimshuffle("x", 0), y.dimshuffle("x", 0)
        return t[0] * x + t[1] * y + t[2], t[3] * x + t[4] * y + t[5]


class TPSTransformerLayer(_SpatialTransformer):
    """out[n, c, i, j] = image[n, c] at the place s[n](x[j], y[i]), bilinearly.

    s is a thin-plate spline, s(p) = a0 + a1 x + a2 y + sum over k of w[k] U(abs(p - q[k])),
    with U(r) = r**2 log(r**2): of all maps that take each control point q[k] of a regular
    grid to q[k] + d[n, k] the one that bends least. The network gives the moves d, first
    those along x, then those along y; 0 is the identity.

    Parameters
    ----------
    incoming : Layer or shape, (batch, channels, rows, columns)
    localization_network : Layer that gives (batch, 2 * control_points)
    downsample_factor, border_mode : see `TransformerLayer`
    control_points : a square number from 4 on
    precompute_grid : whether U at all pixels is computed once, beforehand, which needs
        known rows and columns; "auto" where they are known

    Raises
    ------
    ShapeError : shapes are not those above; precompute_grid=True and unknown extents
    ArgumentError : control_points is not such a number; see also `TransformerLayer`

    References
    ----------
    Jaderberg et al. 2015, Spatial transformer networks. arXiv:1506.02025; Bookstein 1989,
    Principal warps: thin-plate splines and the decomposition of deformations

    Examples
    --------
    >>> from symgraph.nn import init
    >>> from symgraph.nn.layers import DenseLayer, InputLayer, TPSTransformerLayer
    >>> x = InputLayer((None, 3, 28, 28))
    >>> moves = DenseLayer(x, 2 * 16, W=init.Constant(0.0), nonlinearity=None)
    >>> TPSTransformerLayer(x, moves).output_shape
    (None, 3, 28, 28)
    """

    saved = ("downsample_factor", "control_points", "precompute_grid", "border_mode")

    def __init__(
        self,
        incoming: Any,
        localization_network: Any,
        downsample_factor: Any = 1,
        control_points: int = 16,
        precompute_grid: Any = "auto",
        border_mode: str = "nearest",
        **kwargs: Any,
    ) -> None:
        self.name = kwargs.get("name")  # errors before the base class name the layer
        side = (
            round(control_points**0.5) if isinstance(control_points, int_types) else 0
        )
        if side < 2 or side**2 != control_points:
            raise ArgumentError(
                f"{self!r}: control_points={control_points!r}; use a square number from 4 "
                "on, such as 16"
            )
        if precompute_grid not in (True, False, "auto"):
            raise ArgumentError(
                f"{self!r}: precompute_grid={precompute_grid!r}; use True, False or 'auto'"
            )
        self.control_points = int(control_points)
        self.precompute_grid = precompute_grid
        super().__init__(
            incoming, localization_network, downsample_factor, border_mode,
            2 * self.control_points, **kwargs,
        )  # fmt: skip
        shape = self.get_output_shape_for(self.input_shapes)
        if precompute_grid is True and None in shape[2:]:
            raise ShapeError(
                f"{self!r}: precompute_grid=True needs known rows and columns; the input "
                f"shape is {self.input_shapes[0]}"
            )
        points = np.linspace(-1, 1, side)
        self._points = np.stack([np.tile(points, side), np.repeat(points, side)])
        self._weights = _spline(self._points)

    def places(self, numbers: Variable, rows: Any, columns: Any) -> tuple[Any, Any]:
        """The splines of the grid."""
        known = isinstance(rows, int) and isinstance(columns, int)
        basis: Any
        if known and self.precompute_grid is not False:
            x, y = np.linspace(-1, 1, columns), np.linspace(-1, 1, rows)
            pixels = np.stack([np.tile(x, rows), np.repeat(y, columns)])
            away = pixels[:, None, :] - self._points[:, :, None]
            bends = _bend(np.sum(away**2, axis=0))
            one = np.ones((1, rows * columns))
            basis = T.constant(
                np.concatenate([one, pixels, bends]), dtype=numbers.dtype
            )
        else:
            grid: Any = T.stack(list(_grid(rows, columns, numbers.dtype)))
            control = T.constant(self._points, dtype=numbers.dtype)
            apart = grid.dimshuffle(0, "x", 1) - control.dimshuffle(0, 1, "x")
            squares = T.sum(T.sqr(apart), axis=0)
            ones = T.ones_like(grid[:1])
            basis = T.concatenate([ones, grid, T.xlogx(squares)], axis=0)
        matrix = T.constant(self._weights, dtype=numbers.dtype)
        found = []
        for axis, start in enumerate(self._points):
            first = axis * self.control_points
            moves: Any = numbers[:, first : first + self.control_points]
            ends = moves + T.constant(start, dtype=numbers.dtype)
            found.append(T.dot(T.dot(ends, matrix), basis))
        return found[0], found[1]


# --- pieces ------------------------------------------------------------------------


def _bend(squares: np.ndarray) -> np.ndarray:
    """r**2 log(r**2), 0 at 0."""
    return squares * np.log(np.where(squares > 0, squares, 1.0))


def _spline(points: np.ndarray) -> np.ndarray:
    """Matrix (k, 3 + k): the spline through values v at k points is v M, see the class.

    Bookstein 1989, section D.
    """
    k = points.shape[1]
    away = points[:, :, None] - points[:, None, :]
    whole = np.zeros((k + 3, k + 3))
    whole[0, 3:] = whole[3:, 0] = 1
    whole[1:3, 3:] = points
    whole[3:, 1:3] = points.T
    whole[3:, 3:] = _bend(np.sum(away**2, axis=0))
    # the columns that meet the values; the first three equations are 0 = 0
    return np.asarray(np.linalg.inv(whole)[:, 3:].T)


def _grid(rows: Any, columns: Any, dtype: str) -> tuple[Any, Any]:
    """X and y of all pixels of the output, row by row."""
    x, y = (_spaced(count, dtype) for count in (columns, rows))
    return T.tile(x, rows), T.repeat(y, columns)


def _spaced(count: Any, dtype: str) -> Any:
    """`count` numbers from -1 to 1; -1 for one."""
    if isinstance(count, int):
        return T.constant(np.linspace(-1, 1, count), dtype=dtype)
    return T.cast(T.linspace(-1, 1, count), dtype)


def _read(images: Any, x: Any, y: Any, sides: list[Any], border_mode: str) -> Variable:
    """The images at x and y in -1 .. 1, between the four pixels around."""
    batch, channels, rows, columns = (images.shape[axis] for axis in range(4))
    xs = _neighbours(x, columns, border_mode)
    ys = _neighbours(y, rows, border_mode)
    pixels = T.reshape(
        images.dimshuffle(0, 2, 3, 1), (batch * rows * columns, channels)
    )
    first = (T.arange(batch) * (rows * columns)).dimshuffle(0, "x")
    total: Any = None
    for row, of_row in ys:
        for column, of_column in xs:
            places = first + row * columns + column  # (batch, rows * columns)
            part = T.take(pixels, places, axis=0)
            part = part * (of_row * of_column).dimshuffle(0, 1, "x")
            total = part if total is None else total + part
    out = T.reshape(total, (batch, sides[0], sides[1], channels))
    return out.dimshuffle(0, 3, 1, 2)


def _neighbours(x: Any, extent: Any, border_mode: str) -> list[tuple[Any, Any]]:
    """The pixels before and after x in -1 .. 1, with their weights."""
    size = T.cast(extent, x.dtype)
    last = size - 1
    x = (x + 1) / 2 * last
    if border_mode == "nearest":
        x = T.clip(x, T.zeros_like(last), last)
    elif border_mode == "mirror":
        period = T.maximum(2 * last, 1)
        x = T.minimum(x % period, -x % period)
        x = T.minimum(x, last)  # of an image of one pixel
    before = T.floor(x)
    share = x - before
    after = before + 1
    if border_mode == "wrap":
        ends = [before % size, after % size]
    else:
        ends = [before, T.minimum(after, last)]
    index = [T.cast(end, "int64") for end in ends]
    return [(index[0], 1 - share), (index[1], share)]
