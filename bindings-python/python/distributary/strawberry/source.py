"""The source of an operation: a subscription of the hub, read as execution reads.

What goes wrong while it runs is a value here, an error, because execution answers that to the client; what is raised
only ends the operation.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from graphql import GraphQLError
from strawberry.types.base import has_object_definition

from ..errors import Closed, DecodeError, OptionError
from .types import decoder

if TYPE_CHECKING:
    from .._native import Event
    from ..filter import Variables, Where
    from ..hub import Hub
    from ..names import Names
    from ..options import Overflow
    from ..subscription import Subscription

__all__ = ["Lost", "subscribe"]

T = TypeVar("T")

#: What becomes of an operation that missed events.
Lost = Literal["error", "ignore"]


@overload
def subscribe(
    hub: Hub,
    topics: Names,
    *,
    where: Where | None = ...,
    variables: Variables | None = ...,
    into: None = ...,
    lost: Lost = ...,
    overflow: Overflow | None = ...,
    capacity: int | None = ...,
    from_: str | dict[str, str] | None = ...,
) -> AsyncGenerator[Event, None]: ...
@overload
def subscribe(
    hub: Hub,
    topics: Names,
    *,
    where: Where | None = ...,
    variables: Variables | None = ...,
    into: type[T] | Callable[[bytes], T],
    lost: Lost = ...,
    overflow: Overflow | None = ...,
    capacity: int | None = ...,
    from_: str | dict[str, str] | None = ...,
) -> AsyncGenerator[T, None]: ...
def subscribe(
    hub: Hub,
    topics: Names,
    *,
    where: Where | None = None,
    variables: Variables | None = None,
    into: Any = None,
    lost: Lost = "error",
    overflow: Overflow | None = None,
    capacity: int | None = None,
    from_: str | dict[str, str] | None = None,
) -> AsyncGenerator[Any, None]:
    """What a subscription's resolver returns: the events of a selector as values of the field.

    Args:
        hub: The hub.
        topics: As in :meth:`Hub.subscribe`.
        where: A filter; values from the operation's arguments go into it as they are.
        variables: Values of the filter's variables.
        into: What makes a value of an event's payload: the field's Strawberry type, or what :meth:`Hub.subscribe`
            takes. It is made once for each event, and all operations get the same one. None: events.
        lost: What happens when events were missed because the client did not keep up: with "error" a last result says
            so (``extensions: {code: "EVENTS_LOST", missed: 3}``), with "ignore" the next event follows.
        overflow, capacity: As in :meth:`Hub.subscribe`. Under ``"disconnect"`` the last result says ``SLOW_CONSUMER``.
        from_: As in :meth:`Hub.subscribe`.

    Raises:
        FilterError, PatternError, SelectorError, TopicError, OptionError: At the call; to a client they are errors of
            the operation.
    """
    if lost not in ("error", "ignore"):
        raise OptionError(f"lost: 'error' or 'ignore', not {lost!r}")
    if isinstance(into, type) and has_object_definition(into):
        into = decoder(into)
    sub = hub.subscribe(
        topics, where=where, variables=variables, into=into, overflow=overflow, capacity=capacity, from_=from_
    )
    return _Values(sub, lost == "error")


class _Values(AsyncGenerator[Any, None]):
    """A subscription's events as an operation's source."""

    __slots__ = ("_over", "_sub", "_tells")

    def __init__(self, sub: Subscription[Any], tells: bool) -> None:
        self._sub = sub
        self._tells = tells
        self._over = False

    async def __anext__(self) -> Any:
        if self._over:
            raise StopAsyncIteration
        sub = self._sub
        try:
            value = await sub.get()
        except Closed as end:
            if end.reason in ("unsubscribed", "hub_closed"):
                raise StopAsyncIteration from None
            return self._last(str(end), end.reason.upper())
        except DecodeError as error:
            # Of this event alone: the next one may be well.
            value = GraphQLError("an event could not be read", original_error=error)
        if self._tells and sub.missed:
            return self._last(
                f"missed {sub.missed} events: load the current state and subscribe anew",
                "EVENTS_LOST",
                missed=sub.missed,
            )
        return value

    def _last(self, message: str, code: str, **extensions: Any) -> GraphQLError:
        self._end()
        return GraphQLError(message, extensions={"code": code, **extensions})

    def _end(self) -> None:
        self._over = True
        self._sub.close()

    def asend(self, value: None) -> Coroutine[Any, Any, Any]:
        return self.__anext__()

    async def athrow(self, kind: Any, value: Any = None, trace: Any = None) -> Any:
        self._end()
        raise kind if value is None else value

    async def aclose(self) -> None:
        self._end()
