"""Import Numba's code library without the rest of Numba.

``import numba`` runs the whole of Numba's ``__init__``: decorators, typed containers,
parallel accelerator, ufuncs. What `unit` needs of it, `numba.core.codegen`, takes less
than half of that time. So the import is left after these modules: they stay imported,
the package does not. Whoever imports Numba later gets all of it, with the modules that
are there already, and nobody sees it half imported: until we leave, we hold the lock of
its import. Where Numba is imported already, or does not come apart like this, it is
imported as usual. In: nothing. Out: two modules of Numba, or all of it.
"""

import importlib
import os
import sys
import threading
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

_lock = threading.Lock()
NAMES = ("numba.core.codegen", "numba.core.compiler_lock")


def code_library() -> list[ModuleType]:
    """Return the modules `NAMES`.

    Raises
    ------
    ImportError : there is no Numba, or it has no such modules
    """
    with _lock:
        if "numba" not in sys.modules and not _has_svml():
            if not all(name in sys.modules for name in NAMES):
                _import_part()
            if all(name in sys.modules for name in NAMES):
                return [sys.modules[name] for name in NAMES]
        return [importlib.import_module(name) for name in NAMES]


def whole() -> ModuleType:
    """All of Numba, for functions of the user: this takes a while."""
    return importlib.import_module("numba")


def _import_part() -> None:
    finder = _Finder()
    sys.meta_path.insert(0, finder)
    try:
        importlib.import_module("numba")
    except _Enough:
        pass
    except Exception:  # whatever it is, the usual way will tell it better
        for name in [n for n in sys.modules if n.split(".")[0] == "numba"]:
            del sys.modules[name]
        finder.state = "whole"


def _has_svml() -> bool:
    """Whether Numba will want to tell LLVM of Intel's SVML before its first use."""
    return os.path.exists(os.path.join(sys.prefix, "lib", "libsvml.so"))


class _Enough(Exception):
    """What we need of Numba is imported."""


class _Finder(MetaPathFinder):
    """Finds Numba: for the first import only the part, then the whole."""

    def __init__(self) -> None:
        self.state = "part"  # then "left", then "whole"

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The package as others find it, with a loader of ours.

        Its modules too: with one that is not there yet, all of Numba is imported.
        """
        if name == "numba" and self.state != "whole":
            spec = self.usual(name, path, target)
            if spec is not None:
                spec.loader = _Loader(spec.loader, self)
            return spec
        if name.startswith("numba.") and self.state == "left":
            importlib.import_module("numba")
            module = sys.modules.get(name)
            if module is None:
                return self.usual(name, path, target)
            # imported meanwhile: give that, do not run it again
            spec = ModuleSpec(name, _Present(module))
            module.__spec__ = None
            return spec
        return None

    def usual(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None
    ) -> ModuleSpec | None:
        """What the finders after this one find."""
        for finder in sys.meta_path:
            spec = None if finder is self else finder.find_spec(name, path, target)
            if spec is not None and spec.loader is not None:
                return spec
        return None


class _Loader(Loader):
    """Imports the part and gives up, or runs the package's ``__init__``."""

    def __init__(self, usual: Any, finder: _Finder) -> None:
        self.usual = usual
        self.finder = finder

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """As usual."""
        made: ModuleType | None = self.usual.create_module(spec)
        return made

    def exec_module(self, module: ModuleType) -> None:
        """The part at first, then the whole."""
        state = module.__dict__
        if self.finder.state == "part":
            version = importlib.import_module("numba._version").get_versions()
            state["__version__"] = version["version"]
            # in the order of Numba's own __init__: its modules import in circles
            for name in ("numba.core.config", "numba.core.types", *NAMES):
                importlib.import_module(name)
            self.finder.state = "left"
            raise _Enough
        self.finder.state = "whole"
        for name, found in list(sys.modules.items()):
            package, _, rest = name.partition(".")
            if package == "numba" and rest and "." not in rest:
                state[rest] = found
        if module.__spec__ is not None:
            module.__spec__.loader = self.usual
        module.__loader__ = self.usual
        self.usual.exec_module(module)


class _Present(Loader):
    """Gives a module that was imported while it was being looked for."""

    def __init__(self, module: ModuleType) -> None:
        self.module = module
        self.spec = module.__spec__

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """The module that there is."""
        return self.module

    def exec_module(self, module: ModuleType) -> None:
        """It has run; only its own spec is put back."""
        module.__spec__ = self.spec
