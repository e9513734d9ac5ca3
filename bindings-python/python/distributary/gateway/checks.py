"""What is given, checked as the options of a hub are: see :mod:`distributary.options`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from ..errors import OptionError
from ..names import encodable
from ..options import LONGEST, shown
from ..options import seconds as positive

__all__ = ["HeadersLike", "headers", "seconds", "strings", "text"]

#: Names and values: a mapping, whose values may be several each, or pairs.
HeadersLike = Mapping[str, "str | Iterable[str]"] | Iterable[tuple[str, str]]

#: What HTTP takes for a header's name, and for its value.
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t\x20-\x7e]*")


def seconds(name: str, given: float) -> float:
    """A time that may be nothing."""
    if given == 0 and not isinstance(given, bool):
        return 0.0
    try:
        return positive(name, given)
    except OptionError:
        raise OptionError(f"{name}: seconds from 0 to {LONGEST:,.0f}, not {shown(given)}") from None


def text(name: str, given: str) -> str:
    """A text."""
    if not isinstance(given, str):
        raise TypeError(f"{name}: a str, not {_type(given)}")
    try:
        return encodable(given, OptionError)
    except OptionError as error:
        raise OptionError(f"{name}: {error}") from None


def strings(name: str, given: str | Iterable[str]) -> list[str]:
    """One text or several."""
    if isinstance(given, str):
        return [given]
    if isinstance(given, (bytes, bytearray, Mapping)) or not isinstance(given, Iterable):
        raise TypeError(f"{name}: a str or several, not {_type(given)}")
    return [text(f"each of {name}", one) for one in given]


def headers(given: HeadersLike | None) -> list[tuple[str, str]]:
    """Headers as pairs."""
    if given is None:
        return []
    if isinstance(given, (str, bytes)) or not isinstance(given, Iterable):
        raise TypeError(f"headers: a dict of names and values, or pairs, not {_type(given)}")
    pairs: list[tuple[str, str]] = []
    for item in given.items() if isinstance(given, Mapping) else given:
        if not isinstance(item, tuple) or len(item) != 2:
            raise TypeError(f"headers: pairs of a name and a value, and one is {shown(item)}")
        name, values = item
        text("headers: a name", name)
        if isinstance(values, (bytes, bytearray)) or not isinstance(values, Iterable):
            raise TypeError(f"headers: the value of {shown(name)} is a str or several, not {_type(values)}")
        several = [values] if isinstance(values, str) else values
        for value in several:
            text(f"headers: the value of {shown(name)}", value)
            if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
                raise OptionError(
                    f"headers: {shown(name)} with this value is not a header: names are tokens, values visible ASCII"
                )
            pairs.append((name, value))
    return pairs


def _type(given: object) -> str:
    return type(given).__qualname__
