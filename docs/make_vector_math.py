"""Measure the errors of the float functions and write reference/vector-math.md.

    python docs/make_vector_math.py              all functions (some minutes)
    python docs/make_vector_math.py exp tanh     only these, to the terminal

In: functions compiled by symgraph itself, at each CPU level that this machine can run.
Out: a Markdown table of errors in units of the last place (ULP), and one of special
values. Needs SciPy and mpmath, which the package itself does not.
"""

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
from mpmath import mpf
from vector_math_cases import CASES, LONG, Case, pairs, points

import symgraph as sg
import symgraph.tensor as T
from symgraph.backends.cpu import target

PAGE = Path(__file__).parent / "reference" / "vector-math.md"
FLOATS = ("float32", "float64")
LEVELS = ("avx512", "avx2", "generic")
SWEEP = 1_000_000
TINY = {d: float(np.finfo(d).smallest_subnormal) for d in FLOATS}
SPECIAL = (-np.inf, -1.0, -0.0, 0.0, 1.0, np.inf, np.nan)

HEAD = """# Vector math

*Made by `docs/make_vector_math.py`, which measures what symgraph itself compiles; edit
`docs/vector_math_cases.py`, not this page.*

The functions of one element are written by symgraph as vector instructions
(`symgraph/backends/cpu/math*.py`); no library of vector functions is called. Errors are
in units of the last place (ULP) of the exact result: |computed - exact| / 2^(e - m), where
2^e <= |exact| < 2^(e+1) and m is 23 for float32 and 52 for float64; below the smallest
normal number the unit is the smallest subnormal one. 0.5 is what rounding alone costs.

* **float32**: about {sweep:,} bit patterns spread evenly over all floats of the domain
  (so subnormal, tiny and huge numbers are all among them), as many uniform ones, and all
  neighbours of zeros, poles, bounds and seams. Reference: long doubles of NumPy, or
  doubles of SciPy.
* **float64**: the same with up to 20,000 points; sine, cosine and tangent also at
  multiples of pi/2 and at the double closest to one, 6381956970095103 * 2^797. Huge
  arguments are glibc's, and at this one its cosine and tangent are off by 8 and 14 ULP;
  everywhere else that was tried they are within 3. Reference: mpmath, 40 digits.
* NaN, infinities, both zeros and subnormals give what NumPy (SciPy for its functions)
  gives; no result is flushed to zero. One exception: gammaln(-inf) is inf as in C.

The levels are sets of CPU features, chosen by `SYMGRAPH_CPU_FEATURES` (see below):
avx512 on this page was measured on a machine that has it, avx2 is x86-64-v3 (with fused
multiply-add), generic is plain x86-64 (SSE2, no fused multiply-add).

## Errors

Largest error by level, and the mean error of the first, in ULP.
"""

TAIL = """
## Choosing the CPU features

`SYMGRAPH_CPU_FEATURES` takes away features that the machine has; it cannot add any. It is
read when a function is compiled and is part of the key of the cache on disk, so code for
different levels never mixes.

| value | code may use |
|---|---|
| unset, `native` or `avx512` | all that the machine has and symgraph knows |
| `avx2` | x86-64-v3: AVX2, FMA, F16C |
| `generic` | the baseline of x86-64: SSE2 |
| `-fma`, `avx2,-fma`, ... | the same without the named features (LLVM's names) |

An unknown level is a `BackendError`. Without fused multiply-add products and sums are
rounded separately, exact products are split (Dekker 1971), and the reduction of sine and
cosine has one step more: the errors above are what remains.

## Sources

* Cody and Waite, *Software Manual for the Elementary Functions*, 1980: reduction of
  arguments. Tang, *Table-driven implementation of the exponential function*, ACM TOMS 15,
  1989. Muller, *Elementary Functions*, 2016: minimax fits (Remez), hard cases.
* Shepherd and Laframboise, *Chebyshev approximation of (1+2x)exp(x^2)erfc x*, Math. Comp.
  36, 1981. Giles, *Approximating the erfinv function*, 2011. Wichura, *AS 241*, 1988.
* Dekker, *A floating-point technique for extending the available precision*, 1971.
"""


def in_ulp(got: np.ndarray, exact: np.ndarray, dtype: str, least: float) -> np.ndarray:
    """Errors in units of the last place; inf where one of the two is not a number."""
    info = np.finfo(dtype)
    with np.errstate(all="ignore"):
        rounded = exact.astype(dtype)
        size = np.maximum(np.abs(exact), least)
        place = np.maximum(np.frexp(size)[1] - 1, info.minexp) - info.nmant
        error = np.abs(got.astype(LONG) - exact) / np.ldexp(LONG(1), place)
    same = (got == rounded) | (np.isnan(got) & np.isnan(rounded))
    error = np.where(same & ~np.isfinite(rounded), 0, error)
    return np.where(np.isnan(error), np.inf, error)


def in_ulp_exactly(got: np.ndarray, exact: list[Any], least: float) -> np.ndarray:
    """Errors of float64 against mpmath's numbers."""
    found = np.zeros(len(got))
    for k, number in enumerate(exact):
        rounded, result = float(number), float(got[k])
        if result == rounded and not np.isfinite(rounded):
            continue
        if not (np.isfinite(rounded) and np.isfinite(result)):
            found[k] = np.inf
            continue
        size = max(abs(rounded), least)
        place = max(int(np.frexp(size)[1]) - 1, -1022) - 52
        found[k] = float(abs(mpf(result) - number) * mpf(2) ** -place)
    return found


def compiled(name: str, dtype: str, arguments: int, level: str) -> Any:
    """The function, compiled for a level."""
    os.environ[target.VARIABLE] = level
    try:
        inputs = [T.TensorType(dtype, (None,))(f"x{k}") for k in range(arguments)]
        return sg.function(inputs, getattr(T, name)(*inputs))
    finally:
        del os.environ[target.VARIABLE]


def measure(case: Case, dtype: str) -> tuple[list[float], float, float]:
    """(largest error by level, mean of the first, argument of its largest)."""
    count = SWEEP if dtype == "float32" else case.points // 2
    if case.arguments == 2:
        arrays: tuple[np.ndarray, ...] = pairs(case.name, dtype, count)
    else:
        arrays = (points(case, dtype, count),)
    if dtype == "float32":
        with np.errstate(all="ignore"):
            exact: Any = case.wide(*(a.astype(LONG) for a in arrays))
    else:
        numbers = zip(*(map(mpf, a.tolist()) for a in arrays), strict=True)
        exact = [case.exact(*number) for number in numbers]
    largest, mean, place = [], 0.0, 0.0
    for level in LEVELS:
        got = compiled(case.name, dtype, case.arguments, level)(*arrays)
        if dtype == "float32":
            errors = in_ulp(got, exact, dtype, case.least)
        else:
            errors = in_ulp_exactly(got, exact, case.least)
        largest.append(float(errors.max()))
        if level == LEVELS[0]:
            mean = float(errors[np.isfinite(errors)].mean())
            place = float(arrays[0][int(np.argmax(errors))])
    return largest, mean, place


def rows(names: list[str]) -> list[str]:
    """The lines of the table of errors."""
    lines = [
        "| function | domain | float32: avx512 / avx2 / generic | mean | "
        "float64: avx512 / avx2 / generic | mean | method |",
        "|---|---|---|---|---|---|---|",
    ]
    for case in CASES:
        if names and case.name not in names:
            continue
        cells = []
        for dtype in FLOATS:
            largest, mean, place = measure(case, dtype)
            cells += [" / ".join(f"{v:.2f}" for v in largest), f"{mean:.3f}"]
            if names:
                cells[-1] += f" (at {place!r})"
        method = case.method.replace("|", r"\|")
        lines.append(
            f"| {case.name} | {case.domain} | {' | '.join(cells)} | {method} |"
        )
        sys.stderr.write(lines[-1] + "\n")
    return lines


def specials() -> list[str]:
    """The lines of the table of special values, float32."""
    tiny = TINY["float32"]
    arguments = np.array([*SPECIAL[:2], -tiny, *SPECIAL[2:4], tiny, *SPECIAL[4:]], "f4")
    heads = ["-inf", "-1", "-tiny", "-0", "0", "tiny", "1", "inf", "nan"]
    lines = ["| x | " + " | ".join(heads) + " |", "|---" * (len(heads) + 1) + "|"]
    for name in dict.fromkeys(c.name for c in CASES if c.arguments == 1):
        values = compiled(name, "float32", 1, "native")(arguments)
        cells = [_number(float(v), tiny) for v in values]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def _number(value: float, tiny: float) -> str:
    if abs(value) == tiny:
        return "tiny" if value > 0 else "-tiny"
    return f"{value:.4g}"


def main(names: list[str]) -> None:
    """Measure and write."""
    if names:
        sys.stdout.write("\n".join(rows(names)) + "\n")
        return
    page = [HEAD.format(sweep=SWEEP), *rows([]), "", "## Special values", ""]
    page += ["As computed in float32; tiny is the smallest subnormal number.", ""]
    page += [*specials(), TAIL]
    PAGE.write_text("\n".join(page), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
