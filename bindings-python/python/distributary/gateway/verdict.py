"""What `authorize` and `on_subscribe` answer.

Whatever is wrong in an answer is an error that names it. It never becomes a weaker answer: a client is let in exactly
as was said, or not at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from .. import _native
from ..errors import OptionError, PatternError, SelectorError, TopicError, VariableError
from ..names import Names, split
from ..options import Overflow, budget, positions, seconds, shown, whole
from ..options import overflow as policy
from . import checks
from .checks import HeadersLike, strings, text

if TYPE_CHECKING:
    from ..filter import Variables, Where

__all__ = ["Accept", "Deny", "Reject", "Selector", "Wish"]

S = TypeVar("S")

#: What is told to a client whose wish is denied without a reason.
_DENIED = "this may not be subscribed to"

_LONGEST_TOPIC = 1024


class Selector:
    """What a client is subscribed to: topics, patterns, a filter, and how it is served.

    As the answer of `on_subscribe` it is what is granted in the place of what was wished: topics and patterns take the
    place of those that were named, the filter is one more; what is left out stays.
    """

    __slots__ = ("_wanted",)

    def __init__(
        self,
        topics: Names | None = None,
        *,
        where: Where | None = None,
        variables: Variables | None = None,
        overflow: Overflow | None = None,
        capacity: int | None = None,
        capacity_bytes: int | None = None,
        max_age: float | None = None,
        from_: str | Mapping[str, str] | None = None,
    ) -> None:
        if topics is None:
            names: tuple[list[str], list[str]] = ([], [])
        else:
            names = split(topics)
            for topic in names[0]:
                if not 1 <= len(topic.encode()) <= _LONGEST_TOPIC:
                    raise TopicError(f"{shown(topic)} is no topic: a name has 1 to {_LONGEST_TOPIC:,} bytes of UTF-8")
            if "" in names[1]:
                raise PatternError("an empty pattern matches nothing: say what the client sees")
        self._wanted: dict[str, Any] = {
            "topics": names[0],
            "patterns": names[1],
            "filter": _filter(where, variables),
            "overflow": None if overflow is None else policy(overflow),
            "budget": budget(capacity, capacity_bytes, max_age),
            "from": positions(from_),
        }

    @property
    def topics(self) -> list[str]:
        """The names."""
        return list(self._wanted["topics"])

    @property
    def patterns(self) -> list[str]:
        """The patterns."""
        return list(self._wanted["patterns"])

    def _is_named(self) -> bool:
        return bool(self._wanted["topics"] or self._wanted["patterns"])

    def __repr__(self) -> str:
        names = ", ".join(map(repr, self._wanted["topics"] + self._wanted["patterns"]))
        return f"<{type(self).__name__} {names}>"


class Accept(Generic[S]):
    """A client is let in: what it sees, and what the application keeps with it.

    ::

        Accept(f"user.{user.id}", session=user)
        Accept(["news", "sport.*"], where={"lang": ["en", "de"]}, on_lag="continue")

    The first arguments are those of :meth:`Hub.subscribe`. Where `topics` is left out, or an empty list, the client
    sees nothing yet.

    Args:
        session: Any object; it comes back, the same, as `client.session`. It is let go of when the client cannot come
            back.
        subscriptions: Further ones, each with an order, a budget and positions of its own. An event that several of
            them admit comes once for each.
        allow: In the JSON protocol, patterns of topics that the client may subscribe to by itself, without a question.
        protocol: The WebSocket subprotocol of the answer, one that the client offered.
        format: How payloads become messages on plain WebSockets: text where they are UTF-8, or always binary.
        on_lag: What becomes of a plain WebSocket that missed events: it is closed with code 1013, so that it comes back
            and loads what it needs, or it goes on and does not know.
        headers: Of the answer. Those of the connection itself are left out.
        ticket: In the JSON protocol, for how many seconds after its connection ended the client may come back without a
            call of `authorize`, with the same session and subscriptions. Whoever has the ticket is that client: over
            TLS only. `client.close()` makes it worthless. None: it gets none.
    """

    __slots__ = ("_grant", "session")

    #: What the application keeps with the client.
    session: S | None

    def __init__(
        self,
        topics: Names | None = None,
        *,
        where: Where | None = None,
        variables: Variables | None = None,
        overflow: Overflow | None = None,
        capacity: int | None = None,
        capacity_bytes: int | None = None,
        max_age: float | None = None,
        from_: str | Mapping[str, str] | None = None,
        session: S | None = None,
        subscriptions: Iterable[Names | Selector] = (),
        allow: str | Iterable[str] = (),
        protocol: str | None = None,
        format: Literal["auto", "binary"] = "auto",
        on_lag: Literal["close", "continue"] = "close",
        headers: HeadersLike | None = None,
        ticket: float | None = None,
    ) -> None:
        options: dict[str, Any] = {
            "where": where,
            "variables": variables,
            "overflow": overflow,
            "capacity": capacity,
            "capacity_bytes": capacity_bytes,
            "max_age": max_age,
            "from_": from_,
        }
        wanted = []
        if topics is not None and not isinstance(topics, str):
            topics = list(topics)
        if topics or isinstance(topics, str):
            wanted.append(Selector(topics, **options)._wanted)
        elif topics is None and (named := [name for name, value in options.items() if value is not None]):
            raise SelectorError(f"{named[0]} without topics: say what the client is subscribed to")
        if isinstance(subscriptions, (str, Selector)):
            raise TypeError("subscriptions is a list: put a single one into `topics`")
        for one in subscriptions:
            selector = one if isinstance(one, Selector) else Selector(one)
            if not selector._is_named():
                raise SelectorError("a selector among `subscriptions` names no topic")
            wanted.append(selector._wanted)
        self.session = session
        self._grant: dict[str, Any] = {
            "subscriptions": wanted,
            "allow": strings("allow", allow),
            "protocol": None if protocol is None else text("protocol", protocol),
            "binary": _one_of("format", format, ("auto", "binary")) == "binary",
            "goes_on": _one_of("on_lag", on_lag, ("close", "continue")) == "continue",
            "headers": checks.headers(headers),
            "ticket": None if ticket is None else seconds("ticket", ticket),
        }

    def __repr__(self) -> str:
        return f"<Accept with {len(self._grant['subscriptions'])} subscriptions>"


class Reject(Exception):
    """A client is turned away. Return it from `authorize`, or raise it.

    ::

        raise Reject(401, headers={"www-authenticate": "Bearer"})

    Args:
        status: From 300 to 599.
        headers: Of the answer. Those of the connection itself are left out.
        body: A text for people, sent as `text/plain`.
        retry_after: When to come back, in seconds; the client is told whole ones, rounded up.
    """

    status: int

    def __init__(
        self,
        status: int = 403,
        *,
        headers: HeadersLike | None = None,
        body: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(f"turned away with {status}")
        self.status = status
        if whole("status", status, least=0) not in range(300, 600):
            raise OptionError(f"{status} turns nobody away: give a status from 300 to 599")
        self._refusal: dict[str, Any] = {
            "status": status,
            "headers": checks.headers(headers),
            "body": None if body is None else text("body", body),
            "retry_after": None if retry_after is None else checks.seconds("retry_after", retry_after),
        }


class Deny(Exception):
    """A wish is not granted. Return it from `on_subscribe`, or raise it.

    Args:
        reason: What the client is told.
    """

    reason: str

    def __init__(self, reason: str = _DENIED) -> None:
        super().__init__(reason)
        self.reason = text("reason", reason)


@dataclass(frozen=True)
class Wish:
    """What a client of the JSON protocol wishes to subscribe to."""

    topics: tuple[str, ...]
    patterns: tuple[str, ...]


def _filter(where: Where | None, variables: Variables | None) -> _native.Filter | None:
    if where is None:
        if variables is not None:
            raise VariableError("variables without a filter to put them in: give `where`")
        return None
    return _native.Filter(where, variables)


def _one_of(name: str, given: str, known: tuple[str, ...]) -> str:
    if given not in known:
        raise OptionError(f"{name}: {' or '.join(map(repr, known))}, not {shown(given)}")
    return given
