"""Draw a graph as SVG text: a box for each node, a curve for each edge.

In: anything that network.py accepts. Out: one SVG document that stands alone; the type
of a value and the line that made it show when the pointer rests on a box. Letters are
measured by a rule of thumb, so that no font library is needed.
"""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from symgraph.viz.layout import Layout, Point, arrange
from symgraph.viz.network import network

MARGIN = 12.0  # pixels around the drawing
LETTER = 7.3  # pixels, width of a letter of 12 pixel monospace
LINE = 15.0  # pixels, height of a line
PADDING = 9.0  # pixels inside a box
LONGEST = 36  # letters of a label; longer ones are cut

#: kind of a node → (fill, border, corner radius in pixels)
LOOKS = {
    "input": ("#dbeafe", "#2563eb", 12),
    "shared": ("#fef3c7", "#b45309", 12),
    "constant": ("#f3f4f6", "#9ca3af", 12),
    "operation": ("#ffffff", "#374151", 3),
    "output": ("#dcfce7", "#15803d", 12),
    "update": ("#fde68a", "#b45309", 12),
}
STYLE = (
    "text{font:12px ui-monospace,Menlo,Consolas,monospace;text-anchor:middle;fill:#111827}"
    ".type{font-size:9px;fill:#6b7280}"
    "path{fill:none;stroke:#9ca3af;stroke-width:1.2}"
)


def svg(what: Any, stage: str = "graph") -> str:
    """A picture of a graph, as the text of an SVG document.

    Parameters
    ----------
    what : compiled function, graph, variable, or list of variables
    stage : of a compiled function, "graph" (as built) or "optimized"

    Examples
    --------
    >>> svg(T.dscalar("x") + 1)[:4]
    '<svg'
    """
    graph = network(what, stage)
    labels = {n: _cut(d["label"]) for n, d in graph.nodes(data=True)}
    sizes = {n: _size(labels[n], d["type"]) for n, d in graph.nodes(data=True)}
    layout = arrange(graph, sizes)
    width, height = layout.width + 2 * MARGIN, layout.height + 2 * MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" '
        f'height="{height:.0f}" viewBox="{-MARGIN:.0f} {-MARGIN:.0f} {width:.0f} '
        f'{height:.0f}">',
        f"<style>{STYLE}</style>",
        *_edges(layout),
    ]
    for node, data in graph.nodes(data=True):
        parts.append(_box(layout.centres[node], sizes[node], labels[node], data))
    return "\n".join([*parts, "</svg>", ""])


def save_svg(what: Any, path: str | Path, stage: str = "graph") -> Path:
    """Write the picture of a graph to a file; arguments as for `svg`.

    Returns
    -------
    the path
    """
    path = Path(path)
    path.write_text(svg(what, stage), encoding="utf-8")
    return path


def _cut(label: str) -> str:
    return label if len(label) <= LONGEST else label[: LONGEST - 3] + "..."


def _size(label: str, type: str) -> tuple[float, float]:
    letters = max(len(label) * LETTER, len(type) * LETTER * 0.75)
    return letters + 2 * PADDING, 2 * LINE + PADDING


def _edges(layout: Layout) -> list[str]:
    return [f'<path d="{_curve(points)}"/>' for points in layout.routes.values()]


def _curve(points: Sequence[Point]) -> str:
    """A smooth path through the points, vertical at each."""
    (x, y), *_ = points
    text = f"M{x:.1f} {y:.1f}"
    for (x0, y0), (x1, y1) in pairwise(points):
        middle = (y0 + y1) / 2
        text += f"C{x0:.1f} {middle:.1f} {x1:.1f} {middle:.1f} {x1:.1f} {y1:.1f}"
    return text


def _box(centre: Point, size: tuple[float, float], label: str, data: Any) -> str:
    (x, y), (width, height) = centre, size
    fill, border, radius = LOOKS[data["kind"]]
    hint = escape(f"{data['label']} : {data['type']}, made at {data['place']}")
    return (
        f'<g class="{data["kind"]}"><title>{hint}</title>'
        f'<rect x="{x - width / 2:.1f}" y="{y - height / 2:.1f}" width="{width:.1f}" '
        f'height="{height:.1f}" rx="{radius}" fill="{fill}" stroke="{border}"/>'
        f'<text x="{x:.1f}" y="{y - 1:.1f}">{escape(label)}</text>'
        f'<text class="type" x="{x:.1f}" y="{y + LINE - 2:.1f}">{escape(data["type"])}'
        "</text></g>"
    )
