"""The options of a hub: each is checked at the call, and does what it says."""

from __future__ import annotations

import asyncio
import copy
import enum
import multiprocessing
import pickle
import re
from collections.abc import Mapping
from typing import Any

import pytest

from distributary import (
    Closed,
    DistributaryError,
    Event,
    F,
    FilterError,
    History,
    Hub,
    OptionError,
    PatternError,
    PositionError,
    Subscription,
    TooLarge,
    Topic,
)

NAN, INF, HUGE = float("nan"), float("inf"), 10**5000

#: Option, value, and what the message says. Wrong types.
TYPES: list[tuple[str, Any, str]] = [
    ("capacity", None, "capacity: an int, not NoneType"),
    ("capacity", "5", "capacity: an int, not str"),
    ("capacity", 5.0, "capacity: an int, not float"),
    ("capacity", NAN, "capacity: an int, not float"),
    ("capacity", True, "capacity: an int, not bool"),
    ("capacity_bytes", "5", "capacity_bytes: an int, not str"),
    ("capacity_bytes", False, "capacity_bytes: an int, not bool"),
    ("max_age", "5", "max_age: seconds as a float or an int, not str"),
    ("max_age", True, "max_age: seconds as a float or an int, not bool"),
    ("overflow", None, "overflow: a str, not NoneType"),
    ("overflow", b"disconnect", "overflow: a str, not bytes"),
    ("memory", 1e9, "memory: an int, not float"),
    ("history", [("a", 1)], "history: a dict of patterns and how much their topics keep, not list"),
    ("history", "a", "history: a dict of patterns and how much their topics keep, not str"),
    ("history", {1: 1}, "history: a pattern is a str, not int"),
    ("history", {"a": "1"}, "history['a']: a History or a number of events, not str"),
    ("history", {"a": True}, "history['a']: a History or a number of events, not bool"),
    ("history", {"a": {"events": 1}}, "history['a']: a History or a number of events, not dict"),
    ("history", {"a": History(events=True)}, "history['a'].events: an int, not bool"),
    ("history", {"a": History(bytes="1")}, "history['a'].bytes: an int, not str"),  # type: ignore[arg-type]
    ("history", {"a": History(age="1")}, "history['a'].age: seconds as a float"),  # type: ignore[arg-type]
    ("topic_counters", "many", "topic_counters: an int, not str"),
    ("strict_filters", 1, "strict_filters: True or False, not int"),
    ("strict_filters", None, "strict_filters: True or False, not NoneType"),
    ("slice", None, "slice: seconds as a float or an int, not NoneType"),
    ("slice", "0.1", "slice: seconds as a float or an int, not str"),
    ("encode", "json", "encode: a function from an object to bytes, not str"),
    ("encode", 0, "encode: a function from an object to bytes, not int"),
]

#: The same for values of the right type.
BOUNDS: list[tuple[str, Any, str]] = [
    ("capacity", 0, "capacity: a whole number from 1 to 16,777,216, not 0"),
    ("capacity", -1, "capacity: a whole number from 1 to 16,777,216, not -1"),
    ("capacity", 2**24 + 1, "not 16777217"),
    ("capacity", HUGE, "not an int of 16,610 bits"),
    ("capacity", -HUGE, "not an int of 16,610 bits"),
    ("capacity_bytes", 0, "capacity_bytes: a whole number from 1 to"),
    ("capacity_bytes", 2**63, "not 9223372036854775808"),
    ("max_age", 0, "max_age: seconds above 0"),
    ("max_age", -1.5, "max_age: seconds above 0, at most 1,000,000,000, not -1.5"),
    ("max_age", NAN, "not nan"),
    ("max_age", INF, "not inf"),
    ("max_age", 1e300, "not 1e+300"),
    ("max_age", HUGE, "not an int of 16,610 bits"),
    ("max_age", 5e-324, "not 5e-324"),
    ("overflow", "drop-oldest", "'drop_oldest', 'drop_newest', 'disconnect' or 'keep_latest', not 'drop-oldest'"),
    ("overflow", "", "not ''"),
    ("overflow", "x" * 1000, "…"),
    ("overflow", "\ud800", "not '\\ud800'"),
    ("memory", 0, "memory: a whole number from 1 to"),
    ("memory", -1, "memory: a whole number from 1 to"),
    ("memory", 2**64, "memory: a whole number from 1 to"),
    ("history", {"a": 0}, "history['a']: a whole number from 1 to 16,777,216, not 0"),
    ("history", {"a": History(events=-1)}, "history['a'].events: a whole number from 1"),
    ("history", {"a": History(bytes=0)}, "history['a'].bytes: a whole number from 1"),
    ("history", {"a": History(age=NAN)}, "history['a'].age: seconds above 0"),
    ("topic_counters", -1, "topic_counters: a whole number from 0"),
    ("slice", 0, "slice: seconds above 0, at most 1, not 0"),
    ("slice", 1.5, "slice: seconds above 0, at most 1, not 1.5"),
    ("slice", NAN, "not nan"),
]


@pytest.mark.parametrize(("name", "value", "says"), TYPES, ids=[f"{name}={value!r:.30}" for name, value, _ in TYPES])
def test_wrong_types(name: str, value: Any, says: str) -> None:
    with pytest.raises(TypeError) as caught:
        Hub(**{name: value})
    assert says in str(caught.value)
    assert not isinstance(caught.value, DistributaryError)


@pytest.mark.parametrize(
    ("name", "value", "says"), BOUNDS, ids=[f"{name}:{place}" for place, (name, _, _) in enumerate(BOUNDS)]
)
def test_out_of_bounds(name: str, value: Any, says: str) -> None:
    with pytest.raises(OptionError) as caught:
        Hub(**{name: value})
    assert says in str(caught.value)
    assert isinstance(caught.value, ValueError)
    assert len(str(caught.value)) < 200


def test_unknown_and_positional_options() -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'capacty'"):
        Hub(capacty=5)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="positional"):
        Hub(None, 5)  # type: ignore[misc]


def test_malformed_patterns_of_history() -> None:
    with pytest.raises(PatternError, match=r'"a\[": malformed pattern at byte 1'):
        Hub(history={"fine.*": 1, "a[": 1})
    with pytest.raises(PatternError, match="surrogate"):
        Hub(history={"\ud800": 1})
    with pytest.raises(PatternError, match="empty pattern"):
        Hub(history={"": 1})


def read(sub: Subscription[Event]) -> list[Any]:
    """What waits, and can be read."""
    return [event.json() for event in sub.get_many_nowait(1000)]


def test_bounds_are_taken() -> None:
    class Numpy:
        """A whole number that is no int, as those of numpy."""

        def __index__(self) -> int:
            return 3

    with Hub(
        capacity=1,
        capacity_bytes=1,
        max_age=1e-9,
        memory=1,
        topic_counters=0,
        slice=1e-9,
        history={},
        strict_filters=True,
    ) as hub:
        assert not hub.closed
    with Hub(capacity=2**24, capacity_bytes=2**63 - 1, max_age=10**9, memory=2**63 - 1, slice=1) as hub:
        assert not hub.closed
    with Hub(capacity=Numpy()) as hub, hub.subscribe("t") as sub:  # type: ignore[arg-type]
        for n in range(5):
            hub.publish("t", n)
        assert read(sub) == [2, 3, 4]


def test_capacity_counts_events() -> None:
    with Hub(capacity=3) as hub, hub.subscribe("t") as plain, hub.subscribe("t", capacity=2) as small:
        for n in range(5):
            hub.publish("t", n)
        assert (read(plain), read(small)) == ([2, 3, 4], [3, 4])
        assert (plain.missed, small.missed) == (2, 3)


def test_a_subscription_keeps_what_the_hub_says_of_the_rest() -> None:
    with Hub(capacity=3, capacity_bytes=1000) as hub, hub.subscribe("t", capacity=100) as sub:
        for n in range(50):
            hub.publish("t", {"n": str(n).zfill(400)})
        assert 1 <= len(read(sub)) <= 2


def test_overflow_is_the_hubs_unless_said() -> None:
    with (
        Hub(capacity=2, overflow="disconnect") as hub,
        hub.subscribe("t") as strict,
        hub.subscribe("t", overflow="drop_oldest") as lax,
    ):
        for n in range(5):
            hub.publish("t", n)
        with pytest.raises(Closed) as caught:
            strict.get_nowait()
        assert caught.value.reason == "slow_consumer"
        assert read(lax) == [3, 4]


def test_a_name_of_an_enumeration() -> None:
    class Policy(str, enum.Enum):
        STRICT = "disconnect"

    with Hub(overflow=Policy.STRICT) as hub:  # type: ignore[arg-type]
        assert repr(hub) == "<Hub capacity=1024 overflow='disconnect'>"


def test_strict_filters() -> None:
    with Hub(strict_filters=True) as hub:
        hub.subscribe("t", where=F.id == 1).close()
        with pytest.raises(FilterError, match="cannot be indexed and this hub takes no others"):
            hub.subscribe("t", where=F.text.wildcard("*x*"))


def test_memory_bounds_the_hub() -> None:
    with Hub(memory=10_000) as hub, hub.subscribe("t"):
        with pytest.raises(TooLarge, match="raise `memory` of the hub"):
            hub.publish("t", b"x" * 20_000)
        for _ in range(100):
            hub.publish("t", b"x" * 1000)
        assert hub.stats().bytes_held <= 10_000
        assert hub.stats().dropped_pressed > 0


def test_history_by_pattern_number_and_topic() -> None:
    rules: Mapping[str, int | History] = {Topic("a*"): 2, "a?c": History(events=4), "b": History(bytes=1500)}
    with Hub(history=rules) as hub:
        for topic, kept in (("a*", 2), ("abc", 4), ("b", 2)):
            positions = [hub.publish(topic, {"n": "x" * 500}).position for _ in range(6)]
            with hub.subscribe(Topic(topic), from_=positions[5 - kept]) as sub:
                assert len(read(sub)) == kept, topic
            with pytest.raises(PositionError, match=f'cannot resume "{re.escape(topic)}" .* no longer held'):
                hub.subscribe(Topic(topic), from_=positions[5 - kept - 1])
        assert hub.publish("c", "x").position is None
        assert hub.position("c") is None
        assert hub.position("b") == positions[-1]


def test_history_is_what_those_who_come_back_get() -> None:
    with Hub(history={"t": 3}) as hub:
        positions = [hub.publish("t", n).position for n in range(5)]
        with hub.subscribe("t", from_=positions[2]) as sub:
            assert read(sub) == [3, 4]


def test_encode() -> None:
    class Order:
        pass

    with Hub(encode=lambda value: type(value).__name__) as hub, hub.subscribe("t") as sub:
        hub.publish("t", Order())
        hub.publish("t", b"as it is")
        hub.publish("t", "text")
        assert [sub.get_nowait().text for _ in range(3)] == ["Order", "as it is", "text"]
    with Hub(encode=lambda value: bytearray(b"bytes")) as hub, hub.subscribe("t") as sub:  # type: ignore[arg-type,return-value]
        hub.publish("t", Order())
        assert sub.get_nowait().data == b"bytes"
    with Hub(encode=lambda value: 5) as hub:  # type: ignore[arg-type,return-value]
        with pytest.raises(TypeError, match="`encode` of the hub returns bytes or str, not int"):
            hub.publish("t", Order())


def test_it_is_shown() -> None:
    hub = Hub(capacity=7, overflow="keep_latest")
    assert repr(hub) == "<Hub capacity=7 overflow='keep_latest'>"
    hub.close()
    assert repr(hub) == "<Hub capacity=7 overflow='keep_latest' closed>"


def test_it_is_neither_copied_nor_pickled() -> None:
    with Hub() as hub:
        for attempt in (copy.copy, copy.deepcopy, pickle.dumps):
            with pytest.raises(TypeError, match="a Hub cannot be copied or pickled"):
                attempt(hub)


def _spawned(hub: Hub) -> None: ...


def test_it_does_not_go_to_another_process() -> None:
    with Hub() as hub:
        process = multiprocessing.get_context("spawn").Process(target=_spawned, args=(hub,))
        with pytest.raises(TypeError, match="each process makes its own"):
            process.start()


async def test_with_and_async_with() -> None:
    async with Hub() as hub:
        assert isinstance(hub, Hub)
        async with hub.subscribe("t") as sub:
            hub.publish("t", "x")
            async for event in sub:
                assert event.text == "x"
                break
    assert hub.closed
    with pytest.raises(ZeroDivisionError), Hub() as other:
        raise ZeroDivisionError
    assert other.closed
    await asyncio.sleep(0)
