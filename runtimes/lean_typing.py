"""What modules need of `typing` when they are imported, without it: it takes 5 to 7 ms to import.

That is more than a linear model's whole start. Type checkers see typing's own names.
"""

from __future__ import annotations

from _operator import itemgetter  # `operator` is a file of its own, and typing imports it

TYPE_CHECKING = False
"""As typing has it: type checkers take it for true, by its name."""

if TYPE_CHECKING:
    from typing import NamedTuple as NamedTuple
    from typing import Protocol as Protocol
else:
    Protocol = object

    class NamedTuple(tuple):
        """Make a subclass's annotated names the fields of a tuple, as typing.NamedTuple does."""

        __slots__ = ()
        _fields = ()
        _field_defaults = {}  # noqa: RUF012 - no annotation: those are fields

        def __init_subclass__(cls):
            fields = vars(cls).get("__annotations__")
            if fields is None:  # a subclass of one with fields
                return
            cls._fields = cls.__match_args__ = tuple(fields)
            cls._field_defaults = {name: vars(cls)[name] for name in fields if name in vars(cls)}
            for place, name in enumerate(fields):
                setattr(cls, name, property(itemgetter(place)))

        def __new__(cls, *values, **named):
            """Return a tuple of all fields; raise TypeError for missing and unknown ones."""
            if named or len(values) != len(cls._fields):
                given = dict(zip(cls._fields, values))
                fields = {**cls._field_defaults, **given, **named}
                clash = len(values) > len(given) or given.keys() & named.keys()
                if clash or fields.keys() != set(cls._fields):
                    raise TypeError(f"{cls.__name__}: expected {', '.join(cls._fields)}")
                values = (fields[name] for name in cls._fields)
            return tuple.__new__(cls, values)

        def __getnewargs__(self):
            """Return the values, for copy and pickle."""
            return tuple(self)

        def __repr__(self):
            shown = (f"{name}={value!r}" for name, value in zip(self._fields, self))
            return f"{type(self).__name__}({', '.join(shown)})"

        def _asdict(self):
            return dict(zip(self._fields, self))

        def _replace(self, **named):
            return type(self)(**{**self._asdict(), **named})
