"""`install`: ``import theano`` finds symgraph. `uninstall` takes it back.

In: nothing. Out: entries of `sys.modules`. Which names there are is told by
compat/theano/names.py, what they do by symgraph and the other files of that folder.
"""

import importlib.abc
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from symgraph.compat import numpy_names as names_of_numpy
from symgraph.compat.module import BoundModule
from symgraph.compat.theano import names
from symgraph.errors import NotSupportedError

_made: dict[str, BoundModule] = {}


class Refusal(importlib.abc.MetaPathFinder):
    """Says of modules of Theano that symgraph has no counterpart of them."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: Any = None
    ) -> None:
        """Raise for ``theano.*``; everything else is looked for elsewhere."""
        if name.partition(".")[0] == names.ROOT:
            raise ModuleNotFoundError(
                f"No module named {name!r}: symgraph has none (symgraph.compat stands in "
                "for Theano; its modules are listed in docs/reference/theano.md)",
                name=name,
            )


_refusal = Refusal()


def install(numpy_names: bool = False) -> ModuleType:
    """Make ``import theano`` and its inner modules give symgraph's stand-ins.

    Settings in the environment variable THEANO_FLAGS are taken over; unknown ones are
    passed over, as they stand for compilers and libraries that symgraph does without.

    Parameters
    ----------
    numpy_names : bool
        also give back to NumPy the names that it dropped and old programs use
        (``np.float``, ``np.object``, ``np.product``, ...)

    Returns
    -------
    the module ``theano``

    Raises
    ------
    NotSupportedError : the real Theano is loaded already

    Examples
    --------
    >>> import symgraph.compat
    >>> theano = symgraph.compat.install()
    >>> import theano.tensor as T
    >>> x = T.dvector("x")
    >>> theano.function([x], T.nnet.sigmoid(x))([0.0]).tolist()
    [0.5]
    >>> symgraph.compat.uninstall()
    """
    if numpy_names:
        names_of_numpy.restore()
    if not _made:
        other = sys.modules.get(names.ROOT)
        if other is not None:
            raise NotSupportedError(
                f"another {names.ROOT!r} is loaded already: {other}\nCall "
                "symgraph.compat.install() before the first import of it."
            )
        names.read_flags()
        _made.update(names.make())
        sys.modules.update(_made)
        sys.meta_path.insert(0, _refusal)
    return _made[names.ROOT]


def installed() -> bool:
    """Whether ``import theano`` gives symgraph's stand-ins."""
    return bool(_made)


def uninstall() -> None:
    """Take back what `install` did, the names of NumPy included.

    Modules that were imported meanwhile keep what they have.
    """
    names_of_numpy.remove()
    if not _made:
        return
    for name, module in _made.items():
        if sys.modules.get(name) is module:
            del sys.modules[name]
    _made.clear()
    sys.meta_path.remove(_refusal)
