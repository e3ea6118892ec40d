"""symgraph: symbolic graphs, simplified, differentiated and compiled by Numba.

Declare variables with `symgraph.tensor`, build expressions, differentiate them with
`grad`, compile them with `function`; `symgraph.nn` stacks layers on top.
"""

from symgraph import tensor
from symgraph.autodiff.reverse import grad
from symgraph.compile.function import function
from symgraph.compile.inputs import In
from symgraph.config import config
from symgraph.core.op import as_variable
from symgraph.core.shared import shared
from symgraph.version import VERSION

__version__ = VERSION
__all__ = ["In", "as_variable", "config", "function", "grad", "shared", "tensor"]
