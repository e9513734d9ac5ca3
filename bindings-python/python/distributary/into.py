"""What a subscription's `into` makes of payloads.

A type of msgspec or pydantic is asked for its own fastest way from JSON bytes; the libraries are not imported unless
such a type is given. Anything else that can be called is called with the bytes.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from functools import lru_cache
from typing import Any, get_origin, is_typeddict

__all__ = ["decoder"]

#: Types that could mean the JSON value or the bytes.
_UNCLEAR = frozenset({str, int, float, bool, list, tuple, dict, set, frozenset, object})


def decoder(into: Any) -> Callable[[bytes], Any]:
    """From an `into` to what decodes by it."""
    if isinstance(into, type) or get_origin(into) is not None:
        try:
            return _of_type(into)
        except TypeError as cause:
            if into.__hash__ is not None:
                raise cause from None
            # Not to be kept: it has no hash.
            return _of_type.__wrapped__(into)
    # Never kept: it may hold anything.
    validate = getattr(into, "validate_json", None)
    if callable(validate):
        return validate  # type: ignore[no-any-return]
    if callable(into):
        return into  # type: ignore[no-any-return]
    raise TypeError(
        f"into: a msgspec or pydantic type, a dataclass, or a function of bytes, not {type(into).__qualname__}"
    )


@lru_cache(maxsize=256)
def _of_type(into: Any) -> Callable[[bytes], Any]:
    if isinstance(into, type):
        msgspec = sys.modules.get("msgspec")
        if msgspec is not None and issubclass(into, msgspec.Struct):
            decode: Callable[[bytes], Any] = msgspec.json.Decoder(into).decode
            return decode
        validate = getattr(into, "model_validate_json", None)
        if callable(validate):
            return validate  # type: ignore[no-any-return]
        if into in _UNCLEAR:
            raise TypeError(
                f"into: {into.__name__} could be of the JSON value or of the bytes: give a function of bytes, such as "
                "json.loads"
            )
    if dataclasses.is_dataclass(into) or is_typeddict(into) or get_origin(into) is not None:
        return _by_library(into)
    return into  # type: ignore[no-any-return]


def _by_library(into: Any) -> Callable[[bytes], Any]:
    """A type that brings no way of its own: of whichever library there is."""
    if not hasattr(into, "__pydantic_validator__"):
        try:
            import msgspec
        except ImportError:
            pass
        else:
            return msgspec.json.Decoder(into).decode
    try:
        import pydantic
    except ImportError:
        raise TypeError(
            f"into: it takes msgspec or pydantic to make {into!r} of JSON: install one, or give a function of bytes"
        ) from None
    return pydantic.TypeAdapter(into).validate_json
