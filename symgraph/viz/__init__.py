"""Pictures of graphs as SVG, and the history of rewrites as a page; no other programs."""

from symgraph.viz.dot import dot, pydotprint
from symgraph.viz.drawing import save_svg, svg
from symgraph.viz.history import history, save_history

__all__ = ["dot", "history", "pydotprint", "save_history", "save_svg", "svg"]
