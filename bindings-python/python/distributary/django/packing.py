"""Messages on their way between processes: JSON, with marks for what JSON has not.

Bytes, and dicts with other keys than texts, are dicts of one key that begins with a NUL, which no message has then.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

__all__ = ["packed", "read"]

#: Marks bytes, and dicts with other keys than texts, or keys that begin so.
_BYTES, _DICT = "\0b", "\0d"


def packed(value: Any) -> Any:
    """A message's data as JSON has it."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return {_BYTES: base64.b64encode(value).decode()}
    if isinstance(value, Mapping):
        if all(isinstance(key, str) and not key.startswith("\0") for key in value):
            return {key: packed(item) for key, item in value.items()}
        return {_DICT: [[packed(key), packed(item)] for key, item in value.items()]}
    if isinstance(value, (list, tuple)):
        return [packed(item) for item in value]
    return value


def read(text: bytes) -> Any:
    """JSON, with what is packed in it as the data that it stands for. Raises what `json` does."""
    return json.loads(text, object_hook=_unpacked)


def _unpacked(found: dict[str, Any]) -> Any:
    if len(found) == 1:
        if _BYTES in found:
            return base64.b64decode(found[_BYTES])
        if _DICT in found:
            return dict(found[_DICT])
    return found
