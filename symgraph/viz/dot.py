"""Graphs in the DOT language, and `pydotprint`, which writes a picture to a file.

In: anything that network.py accepts. Out: text; programs that read DOT draw it, and
drawing.py draws the same graph as SVG without any.
"""

import warnings
from html import escape
from pathlib import Path
from typing import Any

from symgraph.errors import ArgumentError, SymgraphWarning
from symgraph.viz.drawing import LONGEST, svg
from symgraph.viz.network import network

#: kind of a node → shape and colour, near those of Theano's pictures
SHAPES = {
    "input": ("ellipse", "green"), "shared": ("ellipse", "cyan"),
    "constant": ("ellipse", "gray"), "operation": ("box", "black"),
    "output": ("ellipse", "blue"), "update": ("ellipse", "orange"),
}  # fmt: skip
FORMATS = ("svg", "html", "dot")


def dot(what: Any, stage: str = "graph", longest: int = LONGEST) -> str:
    r"""A graph as text in the DOT language.

    Parameters
    ----------
    what : compiled function, graph, variable, or list of variables
    stage : of a compiled function, "graph" (as built) or "optimized"
    longest : letters of a label; longer ones are cut

    Examples
    --------
    >>> print(dot(T.exp(T.dscalar("x"))))
    digraph symgraph {
      n0 [label="x\nfloat64 ()", shape=ellipse, color=green];
      n1 [label="exp\nfloat64 ()", shape=box, color=black];
      n2 [label="output\nfloat64 ()", shape=ellipse, color=blue];
      n0 -> n1;
      n1 -> n2;
    }
    <BLANKLINE>
    """
    graph = network(what, stage)
    lines = ["digraph symgraph {"]
    for node, data in graph.nodes(data=True):
        shape, colour = SHAPES[data["kind"]]
        text = data["label"]
        if len(text) > longest:
            text = text[: max(longest - 3, 1)] + "..."
        label = "\\n".join(_quoted(t) for t in (text, data["type"]))
        lines.append(f'  n{node} [label="{label}", shape={shape}, color={colour}];')
    lines += [f"  n{a} -> n{b};" for a, b in graph.edges]
    return "\n".join([*lines, "}", ""])


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")


def page(what: Any, stage: str = "graph", title: str = "graph") -> str:
    """An HTML page with the picture of a graph."""
    return (
        f'<!DOCTYPE html>\n<html><head><meta charset="utf-8"><title>{escape(title)}'
        f"</title></head><body>\n{svg(what, stage)}</body></html>\n"
    )


def pydotprint(
    fct: Any,
    outfile: Any = None,
    compact: bool = True,
    format: str | None = None,
    with_ids: bool = False,
    high_contrast: bool = True,
    cond_highlight: Any = None,
    colorCodes: Any = None,
    max_label_size: int = 70,
    scan_graphs: bool = False,
    var_with_name_simple: bool = False,
    print_output_file: bool = True,
    return_image: bool = False,
) -> str | None:
    """Write a picture of a function or an expression to a file.

    The picture is SVG, or HTML with it, or text in the DOT language; no other program is
    needed. Pictures of other formats (Theano's default is png) are written as SVG.

    Parameters
    ----------
    fct : compiled function (its graph after rewriting), variable, or list of variables
    outfile : path; its ending tells the format; by default "symgraph.svg"
    format : "svg", "html" or "dot", where the ending tells none
    max_label_size : letters of a label in the DOT language
    print_output_file : tell where the file is
    return_image : give the text of the picture, and write no file
    compact, with_ids, high_contrast, cond_highlight, colorCodes, scan_graphs,
    var_with_name_simple : accepted for compatibility

    Returns
    -------
    the text with `return_image`, else None
    """
    stage = "optimized" if hasattr(fct, "optimized") else "graph"
    path = Path(f"symgraph.{format or 'svg'}" if outfile is None else outfile)
    ending = path.suffix[1:].lower()
    kind = ending if ending in FORMATS else (format or ending or "svg").lower()
    if kind in ("png", "pdf", "jpg", "jpeg", "gif", "ps", "eps"):
        if not return_image:
            warnings.warn(
                f"pydotprint: {kind} pictures are not made; {path.with_suffix('.svg')} "
                "is written instead",
                SymgraphWarning,
                stacklevel=2,
            )
        kind, path = "svg", path.with_suffix(".svg")
    if kind not in FORMATS:
        raise ArgumentError(
            f"pydotprint: format {kind!r} is unknown; use {', '.join(FORMATS)}"
        )
    if kind == "dot":
        text = dot(fct, stage, max_label_size)
    else:
        text = svg(fct, stage) if kind == "svg" else page(fct, stage, path.stem)
    if return_image:
        return text
    if not path.suffix:
        path = path.with_suffix(f".{kind}")
    path.write_text(text, encoding="utf-8")
    if print_output_file:
        print(f"The output file is available at {path}")  # noqa: T201
    return None
