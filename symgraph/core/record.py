"""Records: immutable values with named fields, cheap to define.

A subclass annotates its fields, with or without defaults. Instances compare and hash by
class and fields. It is what a frozen dataclass is; but a dataclass writes and compiles
source when the class is made, which costs a millisecond or two each, and these are
made whenever the package is imported. ``frozen=False`` in the class line makes a plain
mutable record (compared by identity); `fresh` gives a field a new list or dict.
"""

from collections.abc import Callable
from operator import itemgetter
from typing import Any, ClassVar, Self, dataclass_transform


class Fresh:
    """A default that is made anew for each record."""

    def __init__(self, factory: Callable[[], Any]) -> None:
        self.factory = factory


def fresh(*, factory: Callable[[], Any]) -> Any:
    """The default of a field that each record gets a new one of: ``factory=list``."""
    return Fresh(factory)


@dataclass_transform(frozen_default=True, field_specifiers=(fresh,))
class Record:
    """Base of records.

    Examples
    --------
    >>> class Point(Record):
    ...     x: int
    ...     y: int = 0
    >>> Point(1), Point(1) == Point(1, y=0)
    (Point(x=1, y=0), True)
    >>> match Point(3, 4):
    ...     case Point(x, 4):
    ...         print(x)
    3
    """

    fields: ClassVar[tuple[str, ...]] = ()
    _defaults: ClassVar[dict[str, Any]] = {}
    _fresh: ClassVar[dict[str, Callable[[], Any]]] = {}
    _values: ClassVar[Any]  # values of the fields, of an instance's dictionary

    def __init_subclass__(cls, frozen: bool = True, **named: Any) -> None:
        super().__init_subclass__(**named)
        own = cls.__dict__.get("__annotations__", {})
        new = tuple(
            n
            for n, a in own.items()
            if "ClassVar" not in str(a) and n not in cls.fields
        )
        attach: Any = setattr
        cls.fields = cls.fields + new
        attach(cls, "__match_args__", cls.fields)
        given = {n: cls.__dict__[n] for n in new if n in cls.__dict__}
        cls._defaults = cls._defaults | given
        made = {n: v.factory for n, v in given.items() if isinstance(v, Fresh)}
        cls._fresh = cls._fresh | made
        if len(cls.fields) > 1:
            cls._values = itemgetter(*cls.fields)
        else:
            cls._values = staticmethod(lambda d: tuple(d[n] for n in cls.fields))
        if not frozen:
            attach(cls, "__setattr__", object.__setattr__)
            attach(cls, "__eq__", object.__eq__)
            attach(cls, "__hash__", object.__hash__)

    def __init__(self, *values: Any, **named: Any) -> None:
        given = self.__dict__
        fields = self.fields
        if len(values) == len(fields) and not named:
            given.update(zip(fields, values))
            return
        given.update(self._defaults)
        given.update(zip(fields, values, strict=False))
        given.update(named)
        for name, factory in self._fresh.items():
            if type(given[name]) is Fresh:
                given[name] = factory()
        if len(given) != len(fields) or len(values) > len(fields):
            raise TypeError(
                f"{type(self).__name__} has fields {self.fields}, got {values} {named}"
            )

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{type(self).__name__}.{name} cannot be changed")

    def replace(self, **changes: Any) -> Self:
        """A copy with some fields changed."""
        given = {name: self.__dict__[name] for name in self.fields}
        return type(self)(**(given | changes))

    def as_tuple(self) -> tuple[Any, ...]:
        """The values of the fields, in order."""
        return self._values(self.__dict__)

    def _key(self) -> tuple[Any, ...]:
        return self._values(self.__dict__)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self.as_tuple()

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        return type(self) is type(other) and self._key() == other._key()

    def __hash__(self) -> int:
        found = self.__dict__.get("_hash")
        if found is None:
            found = self.__dict__["_hash"] = hash((type(self), self._key()))
        return found

    def __repr__(self) -> str:
        inside = ", ".join(f"{n}={self.__dict__[n]!r}" for n in self.fields)
        return f"{type(self).__name__}({inside})"
