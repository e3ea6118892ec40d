"""A failure as a file of Python that runs as a test from then on."""

import hashlib
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from fuzz.oracles import Built, Expected, Skip, Wrong, expected, other_values
from fuzz.program import Program, literal

HEADER = '''"""{title}"""

import numpy as np

import symgraph as sg
import symgraph.tensor as T


def test_{name}() -> None:
'''
CHECK = """    for have, want in zip(found, wanted, strict=True):
        np.testing.assert_allclose(have, want, {relative}, {absolute})
"""


def slug(program: Program, wrong: Wrong) -> str:
    """A short name: the kind, and a hash of the text."""
    kind = re.sub(r"\W+", "_", wrong.kind.lower()).strip("_")
    digest = hashlib.sha256("\n".join(program.lines()).encode()).hexdigest()[:6]
    return f"{kind}_{digest}"


def written(program: Program, wrong: Wrong) -> str:
    """The text of the file."""
    lines = [*program.lines(), program.function_line()]
    values = dict(program.values)
    built = Built(program)
    shared = [e.name for e in program.inputs if e.shared]
    updated = {w for w, _ in program.all_updates()}
    calls: list[dict[str, np.ndarray]] = [values]
    if wrong.oracle.startswith(("again", "third")):
        _, other, _ = other_values(program)
        calls.append({**values, **other})
        if wrong.oracle.startswith("third"):
            calls.append(values)
    state = {w: values[w] for w in shared}
    single = all(e.dtype != "float32" for e in program.inputs)
    bound = "1e-9, 1e-9" if single else "1e-4, 1e-4"
    check = CHECK.format(relative=bound.split(", ")[0], absolute=bound.split(", ")[1])
    times = 3 if wrong.oracle.startswith("repeat") else 1
    text = ["    " + line for line in lines]
    for given in calls:
        wants: list[Expected] = []
        for _ in range(times):
            try:
                wants.append(expected(built, {**given, **state}))
            except (Skip, Wrong) as problem:
                return "\n".join([*text, f"    # no value: {problem}", ""])
            state.update(wants[-1].updates)
        args = ", ".join(literal(given[e.name]) for e in program.inputs if not e.shared)
        call = f"f.repeat(3, {args})" if times > 1 else f"f({args})"
        text.append(f"    found = {call}")
        results: list[Any] = [w.results for w in wants]
        if times > 1:
            rows = [literal(np.stack(column)) for column in zip(*results, strict=True)]
        else:
            rows = [literal(a) for a in results[0]]
        text.append(f"    wanted = [{', '.join(rows)}]")
        text += check.rstrip("\n").split("\n")
        for w in sorted(updated):
            text.append(
                f"    np.testing.assert_allclose({w}.get_value(), "
                f"{literal(state[w])}, {bound})"
            )
    if wrong.oracle.startswith("alone"):
        given = [literal(values[e.name]) for e in program.inputs if not e.shared]
        text.append(f"    alone = {_alone(program)}")
        text.append(f"    found = [a for g in alone for a in g({', '.join(given)})]")
        text += check.rstrip("\n").split("\n")
    return "\n".join(text) + "\n"


def _alone(program: Program) -> str:
    inputs = ", ".join(e.name for e in program.inputs if not e.shared)
    own = ", ".join(program.outputs)
    slopes = ", ".join(f"g_{n}" for n in program.wrt)
    return (
        f"[sg.function([{inputs}], [{own}], on_unused_input='ignore'), "
        f"sg.function([{inputs}], [{slopes}], on_unused_input='ignore')]"
    )


def keep(folder: Path, program: Program, wrong: Wrong) -> Path:
    """Write the file."""
    folder.mkdir(parents=True, exist_ok=True)
    name = slug(program, wrong)
    title = re.sub(r"\s+", " ", str(wrong)).replace('"', "'").replace("\\", "/")[:80]
    path = folder / f"test_{name}.py"
    text = HEADER.format(title=title.strip() + ".", name=name)
    body = written(program, wrong)
    if "T." not in body:
        text = text.replace("import symgraph.tensor as T\n", "")
    path.write_text(text + body)
    for command in (["check", "--fix", "--unsafe-fixes"], ["format"]):
        subprocess.run(
            [sys.executable, "-m", "ruff", *command, "-q", str(path)],
            check=False, capture_output=True,
        )  # fmt: skip
    return path
