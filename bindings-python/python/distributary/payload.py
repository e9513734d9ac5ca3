"""What is published: bytes as they are, text as UTF-8, anything else by an encoder.

The default encoder is strict JSON: what would be read back as something else, such as NaN, is an error here and not at
the reader.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from .errors import PayloadError

__all__ = ["Encode", "encoder", "to_json", "utf8"]

#: From an object to what is published. Text is taken as UTF-8.
Encode = Callable[[object], bytes | str]

_strict = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


def encoder(encode: Encode) -> Callable[[object], bytes]:
    """What makes bytes of all that is not `bytes` itself."""

    def to_bytes(data: object) -> bytes:
        if isinstance(data, str):
            return utf8(data)
        if isinstance(data, bytes):
            # Of a derived class: readers get this very object.
            return data
        if isinstance(data, (bytearray, memoryview)):
            try:
                return bytes(data)
            except ValueError as cause:
                raise PayloadError(f"the payload cannot be read: {cause}") from cause
        try:
            encoded = encode(data)
        except MemoryError:
            raise
        except Exception as cause:
            raise PayloadError(
                f"a payload of type {type(data).__qualname__} cannot be encoded: {cause}; publish bytes or str, or "
                "give the hub an `encode` that knows it"
            ) from cause
        if type(encoded) is bytes:
            return encoded
        if isinstance(encoded, str):
            return utf8(encoded)
        if isinstance(encoded, (bytes, bytearray, memoryview)):
            return bytes(encoded)
        raise TypeError(f"`encode` of the hub returns bytes or str, not {type(encoded).__qualname__}")

    return to_bytes


def utf8(text: str) -> bytes:
    """A text's bytes."""
    try:
        return text.encode()
    except UnicodeEncodeError as cause:
        raise PayloadError(
            "the payload is text with a lone surrogate, which UTF-8 cannot write: publish bytes, or text without it"
        ) from cause


#: The encoder of hubs that are given none.
to_json = encoder(_strict)
