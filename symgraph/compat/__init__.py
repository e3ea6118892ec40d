"""``symgraph.compat``: code written for Theano runs on symgraph, unchanged.

``python -m symgraph.compat script.py`` runs a script; `install` does the same inside a
program. `docs/reference/theano.md` tells of every name what it does here.
"""

from symgraph.compat.install import install, installed, uninstall

__all__ = ["install", "installed", "uninstall"]
