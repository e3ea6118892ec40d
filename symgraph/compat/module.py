"""Modules whose names are looked up in other modules when they are first asked for.

In: a table, module → sources of its names. Out: module objects for `sys.modules`.
Nothing is imported before a name of it is needed, so making them all costs little. A
name that no source has raises AttributeError at once and says that symgraph has none.
"""

import importlib
import importlib.util
from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from types import ModuleType
from typing import Any

from symgraph.core.record import Record

MISSING = object()


class Source(Record):
    """Where names come from.

    Attributes
    ----------
    place : a module, or ``module:object`` for the attributes of an object in it
    names : the names that are taken, ``new=old`` where they are called otherwise; None
        takes all that ``dir`` shows
    """

    place: str
    names: str | None = None

    def object(self) -> Any:
        """The module or object itself."""
        module, _, attribute = self.place.partition(":")
        if importlib.util.find_spec(module) is None:
            return None
        found: Any = importlib.import_module(module)
        return attrgetter(attribute)(found) if attribute else found

    def offered(self) -> dict[str, str]:
        """Name → its name in the source."""
        if self.names is None:
            return {name: name for name in _shown(self.object())}
        pairs = (word.partition("=") for word in self.names.split())
        return {new: old or new for new, _, old in pairs}

    def find(self, name: str) -> Any:
        """The object of this name, MISSING if there is none."""
        old = self.offered().get(name)
        return MISSING if old is None else getattr(self.object(), old, MISSING)


def _shown(thing: Any) -> Iterable[str]:
    listed = thing.__dict__.get("__all__") if isinstance(thing, ModuleType) else None
    own = getattr(thing, "__dir__", None)
    if own is not None and isinstance(thing, ModuleType) and "__dir__" in vars(thing):
        return own()
    return dir(thing) if listed is None else listed


class BoundModule(ModuleType):
    """A module made of `Source` entries; earlier ones win."""

    def __init__(self, name: str, sources: Sequence[Source], file: str) -> None:
        super().__init__(name, f"The names of `{name}`, bound to symgraph's.")
        self.__file__ = file
        self.__path__ = []  # inner modules are in sys.modules, or there are none
        self._sources = tuple(sources)

    def __getattr__(self, name: str) -> Any:
        if name == "__all__":
            return [n for n in dir(self) if not n.startswith("_")]
        if not name.startswith("__") or name == "__version__":
            for source in self._sources:
                found = source.find(name)
                if found is not MISSING:
                    setattr(self, name, found)
                    return found
        raise AttributeError(
            f"{self.__name__}.{name}: symgraph has none (symgraph.compat binds the names "
            "of Theano 1.0 listed in docs/reference/theano.md)",
            name=name,
            obj=self,
        )

    def __dir__(self) -> list[str]:
        found = {name for name in vars(self) if not name.startswith("_")}
        for source in self._sources:
            place = source.object()
            found.update(
                new
                for new, old in source.offered().items()
                if not new.startswith("_") and hasattr(place, old)
            )
        return sorted(found)


def modules(table: Mapping[str, Sequence[Source]], file: str) -> dict[str, BoundModule]:
    """All modules of a table, each an attribute of the one that it lies in.

    Where a source of the outer module lists the name already, it goes on meaning that:
    ``theano.compile.function`` is the function, also after the module was imported.
    """
    made = {name: BoundModule(name, sources, file) for name, sources in table.items()}
    for name, module in made.items():
        outer, _, last = name.rpartition(".")
        if outer and not any(
            source.names is not None and last in source.offered()
            for source in table[outer]
        ):
            setattr(made[outer], last, module)
    return made
