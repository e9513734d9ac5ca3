"""The hub: where events come in, and subscriptions are made.

What Python alone can check is checked here, at the call; what happens to events is the engine's affair. Threads and
event loops share a hub: each loop that reads has a lane of its own (see :mod:`distributary.loops`), and whoever
publishes tells the lanes whose readers can go on.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, overload

from . import _native, options, payload
from . import redis as backplane
from . import stats as counters
from .errors import VariableError
from .health import HealthChanges, health
from .into import decoder
from .loops import Lanes
from .migration import Moving
from .names import Names, split
from .subscription import Subscription
from .waiting import Closing, Joined, Receipt

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

    from ._native import Delivery, Event
    from .filter import Scalar, Variables, Where
    from .health import Health
    from .options import History, Overflow
    from .redis import Redis
    from .stats import Stats, TopicStats

__all__ = ["Hub"]

T = TypeVar("T")

_HUBS: weakref.WeakSet[Hub] = weakref.WeakSet()


class Hub:
    """The engine in this process: publish to it, subscribe to it, from any thread and any event loop.

    ::

        with Hub() as hub, hub.subscribe("orders.*", where=F.total > 100) as sub:
            hub.publish("orders.eu", {"id": 1, "total": 120.5})
            async for event in sub:
                print(event.json())

    Args:
        redis: A server that joins this hub with those of other processes and machines: its URL, or a :class:`Redis`
            with options; or :class:`Moving`, so that topics can be moved away from it. None: the hub is by itself.
        capacity: Events that may wait for a subscription that does not say itself.
        capacity_bytes: Bytes that may wait for it, payloads and what events cost beside. None: 64 MiB.
        max_age: Seconds after which an unread event is dropped. None: never.
        overflow: What gives way in a subscription that does not keep up: ``"drop_oldest"`` unread events,
            ``"drop_newest"`` ones, ``"disconnect"`` the subscription, or ``"keep_latest"``, older unread events of the
            same key.
        memory: Bytes that the hub may hold in all; over it, older halves of what waits give way. None: 1 GiB.
        history: What topics keep for subscribers who come back with a position: patterns, and for each a
            :class:`History` or a number of events. The first pattern that matches a topic counts.
        topic_counters: How many topics may be counted by themselves, see :meth:`count_topic`. None: 1,000.
        strict_filters: Refuses filters that every event would have to be tried against.
        slice: Seconds that readers who always find something may keep their event loop.
        encode: What makes bytes, or text, of a published object. None: strict JSON, as `json` of Python writes it.

    Raises:
        OptionError: An option is out of its bounds.
        PatternError: A pattern of `history` is none.
    """

    def __init__(
        self,
        redis: str | Redis | Moving | None = None,
        *,
        capacity: int = 1024,
        capacity_bytes: int | None = None,
        max_age: float | None = None,
        overflow: Overflow = "drop_oldest",
        memory: int | None = None,
        history: Mapping[str, int | History] | None = None,
        topic_counters: int | None = None,
        strict_filters: bool = False,
        slice: float = 0.002,
        encode: payload.Encode | None = None,
    ) -> None:
        capacity = options.whole("capacity", capacity, least=1, most=options.MOST_EVENTS)
        self._budget = options.budget(capacity, capacity_bytes, max_age)
        counted = topic_counters
        self._settings: options.Settings = {
            "overflow": options.overflow(overflow),
            "budget": self._budget,
            "memory": None if memory is None else options.whole("memory", memory, least=1),
            "history": options.history(history),
            "topic_counters": None if counted is None else options.whole("topic_counters", counted, least=0),
            "strict_filters": options.flag("strict_filters", strict_filters),
            "redis": None,
            "moving": isinstance(redis, Moving),
        }
        self._slice = options.seconds("slice", slice, most=options.LONGEST_SLICE)
        if encode is not None and not callable(encode):
            raise TypeError(f"encode: a function from an object to bytes, not {type(encode).__qualname__}")
        self._encode = payload.to_json if encode is None else payload.encoder(encode)
        self._closed = False
        self._moving = redis if isinstance(redis, Moving) else None
        self._settings["redis"] = redis._attach(self) if isinstance(redis, Moving) else backplane.settings(redis)
        self._native = _native.Hub(self._settings)
        self._lanes = Lanes(self._slice)
        _HUBS.add(self)

    def publish(
        self,
        topic: str,
        data: object,
        *,
        key: str | None = None,
        attributes: Mapping[str, Scalar | list[Any] | tuple[Any, ...] | set[Any] | frozenset[Any]] | None = None,
    ) -> Delivery:
        """Publishes to everybody who asked for the topic. Never waits, and calls nobody. From any thread.

        With a backplane, subscribers in this process are served first, and whatever its state; `forwarding` of what
        this returns says whether the event is on its way to the others.

        Args:
            topic: Its name, of 1 to 1,024 bytes of UTF-8.
            data: Bytes are published as they are, text as UTF-8, anything else by the hub's `encode`. `bytes` of 16
                KiB and more, or of a derived class, are not copied, and are what readers get; a `bytearray` or a
                `memoryview` may be used again.
            key: Under the policy ``"keep_latest"`` the event takes the place of unread older ones with the same key.
            attributes: Scalars for filters to look at. With any given, filters look at them alone, and the payload is
                not read. A list is several values of one name.

        Raises:
            TopicError: The name is none.
            PayloadError: `data` cannot be encoded (the cause says why), or an attribute is no scalar.
            TooLarge: The event weighs more than the hub may hold in all.
            Closed: The hub is closed.
        """
        if type(data) is not bytes:
            data = self._encode(data)
        return self._native.publish(topic, data, key, attributes, self._lanes.come)

    def publish_acknowledged(
        self,
        topic: str,
        data: object,
        *,
        key: str | None = None,
        attributes: Mapping[str, Scalar | list[Any] | tuple[Any, ...] | set[Any] | frozenset[Any]] | None = None,
    ) -> Receipt:
        """As :meth:`publish`, and says what becomes of the event on other machines: what it returns is awaited, or
        waited for with ``wait()``. The event is under way when this returns. Without a backplane it is settled at once.

        Raises:
            TopicError, PayloadError, TooLarge, Closed: As :meth:`publish`, at the call.
            ForwardError: From the receipt: the event did not reach the other machines, or may not have.
        """
        if type(data) is not bytes:
            data = self._encode(data)
        return Receipt(*self._native.publish_acknowledged(topic, data, key, attributes, self._lanes.come), self._lanes)

    @property
    def has_backplane(self) -> bool:
        """Whether it may be joined with hubs of other processes."""
        return self._settings["redis"] is not None

    def joined(self) -> Joined:
        """Waits until all that this hub listens to now is also heard from other machines; without a backplane, not at
        all. A subscription is in force for this process when `subscribe` returns, for others when this has been waited
        for::

            sub = hub.subscribe("orders.*")
            await hub.joined()  # or hub.joined().wait(5) in a thread
        """
        return Joined(self, self._native.joined(), self._lanes)

    def health(self) -> Health:
        """How the backplane is. Without one, all is well."""
        return health(self._native.health())

    def health_changes(self) -> HealthChanges:
        """The health now, and again whenever its condition or its reasons change: an async iterator, which a thread can
        :meth:`~HealthChanges.wait` for. It ends when the hub is closed, and without a backplane after the first::

            async for health in hub.health_changes():
                print(health.condition, *health.reasons)
        """
        return HealthChanges(self)

    @overload
    def subscribe(
        self,
        topics: Names,
        *,
        where: Where | None = None,
        variables: Variables | None = None,
        into: None = None,
        overflow: Overflow | None = None,
        capacity: int | None = None,
        capacity_bytes: int | None = None,
        max_age: float | None = None,
        from_: str | Mapping[str, str] | None = None,
    ) -> Subscription[Event]: ...

    @overload
    def subscribe(
        self,
        topics: Names,
        *,
        where: Where | None = None,
        variables: Variables | None = None,
        into: type[T],
        overflow: Overflow | None = None,
        capacity: int | None = None,
        capacity_bytes: int | None = None,
        max_age: float | None = None,
        from_: str | Mapping[str, str] | None = None,
    ) -> Subscription[T]: ...

    @overload
    def subscribe(
        self,
        topics: Names,
        *,
        where: Where | None = None,
        variables: Variables | None = None,
        into: Callable[[bytes], T],
        overflow: Overflow | None = None,
        capacity: int | None = None,
        capacity_bytes: int | None = None,
        max_age: float | None = None,
        from_: str | Mapping[str, str] | None = None,
    ) -> Subscription[T]: ...

    def subscribe(
        self,
        topics: Names,
        *,
        where: Where | None = None,
        variables: Variables | None = None,
        into: Any = None,
        overflow: Overflow | None = None,
        capacity: int | None = None,
        capacity_bytes: int | None = None,
        max_age: float | None = None,
        from_: str | Mapping[str, str] | None = None,
    ) -> Subscription[Any]:
        """Subscribes. In force when it returns: what is published after it is delivered, or told as missed.

        Args:
            topics: One name or several. A name with ``*``, ``?``, ``[`` or a backslash in it is a pattern; wrap names
                that come from clients in :class:`Topic`.
            where: A condition on the payload's fields or on the attributes: a dict, JSON text, an expression of
                :data:`F`, a :class:`Filter` or a :class:`Template`.
            variables: Values for the variables of `where`.
            into: What reads give instead of events: a msgspec or pydantic type, a dataclass, or a function of bytes.
            overflow: What gives way when it does not keep up. None: what the hub says, as with the next three.
            capacity: Events that may wait for it.
            capacity_bytes: Bytes that may wait for it.
            max_age: Seconds after which an unread event is dropped.
            from_: Starts after this position, which is of the one topic that is named; or after these, topic by topic,
                where topics without one start now.

        Raises:
            TopicError, PatternError, SelectorError: Something is wrong with the names.
            FilterError, VariableError: Something is wrong with `where` or `variables`.
            OptionError: An option is out of its bounds.
            PositionError: What follows the position cannot be had.
            Closed: The hub is closed.
        """
        exact, patterns = split(topics)
        decode = None if into is None else decoder(into)
        filter = None
        if where is not None:
            filter = _native.Filter(where, variables)
        elif variables is not None:
            raise VariableError("variables: there are values, but no filter that asks for them: give `where` too")
        sub: Subscription[Any] = Subscription(
            self._native,
            exact,
            patterns,
            filter,
            None if overflow is None else options.overflow(overflow),
            options.budget(capacity, capacity_bytes, max_age),
            options.positions(from_),
        )
        sub._open(self, self._lanes, decode, self._budget[2] if max_age is None else max_age)
        return sub

    def position(self, topic: str) -> str | None:
        """Where a topic that keeps history stands: whoever subscribes `from_` here gets all that is published from now
        on. None where nothing is kept."""
        return self._native.position(topic)

    def stats(self) -> Stats:
        """A snapshot of all counters, all threads together. Meant for every few seconds."""
        return counters.stats(self._native.stats())

    def prometheus(self) -> str:
        """The same as Prometheus reads it (text format 0.0.4)."""
        return self._native.prometheus()

    def count_topic(self, topic: str) -> None:
        """Counts a topic by itself from now on.

        Raises:
            OptionError: As many are counted as the hub's `topic_counters` allows.
        """
        self._native.count_topic(topic)

    def uncount_topic(self, topic: str) -> None:
        """Stops counting a topic by itself."""
        self._native.uncount_topic(topic)

    def topic_stats(self) -> list[TopicStats]:
        """The counters of all topics that are counted by themselves, by name."""
        return [counters.TopicStats(**one) for one in self._native.topic_stats()]

    def close(self) -> None:
        """Ends the hub for all threads. Subscriptions get what waits for them and then their end;
        publishing and subscribing raise :class:`Closed`. Counters can still be read.

        With a backplane, what waits to be sent is sent; this takes as long as that does, at most two seconds. In a task
        use :meth:`aclose`."""
        closing = self._end()
        self._lanes.retire()
        if closing is not None:
            closing.wait()

    async def aclose(self) -> None:
        """As :meth:`close`, and the event loop goes on meanwhile."""
        closing = self._end()
        try:
            if closing is not None:
                await closing
        finally:
            self._lanes.retire()

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._native.is_closed

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Hub cannot be copied or pickled: threads share it as it is, and each process makes its own")

    def __repr__(self) -> str:
        overflow, (capacity, *_) = self._settings["overflow"], self._budget
        return f"<Hub capacity={capacity} overflow={overflow!r}{' closed' if self.closed else ''}>"

    def _end(self) -> Closing | None:
        """Ends the engine; what to wait for until all has been sent, if there is anything."""
        self._closed = True
        native = self._native.close()
        return None if native is None else Closing(native, self._lanes)

    def _renew(self) -> None:
        """In the child of a fork: an engine of its own, with the same settings; closed, if this one was."""
        self._lanes = Lanes(self._slice)
        if self.has_backplane:
            # It has a thread and a connection, which a child that is about to run something else does without.
            del self._native
        else:
            self._native = self._made()

    def _made(self) -> _native.Hub:
        native = _native.Hub(self._settings)
        if self._closed:
            native.close()
        elif self._moving is not None:
            self._moving._resume(self, native)
        return native

    def __getattr__(self, name: str) -> Any:
        """The engine, where it was put off."""
        if name != "_native":
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}", name=name, obj=self)
        with _MAKING:
            if "_native" not in self.__dict__:
                self._native = self._made()
        return self._native


#: Held while an engine is made that was put off.
_MAKING = threading.Lock()


def _forked() -> None:
    global _MAKING
    _MAKING = threading.Lock()
    _native.forked()
    for hub in list(_HUBS):
        hub._renew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
