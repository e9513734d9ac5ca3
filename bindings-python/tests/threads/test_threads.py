"""Many threads on one hub. Without a GIL they run at once; with one they are at least switched at the worst moments.

Every thread that fails fails its test. Nothing here depends on how fast anybody is: what is published is counted, and
what is read has to be that.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from distributary import Busy, Closed, F, Hub, Subscription

PUBLISHERS = 8
EACH = 200
ALL = PUBLISHERS * EACH


@pytest.fixture(autouse=True)
def _switched_often() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(5e-4)
    yield
    sys.setswitchinterval(before)


def together(*jobs: Callable[[], Any], patience: float = 40.0) -> list[Any]:
    """Runs them in threads that start at once; what each gave. Fails as the first of them did."""
    gate = threading.Barrier(len(jobs))
    given: list[Any] = [None] * len(jobs)
    failed: list[BaseException] = []

    def run(at: int, job: Callable[[], Any]) -> None:
        try:
            gate.wait(patience)
            given[at] = job()
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=run, args=(at, job), daemon=True) for at, job in enumerate(jobs)]
    for thread in threads:
        thread.start()
    end = time.monotonic() + patience
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    if failed:
        raise failed[0]
    assert not [thread for thread in threads if thread.is_alive()], "a thread does not end"
    return given


def publisher(hub: Hub, number: int) -> Callable[[], None]:
    def publish() -> None:
        for at in range(EACH):
            hub.publish(f"of.{number}", {"by": number, "at": at})

    return publish


def in_a_thread(sub: Subscription[Any]) -> list[Any]:
    return [event.json() for _, event in zip(range(ALL), sub, strict=False)]


def in_a_loop(sub: Subscription[Any]) -> list[Any]:
    async def read() -> list[Any]:
        return [(await sub.get()).json() for _ in range(ALL)]

    return asyncio.run(read())


def in_batches(sub: Subscription[Any]) -> list[Any]:
    async def read() -> list[Any]:
        got: list[Any] = []
        while len(got) < ALL:
            got += [event.json() for event in await sub.get_many(64)]
        return got

    return asyncio.run(read())


def in_trio(sub: Subscription[Any]) -> list[Any]:
    trio = pytest.importorskip("trio")

    async def read() -> list[Any]:
        return [(await sub.get()).json() for _ in range(ALL)]

    return list(trio.run(read))


def test_every_reader_gets_all_of_every_publisher_in_order() -> None:
    with Hub(capacity=ALL) as hub:
        ways = [in_a_thread, in_a_loop, in_batches, in_trio] * 2
        readers = [(way, hub.subscribe("of.*")) for way in ways]
        odd = hub.subscribe("of.*", where=F.by.one_of([1, 3, 5, 7]))
        publishers = [publisher(hub, number) for number in range(PUBLISHERS)]
        given = together(*(lambda way=way, sub=sub: way(sub) for way, sub in readers), *publishers)
        for got in given[: len(readers)]:
            for number in range(PUBLISHERS):
                assert [one["at"] for one in got if one["by"] == number] == list(range(EACH))
        assert {event.json()["by"] for event in odd.get_many_nowait(ALL)} == {1, 3, 5, 7}


def test_threads_that_look_at_one_event_see_one_object() -> None:
    with Hub() as hub, hub.subscribe("a") as sub:
        for at in range(200):
            hub.publish("a", {"at": at, "deep": [{"er": "x" * 50}]}, attributes={"n": at})
            event = sub.get_nowait()
            assert event is not None
            seen = together(*[lambda event=event: (event.json(), event.data, event.topic, event.attributes)] * 4)
            assert all(one[0] is seen[0][0] and one[1] is seen[0][1] for one in seen)
            assert all(one == seen[0] for one in seen)


def test_large_payloads_come_and_go() -> None:
    """One object published by several threads at once, over and over, and let go of by all readers."""
    payloads = [bytes([at]) * 20_000 for at in range(4)]
    with Hub(capacity=16) as hub:

        def publish() -> None:
            for at in range(EACH):
                hub.publish("large", payloads[at % 4])

        def read() -> None:
            with hub.subscribe("large") as sub:
                for _ in range(EACH // 4):
                    event = sub.get_blocking(timeout=0.01)
                    assert event is None or event.data is payloads[event.data[0]]

        together(*[publish] * 4, *[read] * 4)


def test_subscriptions_come_and_go_while_others_publish() -> None:
    with Hub(capacity=64, history={"of.*": 10}) as hub:

        def come_and_go() -> None:
            for at in range(100):
                with hub.subscribe(["of.1", "of.*"], where={"at": [{"numeric": [">=", at]}]}) as sub:
                    sub.add(f"mine.{at}")
                    sub.get_nowait()
                    sub.remove("of.1")
                    assert sub.lag >= 0
                assert sub.closed == "unsubscribed"

        def look() -> None:
            for _ in range(50):
                assert hub.stats().subscriptions >= 0
                assert "distributary" in hub.prometheus()

        together(*[publisher(hub, number) for number in range(4)], *[come_and_go] * 4, look)
        assert hub.stats().subscriptions == 0


def test_loops_come_and_go() -> None:
    with Hub(capacity=ALL) as hub:
        done = threading.Event()

        def loop_after_loop() -> None:
            async def wait() -> None:
                with hub.subscribe("of.*") as sub:
                    assert await sub.get() is not None

            for _ in range(50):
                asyncio.run(wait())

        def publish_until_done() -> None:
            while not done.wait(0.0005):
                hub.publish("of.1", b"1")

        def loops() -> None:
            try:
                together(*[loop_after_loop] * 4)
            finally:
                done.set()

        together(loops, publish_until_done)


def test_of_several_readers_one_reads_and_no_event_is_read_twice() -> None:
    with Hub(capacity=ALL) as hub, hub.subscribe("of.*") as sub:

        def read() -> list[Any]:
            got: list[Any] = []
            while True:
                try:
                    event = sub.get_blocking(timeout=1.0)
                except Busy:
                    continue
                except Closed:
                    return got
                if event is not None:
                    got.append((event.json()["by"], event.json()["at"]))

        def publish() -> None:
            together(*[publisher(hub, number) for number in range(4)])
            hub.close()

        given = together(publish, *[read] * 4)
        read_by_all = [one for got in given[1:] for one in got]
        assert sorted(read_by_all) == [(by, at) for by in range(4) for at in range(EACH)]


def test_closing_ends_all_who_wait() -> None:
    hub = Hub()
    subs = [hub.subscribe("never") for _ in range(6)]

    def wait_in_a_loop(sub: Subscription[Any]) -> str:
        async def wait() -> str:
            with pytest.raises(Closed) as end:
                await sub.get()
            return end.value.reason

        return asyncio.run(wait())

    def wait_in_a_thread(sub: Subscription[Any]) -> str:
        with pytest.raises(Closed) as end:
            sub.get_blocking()
        return end.value.reason

    ways = [wait_in_a_loop, wait_in_a_thread] * 3
    given = together(*(lambda way=way, sub=sub: way(sub) for way, sub in zip(ways, subs, strict=True)), hub.close)
    assert given == ["hub_closed"] * 6 + [None]
