"""What goes wrong in a channel layer, besides Channels' own `ChannelFull`.

Channels' layers assert where a message or a channel is wrong, so these are `AssertionError`s, too: code that was
written for another layer goes on catching what it caught.
"""

from __future__ import annotations

from ..errors import DistributaryError

__all__ = ["ForeignChannel", "MessageError", "QueueError", "SlowWebsocket"]


class MessageError(DistributaryError, TypeError, AssertionError):
    """A message that is not a dict of plain data."""


class ForeignChannel(DistributaryError, ValueError, AssertionError):
    """A process-local channel of another layer: nothing would ever be received on it here."""


class SlowWebsocket(DistributaryError, TimeoutError):
    """A client that does not take what is sent to it, or has missed what it was not to miss. It ends the consumer as a
    disconnect with code 1013 does."""


class QueueError(DistributaryError):
    """The server that has the queues of general channels is away, or refuses what it was asked for. A message that was
    to be sent has been, or has not: nobody knows."""
