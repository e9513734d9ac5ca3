"""Messages between being sent and being received.

A message is read once, when it is sent, and made anew for each receiver, so that nobody sees what another does to his.
Most messages are a flat dict of strings and numbers: they are copied, which costs 60 ns. Those with something inside
are kept marshalled and read back, which is four times quicker than a deep copy.

What can be sent is what every layer can carry between processes: `None`, booleans, integers of 64 bits, floats,
strings, bytes, and lists and dicts of these; keys are strings or bytes. As with other layers, tuples become lists and
subclasses (`SafeString`, an enum's members) what they are made of. Anything else is refused where it is sent, rather
than where it would be missed.
"""

from __future__ import annotations

import marshal
from typing import Any

from .errors import MessageError

__all__ = ["Message"]

#: What is never changed by who receives it, whatever its value.
_ATOMS = frozenset({str, bytes, float, bool, type(None)})
_LEAST, _MOST = -(1 << 63), (1 << 64) - 1


class Message:
    """One message, of which every receiver gets a copy."""

    __slots__ = ("_data", "_flat", "handler")

    #: The name of the consumer's method it is for, once a consumer has asked for it.
    handler: str | None

    def __init__(self, message: dict[str, Any]) -> None:
        if not isinstance(message, dict):
            raise MessageError(f"message is not a dict, but {type(message).__name__}: {message!r:.80}")
        self.handler = None
        for key, value in message.items():
            if type(key) is not str or (type(value) not in _ATOMS and not _is_small(value)):
                break
        else:
            self._flat: dict[str, Any] | None = dict(message)
            return
        self._flat = None
        try:
            self._data = marshal.dumps(_plain(message, "message"))
        except (RecursionError, ValueError) as error:
            if isinstance(error, MessageError):
                raise
            raise MessageError("the message is nested too deeply, or contains itself") from None

    def copy(self) -> dict[str, Any]:
        """The message, for one receiver to keep."""
        flat = self._flat
        if flat is not None:
            return flat.copy()
        copy: dict[str, Any] = marshal.loads(self._data)
        return copy


def _is_small(value: object) -> bool:
    return type(value) is int and _LEAST <= value <= _MOST


def _plain(value: Any, where: str) -> Any:
    """The value in built-in types. `where` leads to it and is for the error message alone."""
    kind = type(value)
    if kind in _ATOMS or _is_small(value):
        return value
    if isinstance(value, dict):
        return {_key(key, where): _plain(item, f"{where}[{key!r}]") for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, f"{where}[{index}]") for index, item in enumerate(value)]
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    if isinstance(value, int):
        if _LEAST <= value <= _MOST:
            return int.__int__(value)
        raise MessageError(f"{where} is an integer that does not fit 64 bits: send it as a string")
    if isinstance(value, float):
        return float.__float__(value)
    raise MessageError(
        f"{where} is of type {kind.__module__}.{kind.__qualname__}, which cannot be sent: "
        "send None, booleans, numbers, strings, bytes, or lists and dicts of these"
    )


def _key(key: Any, where: str) -> str | bytes:
    if type(key) is str or type(key) is bytes:
        return key
    if isinstance(key, str):
        return str.__str__(key)
    raise MessageError(f"{where} has a key of type {type(key).__name__}, {key!r:.40}: keys are strings")
