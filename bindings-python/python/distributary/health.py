"""How a hub's backplane is."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from .options import seconds
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


class HealthChanges:
    """The health now, and again whenever its condition or its reasons change; ends with the hub, and without a
    backplane after the first.

    Of changes that come faster than they are read, the latest is seen. A read that is cancelled or timed out loses
    nothing: the next one gives what has changed since.
    """

    __slots__ = ("_hub", "_seen")

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._seen: tuple[str, ...] | None = None

    def __aiter__(self) -> HealthChanges:
        return self

    async def __anext__(self) -> Health:
        while not self._hub.closed:
            found = self._look()
            if isinstance(found, Health):
                return found
            await found._settled()
            if found.is_over():
                break
        raise StopAsyncIteration

    def wait(self, timeout: float | None = None) -> Health | None:
        """The same for a thread, which it blocks. None after `timeout` seconds, and at the end.

        Raises:
            WrongLoop: An event loop runs in this thread.
        """
        end = None if timeout is None else time.monotonic() + (seconds("timeout", timeout) if timeout else 0.0)
        while not self._hub.closed:
            found = self._look()
            if isinstance(found, Health):
                return found
            left = None if end is None else max(0.0, end - time.monotonic())
            if not found._settled_in_time(left) or found.is_over():
                break
        return None

    def _look(self) -> Health | _Change:
        """What there is to tell, or else the change to wait for."""
        if (found := self._changed()) is not None:
            return found
        change = _Change(self._hub)
        # What had changed before that is not told.
        found = self._changed()
        return change if found is None else found

    def _changed(self) -> Health | None:
        """What there is to tell, if there is something."""
        found = self._hub.health()
        seen = (found.condition, *(reason.code for reason in found.reasons))
        if seen == self._seen:
            return None
        self._seen = seen
        return found


class _Change(Waiting):
    """The next change."""

    __slots__ = ()

    def __init__(self, hub: Hub) -> None:
        super().__init__(hub._native.health_changed(), hub._lanes)

    def is_over(self) -> bool:
        """There is none."""
        return self._native.is_over()
