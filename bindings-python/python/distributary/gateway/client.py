"""A connected client, as the application holds it. It outlives the connection, and then does nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, cast

from .. import _native
from ..errors import OptionError
from ..names import Names
from ..options import Overflow, whole
from .checks import text
from .verdict import Selector

if TYPE_CHECKING:
    from ..filter import Variables, Where

__all__ = ["Client", "EndReason", "Ended"]

S = TypeVar("S")

#: What fits into a close frame, in bytes.
_LONGEST_REASON = 123

#: - `left`: the client said goodbye. `broken`: the connection broke.
#: - `protocol_error`, `not_text`, `too_large`, `unwanted`: the client broke the protocol, sent what was no text in a
#:   text message, sent more than it may, spoke where nobody listens.
#: - `silent`: it did not answer a ping in time. `write_timeout`: it took nothing of what waited for it in time.
#: - `slow`: it did not keep up. `lagged`: it missed events and could not be told.
#: - `application`: `client.close()`. `overloaded`: `client.turn_away()`, or it said more than the gateway's backlog.
#: - `drained`, `closed`: the gateway or the hub was. `panicked`: a fault of the gateway's.
EndReason = Literal[
    "left",
    "broken",
    "protocol_error",
    "not_text",
    "too_large",
    "unwanted",
    "silent",
    "write_timeout",
    "slow",
    "lagged",
    "application",
    "overloaded",
    "panicked",
    "drained",
    "closed",
]


@dataclass(frozen=True)
class Ended:
    """Why a connection ended."""

    reason: EndReason
    #: The code that a WebSocket is closed with for this reason, unless `client.close(code)` said another.
    code: int


class Client(Generic[S]):
    """A client that is, or was, connected. Its methods never block, and may be called from any thread."""

    __slots__ = ("__weakref__", "_encode", "_native")

    def __init__(self, encode: Callable[[Any], bytes], native: _native.GatewayClient) -> None:
        self._encode = encode
        self._native = native

    @property
    def id(self) -> int:
        """Names the connection among all that this gateway ever had."""
        return self._native.number

    @property
    def session(self) -> S:
        """What `authorize` gave it."""
        return cast(S, self._native.session)

    def send(self, message: Any) -> None:
        """Sends a message to this client alone, before any event that waits for it.

        A `str` goes as text, bytes as a binary message, anything else encoded as by the hub, as text. In the JSON
        protocol it becomes a `message`; a client of server-sent events gets none. It is not an event: nobody keeps it
        for a client that has gone. One that lets more than 64 KiB of such messages wait is closed as too slow.
        """
        if isinstance(message, str):
            self._native.send_text(message)
        elif isinstance(message, (bytes, bytearray, memoryview)):
            self._native.send_bytes(bytes(message))
        else:
            self._native.send_text(self._encode(message).decode())

    def subscribe(
        self,
        topics: Names,
        *,
        where: Where | None = None,
        variables: Variables | None = None,
        overflow: Overflow | None = None,
        capacity: int | None = None,
        capacity_bytes: int | None = None,
        max_age: float | None = None,
        from_: str | Mapping[str, str] | None = None,
    ) -> int:
        """Subscribes the client to more, whatever it speaks: in force before anything that is sent to it afterwards.

        Returns a number for :meth:`unsubscribe`. Where a position cannot be resumed from, it begins now and the client
        is told.
        """
        if topics is None:
            raise TypeError("topics: a str or several, not None")
        selector = Selector(
            topics,
            where=where,
            variables=variables,
            overflow=overflow,
            capacity=capacity,
            capacity_bytes=capacity_bytes,
            max_age=max_age,
            from_=from_,
        )
        return self._native.subscribe(selector._wanted)

    def unsubscribe(self, subscription: int) -> bool:
        """Ends a subscription that :meth:`subscribe` made. False when there is none of this number."""
        return self._native.unsubscribe(whole("subscription", subscription, least=0, most=2**32 - 1))

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Closes the connection. Its ticket is worthless from then on.

        Args:
            code: Which a WebSocket is closed with: 1000, or one of your own from 3000 to 4999.
            reason: At most 123 bytes, which the client is told.
        """
        self._native.close(whole("code", code, least=1000, most=4999), _checked(reason))

    def turn_away(self, reason: str = "") -> None:
        """Closes the connection for now, because the application cannot keep up with what this client says.

        It is told to come back later, by code 1013. Its ticket stays good.
        """
        self._native.turn_away(_checked(reason))

    def __repr__(self) -> str:
        return f"<Client {self.id}>"


def _checked(reason: str) -> str:
    if len(text("reason", reason).encode()) > _LONGEST_REASON:
        raise OptionError(f"reason: at most {_LONGEST_REASON} bytes, for it goes into a close frame")
    return reason
