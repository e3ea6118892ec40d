"""Write docs/reference/theano.md: what each name of Theano's does here.

    python docs/make_theano.py            try every name, write the page
    python docs/make_theano.py --check    only tell whether the page is out of date

In: the probes in the files docs/theano_probes*.py, which are run. Out: Markdown. A probe
that fails is told, and nothing is written: a row stands for something that was tried.
"""

import sys
from pathlib import Path

FOLDER = Path(__file__).parent
sys.path.insert(0, str(FOLDER))

import theano_dtypes  # noqa: E402
import theano_probes  # noqa: E402
import theano_probes_core  # noqa: E402, F401
import theano_probes_nnet  # noqa: E402, F401
import theano_probes_tensor  # noqa: E402, F401

from symgraph import compat  # noqa: E402

PAGE = FOLDER / "reference" / "theano.md"
HEAD = """# Theano's names

*Made by `docs/make_theano.py`, which tries every name; edit the probes, not this page.*

`python -m symgraph.compat script.py` runs a program written for Theano, and
`-m symgraph.compat -m module` a module; inside a program, `symgraph.compat.install()`
before the first `import theano` does. `--numpy-names` (`install(numpy_names=True)`) also
gives NumPy the names back that it has dropped since (`np.float`, `np.product`, ...).

The version that is meant is 1.0.5. Modules and names that are missing raise ImportError
and AttributeError and say so. Below are the {count} names that at least two of twelve
code bases of Theano's time use (tutorials, Lasagne, Keras, blocks, PyMC3, ...): {works}
work, {differs} differ as told. Many more are bound; `dir(theano.tensor)` lists them.

## Names

| name | here |
| --- | --- |
"""
MIDDLE = """
## Dtypes of results

With `floatX=float32`; x is float32, d float64, i int32, b int8, v a float32 vector.

| expression | Theano | here |
| --- | --- | --- |
"""
TAIL = """
## What holds in general

- Settings: `theano.config.floatX`, `mode`, `device` and `on_unused_input` are symgraph's.
  Flags about compilers, memory and messages are accepted and have no effect; flags that
  would change results (`cast_policy`, `int_division`, `warn_float64`) accept the value
  that symgraph computes by. `compute_test_value` works, but not inside loops.
  `THEANO_FLAGS` is read; unknown flags in it are passed over, a GPU gives a warning.
- Errors are symgraph's, and also of the class that Theano raises for the same mistake.
  Many are found earlier, when the expression is built, as symgraph knows extents.
- There is no float16, no GPU, and no value of another kind than tensors and sparse
  matrices. Random numbers are symgraph's own.
"""


def symbols() -> dict[str, str]:
    """Symbol → what differs, for all probes, after running them; raises if one fails."""
    theano = compat.install()
    try:
        failures = theano_probes.try_all(theano)
    finally:
        compat.uninstall()
    if failures:
        told = "\n".join(f"  {name}: {why}" for name, why in failures.items())
        raise SystemExit(f"{len(failures)} probes fail:\n{told}")
    return {name: each.differs for name, each in sorted(theano_probes.PROBES.items())}


def page_of(table: dict[str, str]) -> str:
    """The page of these rows."""
    differs = sum(map(bool, table.values()))
    text = HEAD.format(count=len(table), works=len(table) - differs, differs=differs)
    for name, note in table.items():
        text += f"| `{name}` | {f'differs: {note}' if note else 'works'} |\n"
    return text + MIDDLE + "".join(theano_dtypes.rows()) + TAIL


def main(arguments: list[str]) -> int:
    """Write the page, or only compare it."""
    made = page_of(symbols())
    if arguments == ["--check"]:
        old = PAGE.read_text(encoding="utf-8") if PAGE.is_file() else ""
        if old != made:
            print("docs/reference/theano.md is out of date; run docs/make_theano.py")
        return 1 if old != made else 0
    PAGE.write_text(made, encoding="utf-8")
    print("wrote docs/reference/theano.md")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
