"""Spatial transformers against loops over pixels and a spline that SciPy solves."""

import numpy as np
import pytest
from scipy.interpolate import RBFInterpolator

import symgraph as sg
import symgraph.tensor as T
from symgraph.autodiff.reverse import grad
from symgraph.errors import ArgumentError, ShapeError
from symgraph.nn.layers import (
    InputLayer,
    TPSTransformerLayer,
    TransformerLayer,
)

IDENTITY = np.array([1.0, 0, 0, 0, 1, 0])


def pixel(image, i, j, mode):
    """The pixel that stands at a place beyond the image, too."""
    places = []
    for place, extent in ((i, image.shape[0]), (j, image.shape[1])):
        if mode == "wrap":
            place %= extent
        elif mode == "mirror" and extent > 1:
            place %= 2 * (extent - 1)
            place = min(place, 2 * (extent - 1) - place)
        places.append(min(max(place, 0), extent - 1))
    return image[tuple(places)]


def read(image, x, y, mode):
    """Bilinear, at x and y in -1 .. 1."""
    rows, columns = image.shape
    j, i = (x + 1) / 2 * (columns - 1), (y + 1) / 2 * (rows - 1)
    left, top = int(np.floor(j)), int(np.floor(i))
    total = 0.0
    for di in (0, 1):
        for dj in (0, 1):
            weight = abs(1 - di - (i - top)) * abs(1 - dj - (j - left))
            total += weight * pixel(image, top + di, left + dj, mode)
    return total


def by_pixels(images, places, shape, mode):
    """places: function of n, x, y."""
    out = np.zeros((*images.shape[:2], *shape))
    xs, ys = (np.linspace(-1, 1, count) for count in (shape[1], shape[0]))
    for n, c, i, j in np.ndindex(out.shape):
        x, y = places(n, xs[j], ys[i])
        out[n, c, i, j] = read(images[n, c], x, y, mode)
    return out


@pytest.mark.parametrize("mode", ["nearest", "mirror", "wrap"])
@pytest.mark.parametrize("factor", [1, 2, (0.5, 1.3)])
@pytest.mark.parametrize("known", [True, False])
def test_affine_maps(factor, mode, known, run_layer, generator):
    shape = (None, 2, *((5, 6) if known else (None, None)))
    layer = TransformerLayer(shape, InputLayer((None, 6)), factor, mode)
    images, theta = generator.randn(3, 2, 5, 6), IDENTITY + generator.randn(3, 6) / 2
    out = tuple(
        int(e / f) for e, f in zip((5, 6), layer.downsample_factor, strict=True)
    )

    def places(n, x, y):
        return theta[n].reshape(2, 3) @ [x, y, 1]

    found = run_layer(layer, images, theta)
    np.testing.assert_allclose(found, by_pixels(images, places, out, mode), atol=1e-12)


@pytest.mark.parametrize("mode", ["nearest", "mirror", "wrap"])
@pytest.mark.parametrize(
    "kind", [(TransformerLayer, IDENTITY), (TPSTransformerLayer, np.zeros(32))]
)
def test_the_identity_gives_the_image_back(kind, mode, run_layer, generator):
    make, numbers = kind
    layer = make((None, 2, 5, 1), InputLayer((None, len(numbers))), border_mode=mode)
    images = generator.randn(3, 2, 5, 1)
    found = run_layer(layer, images, np.tile(numbers, (3, 1)))
    np.testing.assert_allclose(found, images, atol=1e-9)


def test_t1_and_t5_zoom_and_t3_and_t6_shift(run_layer):
    layer = TransformerLayer((1, 1, 3, 5), InputLayer((1, 6)))
    image = np.arange(15.0).reshape(1, 1, 3, 5)
    shifted = run_layer(layer, image, np.array([[1, 0, 0.5, 0, 1, 0]]))
    assert shifted[0, 0, 0].tolist() == [1, 2, 3, 4, 4]
    zoomed = run_layer(layer, image, np.array([[0.5, 0, 0, 0, 0, 1]]))
    assert zoomed[0, 0, 0].tolist() == [11, 11.5, 12, 12.5, 13]


@pytest.mark.parametrize("mode", ["nearest", "wrap"])
@pytest.mark.parametrize("grid", ["auto", False])
@pytest.mark.parametrize("points", [4, 9])
def test_thin_plate_splines(points, grid, mode, run_layer, generator):
    layer = TPSTransformerLayer(
        (None, 2, 4, 5), InputLayer((None, 2 * points)), 1, points, grid, mode
    )
    images, moves = generator.randn(2, 2, 4, 5), generator.randn(2, 2, points) / 3
    side = np.linspace(-1, 1, round(points**0.5))
    control = np.array([(x, y) for y in side for x in side])
    splines = [
        RBFInterpolator(
            control, control + moves[n].T, kernel="thin_plate_spline", degree=1
        )
        for n in range(2)
    ]
    wanted = by_pixels(images, lambda n, x, y: splines[n]([[x, y]])[0], (4, 5), mode)
    found = run_layer(layer, images, moves.reshape(2, -1))
    np.testing.assert_allclose(found, wanted, atol=1e-8)


def test_extents_of_a_spline_may_be_unknown(run_layer, generator):
    known, unknown = (
        TPSTransformerLayer((None, 1, *sides), InputLayer((None, 8)), 1, 4)
        for sides in ((4, 5), (None, None))
    )
    arrays = generator.randn(2, 1, 4, 5), generator.randn(2, 8) / 4
    np.testing.assert_allclose(run_layer(unknown, *arrays), run_layer(known, *arrays))


@pytest.mark.parametrize(
    ("make", "count"), [(TransformerLayer, 6), (TPSTransformerLayer, 32)]
)
def test_both_networks_get_a_gradient(make, count, value, generator):
    layer = make((None, 2, 4, 5), InputLayer((None, count)))
    given = {
        T.dtensor4("x"): generator.randn(2, 2, 4, 5),
        T.dmatrix("t"): generator.randn(2, count) / 5 + (IDENTITY if count == 6 else 0),
    }
    x, t = given
    cost = T.sum(T.sin(layer.get_output_for([x, t])))
    for variable, found in zip(
        given, (value(g, given) for g in grad(cost, [x, t])), strict=True
    ):
        start = given[variable]
        for place in list(np.ndindex(start.shape))[::5]:
            move = np.zeros_like(start)
            move[place] = 1e-6
            ends = [value(cost, {**given, variable: start + s * move}) for s in (1, -1)]
            assert found[place] == pytest.approx((ends[0] - ends[1]) / 2e-6, abs=1e-6)


def test_float32_stays_float32(generator):
    with sg.config.override(floatX="float32"):
        for make, count in ((TransformerLayer, 6), (TPSTransformerLayer, 32)):
            layer = make(
                (None, 2, None, 5), InputLayer((None, count)), downsample_factor=1.5
            )
            x, t = T.ftensor4("x"), T.fmatrix("t")
            assert layer.get_output_for([x, t]).dtype == "float32"


SHAPE = (None, 3, 8, 8)


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: TransformerLayer(SHAPE, InputLayer((None, 5)), name="t"), ShapeError,
         r"'t'.*must give \(batch, 6\).*\(None, 5\)"),
        (lambda: TransformerLayer((None, 8, 8), InputLayer((None, 6))), ShapeError,
         r"input shape is \(None, 8, 8\)"),
        (lambda: TransformerLayer(SHAPE, InputLayer((None, 6)), 9), ShapeError, "nothing"),
        (lambda: TransformerLayer(SHAPE, InputLayer((None, 6)), 0), ArgumentError, "posit"),
        (lambda: TransformerLayer(SHAPE, InputLayer((None, 6)), border_mode="zero"),
         ArgumentError, "border_mode='zero'; use nearest, mirror, wrap"),
        (lambda: TPSTransformerLayer(SHAPE, InputLayer((None, 6))), ShapeError,
         r"\(batch, 32\)"),
        (lambda: TPSTransformerLayer(SHAPE, InputLayer((None, 6)), control_points=3),
         ArgumentError, "control_points=3; use a square number"),
        (lambda: TPSTransformerLayer((None, 3, None, 8), InputLayer((None, 32)),
                                     precompute_grid=True), ShapeError, "precompute_grid"),
        (lambda: TPSTransformerLayer(SHAPE, InputLayer((None, 32)), precompute_grid="no"),
         ArgumentError, "precompute_grid='no'"),
    ],
)  # fmt: skip
def test_what_is_refused(make, error, text):
    with pytest.raises(error, match=text):
        make()
