"""What goes wrong, by kind. Each says what was wrong and what to do.

Errors about a value are `ValueError`s besides, so code that knows nothing of this package catches them. An argument of
a wrong type is a plain `TypeError`.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ._native import Event
    from .migration import Finding, Peer, Side

__all__ = [
    "Busy",
    "Closed",
    "DecodeError",
    "DistributaryError",
    "FilterError",
    "ForwardError",
    "ForwardKind",
    "ListenError",
    "MigrationError",
    "MigrationKind",
    "NotHeard",
    "NotRunning",
    "OptionError",
    "PatternError",
    "PayloadError",
    "PositionError",
    "Reason",
    "SelectorError",
    "TooLarge",
    "TopicError",
    "VariableError",
    "WrongLoop",
]

#: Why a subscription or a hub is over.
Reason = Literal["hub_closed", "slow_consumer", "lost", "unsubscribed", "forked", "failed"]

#: Why an event did not reach other machines, or may not have.
ForwardKind = Literal[
    "full", "expired", "unconfirmed", "rejected", "not_kept", "not_replicated", "unsupported", "closed"
]

#: Who or what is in the way of a stage, or of a migration.
MigrationKind = Literal[
    "not_next",
    "busy",
    "readers",
    "strangers",
    "writers",
    "still_written",
    "silent",
    "unhealthy",
    "not_reached",
    "not_heard",
    "taken",
    "modes",
]

_REASONS: dict[str, str] = {
    "hub_closed": "the hub is closed: make a new one",
    "slow_consumer": "the subscriber did not keep up with its budget: subscribe anew, read faster, or raise `capacity`",
    "lost": "events were lost on their way from other machines: load the current state, and subscribe anew",
    "unsubscribed": "the subscription has ended: subscribe anew",
    "forked": "this process was forked after the subscription was made: subscribe anew in the child",
    "failed": "the subscription failed: subscribe anew",
}


class DistributaryError(Exception):
    """The base of all errors of this package."""


class TopicError(DistributaryError, ValueError):
    """A text that is not a topic's name: one has 1 to 1,024 bytes of UTF-8."""


class PatternError(DistributaryError, ValueError):
    """A text that is not a pattern. The message names the text, the place in it and what to write instead."""


class SelectorError(DistributaryError, ValueError):
    """A subscription to nothing, or to too many names."""


class FilterError(DistributaryError, ValueError):
    """A filter that is malformed, or that the hub does not take.

    The message names the place in the pattern, as in `at total[0].numeric[1]: found "9", expected a number`.
    """


class VariableError(DistributaryError, ValueError):
    """A variable of a filter that has no value, or one that cannot stand in its place; the message names both."""


class OptionError(DistributaryError, ValueError):
    """An option that is out of its bounds, or a name that there is not; the message says which there are."""


class PayloadError(DistributaryError, ValueError):
    """A payload, a key or an attribute that cannot be published, or a payload that cannot be read as was asked for."""


class DecodeError(PayloadError):
    """A payload that the `into` of its subscription refuses; the cause is what it raised. The next read goes on."""

    #: The event that it belongs to.
    event: Event

    def __init__(self, message: str, event: Event) -> None:
        super().__init__(message)
        self.event = event

    def __reduce__(self) -> tuple[type[PayloadError], tuple[str]]:
        # An event stays in its process.
        return PayloadError, (str(self),)


class PositionError(DistributaryError, ValueError):
    """A position that is none, or from which nothing can be resumed: load the current state instead."""


class TooLarge(DistributaryError):
    """An event heavier than what the hub may hold in all."""


class ForwardError(DistributaryError):
    """An event that reached this hub's subscribers, and did not reach other machines, or may not have."""

    #: Why:
    #:
    #: - `full`: as many bytes wait to be sent as may wait; `expired`: it waited for its deadline;
    #: - `unconfirmed`: the connection broke before the server answered: it may have arrived;
    #: - `rejected`: the server refused it; `unsupported`: it cannot be carried in its topic's mode;
    #: - `not_kept`: the server is out of memory and refused it: nobody elsewhere has it, publish it again later;
    #: - `not_replicated`: the log has it, but no replica said so in time;
    #: - `closed`: the hub was closed before it was sent.
    kind: ForwardKind

    def __init__(self, message: str, kind: ForwardKind) -> None:
        super().__init__(message)
        self.kind = kind

    def __reduce__(self) -> tuple[type[ForwardError], tuple[str, ForwardKind]]:
        return ForwardError, (str(self), self.kind)


class MigrationError(DistributaryError):
    """Somebody or something is in the way of a stage, or of a migration. Nothing has changed."""

    #: What:
    #:
    #: - `not_next`: the stages are no neighbours; `busy`: another one is being entered;
    #: - `readers`: hubs (`peers`) read the other side alone, or are about to, and would miss what is written;
    #: - `strangers`: so many `connections` listen to a `side`, and are no hubs that take part;
    #: - `writers`: hubs (`peers`) write to the side that would be given up, or are about to; `still_written`: somebody
    #:   wrote there so many seconds `ago`, a hub that has just left it or one who takes no part; `hub` is who, if the
    #:   event says so: one in an envelope does;
    #: - `silent`: so many `hubs` that take part did not answer;
    #: - `unhealthy`: the side that would be written to is not well (`findings`);
    #: - `not_reached`: a server did not answer in time; `not_heard`: it does not let this hub hear the topic on a
    #:   `side`;
    #: - `taken`: a name of the course belongs to another migration, or is listened to by itself;
    #: - `modes`: by the `modes` and `envelope` of the two servers, or for the two names, events would be promised
    #:   something else on the new side, or look different there: give the new name rules of its own.
    kind: MigrationKind
    #: Hubs that are in the way.
    peers: tuple[Peer, ...]
    #: What is not well.
    findings: tuple[Finding, ...]
    connections: int | None
    hubs: int | None
    side: Side | None
    ago: float | None
    #: As :attr:`Peer.hub`.
    hub: str | None

    def __init__(
        self,
        message: str,
        kind: MigrationKind,
        *,
        peers: tuple[Peer, ...] = (),
        findings: tuple[Finding, ...] = (),
        connections: int | None = None,
        hubs: int | None = None,
        side: Side | None = None,
        ago: float | None = None,
        hub: str | None = None,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.peers, self.findings = peers, findings
        self.connections, self.hubs, self.side, self.ago, self.hub = connections, hubs, side, ago, hub

    def __reduce__(self) -> tuple[Any, tuple[str, MigrationKind]]:
        details = {name: value for name, value in vars(self).items() if name != "kind"}
        return partial(MigrationError, **details), (str(self), self.kind)


class NotHeard(DistributaryError):
    """Names that the backplane's server does not let this hub hear. All others are heard."""

    #: The topics and patterns.
    names: tuple[str, ...]

    def __init__(self, names: Iterable[str]) -> None:
        self.names = tuple(names)
        such = f", such as {self.names[0]!r}" if self.names else ""
        super().__init__(
            f"the server does not let this hub hear {len(self.names)} of the names that it listens to{such}: "
            "grant them to its user"
        )

    def __reduce__(self) -> tuple[type[NotHeard], tuple[tuple[str, ...]]]:
        return NotHeard, (self.names,)


class Busy(DistributaryError, RuntimeError):
    """Another task reads the subscription, or none can."""


class WrongLoop(DistributaryError, RuntimeError):
    """The subscription is read by another event loop."""


class ListenError(DistributaryError, OSError):
    """An address that cannot be listened on."""


class NotRunning(DistributaryError, RuntimeError):
    """A gateway that was closed, or never started, or runs in another process."""


class Closed(DistributaryError):
    """The end of a subscription or a hub."""

    #: Why: `hub_closed`, `slow_consumer`, `lost`, `unsubscribed`, `forked` or `failed`.
    reason: Reason

    def __init__(self, reason: Reason) -> None:
        super().__init__(_REASONS[reason])
        self.reason = reason

    def __reduce__(self) -> tuple[type[Closed], tuple[Reason]]:
        return Closed, (self.reason,)
