"""Every scalar primitive of the Kernel IR with telling operands and its reference."""

import numpy as np
from scipy import special

FLOATS = ["float32", "float64"]
DTYPES = ["bool", "int8", "int32", "int64", "uint8", "uint64", "float32", "float64"]

#: the known answers of Random123 1.14, file kat_vectors: key, call, index, result
PHILOX = [
    (0, 0, 0, 0xE169C58D_6627E8D5),
    (2**64 - 1, 2**64 - 1, 2**64 - 1, 0x41C83B0E_408F276D),
    (
        0x299F31D0_A4093822,
        0x03707344_13198A2E,
        0x85A308D3_243F6A88,
        0x94FDCCEB_D16CFE09,
    ),
]


def rounded_away(x):
    whole = np.trunc(x)
    return np.where(np.abs(x - whole) >= 0.5, whole + np.copysign(1, x), whole)


# fmt: off
ARITHMETIC = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "floordiv": np.floor_divide,
    "mod": np.mod, "fmod": np.fmod, "neg": np.negative, "abs": np.abs, "sign": np.sign,
    "maximum": np.maximum, "minimum": np.minimum, "lt": np.less, "le": np.less_equal,
    "gt": np.greater, "ge": np.greater_equal, "eq": np.equal, "ne": np.not_equal,
}
BITWISE = {
    "and": np.bitwise_and, "or": np.bitwise_or, "xor": np.bitwise_xor,
    "not": np.bitwise_not, "shift_left": np.left_shift, "shift_right": np.right_shift,
}
LOGICAL = {
    "add": np.add, "mul": np.multiply, "maximum": np.maximum, "minimum": np.minimum,
    "and": np.logical_and, "or": np.logical_or, "xor": np.logical_xor,
    "not": np.logical_not, "abs": np.abs, "lt": np.less, "le": np.less_equal,
    "gt": np.greater, "ge": np.greater_equal, "eq": np.equal, "ne": np.not_equal,
}
FLOAT = ARITHMETIC | {
    "div": np.divide, "pow": np.power, "fmax": np.fmax, "fmin": np.fmin,
    "sqrt": np.sqrt, "rsqrt": lambda x: 1 / np.sqrt(x), "cbrt": np.cbrt,
    "floor": np.floor, "ceil": np.ceil, "trunc": np.trunc, "rint": np.rint,
    "round_half_away": rounded_away, "isnan": np.isnan, "isinf": np.isinf,
    "isfinite": np.isfinite, "signbit": np.signbit, "copysign": np.copysign,
    "exp": np.exp, "exp2": np.exp2, "expm1": np.expm1, "log": np.log, "log2": np.log2,
    "log10": np.log10, "log1p": np.log1p, "sin": np.sin, "cos": np.cos, "tan": np.tan,
    "arcsin": np.arcsin, "arccos": np.arccos, "arctan": np.arctan,
    "arctan2": np.arctan2, "sinh": np.sinh, "cosh": np.cosh, "tanh": np.tanh,
    "arcsinh": np.arcsinh, "arccosh": np.arccosh, "arctanh": np.arctanh,
    "sigmoid": special.expit, "softplus": lambda x: np.logaddexp(0, x),
    "log_sigmoid": special.log_expit, "erf": special.erf, "erfc": special.erfc,
    "erfinv": special.erfinv, "erfcinv": special.erfcinv, "erfcx": special.erfcx,
    "gammaln": lambda x: np.where(np.isinf(x), np.inf, special.gammaln(x)),
    "digamma": special.psi,
}
COMPLEX = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide,
    "neg": np.negative, "eq": np.equal, "ne": np.not_equal, "abs": np.abs,
    "real": np.real, "imag": np.imag, "conj": np.conj, "angle": np.angle,
    "exp": np.exp, "log": np.log, "sqrt": np.sqrt, "sin": np.sin, "cos": np.cos,
    "tanh": np.tanh,
}
# fmt: on
ELSEWHERE = {"where", "cast", "philox"}
BINARY = {
    *("add sub mul div floordiv mod fmod pow maximum minimum fmax fmin lt le gt ge eq"
      " ne and or xor shift_left shift_right copysign arctan2").split()
}  # fmt: skip
FAMILIES = [
    *((f, reference, dtype) for dtype in FLOATS for f, reference in FLOAT.items()),
    *((f, reference, dtype) for dtype in ("int8", "int32", "int64", "uint8", "uint32",
      "uint64") for f, reference in (ARITHMETIC | BITWISE).items()),
    *((f, reference, "bool") for f, reference in LOGICAL.items()),
]  # fmt: skip


def operands(function, dtype):
    """Return one or two arrays that hold every pair of telling values."""
    if dtype == "bool":
        values = [False, True]
    elif dtype.startswith("float"):
        values = [0.0, -0.0, 1, -1, 0.3, -0.3, 0.5, -0.5, 1.5, 2.5, -2.5, 0.75, 3, -3.7]
        values += [7.25, -8, 30.5, 88, -100, 1e-3, 1e-30, 1e9, np.inf, -np.inf, np.nan]
    elif dtype.startswith("int"):
        low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
        values = [0, 1, -1, 2, 3, -3, 7, -8, 100, low, high, low + 1]
        if function in ("floordiv", "mod", "fmod"):
            values.remove(low)  # low // -1 has no value
    else:
        values = [0, 1, 2, 3, 7, 8, 100, 200, np.iinfo(dtype).max]
    values = np.array(values, dtype)
    if function not in BINARY:
        return [values]
    pairs = np.repeat(values, len(values)), np.tile(values, len(values))
    return [np.ascontiguousarray(pair) for pair in pairs]


def case(function, reference, dtype):
    """Return operands, the numbers NumPy or SciPy gives, and a tolerance."""
    arrays = operands(function, dtype)
    if function in ("shift_left", "shift_right"):
        keep = arrays[1] >= 0  # a negative count has no meaning
        arrays = [array[keep] for array in arrays]
    with np.errstate(all="ignore"):
        y = reference(*arrays)
    assert y.dtype in (dtype, "bool")
    return arrays, y, {"float32": 4e-6, "float64": 1e-12}.get(dtype, 0)
