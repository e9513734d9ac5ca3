"""What readers get, against a naive model: every event of the selector, in order, or counted as missed."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distributary import Closed, Event, Hub, Subscription
from distributary.options import Overflow

TOPICS = ("a", "b", "c")

steps = st.lists(
    st.one_of(
        st.tuples(st.just("publish"), st.sampled_from(TOPICS), st.integers(0, 2)),
        st.tuples(st.just("read"), st.integers(0, 2), st.integers(0, 3)),
    ),
    max_size=60,
)


class Model:
    """A subscription as a list. What it admits is numbered, also what is refused at once."""

    def __init__(self, topics: tuple[str, ...], overflow: Overflow, capacity: int) -> None:
        self.topics, self.overflow, self.capacity = topics, overflow, capacity
        #: Their numbers here, their payloads, their keys.
        self.waiting: list[tuple[int, int, str]] = []
        self.admitted = 0
        self.cursor = 0
        #: All before it was pushed out by newer ones.
        self.floor = 0
        self.over = False

    def publish(self, payload: int, topic: str, key: str) -> None:
        if topic not in self.topics:
            return
        number, self.admitted = self.admitted, self.admitted + 1
        if self.overflow == "keep_latest":
            self.waiting = [one for one in self.waiting if one[2] != key]
        if len(self.waiting) == self.capacity:
            if self.overflow == "drop_newest":
                return
            self.over = self.overflow == "disconnect" or self.over
            self.floor = self.waiting.pop(0)[0] + 1
        self.waiting.append((number, payload, key))

    def read(self) -> tuple[int, int] | None:
        """The next payload, and what was missed before it. A replaced event is not missed, unless it would have been
        pushed out."""
        if not self.waiting:
            return None
        number, payload, _ = self.waiting.pop(0)
        lost = max(0, (self.floor if self.overflow == "keep_latest" else number) - self.cursor)
        self.cursor = number + 1
        return payload, lost


@given(
    st.lists(
        st.tuples(
            st.sets(st.sampled_from(TOPICS), min_size=1),
            st.sampled_from(["drop_oldest", "drop_newest", "disconnect", "keep_latest"]),
            st.integers(1, 6),
        ),
        min_size=3,
        max_size=3,
    ),
    steps,
)
def test_readers_get_what_the_model_says(
    wants: list[tuple[set[str], Overflow, int]], steps: list[tuple[str, object, int]]
) -> None:
    with Hub() as hub:
        subs = [hub.subscribe(sorted(topics), overflow=overflow, capacity=size) for topics, overflow, size in wants]
        models = [Model(tuple(topics), overflow, size) for topics, overflow, size in wants]
        number = 0
        for what, which, how in steps:
            if what == "publish":
                assert isinstance(which, str)
                hub.publish(which, str(number), key=f"k{how}")
                for model in models:
                    model.publish(number, which, f"k{how}")
                number += 1
            else:
                assert isinstance(which, int)
                check(subs[which], models[which], how)
        for sub, model in zip(subs, models, strict=True):
            check(sub, model, 1000)


def check(sub: Subscription[Event], model: Model, count: int) -> None:
    if model.over:
        with pytest.raises(Closed) as end:
            sub.get_nowait()
        assert end.value.reason == "slow_consumer"
        return
    expected = [one for _ in range(count) if (one := model.read())]
    if count == 1:
        event = sub.get_nowait()
        got = [] if event is None else [event]
    elif count:
        got = list(sub.get_many_nowait(count))
    else:
        got = []
    assert [(int(event.text), event.lost) for event in got] == expected


@pytest.mark.parametrize("way", ["one", "many"])
def test_drop_oldest_counts_exactly_under_a_burst(way: str) -> None:
    async def run() -> None:
        with Hub(capacity=100) as hub, hub.subscribe("t") as sub:
            got: list[Event] = []

            async def read() -> None:
                while True:
                    if way == "one":
                        got.append(await sub.get())
                    else:
                        got.extend(await sub.get_many(64))

            task = asyncio.ensure_future(read())
            for round in range(50):
                for number in range(round * 10):
                    hub.publish("t", f"{round} {number}")
                await asyncio.sleep(0)
            while sub.lag:  # noqa: ASYNC110
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            published = sum(round * 10 for round in range(50))
            assert len(got) + sum(event.lost for event in got) == published
            assert sub.missed == sum(event.lost for event in got) > 0

    asyncio.run(run())
