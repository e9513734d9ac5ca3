"""How a hub's backplane is."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from .errors import Busy
from .waiting import Waiting

if TYPE_CHECKING:
    from .hub import Hub

__all__ = ["Condition", "Health", "HealthChanges", "HealthCounts", "HealthLag", "HealthReason"]

#: In a word: as it should be, or there is no backplane; it works, and something is not as it should be; nothing comes
#: and nothing goes, and this hub's own events reach its own subscribers.
Condition = Literal["ok", "degraded", "away"]


@dataclass(frozen=True, slots=True)
class HealthReason:
    """Something that is not as it should be."""

    #: A stable word for programs, such as `resync_loop`.
    code: str
    #: What it does to the whole.
    condition: Condition
    #: What was seen and what to do, for people.
    text: str

    def __str__(self) -> str:
        return f"{self.code}: {self.text}"


@dataclass(frozen=True, slots=True)
class HealthLag:
    """How late probes were, from publish over the whole path and back to this hub; in seconds."""

    #: Half of them were at most this late.
    p50: float
    #: All but one in a hundred were.
    p99: float
    #: The latest of all.
    max: float
    #: Probes and numbered events that came later than 0.9 s.
    late: int


@dataclass(frozen=True, slots=True)
class HealthCounts:
    """What has been counted since the hub was made."""

    #: Events that came from other hubs and were handed on.
    arrived: int
    #: Events that the server confirmed.
    sent: int
    #: Events that were refused, expired or stayed unconfirmed.
    failed: int
    #: Events that were acknowledged, and that a server which took over may lack.
    voided: int
    #: Stretches that were found missing, and could not be repaired.
    gaps: int
    #: Events in them, where they could be counted.
    lost: int
    #: Events that were missing and were read from a log.
    repaired: int
    #: Events that came a second time and were let go.
    duplicates: int
    #: Messages, and entries of logs, that could not be read: of a later version, damaged,
    #: or of somebody else. What is lost by it is in the figures above as well.
    unreadable: int
    #: Attempts to connect.
    attempts: int
    #: Those that succeeded.
    connections: int


@dataclass(frozen=True, slots=True)
class Health:
    """How a backplane is, as of when it was asked."""

    #: The worst of what the reasons say.
    condition: Condition
    #: Everything that is not as it should be. Empty when all is well.
    reasons: tuple[HealthReason, ...]
    #: How late probes were lately.
    lag: HealthLag
    #: Since the hub was made.
    counts: HealthCounts
    #: Bytes that wait to be sent.
    queued_bytes: int
    #: Names that are wanted, and not yet heard.
    joining: int


def health(found: dict[str, Any]) -> Health:
    """What the native half says, typed."""
    found["reasons"] = tuple(HealthReason(*reason) for reason in found["reasons"])
    found["lag"] = HealthLag(**found["lag"])
    found["counts"] = HealthCounts(**found["counts"])
    return Health(**found)


class HealthChanges(Waiting):
    """The health now, and again whenever its condition or its reasons change. It ends with the hub, in the child of a
    fork, and without a backplane after the first.

    Of changes that come faster than they are read, the latest is seen. A read that is cancelled or timed out loses
    nothing: the next one gives what has changed since. One task or thread reads at a time: give each its own.
    """

    __slots__ = ("_turn",)

    def __init__(self, hub: Hub) -> None:
        super().__init__(hub._native.health_changes(), hub._lanes)
        self._turn = threading.Lock()

    def __aiter__(self) -> HealthChanges:
        return self

    async def __anext__(self) -> Health:
        with self._its_turn():
            await self._settled()
            found = self._native.take_health()
        if found is None:
            raise StopAsyncIteration
        return health(found)

    def wait(self, timeout: float | None = None) -> Health | None:
        """The same for a thread, which it blocks. None after `timeout` seconds, and at the end.

        Raises:
            Busy: Another task or thread reads these changes.
            WrongLoop: An event loop runs in this thread.
        """
        with self._its_turn():
            found = self._native.take_health() if self._settled_in_time(timeout) else None
        return None if found is None else health(found)

    @contextmanager
    def _its_turn(self) -> Iterator[None]:
        if not self._turn.acquire(blocking=False):
            raise Busy("another task or thread reads these changes: give each its own, from hub.health_changes()")
        try:
            yield
        finally:
            self._turn.release()
