"""The numbers an operator turns. What is left out is the engine's default."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from ..errors import OptionError
from ..options import MOST, seconds, shown, whole
from . import checks

__all__ = ["Limits"]

_U32 = 2**32 - 1

#: The bounds of whole numbers.
_COUNTS: dict[str, tuple[int, int]] = {
    "connections": (1, MOST),
    "per_second": (1, _U32),
    "per_address": (1, MOST),
    "per_address_per_second": (1, _U32),
    "handshakes": (1, MOST),
    "trusted_proxies": (0, 1_000),
    "memory": (1, MOST),
    "lanes": (0, 1_024),
    "slice_deliveries": (1, MOST),
    "max_message": (1, _U32),
    "max_subscriptions": (0, MOST),
    "max_topics": (0, _U32),
    "fragment": (1_024, 2**24),
    "unsent": (0, _U32),
}


_TIMES = ("handshake_timeout", "slice_time", "ping_every", "ping_timeout", "write_timeout", "close_timeout")


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a gateway admits, and how long things may take.

    Times are seconds. The defaults suit a server of a few ten thousand
    connections.
    """

    #: The most connections at a time; more are refused with 503. Default: no limit but the system's.
    connections: int | None = None
    #: The most new connections in a second, in total; more are refused with 503. Default: no limit.
    per_second: int | None = None
    #: The most connections from one address at a time; more are refused with 429. Default: no limit.
    per_address: int | None = None
    #: The most new connections in a second from one address; more are refused with 429. Default: no limit.
    per_address_per_second: int | None = None
    #: The most handshakes under way at a time, `authorize` included; more are refused with 503. Default: 1,024.
    handshakes: int | None = None
    #: How long a handshake may take, `authorize` included, before the connection is dropped; a client whose
    #: request is there by then gets a 503. Default: 10.
    handshake_timeout: float | None = None
    #: How many proxies of your own stand before the gateway, each adding the address it sees to `X-Forwarded-For`.
    #: Default: 0, the header is not looked at.
    trusted_proxies: int | None = None
    #: Refuses new connections with 503 while the process holds more memory than this, in bytes. Default: no limit.
    memory: int | None = None
    #: The earliest and the latest time at which a refused client is told to come back. Default: `(1, 10)`.
    retry_after: tuple[float, float] | None = None
    #: How many native threads serve sockets. Default: 0, one for each core.
    lanes: int | None = None
    #: How many deliveries such a thread makes before it looks at reads, pings, closes and newcomers again.
    #: Default: 512.
    slice_deliveries: int | None = None
    #: The same, as a time. Default: 0.0005.
    slice_time: float | None = None
    #: The largest message that a client may send, in bytes; a larger one closes it with 1009. Default: 65,536.
    max_message: int | None = None
    #: The most subscriptions that a client of the JSON protocol may make itself. Default: 100.
    max_subscriptions: int | None = None
    #: The most topics and patterns that it may follow by these, taken together. Default: 1,000.
    max_topics: int | None = None
    #: The largest WebSocket fragment, in bytes of payload, from 1,024 to 16 MiB. Default: 65,536.
    fragment: int | None = None
    #: How many bytes the system takes for a socket beyond what is on its way. Default: 131,072.
    unsent: int | None = None
    #: When a client from which nothing was heard is pinged.
    ping_every: float = 25.0
    #: How long it may take to answer before it is closed.
    ping_timeout: float = 20.0
    #: How long a socket may take no byte of what waits for it before it is closed. Default: 30.
    write_timeout: float | None = None
    #: How long the answer to a close frame is waited for. Default: 5.
    close_timeout: float | None = None

    def __post_init__(self) -> None:
        for name, (least, most) in _COUNTS.items():
            if (count := getattr(self, name)) is not None:
                whole(name, count, least=least, most=most)
        for name in _TIMES:
            if (time := getattr(self, name)) is not None:
                seconds(name, time)
        if self.retry_after is not None:
            _span(self.retry_after)

    def _native(self) -> dict[str, Any]:
        return {**asdict(self), "retry_after": None if self.retry_after is None else _span(self.retry_after)}


def _span(given: object) -> tuple[float, float]:
    if not isinstance(given, (tuple, list)) or len(given) != 2:
        raise TypeError(f"retry_after: the earliest and the latest time, as in (1, 10), not {shown(given)}")
    least, most = (checks.seconds("retry_after", time) for time in given)
    if least > most:
        raise OptionError("retry_after: the earliest time to come back lies after the latest")
    return least, most
