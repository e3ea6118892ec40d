"""symgraph: symbolic graphs, simplified, differentiated and compiled by Numba.

Declare variables with `symgraph.tensor`, build expressions, differentiate them with
`grad`, compile them with `function`; `symgraph.nn` stacks layers on top.
"""

import importlib
from typing import Any

from symgraph import errors, gradient, graph, printing, tensor
from symgraph.autodiff.forward import Lop, Rop, hessian_vector_product
from symgraph.autodiff.jacobian import hessian, jacobian
from symgraph.autodiff.reverse import grad
from symgraph.compile.function import function
from symgraph.compile.inputs import In
from symgraph.config import config
from symgraph.core.clone import clone
from symgraph.core.node import Apply, Constant, Variable, as_variable
from symgraph.core.shared import SharedVariable, shared
from symgraph.gradient import verify_grad
from symgraph.loops.arguments import OrderedUpdates, until
from symgraph.loops.build import scan
from symgraph.loops.checkpoints import scan_checkpoints
from symgraph.loops.folds import foldl, foldr, map, reduce
from symgraph.loops.ifelse import ifelse
from symgraph.version import VERSION

__version__ = version = VERSION
__all__ = [
    "Apply", "Constant", "In", "Lop", "Op", "OpFromGraph", "OrderedUpdates", "Rop",
    "Rule", "SharedVariable", "Variable", "as_op", "as_variable", "check_rule", "clone",
    "config", "elemwise_op", "errors", "foldl", "foldr", "function", "grad", "gradient",
    "graph", "hessian", "hessian_vector_product", "ifelse", "jacobian", "map", "nn",
    "printing", "reduce", "register_rule", "registered_rules", "remove_rule", "rule",
    "scan", "scan_checkpoints", "shared", "tensor", "until", "verify_grad", "version",
]  # fmt: skip


#: what loads when it is first asked for: name → module
LATE = {
    "Rule": "symgraph.rewrite.rule",
    "rule": "symgraph.rewrite.rule",
    "Op": "symgraph.extend.op",
    "OpFromGraph": "symgraph.extend.from_graph",
    "as_op": "symgraph.extend.from_function",
    "check_rule": "symgraph.extend.check_rule",
    "elemwise_op": "symgraph.extend.elementwise",
    "register_rule": "symgraph.extend.rules",
    "registered_rules": "symgraph.extend.rules",
    "remove_rule": "symgraph.extend.rules",
}

__all__ += ["sparse"]  # loads when it is first asked for, as `nn`


def __getattr__(name: str) -> Any:
    """``sg.nn``, ``sg.sparse`` and the names in `LATE`, loaded when asked for."""
    if name in ("nn", "sparse"):
        return importlib.import_module(f"symgraph.{name}")
    if name in LATE:
        return getattr(importlib.import_module(LATE[name]), name)
    raise AttributeError(f"symgraph has no {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
