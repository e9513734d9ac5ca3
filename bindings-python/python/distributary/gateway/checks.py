"""What is given, checked: a value of the right type within its bounds, or an error that names it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from ..errors import OptionError

__all__ = ["HeadersLike", "flag", "headers", "seconds", "strings", "text", "whole"]

#: Names and values: a mapping, whose values may be several each, or pairs.
HeadersLike = Mapping[str, "str | Iterable[str]"] | Iterable[tuple[str, str]]


def whole(value: object, name: str, least: int, most: int | None = None) -> int:
    """A whole number."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} is a whole number, not {_described(value)}")
    if value < least or (most is not None and value > most):
        bounds = f"{least} or more" if most is None else f"from {least} to {most}"
        raise OptionError(f"{name} is {bounds}, not {value}")
    return value


def seconds(value: object, name: str, *, zero: bool = False) -> float:
    """A time in seconds. `math.inf` is for ever."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} is a time in seconds, not {_described(value)}")
    if math.isnan(value) or value < 0 or (value == 0 and not zero):
        bound = "0 or more" if zero else "more than 0"
        raise OptionError(f"{name} is a time in seconds, {bound}, not {value}")
    # A larger one is no float, or none that a clock can say: the engine takes it as for ever.
    return float(min(value, 1e15))


def text(value: object, name: str) -> str:
    """A text."""
    if not isinstance(value, str):
        raise TypeError(f"{name} is a str, not {_described(value)}")
    return value


def flag(value: object, name: str) -> bool:
    """True or False, and nothing that is only like it."""
    if not isinstance(value, bool):
        raise TypeError(f"{name} is True or False, not {_described(value)}")
    return value


def strings(value: object, name: str) -> list[str]:
    """One text or several."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, (bytes, bytearray, Mapping)) or not isinstance(value, Iterable):
        raise TypeError(f"{name} is a str or several, not {_described(value)}")
    return [text(one, f"each of {name}") for one in value]


def headers(given: HeadersLike | None, name: str) -> list[tuple[str, str]]:
    """Headers as pairs."""
    if given is None:
        return []
    if isinstance(given, (str, bytes)) or not isinstance(given, Iterable):
        raise TypeError(f"{name} are a dict of names and values, or pairs, not {_described(given)}")
    pairs: list[tuple[str, str]] = []
    for item in given.items() if isinstance(given, Mapping) else given:
        if not isinstance(item, tuple) or len(item) != 2:
            raise TypeError(f"{name} are pairs of a name and a value, and one is {_described(item)}")
        key, values = item
        for value in [values] if isinstance(values, str) else values:
            pairs.append((text(key, f"a name in {name}"), text(value, f"the value of {key!r} in {name}")))
    return pairs


def _described(value: object) -> str:
    if value is None:
        return "None"
    return f"{type(value).__name__} {value!r}" if isinstance(value, (int, float, str)) else type(value).__name__
