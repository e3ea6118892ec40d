"""The micro-kernel by itself: every height, kind of access and ending."""

import ctypes
from functools import cache
from typing import Any

import numpy as np
import pytest
import tile_calls

from symgraph.backends.cpu import library_object, select, tiles
from symgraph.backends.cpu.loader import Library, load
from symgraph.backends.cpu.tile_rows import first_tiles, heights_of
from symgraph.backends.cpu.unit import compile_module
from symgraph.errors import NotSupportedError
from symgraph.lower.sizes import SizePolynomial

KINDS = [("rows", 1), ("rows", 2), ("columns", 1), ("columns", 2), ("lanes", 1)]
TAPS, COUNT = 3, 5
FIVE = ", ".join(f"i64 %{letter}" for letter in "abcde")


@cache
def strips(dtype: str, level: str) -> Library:
    """The library, with a public name for each strip."""
    with tile_calls.restricted(level):
        text = library_object.library_text(frozenset({("convolution", dtype)}))
        for kind, vectors in KINDS:
            name = tiles.strip_name(kind, dtype, vectors)
            text += (
                f"\ndefine void @{kind}{vectors}({FIVE}) #0 {{\n"
                f"  call void @{name}({FIVE})\n  ret void\n}}\n"
            )
        return load(compile_module(text))


@pytest.mark.parametrize("level", tile_calls.LEVELS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind, vectors", KINDS)
def test_every_number_of_rows_and_every_mode(
    level: str, dtype: str, kind: str, vectors: int
) -> None:
    with tile_calls.restricted(level):
        cpu = tiles.machine()
    lanes, item = cpu.lanes(dtype), tiles.ITEM[dtype]
    wide = vectors * lanes
    random = np.random.default_rng(0)
    types = [ctypes.c_int64] * 5
    strip = ctypes.CFUNCTYPE(None, *types)(
        strips(dtype, level).address(f"{kind}{vectors}")
    )
    starts = np.array([random.standard_normal(wide)], dtype)
    table = np.zeros((TAPS, 2), np.int64)
    w = random.standard_normal((TAPS, COUNT, wide)).astype(dtype)
    table[:, 1] = np.arange(TAPS) * w.strides[0]
    modes = [tiles.STORE, tiles.RELU, tiles.ADD]
    modes += [mode + tiles.PART for mode in modes] if cpu.parts else []
    for rows in (*range(1, 34), 57):
        depth = {"rows": (rows, COUNT), "columns": (COUNT, rows),
                 "lanes": (rows, COUNT, lanes)}[kind]  # fmt: skip
        x = random.standard_normal((TAPS, *depth)).astype(dtype)
        table[:, 0] = np.arange(TAPS) * x.strides[0]
        if kind == "rows":
            want = np.einsum("trk,tkj->rj", x, w, dtype=np.float64)
        elif kind == "columns":
            want = np.einsum("tkr,tkj->rj", x, w, dtype=np.float64)
        else:
            want = np.einsum("trkj,tkj->rj", x, w, dtype=np.float64)
        row = item if kind == "columns" else x.strides[1]
        for mode in modes:
            valid = wide - 1 if mode >= tiles.PART else wide
            y = random.standard_normal((rows, wide + 3)).astype(dtype)
            expected = y.copy()
            found = want + starts
            if mode % tiles.PART == tiles.ADD:
                found = found + y[:, :wide]
            if mode % tiles.PART == tiles.RELU:
                found = np.maximum(found, 0)
            expected[:, :valid] = found[:, :valid]
            d = np.zeros(tiles.FIELDS, np.int64)
            values: dict[int, Any] = {
                tiles.INIT: starts.ctypes.data, tiles.ROW: row, tiles.ADVANCE: row,
                tiles.COUNT: COUNT, tiles.X_STEP: x.strides[1 if kind != "lanes" else 2],
                tiles.W_STEP: w.strides[1], tiles.TAPS: TAPS,
                tiles.TABLE: table.ctypes.data, tiles.Y_ROW: y.strides[0],
                tiles.MODE: mode, tiles.VALID: valid,
            }  # fmt: skip
            for field, value in values.items():
                d[field] = value
            strip(rows, x.ctypes.data, w.ctypes.data, y.ctypes.data, d.ctypes.data)
            tolerance = 1e-4 if dtype == "float32" else 1e-12
            np.testing.assert_allclose(y, expected, tolerance, tolerance)


def test_accumulators_and_operands_fit_the_registers() -> None:
    for level in tile_calls.LEVELS:
        with tile_calls.restricted(level):
            cpu = tiles.machine()
        for vectors in (1, 2):
            used = vectors * cpu.rows(vectors) + vectors + 1
            assert used <= cpu.registers
            assert cpu.rows(vectors) >= 4


def test_workspace_of_symbolic_windows_bounds_the_known_one() -> None:
    k, c = SizePolynomial((((0,), 1),)), SizePolynomial((((1,), 1),))
    for name in ("convolution", "convolution_input", "convolution_weight"):
        symbolic = select.workspace(name, "float32", (k, c, 1, 3, 3))
        known = select.workspace(name, "float32", (50, 20, 1, 3, 3))
        assert symbolic.value((50, 20)) >= known.value(())


def test_unknown_families_and_operations_are_named() -> None:
    with pytest.raises(NotSupportedError, match="'fft'"):
        library_object.phases("fft", "float32")
    with pytest.raises(NotSupportedError, match="int32"):
        library_object.phases("gemm", "int32")
    with pytest.raises(NotSupportedError, match="sort"):
        library_object.library_text(frozenset({("sort", "float32")}))


@pytest.mark.parametrize("level", tile_calls.LEVELS)
def test_any_number_of_rows_is_divided_into_tiles_that_exist(level: str) -> None:
    with tile_calls.restricted(level):
        cpu = tiles.machine()
    for kind, vectors in KINDS:
        exist = heights_of(cpu, kind, vectors)
        first = first_tiles(vectors, exist)
        assert len(first) == 2 * max(exist) + 1
        assert set(first[1:]) <= set(exist)
        assert all(first[rows] <= rows for rows in range(len(first)))
