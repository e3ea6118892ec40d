"""The rewrites of a function, one by one, as an HTML page with both graphs.

In: a compiled function. Out: one HTML document that stands alone. What each rule means
is in docs/reference/rules.md.
"""

from html import escape
from pathlib import Path
from typing import Any

from symgraph.viz.drawing import svg

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem;
       color: #111827; padding: 0 1rem }
table { border-collapse: collapse; width: 100% }
td, th { border-top: 1px solid #e5e7eb; padding: .35rem .6rem; text-align: left;
         vertical-align: top }
code { font: 13px ui-monospace, Menlo, Consolas, monospace; overflow-wrap: anywhere }
.graph { overflow-x: auto; border: 1px solid #e5e7eb; margin: .5rem 0 1.5rem }
"""


def history(function: Any) -> str:
    """What the compiler did to a function, as the text of an HTML document.

    Examples
    --------
    >>> x = T.dvector("x")
    >>> "collect_terms" in history(sg.function([x], 2 * x + 3 * x))
    True
    """
    firings = function.rewritten.firings
    title = escape(f"Rewrites of {function.name or 'a function'}")
    rows = [
        "<tr>"
        + "".join(
            f"<td>{cell}</td>"
            for cell in (
                number,
                f"{escape(firing.pass_name)}<br><code>{escape(firing.rule)}</code>",
                f"<code>{escape(firing.before)}</code>",
                f"<code>{escape(firing.after)}</code>",
                f"<code>{escape(firing.place[0])}:{firing.place[1]}</code>",
            )
        )
        + "</tr>"
        for number, firing in enumerate(firings, 1)
    ]
    heads = "".join(f"<th>{t}</th>" for t in ("", "rule", "before", "after", "line"))
    return "\n".join(
        [
            "<!doctype html>",
            f'<html lang="en"><meta charset="utf-8"><title>{title}</title>',
            f"<style>{STYLE}</style>",
            f"<h1>{title}</h1>",
            "<h2>As built</h2>",
            f'<div class="graph">{svg(function)}</div>',
            f"<h2>{len(firings)} rewrites</h2>",
            f"<table><tr>{heads}</tr>",
            *rows,
            "</table>",
            "<h2>Optimized</h2>",
            f'<div class="graph">{svg(function, "optimized")}</div>',
            "</html>",
            "",
        ]
    )


def save_history(function: Any, path: str | Path) -> Path:
    """Write the page to a file; returns the path."""
    path = Path(path)
    path.write_text(history(function), encoding="utf-8")
    return path
