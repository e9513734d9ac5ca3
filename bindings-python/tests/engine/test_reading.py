"""All ways to read, and what they say when they cannot."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import anyio
import pytest

from distributary import Busy, Closed, DecodeError, Event, Hub, OptionError, SelectorError, TopicError, WrongLoop

pytestmark = pytest.mark.every_loop


def texts(events: Sequence[Event]) -> list[str]:
    return [event.text for event in events]


async def test_an_iteration_gives_events_in_order_and_ends_with_the_hub() -> None:
    with Hub() as hub, hub.subscribe("t") as sub:
        for number in range(3):
            hub.publish("t", str(number))
        hub.close()
        assert [event.text async for event in sub] == ["0", "1", "2"]
        assert [event async for event in sub] == []
        with pytest.raises(Closed) as end:
            await sub.get()
        assert end.value.reason == "hub_closed"
        assert sub.closed == "hub_closed"


async def test_a_sleeping_reader_is_woken_by_an_event_and_by_each_end() -> None:
    for end in ("hub", "subscription"):
        hub = Hub()
        sub = hub.subscribe("t")
        got: list[str] = []

        async def read(sub: Any = sub, got: list[str] = got) -> None:
            async for event in sub:
                got.append(event.text)  # noqa: PERF401 (looked at meanwhile)

        with anyio.fail_after(10):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(read)
                await anyio.sleep(0.01)
                hub.publish("t", "first")
                await anyio.sleep(0.01)
                assert got == ["first"]
                hub.publish("t", "second")
                (hub if end == "hub" else sub).close()
        assert got == (["first", "second"] if end == "hub" else ["first"])


async def test_a_reader_is_woken_from_another_thread() -> None:
    with Hub() as hub, hub.subscribe("t") as sub:
        thread = threading.Timer(0.05, hub.publish, ("t", b"x"))
        thread.start()
        with anyio.fail_after(10):
            assert (await sub.get()).data == b"x"
        thread.join()


async def test_closing_ends_a_read_and_what_waits_is_not_read() -> None:
    with Hub() as hub:
        sub = hub.subscribe("t")
        hub.publish("t", b"x")
        sub.close()
        sub.close()
        with pytest.raises(Closed) as end:
            await sub.get()
        assert end.value.reason == "unsubscribed"
        with pytest.raises(Closed):
            sub.get_nowait()
        with pytest.raises(Closed):
            await sub.get_many(2)
        assert (sub.lag, sub.topics, sub.patterns) == (0, (), ())
        async with hub.subscribe("t") as other:
            pass
        assert other.closed == "unsubscribed"


async def test_a_slow_reader_is_told() -> None:
    with Hub() as hub, hub.subscribe("t", overflow="disconnect", capacity=2) as sub:
        for _ in range(3):
            hub.publish("t", b"x")
        with pytest.raises(Closed) as end:
            async for _ in sub:
                pass
        assert end.value.reason == sub.closed == "slow_consumer"


async def test_get_nowait() -> None:
    with Hub() as hub, hub.subscribe("t") as sub:
        assert sub.get_nowait() is None
        assert sub.get_many_nowait(3) == ()
        for number in range(5):
            hub.publish("t", str(number))
        first = sub.get_nowait()
        assert first is not None
        assert first.text == "0"
        assert texts(sub.get_many_nowait(3)) == ["1", "2", "3"]
        assert texts(sub.get_many_nowait(3)) == ["4"]


async def test_get_many_waits_for_the_first_and_takes_what_is_there() -> None:
    with Hub() as hub, hub.subscribe("t") as sub:
        for number in range(5):
            hub.publish("t", str(number))
        assert texts(await sub.get_many(3)) == ["0", "1", "2"]
        assert texts(await sub.get_many(3)) == ["3", "4"]
        batches: list[list[str]] = []

        async def read() -> None:
            batches.append(texts(await sub.get_many(3)))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read)
            await anyio.sleep(0.01)
            assert batches == []
            hub.publish("t", "5")
        assert batches == [["5"]]


async def test_get_many_lingers_until_all_are_there() -> None:
    with Hub() as hub, hub.subscribe("t") as sub:
        with anyio.fail_after(10):
            async with anyio.create_task_group() as tasks:

                async def read() -> None:
                    assert texts(await sub.get_many(3, linger=60)) == ["0", "1", "2"]

                tasks.start_soon(read)
                for number in range(4):
                    await anyio.sleep(0.01)
                    hub.publish("t", str(number))
        assert sub.lag == 1


async def test_get_many_lingers_no_longer_than_it_was_told() -> None:
    with Hub() as hub, hub.subscribe("t") as sub:
        hub.publish("t", "0")
        began = time.monotonic()
        assert texts(await sub.get_many(3, linger=0.05)) == ["0"]
        assert 0.04 < time.monotonic() - began < 10


@pytest.mark.parametrize("budget", [{"capacity": 8}, {"capacity_bytes": 8 * 1192}])
async def test_get_many_loses_nothing_by_lingering(budget: dict[str, int]) -> None:
    with Hub(capacity=1024) as hub, hub.subscribe("t", **budget) as sub:
        got: list[Event] = []
        with anyio.fail_after(20):
            async with anyio.create_task_group() as tasks:

                async def read() -> None:
                    while len(got) < 40:
                        got.extend(await sub.get_many(1000, linger=60))

                tasks.start_soon(read)
                for _ in range(40):
                    hub.publish("t", bytes(1000))
                    await anyio.sleep(0.003)
                tasks.cancel_scope.deadline = anyio.current_time() + 0.2
        assert sum(event.lost for event in got) == 0
        assert len(got) + sub.lag == 40


async def test_a_lingering_reader_is_told_of_the_end() -> None:
    hub = Hub()
    with hub.subscribe("t") as sub:
        hub.publish("t", "0")
        with anyio.fail_after(10):
            async with anyio.create_task_group() as tasks:

                async def read() -> None:
                    assert texts(await sub.get_many(3, linger=60)) == ["0"]

                tasks.start_soon(read)
                await anyio.sleep(0.01)
                hub.close()


async def test_a_lingering_reader_gets_what_is_added_meanwhile() -> None:
    with Hub() as hub, hub.subscribe("a") as sub, anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:

            async def read() -> None:
                assert texts(await sub.get_many(2, linger=60)) == ["0", "1"]
                assert texts(await sub.get_many(1)) == ["2"]

            tasks.start_soon(read)
            hub.publish("a", "0")
            await anyio.sleep(0.01)
            assert sub.add("b") == 1
            hub.publish("b", "1")
            await anyio.sleep(0.01)
            # Asleep once more, and in another feed afterwards.
            assert sub.add("c*") == 1
            hub.publish("c", "2")


@pytest.mark.parametrize(
    ("n", "linger", "error"),
    [(0, 0, OptionError), (True, 0, TypeError), (1.0, 0, TypeError), (1, -1, OptionError), (1, "x", TypeError)],
)
async def test_bad_arguments_of_get_many(n: Any, linger: Any, error: type[Exception]) -> None:
    with Hub() as hub, hub.subscribe("t") as sub, pytest.raises(error):
        await sub.get_many(n, linger)


async def test_names_are_added_and_removed_all_or_none() -> None:
    with Hub() as hub, hub.subscribe(["a", "x.*"]) as sub:
        assert sub.add("b", ["c", "y.*"], "a") == 3
        assert (sorted(sub.topics), sorted(sub.patterns)) == (["a", "b", "c"], ["x.*", "y.*"])
        with pytest.raises(TopicError):
            sub.add("d", "")
        with pytest.raises(ValueError, match=r"\["):
            sub.add("d", "[")
        with pytest.raises(TypeError):
            sub.add("d", 1)  # type: ignore[arg-type]
        with pytest.raises(SelectorError):
            sub.add()
        assert sorted(sub.topics) == ["a", "b", "c"]
        with pytest.raises(TopicError):
            sub.remove("a", "")
        with pytest.raises(SelectorError, match="close"):
            sub.remove("a", "b", "c", "x.*", "y.*")
        assert sorted(sub.topics) == ["a", "b", "c"]
        assert sub.remove("a", "b", "nobody", "x.*") == 3
        assert (sub.topics, sub.patterns) == (("c",), ("y.*",))
        hub.publish("a", b"")
        hub.publish("c", b"")
        hub.publish("y.z", b"")
        assert [event.topic for event in sub.get_many_nowait(9)] == ["c", "y.z"]
    with pytest.raises(Closed):
        sub.add("b")
    with pytest.raises(Closed):
        sub.remove("b")


async def test_a_second_reader_is_told_and_the_first_reads_on() -> None:
    with Hub() as hub, hub.subscribe("t") as sub:
        got: list[str] = []

        async def read() -> None:
            got.append((await sub.get()).text)

        with anyio.fail_after(10):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(read)
                await anyio.sleep(0.01)
                for attempt in (sub.get, sub.__anext__, lambda: sub.get_many(2)):
                    with pytest.raises(Busy):
                        await attempt()
                with pytest.raises(Busy):
                    sub.get_nowait()
                with pytest.raises(Busy):
                    await anyio.to_thread.run_sync(sub.get_blocking, 1.0)
                hub.publish("t", "x")
                # The first has been woken, and has not read yet.
                with pytest.raises(Busy):
                    sub.get_nowait()
        assert got == ["x"]
        hub.publish("t", "y")
        assert (await sub.get()).text == "y"


async def test_reading_blocks_no_loop() -> None:
    with Hub() as hub, hub.subscribe("t") as sub:
        hub.publish("t", b"")
        with pytest.raises(WrongLoop, match="async for"):
            sub.get_blocking()
        with pytest.raises(WrongLoop):
            next(iter(sub))


async def test_threads_read_as_well(eventually: Any) -> None:
    with Hub() as hub, hub.subscribe("t") as sub:
        assert await anyio.to_thread.run_sync(sub.get_blocking, 0.01) is None
        got: list[str] = []

        def read() -> None:
            got.extend(event.text for event in sub)

        thread = threading.Thread(target=read)
        thread.start()
        for number in range(100):
            hub.publish("t", str(number))
            if number % 10 == 0:
                await anyio.sleep(0.001)
        await eventually(lambda: len(got) == 100)
        began = time.monotonic()
        sub.close()
        await anyio.to_thread.run_sync(thread.join)
        assert time.monotonic() - began < 5
        assert got == [str(number) for number in range(100)]


async def test_one_loop_after_the_other_reads(anyio_backend: Any) -> None:
    def in_another_loop(read: Callable[[], Any]) -> Any:
        name, options = anyio_backend if isinstance(anyio_backend, tuple) else (anyio_backend, {})
        return anyio.run(read, backend=name, backend_options=options)

    with Hub() as hub, hub.subscribe("t") as sub:
        for number in range(3):
            hub.publish("t", str(number))
        first = await anyio.to_thread.run_sync(in_another_loop, sub.get)
        assert first.text == "0"
        # That loop is closed, so this one takes over.
        assert (await sub.get()).text == "1"
        with pytest.raises(WrongLoop, match="anew"):
            await anyio.to_thread.run_sync(in_another_loop, sub.get)
        assert (await sub.get()).text == "2"


async def test_what_into_makes_is_shared_and_what_it_refuses_is_passed() -> None:
    calls: list[bytes] = []

    def number(data: bytes) -> list[int]:
        calls.append(data)
        return [int(data)]

    with Hub() as hub:
        sub, twin = hub.subscribe("t", into=number), hub.subscribe("t", into=number)
        assert sub.last is None
        hub.publish("t", "1")
        hub.publish("t", "x")
        hub.publish("t", "2")
        one = await sub.get()
        assert one == [1]
        assert await twin.get() is one
        assert sub.last is not None
        assert sub.last.text == "1"
        with pytest.raises(DecodeError) as error:
            await sub.get()
        assert error.value.event.text == "x"
        assert isinstance(error.value.__cause__, ValueError)
        assert await sub.get() == [2]
        assert calls == [b"1", b"x", b"2"]
        # In batches it stands at the same place in between.
        for text in ("3", "x", "x", "4", "5", "6"):
            hub.publish("t", text)
        assert await sub.get_many(10) == ([3],)
        with pytest.raises(DecodeError):
            await sub.get_many(10)
        with pytest.raises(DecodeError):
            sub.get_nowait()
        assert await sub.get_many(2) == ([4], [5])
        assert sub.get_many_nowait(2) == ([6],)
        assert sub.get_nowait() is None
        assert sub.last is not None
        assert sub.last.text == "6"


async def test_a_reader_that_missed_some_shares_the_event_nevertheless() -> None:
    with Hub(capacity=2) as hub:
        slow, fast = hub.subscribe("t"), hub.subscribe("t")
        for number in range(5):
            hub.publish("t", {"n": number})
            await fast.get()
        hub.publish("t", {"n": 5})
        one, other = await slow.get(), await slow.get()
        assert (one.lost, other.lost, slow.missed) == (4, 0, 4)
        mine = await fast.get()
        assert (mine.lost, mine.json()) == (0, {"n": 5})
        assert mine.data is other.data
        assert mine.json() is other.json()


async def test_loops_and_programs_agree_on_the_order_of_asyncio(anyio_backend: Any) -> None:
    if anyio_backend == "trio":
        pytest.skip("of asyncio only")
    with Hub() as hub, hub.subscribe("t") as sub:
        task = asyncio.ensure_future(sub.get())
        await asyncio.sleep(0)
        task.cancel()
        # It sleeps no more, though it has not been told yet.
        hub.publish("t", "x")
        assert (await sub.get()).text == "x"
        with pytest.raises(asyncio.CancelledError):
            await task
