"""Primitives with one right answer: integers, comparisons, casts, random bits."""

import ctypes
from functools import cache

import numpy as np
import pytest
from vector_cases import (
    DTYPES,
    FLOATS,
    HOST,
    INTEGERS,
    LAYOUTS,
    Compiled,
    float_pairs,
    grid,
    host_features,
    link,
)

from symgraph.backends.cpu import math as primitives
from symgraph.backends.cpu.llvm import Builder, type_name

# ---- exact operations ----------------------------------------------------------------

#: name: (reference, kinds of dtype)
EXACT_BINARY = {
    "add": (np.add, "iufb"),
    "sub": (np.subtract, "iuf"),
    "mul": (np.multiply, "iufb"),
    "div": (np.divide, "f"),
    "maximum": (np.maximum, "iufb"),
    "minimum": (np.minimum, "iufb"),
    "fmax": (np.fmax, "iufb"),
    "fmin": (np.fmin, "iufb"),
    "copysign": (np.copysign, "f"),
    "lt": (np.less, "iufb"),
    "le": (np.less_equal, "iufb"),
    "gt": (np.greater, "iufb"),
    "ge": (np.greater_equal, "iufb"),
    "eq": (np.equal, "iufb"),
    "ne": (np.not_equal, "iufb"),
    "and": (np.bitwise_and, "iub"),
    "or": (np.bitwise_or, "iub"),
    "xor": (np.bitwise_xor, "iub"),
    "shift_left": (np.left_shift, "iu"),
    "shift_right": (np.right_shift, "iu"),
    "floordiv": (np.floor_divide, "iu"),
    "mod": (np.remainder, "iu"),
    "fmod": (np.fmod, "iu"),
    "pow": (lambda x, y: np.power(x, y), "u"),
}
EXACT_UNARY = {
    "neg": (np.negative, "iu"),
    "abs": (np.abs, "iub"),
    "sign": (np.sign, "iu"),
    "not": (np.invert, "iub"),
    "floor": (np.floor, "iu"),
    "ceil": (np.ceil, "iu"),
    "trunc": (np.trunc, "iu"),
    "rint": (lambda x: x, "iu"),
    "round_half_away": (lambda x: x, "iu"),
    "isnan": (np.isnan, "iufb"),
    "isinf": (np.isinf, "iufb"),
    "isfinite": (np.isfinite, "iufb"),
    "signbit": (lambda x: np.signbit(x) if x.dtype.kind == "f" else x < 0, "iufb"),
}
TESTS = {"isnan", "isinf", "isfinite", "signbit", "lt", "le", "gt", "ge", "eq", "ne"}


def exact_cases(lanes, level):
    for table, count in ((EXACT_UNARY, 1), (EXACT_BINARY, 2)):
        for name, (_, kinds) in table.items():
            for dtype in DTYPES:
                if np.dtype(dtype).kind in kinds:
                    result = "bool" if name in TESTS else dtype
                    yield name, (dtype,) * count, result, lanes, level


@cache
def exact_module(lanes, level):
    return Compiled(list(exact_cases(lanes, level)))


@cache
def integer_pairs(dtype):
    """All pairs of 8-bit integers; else extremes, small and random numbers."""
    if dtype == "bool":
        values = np.array([False, True])
    else:
        info = np.iinfo(dtype)
        values = np.arange(info.min, info.min + 256, dtype=dtype)
        if info.bits > 8:
            random = np.random.default_rng(2)
            values = np.concatenate(
                [
                    np.array([info.min, info.min + 1, info.max, info.max - 1], dtype),
                    np.arange(-70, 70).astype(dtype),
                    random.integers(info.min, info.max, 60, dtype),
                ]
            )
    x, y = np.meshgrid(values, values)
    return x.ravel(), y.ravel()


@pytest.mark.parametrize(("lanes", "level"), LAYOUTS)
@pytest.mark.parametrize("name", [*EXACT_BINARY, *EXACT_UNARY])
def test_exact_operation_equals_numpy(name, lanes, level):
    table = EXACT_BINARY if name in EXACT_BINARY else EXACT_UNARY
    reference, kinds = table[name]
    count = 2 if table is EXACT_BINARY else 1
    for dtype in DTYPES:
        kind = np.dtype(dtype).kind
        if kind not in kinds:
            continue
        arrays = float_pairs(dtype) if kind == "f" else integer_pairs(dtype)
        with np.errstate(all="ignore"):
            expected = reference(*arrays[:count])
        result = "bool" if name in TESTS else dtype
        case = (name, (dtype,) * count, result, lanes, level)
        got = exact_module(lanes, level)(case, *arrays[:count])
        np.testing.assert_array_equal(got, expected, err_msg=f"{name} {dtype}")


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "int64"])
def test_signed_power_wraps_and_negative_exponents_truncate(dtype):
    case = ("pow", (dtype, dtype), dtype, 8, HOST)
    x, y = integer_pairs(dtype)
    got = Compiled([case])(case, x, y)
    natural = y >= 0
    np.testing.assert_array_equal(got[natural], np.power(x[natural], y[natural]))
    one, minus_one = (x == 1) & ~natural, (x == -1) & ~natural
    other = ~natural & ~one & ~minus_one
    assert (got[one] == 1).all()
    np.testing.assert_array_equal(got[minus_one], 1 - 2 * (y[minus_one] & 1))
    assert (got[other] == 0).all()


@pytest.mark.parametrize(
    ("name", "reference", "dtype", "constants"),
    [
        *(
            (name, reference, dtype, [3, -1, -7, 0, 1, 10])
            for name, reference in (
                ("floordiv", np.floor_divide),
                ("mod", np.remainder),
                ("fmod", np.fmod),
            )
            for dtype in ("int16", "int32", "int64")
        ),
        ("maximum", np.maximum, "float32", [0.0, 1.5, np.nan, np.inf]),
        ("minimum", np.minimum, "float64", [0.0, 1.5, np.nan, -np.inf]),
    ],
)
def test_operation_with_a_constant_equals_numpy(name, reference, dtype, constants):
    functions, declarations = [], {}
    kind = type_name(dtype, 8)
    for k, constant in enumerate(constants):
        b = Builder(host_features())
        b.declarations = declarations
        x = b.op(f"load {kind}, ptr %a0, align 1", dtype, 8)
        y = primitives.emit(b, name, [x, b.const(constant, dtype, 8)], dtype)
        b.emit(f"store {kind} {y.text}, ptr %a1, align 1")
        body = "\n".join(b.lines)
        functions.append(f"define void @g{k}(ptr %a0, ptr %a1) {{\n{body}\nret void }}")
    symbols = [f"g{k}" for k in range(len(constants))]
    library = link("\n".join([*declarations.values(), *functions]), symbols)
    if dtype in FLOATS:
        x = np.array([np.nan, np.inf, -np.inf, 1.0, 2.0, -3.0, 1.5, 1e-40], dtype)
    else:
        info = np.iinfo(dtype)
        x = np.array([-10, -9, -1, 0, 1, 12345, info.min, info.max], dtype)
    for symbol, constant in zip(symbols, constants, strict=True):
        out = np.empty_like(x)
        function = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)
        function(library[symbol])(x.ctypes.data, out.ctypes.data)
        with np.errstate(all="ignore"):
            expected = reference(x, np.array(constant, dtype))
        np.testing.assert_array_equal(out, expected, err_msg=str(constant))


# ---- casts, choice, random bits ------------------------------------------------------


@cache
def cast_module(lanes, level=HOST):
    pairs = [(a, b) for a in DTYPES for b in DTYPES]
    return Compiled([("cast", (a,), b, lanes, level) for a, b in pairs])


@pytest.mark.parametrize(("lanes", "level"), LAYOUTS)
@pytest.mark.parametrize("source", DTYPES)
def test_cast_between_all_dtypes_equals_astype(source, lanes, level):
    for target_dtype in DTYPES:
        x = grid(source, 200) if source in FLOATS else integer_pairs(source)[0]
        if source in FLOATS and target_dtype in INTEGERS:
            # beyond that NumPy leaves the result to the machine
            info = np.iinfo(target_dtype)
            x = x[(x > float(info.min) - 1) & (x < float(info.max))]
        with np.errstate(all="ignore"):
            expected = x.astype(target_dtype)
        case = ("cast", (source,), target_dtype, lanes, level)
        got = cast_module(lanes, level)(case, x)
        np.testing.assert_array_equal(got, expected, err_msg=target_dtype)


@pytest.mark.parametrize(("lanes", "level"), LAYOUTS)
def test_cast_of_floats_out_of_range_is_the_same_for_all_lanes(lanes, level):
    x = np.array([np.nan, np.inf, -np.inf, 300.0, -1.0, 3e9, -3e9, 1e30])
    expected = {
        "int8": [0, 0, 0, 44, -1, 0, 0, 0],
        "uint8": [0, 0, 0, 44, 255, 0, 0, 0],
        "int32": [-(2**31)] * 3 + [300, -1] + [-(2**31)] * 3,
        "uint32": [0, 0, 0, 300, 2**32 - 1, 3 * 10**9, 2**32 - 3 * 10**9 % 2**32, 0],
        "int64": [-(2**63)] * 3 + [300, -1, 3 * 10**9, -3 * 10**9, -(2**63)],
    }
    for dtype, values in expected.items():
        case = ("cast", ("float64",), dtype, lanes, level)
        got = cast_module(lanes, level)(case, x)
        np.testing.assert_array_equal(got, np.array(values, dtype), err_msg=dtype)


@pytest.mark.parametrize(("lanes", "level"), LAYOUTS)
def test_where_takes_each_lane_from_its_side(lanes, level):
    cases = [("where", ("bool", d, d), d, lanes, level) for d in DTYPES]
    compiled = Compiled(cases)
    random = np.random.default_rng(3)
    condition = random.random(100) < 0.5
    for case in cases:
        x, y = (random.integers(0, 100, 100).astype(case[2]) for _ in range(2))
        np.testing.assert_array_equal(
            compiled(case, condition, x, y), np.where(condition, x, y)
        )


def philox_words(key, call, index):
    """The first two words of Philox4x32-10, in Python integers."""
    mask = 2**32 - 1
    c = [index & mask, index >> 32, call & mask, call >> 32]
    k = [key & mask, key >> 32]
    for _ in range(10):
        first, second = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [
            (second >> 32) ^ c[1] ^ k[0],
            second & mask,
            (first >> 32) ^ c[3] ^ k[1],
            first & mask,
        ]
        k = [(k[0] + 0x9E3779B9) & mask, (k[1] + 0xBB67AE85) & mask]
    return c[0] | c[1] << 32


@pytest.mark.parametrize(("lanes", "level"), LAYOUTS)
def test_philox_gives_the_published_vectors_and_the_definition(lanes, level):
    case = ("philox", ("uint64", "uint64", "int64"), "uint64", lanes, level)
    ones = 2**64 - 1
    random = np.random.default_rng(4)
    triples = [(0, 0, 0), (ones, ones, ones)]
    triples += [
        tuple(map(int, t)) for t in random.integers(0, ones, (50, 3), np.uint64)
    ]
    key, call, index = np.array(triples, np.uint64).T
    got = Compiled([case])(case, key, call, index.view(np.int64))
    # Random123's known answers for a counter and key of zeros, and of ones
    assert int(got[0]) == 0xE169C58D_6627E8D5
    assert int(got[1]) == 0x41C83B0E_408F276D
    assert [int(v) for v in got] == [philox_words(*t) for t in triples]


def test_philox_accepts_a_scalar_key_beside_vectors():
    b = Builder(host_features())
    key, call = (b.const(v, "uint64") for v in (12345678901234, 7))
    index = b.op("load <8 x i64>, ptr %a0, align 8", "int64", 8)
    bits = primitives.emit(b, "philox", [key, call, index], "uint64")
    b.emit(f"store <8 x i64> {bits.text}, ptr %a1, align 8")
    body = "\n".join(b.lines)
    helpers = "\n".join(b.declarations.values())
    text = f"{helpers}\ndefine void @g(ptr %a0, ptr %a1) {{\n{body}\nret void }}"
    library = link(text, ["g"])
    x, out = np.arange(8), np.empty(8, np.uint64)
    function = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)(library["g"])
    function(x.ctypes.data, out.ctypes.data)
    assert [int(v) for v in out] == [
        philox_words(12345678901234, 7, i) for i in range(8)
    ]


def test_every_primitive_of_the_table_has_a_numeric_test():
    tested = {*EXACT_UNARY, *EXACT_BINARY, "where", "cast", "philox"}
    functions = """sqrt rsqrt cbrt exp exp2 expm1 log log2 log10 log1p tanh sigmoid
        softplus log_sigmoid sin cos tan arcsin arccos arctan arctan2 sinh cosh arcsinh
        arccosh arctanh erf erfc erfcx erfinv erfcinv gammaln digamma"""
    assert tested | set(functions.split()) == set(primitives.TABLE)
