"""Filters: which events somebody wants, as data.

A filter is a dict in the language of EventBridge patterns, JSON text of one, or an expression::

    (F.region == "eu") & (F.total > 100)        # {"region": ["eu"], "total": [{"numeric": [">", 100]}]}

An expression is written down as such a dict and means the same. Its values are values: whatever a client sends in the
place of one, it never becomes an operator, a field or a variable. What is wrong with a comparison is told where it is
made.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, NoReturn, TypeAlias

from ._native import Filter, Template, Var, check_pattern, check_value
from .errors import FilterError

__all__ = [
    "Comparand",
    "Expression",
    "F",
    "Field",
    "Fields",
    "Filter",
    "Scalar",
    "Template",
    "Var",
    "Variables",
    "Where",
]

#: What a field can be compared with, and an attribute can be.
Scalar: TypeAlias = str | int | float | bool | None
#: The same, or a variable in its place.
Comparand: TypeAlias = Scalar | Var
#: Values for the variables of a filter; a list stands for any of its values.
Variables: TypeAlias = Mapping[str, Scalar | list[Any] | tuple[Any, ...] | set[Any] | frozenset[Any]]
#: Which ends of a range belong to it.
Inclusive: TypeAlias = Literal["left", "right", "both", "neither"]

_INCLUSIVE = {"left": (">=", "<"), "right": (">", "<="), "both": (">=", "<="), "neither": (">", "<")}


class Expression:
    """A condition on the fields of an event: made with :data:`F`, joined by ``&`` and ``|``, turned over by ``~``.

    ``and``, ``or`` and ``not`` do not work, for Python asks them for a truth that is only known of an event; nor do
    chained comparisons, which are an ``and``. Each of them is a `TypeError`.
    """

    __slots__ = ("_pattern",)

    _pattern: dict[str, Any]

    def __init__(self, pattern: dict[str, Any]) -> None:
        self._pattern = pattern

    def __and__(self, other: Expression) -> Expression:
        """Both hold."""
        if not isinstance(other, Expression):
            return NotImplemented
        return Expression({"$and": [*self._parts("$and"), *other._parts("$and")]})

    def __or__(self, other: Expression) -> Expression:
        """One of them holds, or both."""
        if not isinstance(other, Expression):
            return NotImplemented
        return Expression({"$or": [*self._parts("$or"), *other._parts("$or")]})

    def __invert__(self) -> Expression:
        """It does not hold."""
        return Expression({"$not": self._pattern})

    def __bool__(self) -> NoReturn:
        raise TypeError(
            "a filter expression is neither true nor false: join with & | ~ instead of `and`, `or`, `not`, with "
            "parentheses around each comparison; in place of `1 < F.x < 5` write F.x.between(1, 5, inclusive='neither')"
        )

    def __repr__(self) -> str:
        return f"<Expression {self._pattern!r}>"

    def _parts(self, operator: str) -> list[dict[str, Any]]:
        """What an operator joins here already, so that a long chain does not become a deep one."""
        parts = self._pattern.get(operator)
        return [self._pattern] if parts is None else parts


class Field:
    """A field of an event, to be compared with something. Made with :data:`F`.

    ``F.user.id``, ``F.user["id"]`` and ``F["user.id"]`` are the same one. A field that is called as one of the methods
    here, or begins with two underscores, is reached by brackets.

    The values of an array are values of its field, and a comparison holds if it holds of *some* value.
    """

    __slots__ = ("__path",)

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, path: str) -> None:
        self.__path = path

    def __getattr__(self, name: str) -> Field:
        if name.startswith("__"):
            raise AttributeError(f"there is no attribute {name!r}; a field that is called so is {self!r}[{name!r}]")
        return Field(f"{self.__path}.{name}")

    def __getitem__(self, name: str) -> Field:
        return Field(f"{self.__path}.{_named(name)}")

    def __eq__(self, value: Comparand) -> Expression:  # type: ignore[override]
        """Some value is equal."""
        return self.__compared(value, _scalar("==", value))

    def __ne__(self, value: Comparand) -> Expression:  # type: ignore[override]
        """Some value differs. Where a field has several values or none, ``~(field == value)`` is another thing."""
        return self.__compared(value, {"anything-but": _scalar("!=", value)})

    def __lt__(self, number: float | Var) -> Expression:
        """Some value is a number below this one."""
        return self.__compared(number, {"numeric": ["<", _number("<", number)]})

    def __le__(self, number: float | Var) -> Expression:
        """Some value is a number not above this one."""
        return self.__compared(number, {"numeric": ["<=", _number("<=", number)]})

    def __gt__(self, number: float | Var) -> Expression:
        """Some value is a number above this one."""
        return self.__compared(number, {"numeric": [">", _number(">", number)]})

    def __ge__(self, number: float | Var) -> Expression:
        """Some value is a number not below this one."""
        return self.__compared(number, {"numeric": [">=", _number(">=", number)]})

    def between(self, low: float | Var, high: float | Var, *, inclusive: Inclusive = "left") -> Expression:
        """Some value is a number from `low` to `high`, of which it may be the ones that `inclusive` says."""
        signs = _INCLUSIVE.get(inclusive) if isinstance(inclusive, str) else None
        if signs is None:
            raise FilterError(f"between: inclusive is 'left', 'right', 'both' or 'neither', not {inclusive!r}")
        return self.__is({"numeric": [signs[0], _number("between", low), signs[1], _number("between", high)]})

    def one_of(self, values: Iterable[Comparand] | Var) -> Expression:
        """Some value is equal to one of these, of which there must be at least one. A variable may stand for them."""
        several = _several("one_of", values)
        for value in several:
            check_value(self.__path, value)
        return Expression({self.__path: several})

    def none_of(self, values: Iterable[Comparand] | Var) -> Expression:
        """Some value is none of these, which are strings or numbers. ``~field.one_of(values)``: no value is."""
        return self.__is({"anything-but": _several("none_of", values)})

    def prefix(self, text: str | Var, *, ignore_case: bool = False) -> Expression:
        """Some value is a string that begins so; with `ignore_case` by simple case folding."""
        return self.__is({"prefix": _folded(_text("prefix", text), ignore_case)})

    def suffix(self, text: str | Var, *, ignore_case: bool = False) -> Expression:
        """Some value is a string that ends so; with `ignore_case` by simple case folding."""
        return self.__is({"suffix": _folded(_text("suffix", text), ignore_case)})

    def equals_ignore_case(self, text: str | Var) -> Expression:
        """Some value is a string that is equal by simple case folding."""
        return self.__is({"equals-ignore-case": _text("equals_ignore_case", text)})

    def wildcard(self, pattern: str | Var) -> Expression:
        r"""Some value is a string that matches, ``*`` being any run; ``\*`` and ``\\`` are themselves."""
        return self.__is({"wildcard": _text("wildcard", pattern)})

    def cidr(self, network: str | Var) -> Expression:
        """Some value is an address in this network, such as ``10.0.0.0/8``."""
        return self.__is({"cidr": _text("cidr", network)})

    def exists(self) -> Expression:
        """There is a value, also if it is null."""
        return self.__is({"exists": True})

    def missing(self) -> Expression:
        """There is no value."""
        return self.__is({"exists": False})

    def __is(self, alternative: object) -> Expression:
        pattern = {self.__path: [alternative]}
        check_pattern(pattern)
        return Expression(pattern)

    def __compared(self, value: object, alternative: object) -> Expression:
        """The same where nothing can be wrong but the value."""
        check_value(self.__path, value)
        return Expression({self.__path: [alternative]})

    def __repr__(self) -> str:
        return f"F[{self.__path!r}]"

    def __reduce__(self) -> tuple[type[Field], tuple[str]]:
        return Field, (self.__path,)

    if not TYPE_CHECKING:
        # What Python would let pass, or complain of in words that help nobody. A type checker refuses them by itself.
        def __bool__(self):
            raise TypeError(f"{self!r} is neither true nor false: write {self!r} == True, or {self!r}.exists()")

        def __contains__(self, value):
            raise TypeError(f"`in` cannot make a filter: write {self!r} == value, or {self!r}.one_of([…])")

        def __iter__(self):
            raise TypeError(f"{self!r} has nothing to iterate over: its values are those of an event")

        def __call__(self, *args, **kwargs):
            methods = ", ".join(sorted(name for name in vars(Field) if not name.startswith("_")))
            raise TypeError(f"{self!r} is a field and no method: there are {methods}")

        def __and__(self, other):
            raise TypeError(
                f"{self!r} is no condition yet: compare it, with parentheses around each comparison, as in "
                "(F.a == 1) & (F.b == 2)"
            )

        __or__ = __rand__ = __ror__ = __and__

        def __invert__(self):
            raise TypeError(f"{self!r} is no condition yet: write {self!r}.missing(), or ~({self!r} == value)")


class Fields:
    """The fields of an event: ``F.name``, ``F["name"]``; a dot goes into what is nested. :data:`F` is the only one."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Field:
        if name.startswith("__"):
            raise AttributeError(f"F has no attribute {name!r}; a field that is called so is F[{name!r}]")
        return self[name]

    def __getitem__(self, name: str) -> Field:
        if _named(name).startswith("$"):
            raise FilterError(f"{name!r} is no field: names that begin with $ are the language's own")
        return Field(name)

    def __repr__(self) -> str:
        return "F"

    def __reduce__(self) -> str:
        return "F"

    if not TYPE_CHECKING:

        def __contains__(self, value):
            raise TypeError("`in` cannot make a filter: write F.field == value, or F.field.exists()")

        def __iter__(self):
            raise TypeError("F has nothing to iterate over: its fields are those of an event")


#: Where filter expressions begin.
F = Fields()

#: A filter in any of its forms.
Where: TypeAlias = Mapping[str, Any] | str | Expression | Filter | Template


def _named(name: str) -> str:
    if not isinstance(name, str):
        raise TypeError(f"the name of a field is a str, not {_type(name)}: an array has the values of its elements")
    return name


def _scalar(operator: str, value: object) -> object:
    if value is None or isinstance(value, (str, int, float, Var)):
        return value
    if isinstance(value, (list, tuple, set, frozenset)):
        raise TypeError(f"{operator} compares with one value, not {_type(value)}: write .one_of([…]) or .none_of([…])")
    raise TypeError(f"{operator} compares with a str, an int, a float, a bool, None or a Var, not {_type(value)}")


def _number(operator: str, value: object) -> object:
    if isinstance(value, (int, float, Var)) and not isinstance(value, bool):
        return value
    raise TypeError(f"{operator} compares with an int, a float or a Var, not {_type(value)}")


def _text(operator: str, value: object) -> object:
    if isinstance(value, (str, Var)):
        return value
    raise TypeError(f"{operator} takes a str or a Var, not {_type(value)}")


def _folded(value: object, ignore_case: bool) -> object:
    return {"equals-ignore-case": value} if ignore_case else value


def _several(operator: str, values: object) -> list[object]:
    if isinstance(values, Var):
        return [values]
    if isinstance(values, (str, bytes, bytearray, memoryview, Mapping)) or not isinstance(values, Iterable):
        raise TypeError(f"{operator} takes several values, such as a list, or a Var, not {_type(values)}")
    found = [_scalar(operator, value) for value in values]
    if not found:
        raise FilterError(f"{operator}: there is no value: give at least one")
    return found


def _type(value: object) -> str:
    return type(value).__qualname__
