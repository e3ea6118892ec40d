"""Records: immutable values with named fields, cheap to define.

A subclass annotates its fields, with or without defaults. Instances compare and hash by
class and fields. It is what a frozen dataclass is; but a dataclass writes and compiles
source when the class is made, which costs a millisecond or two each, and these are
made whenever the package is imported. ``mutable=True`` in the class line makes a plain
mutable record (compared by identity).
"""

from typing import Any, ClassVar, dataclass_transform


@dataclass_transform(frozen_default=True)
class Record:
    """Base of records.

    Examples
    --------
    >>> class Point(Record):
    ...     x: int
    ...     y: int = 0
    >>> Point(1), Point(1) == Point(1, y=0)
    (Point(x=1, y=0), True)
    """

    fields: ClassVar[tuple[str, ...]] = ()
    _defaults: ClassVar[dict[str, Any]] = {}

    def __init_subclass__(cls, mutable: bool = False, **named: Any) -> None:
        super().__init_subclass__(**named)
        own = cls.__dict__.get("__annotations__", {})
        new = tuple(
            n
            for n, a in own.items()
            if "ClassVar" not in str(a) and n not in cls.fields
        )
        cls.fields = cls.fields + new
        cls._defaults = cls._defaults | {
            n: cls.__dict__[n] for n in new if n in cls.__dict__
        }
        if mutable:
            attach: Any = setattr
            attach(cls, "__setattr__", object.__setattr__)
            attach(cls, "__eq__", object.__eq__)
            attach(cls, "__hash__", object.__hash__)

    def __init__(self, *values: Any, **named: Any) -> None:
        given = self.__dict__
        given.update(self._defaults)
        given.update(zip(self.fields, values, strict=False))
        given.update(named)
        if len(given) != len(self.fields) or len(values) > len(self.fields):
            raise TypeError(
                f"{type(self).__name__} has fields {self.fields}, got {values} {named}"
            )

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{type(self).__name__}.{name} cannot be changed")

    def _key(self) -> tuple[Any, ...]:
        given = self.__dict__
        return tuple(given[name] for name in self.fields)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), tuple(self.__dict__[name] for name in self.fields)

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        return type(self) is type(other) and self._key() == other._key()  # type: ignore[attr-defined]

    def __hash__(self) -> int:
        return hash((type(self), self._key()))

    def __repr__(self) -> str:
        inside = ", ".join(f"{n}={self.__dict__[n]!r}" for n in self.fields)
        return f"{type(self).__name__}({inside})"
