"""What happens when a client did not keep up, and events were dropped by its policy."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Literal

from ..errors import OptionError

__all__ = ["OnLost", "checked", "told"]

#: "tell" says it in-band, "close" ends the stream so that the client comes back, "ignore" goes on. A callable gets how
#: many are lost, or None if nobody knows, and returns what is said, or None for nothing.
OnLost = Literal["tell", "ignore", "close"] | Callable[["int | None"], "str | None"]


def checked(on_lost: OnLost) -> OnLost:
    """Takes it as an option, or not."""
    if callable(on_lost) or on_lost in ("tell", "ignore", "close"):
        return on_lost
    raise OptionError(f"on_lost is 'tell', 'ignore', 'close' or a callable, not {on_lost!r}")


def told(on_lost: OnLost, missed: int | None, reason: str | None = None, **besides: Any) -> str | None:
    """What is said of it, if anything: JSON, if the application has no words of its own."""
    if callable(on_lost):
        return on_lost(missed)
    if on_lost == "ignore":
        return None
    said = {**besides, "missed": missed}
    if missed is None:
        said["reason"] = reason
    return json.dumps(said, separators=(",", ":"), ensure_ascii=False)
