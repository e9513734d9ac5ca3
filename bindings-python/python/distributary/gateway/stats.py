"""The counters of a gateway."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..stats import DurationHistogram, ShareHistogram

__all__ = ["GatewayStats"]


@dataclass(frozen=True, slots=True)
class GatewayStats:
    """A snapshot. Counts run from the gateway's start."""

    #: Connections that are served now.
    open: int
    #: Of these, connections that take no more at the moment.
    stalled: int
    #: Of these, connections that have been told goodbye.
    closing: int
    #: Connections let in so far.
    opened: int
    #: Bytes that the system took for sockets.
    bytes_written: int
    #: How often something was written to a socket.
    writes: int
    #: Frames made: each once per event and kind, however many sockets it goes to.
    frames_made: int
    #: Messages that clients sent.
    messages_read: int
    #: Clients told, or closed for it, that they missed events.
    lag_told: int
    #: Attempts to write to a socket that had been closed. Stays 0.
    closed_writes: int
    #: Connections accepted from the listening socket.
    accepted: int
    #: Errors of the listening socket, such as having no descriptor left.
    accept_errors: int
    #: Handshakes under way.
    handshaking: int
    #: Clients let in by a ticket.
    returned: int
    #: Connections turned away without an answer, because too many others were just being answered.
    unanswered: int
    #: The share of open connections that single events were sent to.
    share: ShareHistogram
    #: How long what clients sent may have waited until a thread looked at it, at most.
    read_wait: DurationHistogram
    #: From the posting of a command (a message, a subscription, a close) until it was carried out.
    command_wait: DurationHistogram
    #: How many connections have ended, by reason.
    ended: dict[str, int]
    #: How many connections were turned away, by reason.
    refused: dict[str, int]


def read(counters: dict[str, Any]) -> GatewayStats:
    """From the native half's counters."""
    return GatewayStats(
        **{
            **counters,
            "share": ShareHistogram(**counters["share"]),
            "read_wait": DurationHistogram(**counters["read_wait"]),
            "command_wait": DurationHistogram(**counters["command_wait"]),
        }
    )
