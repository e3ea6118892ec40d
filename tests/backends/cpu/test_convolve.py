"""Convolutions and both gradients on the tiles against float64 sums over windows."""

from typing import Any

import numpy as np
import pytest
import tile_calls

TOLERANCE = {"float32": 3e-5, "float64": 1e-12}


def windows(x: Any, w: Any, y: Any, strides: Any, pads: Any, dilations: Any) -> Any:
    """x with a border, and for each tap the slices of it that meet y."""
    wide = [
        max((y.shape[1 + i] - 1) * strides[i] + (w.shape[2 + i] - 1) * dilations[i] + 1,
            x.shape[1 + i] + pads[i])
        for i in range(3)
    ]  # fmt: skip
    bordered = np.zeros((x.shape[0], *wide, x.shape[4]))
    inner = tuple(slice(pads[i], pads[i] + x.shape[1 + i]) for i in range(3))
    bordered[(slice(None), *inner)] = x
    taps = []
    for tap in np.ndindex(w.shape[2:]):
        first = [t * d for t, d in zip(tap, dilations, strict=True)]
        cut = [
            slice(
                first[i], first[i] + (y.shape[1 + i] - 1) * strides[i] + 1, strides[i]
            )
            for i in range(3)
        ]
        taps.append((tap, (slice(None), *cut)))
    return bordered, (slice(None), *inner), taps


def forward(x: Any, w: Any, y: Any, geometry: Any, groups: int) -> Any:
    """y in float64."""
    bordered, _, taps = windows(x, w, y, *geometry)
    out = np.zeros((groups, *y.shape[:-1], y.shape[-1] // groups))
    for tap, cut in taps:
        for g, part in enumerate(np.split(bordered[cut], groups, -1)):
            rows = np.split(w, groups)[g][(..., *tap)]
            out[g] += part @ rows.T
    return np.concatenate(list(out), -1)


def adjoints(x: Any, w: Any, g: Any, geometry: Any, groups: int) -> tuple[Any, Any]:
    """Gradients in x and w, in float64."""
    bordered, inner, taps = windows(x, w, g, *geometry)
    dx, dw = np.zeros_like(bordered), np.zeros(w.shape)
    each, filters = x.shape[-1] // groups, w.shape[0] // groups
    for tap, cut in taps:
        for i in range(groups):
            k = slice(i * filters, (i + 1) * filters)
            c = slice(i * each, (i + 1) * each)
            flat = g[..., k].reshape(-1, filters)
            dx[cut][..., c] += g[..., k] @ w[(k, slice(None), *tap)]
            part = bordered[cut][..., c].reshape(-1, each)
            dw[(k, slice(None), *tap)] = flat.T @ part
    return dx[inner], dw


def random_case(random: np.random.Generator, dtype: str) -> dict[str, Any]:
    """Sizes of a convolution whose result is not empty."""
    while True:
        groups = int(random.choice([1, 1, 1, 2, 3]))
        channels, filters = random.integers(1, 70 if groups == 1 else 20, 2).tolist()
        if random.random() < 0.2:  # depthwise
            groups, channels, filters = int(random.integers(2, 70)), 1, 1
        axes = int(random.integers(1, 4))
        extents, window, strides, dilations = ([1, 1, 1] for _ in range(4))
        pads, after = [0, 0, 0], [0, 0, 0]
        one = random.random() < 0.2
        for i in range(3 - axes, 3):
            extents[i] = int(random.integers(1, 60 if axes == 1 else 12))
            if one:
                continue
            window[i] = int(random.integers(1, 5))
            if random.random() < 0.5:
                strides[i] = int(random.integers(1, 4))
            if random.random() < 0.3:
                dilations[i] = int(random.integers(1, 4))
            if random.random() < 0.6:
                pads[i], after[i] = random.integers(0, 4, 2).tolist()
        out = [
            (extents[i] + pads[i] + after[i] - (window[i] - 1) * dilations[i] - 1)
            // strides[i] + 1
            for i in range(3)
        ]  # fmt: skip
        if min(out) > 0:
            break
    batch = int(random.integers(1, 5))

    def numbers(*shape: int) -> np.ndarray:
        return random.standard_normal(shape).astype(dtype)

    return {
        "x": numbers(batch, *extents, groups * channels),
        "w": numbers(groups * filters, channels, *window),
        "y": numbers(batch, *out, groups * filters),
        "geometry": (strides, pads, dilations), "groups": groups,
    }  # fmt: skip


def check(level: str, dtype: str, case: dict[str, Any], random: Any) -> None:
    x, w, g, groups = case["x"], case["w"], case["y"], case["groups"]
    geometry = case["geometry"]
    flip = int(random.integers(2))
    turned = w[:, :, ::-1, ::-1, ::-1] if flip else w
    strides, pads, dilations = geometry
    fields = {"strides": strides, "pads": pads, "dilations": dilations,
              "groups": groups, "flip": flip}  # fmt: skip

    def agree(got: np.ndarray, want: np.ndarray) -> None:
        scale = max(1.0, np.abs(want).max())
        np.testing.assert_allclose(got / scale, want / scale, 0, TOLERANCE[dtype])

    def call(name: str, **more: Any) -> None:
        made = tile_calls.convolution(name, level=level, **{**fields, **more})
        made.run(random)
        assert (made.guard == 255).all()  # type: ignore[attr-defined]

    double = [v.astype(np.float64) for v in (x, turned, g)]
    want = forward(*double, geometry, groups)
    bias = random.standard_normal(w.shape[0]).astype(dtype)
    activation = int(random.integers(3))
    if random.random() < 0.5:
        want = want + bias
    else:
        bias = None
    if activation:
        slope = 0.0 if activation == 1 else float(np.array(0.1, dtype))
        want = np.where(want > 0, want, slope * want)
    y = np.full_like(g, np.nan)
    call("convolution", x=x, w=w, y=y, bias=bias, activation=activation, slope=0.1)
    agree(y, want)

    want_x, want_w = adjoints(*double, geometry, groups)
    dx, dw = np.full_like(x, np.nan), np.full_like(w, np.nan)
    call("convolution_input", x=dx, w=w, y=g)
    agree(dx, want_x)
    call("convolution_weight", x=x, w=dw, y=g)
    agree(dw, want_w[:, :, ::-1, ::-1, ::-1] if flip else want_w)


@pytest.mark.parametrize("level", tile_calls.LEVELS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("seed", range(5))
def test_random_convolutions_and_gradients(level: str, dtype: str, seed: int) -> None:
    random = np.random.default_rng(seed)
    for _ in range(12):
        check(level, dtype, random_case(random, dtype), random)


#: N, extents, C, K, window, strides, pads, groups
SHAPES = {
    "mnist": (3, (1, 28, 28), 1, 32, (1, 5, 5), (1, 1, 1), (0, 2, 2), 1),
    "cifar": (2, (1, 16, 16), 64, 64, (1, 3, 3), (1, 1, 1), (0, 1, 1), 1),
    "one image, few pixels": (1, (1, 7, 7), 96, 80, (1, 3, 3), (1, 1, 1), (0, 1, 1), 1),
    "strided": (2, (1, 32, 32), 24, 40, (1, 3, 3), (1, 2, 2), (0, 1, 1), 1),
    "stride beyond the window": (2, (1, 13, 13), 5, 7, (1, 2, 2), (1, 4, 3), (0, 0, 0), 1),
    "1x1": (3, (1, 14, 14), 64, 50, (1, 1, 1), (1, 1, 1), (0, 0, 0), 1),
    "long 1-D": (1, (1, 1, 5000), 3, 5, (1, 1, 9), (1, 1, 1), (0, 0, 4), 1),
    "one channel, very long": (1, (1, 1, 400000), 1, 2, (1, 1, 2), (1, 1, 1), (0, 0, 0), 1),
    "wide rows are cut": (1, (1, 1, 2700), 400, 3, (1, 1, 3), (1, 1, 1), (0, 0, 1), 1),
    "depthwise": (2, (1, 20, 20), 48, 48, (1, 3, 3), (1, 1, 1), (0, 1, 1), 48),
    "volume": (2, (6, 7, 8), 10, 12, (3, 3, 3), (1, 2, 1), (1, 1, 1), 2),
}  # fmt: skip


@pytest.mark.parametrize("name", SHAPES)
def test_shapes_of_known_networks_and_extremes(name: str) -> None:
    batch, extents, channels, filters, window, strides, pads, groups = SHAPES[name]
    random = np.random.default_rng(1)
    out = [(extents[i] + 2 * pads[i] - window[i]) // strides[i] + 1 for i in range(3)]
    case = {
        "x": random.standard_normal((batch, *extents, channels)).astype("f4"),
        "w": random.standard_normal((filters, channels // groups, *window)).astype("f4"),
        "y": random.standard_normal((batch, *out, filters)).astype("f4"),
        "geometry": (strides, pads, (1, 1, 1)), "groups": groups,
    }  # fmt: skip
    check("native", "float32", case, random)


@pytest.mark.parametrize("name", ["convolution", "convolution_input",
                                  "convolution_weight"])  # fmt: skip
def test_results_do_not_depend_on_which_units_run_together(name: str) -> None:
    random = np.random.default_rng(3)
    x = random.standard_normal((2, 1, 30, 30, 40)).astype("f4")
    w = random.standard_normal((70, 40, 1, 3, 3)).astype("f4")
    y = random.standard_normal((2, 1, 30, 30, 70)).astype("f4")
    target = {"convolution": y, "convolution_input": x, "convolution_weight": w}[name]
    made = tile_calls.convolution(name, x, w, y, pads=(0, 1, 1))
    assert max(made.units()) >= 8
    made.run()
    whole = target.copy()
    target[:] = np.nan
    made.run(random)
    np.testing.assert_array_equal(target, whole)


def test_one_image_gives_work_to_many_threads() -> None:
    x, w = np.empty((1, 1, 28, 28, 128), "f4"), np.empty((128, 128, 1, 3, 3), "f4")
    y = np.empty((1, 1, 28, 28, 128), "f4")
    for name in ("convolution", "convolution_input", "convolution_weight"):
        made = tile_calls.convolution(name, x, w, y, pads=(0, 1, 1))
        assert max(made.units()) >= 16


def test_an_empty_batch_gives_zero_weight_gradients() -> None:
    x, w = np.empty((0, 1, 9, 9, 4), "f4"), np.full((5, 4, 1, 3, 3), np.nan, "f4")
    y = np.empty((0, 1, 7, 7, 5), "f4")
    tile_calls.convolution("convolution_weight", x, w, y).run()
    assert (w == 0).all()
    tile_calls.convolution("convolution", x, w, y).run()


@pytest.mark.parametrize("level", tile_calls.LEVELS)
@pytest.mark.parametrize(
    ("images", "channels", "filters", "window", "groups"),
    [(256, 2, 3, 1, 1), (257, 3, 40, 2, 1), (305, 4, 4, 2, 4), (272, 4, 6, 2, 2),
     (4200, 1, 2, 1, 1), (4400, 1, 1, 2, 1)],
)  # fmt: skip
def test_every_block_of_a_long_weight_gradient_is_added_once(
    level: str, images: int, channels: int, filters: int, window: int, groups: int
) -> None:
    """Small integers: their sums are exact. Each image is a block, of 16 parts."""
    random = np.random.default_rng(images)
    side = 26
    x, y = (
        random.integers(-1, 2, (images, 1, s, s, c)).astype("f4")
        for s, c in ((side + window - 1, channels), (side, filters))
    )
    w = np.full((filters, channels // groups, 1, window, window), np.nan, "f4")
    made = tile_calls.convolution("convolution_weight", x, w, y, level, groups=groups)
    made.run(random)
    assert (made.guard == 255).all()  # type: ignore[attr-defined]
    of_groups = y.reshape(-1, groups, filters // groups)
    for i, j in np.ndindex(window, window):
        seen = x[:, 0, i : i + side, j : j + side].reshape(-1, groups, w.shape[1])
        want = np.einsum("ngk,ngc->gkc", of_groups, seen, optimize=True)
        got = w[:, :, 0, i, j].reshape(want.shape)
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("shape", [(3000, 28, 28), (2, 1200, 1200)])
def test_equal_terms_of_a_weight_gradient_keep_the_bound(
    shape: tuple[int, ...],
) -> None:
    """Many small images, and few large ones of one channel."""
    images, height, width = shape
    x = np.full((images, 1, height, width, 1), 0.1, "f4")
    w = np.empty((2, 1, 1, 1, 1), "f4")
    y = np.full((images, 1, height, width, 2), 0.1, "f4")
    tile_calls.convolution("convolution_weight", x, w, y).run()
    want = images * height * width * float(np.float32(0.1)) ** 2
    assert np.abs(w / want - 1).max() < (4096 + 100) * 2.0**-24 / 4
