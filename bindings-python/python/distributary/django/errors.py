"""What goes wrong in a channel layer, besides Channels' own `ChannelFull`.

Channels' layers assert where these are raised, so they are `AssertionError`s, too: code that was written for another
layer goes on catching what it caught.
"""

from __future__ import annotations

from ..errors import DistributaryError

__all__ = ["ForeignChannel", "MessageError"]


class MessageError(DistributaryError, TypeError, AssertionError):
    """A message that is not a dict of plain data."""


class ForeignChannel(DistributaryError, ValueError, AssertionError):
    """A process-local channel of another layer: nothing would ever be received on it here."""
