"""An expression on its way to kernels, as text: each rewrite, the result, the loops.

In: the text of an expression and the types of its names.  Out: text of several lines.
Parsing is ``expression.py``; the stages are those of the compiled function.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import symgraph as sg
from symgraph.core.text import expression
from symgraph.errors import ArgumentError
from symgraph.train.expression import parse


def explain(text: str, declarations: Sequence[str] = ()) -> str:
    """Compile an expression and tell what happened to it.

    Parameters
    ----------
    text : as for ``expression.parse``
    declarations : "name=constructor", such as "x=fvector"

    Returns
    -------
    lines: the inputs, the expression, one line per rewrite, the result, the kernels
    """
    parsed = parse(text, _types(declarations))
    function = sg.function(
        list(parsed.inputs), parsed.output, on_unused_input="ignore", name="explain"
    )
    rewritten = function.rewritten
    steps = [f"{f.rule}: {f.before}  ->  {f.after}" for f in rewritten.firings]
    (result,) = rewritten.graph.outputs
    kernels = len(function.program.kernels)
    return "\n".join(
        [
            "inputs",
            *_indented(f"{v.name} : {v.type}" for v in parsed.inputs),
            "expression",
            *_indented([f"{expression(parsed.output)} : {parsed.output.type}"]),
            "rewrites" if steps else "no rewrites",
            *_indented(f"{number}. {step}" for number, step in enumerate(steps, 1)),
            "result",
            *_indented([expression(result)]),
            f"{kernels} kernel{'' if kernels == 1 else 's'}",
            *_indented(function.kernels.splitlines()),
        ]
    )


def _types(declarations: Sequence[str]) -> dict[str, str]:
    types = {}
    for declaration in declarations:
        name, equals, kind = declaration.partition("=")
        if not equals or not name.isidentifier() or name in types:
            raise ArgumentError(
                f"{declaration!r}: expected NAME=TYPE, a name once, such as x=fvector"
            )
        types[name] = kind
    return types


def _indented(lines: Iterable[str]) -> list[str]:
    return [f"  {line}" for line in lines]
