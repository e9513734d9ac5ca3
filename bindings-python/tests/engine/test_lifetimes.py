"""What is let go of, and when: subscriptions, events, loops, descriptors, memory. And nothing is said at the exit."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import textwrap
import weakref
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from distributary import Closed, Event, Hub
from distributary.loops import SWEEP


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


linux = pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts descriptors in /proc")


def run(program: str, *options: str) -> str:
    """Runs a program of its own; what it says, which is all that it may say."""
    done = subprocess.run(
        [sys.executable, "-W", "error", *options, "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.every_loop
async def test_a_subscription_that_nobody_holds_unsubscribes(eventually: Any) -> None:
    with Hub() as hub:
        sub = hub.subscribe("t")
        hub.publish("t", b"x")
        await sub.get()
        with anyio.move_on_after(0.001):
            await sub.get()
        gone = weakref.ref(sub)
        assert hub.stats().subscriptions == 1
        del sub
        await eventually(lambda: gc.collect() is not None and gone() is None, "it is collected")
        assert hub.stats().subscriptions == 0
        assert hub.publish("t", b"x").subscriptions == 0


async def test_a_task_and_its_subscription_that_nobody_holds() -> None:
    """A cycle through the loop's lane: of a task, what it sleeps on, and what it reads."""
    hub = Hub()

    async def read() -> None:
        async for _ in hub.subscribe("t"):
            pass

    task = asyncio.ensure_future(read())
    await asyncio.sleep(0.01)
    gone = weakref.ref(task)
    task.cancel()
    del task
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    gc.collect()
    assert gone() is None
    assert hub.stats().subscriptions == 0


def test_a_closed_loop_goes_with_all_that_slept_in_it() -> None:
    with Hub() as hub:
        loop = asyncio.new_event_loop()
        gone = weakref.ref(loop)
        sub = hub.subscribe("t")

        async def read() -> None:
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(asyncio.shield(asyncio.ensure_future(sub.get())), 0.01)

        # The task that reads on is left to its fate.
        loop.set_exception_handler(lambda *_: None)
        loop.run_until_complete(read())
        loop.close()
        del loop
        hub.publish("t", b"x")
        # Its lane goes when the next loop comes to read.
        assert asyncio.run(sub.get()).data == b"x"
        gc.collect()
        assert gone() is None


@linux
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_loops_give_their_descriptors_back(backend: str) -> None:
    with Hub() as hub:
        hub.publish("t", b"")

        def once() -> None:
            with hub.subscribe("t") as sub:

                async def read() -> None:
                    with anyio.move_on_after(0):
                        await sub.get()

                anyio.run(read, backend=backend)

        once()
        once()
        gc.collect()
        before = descriptors()
        for _ in range(10):
            once()
        gc.collect()
        assert descriptors() == before


@linux
@pytest.mark.every_loop
@pytest.mark.parametrize("end", ["closed", "dropped"])
async def test_hubs_leave_a_loop_that_runs_on(end: str, eventually: Any) -> None:
    async def once() -> None:
        hub = Hub()
        with hub.subscribe("t") as sub:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(sub.get)
                await anyio.lowlevel.checkpoint()
                hub.publish("t", b"")
        if end == "closed":
            hub.close()

    await once()
    before = descriptors()
    for _ in range(10):
        await once()

    def back() -> bool:
        gc.collect()
        return descriptors() <= before

    await eventually(back, "the descriptors are given back")


@pytest.mark.every_loop
async def test_events_are_not_kept_for_long() -> None:
    with Hub() as hub, hub.subscribe("t") as sub:

        async def read(count: int) -> list[weakref.ref[Event]]:
            return [weakref.ref(await sub.get()) for _ in range(count)]

        for _ in range(100):
            hub.publish("t", b"x")
        seen = await read(100)
        await anyio.sleep(3 * SWEEP)
        assert [event for event in seen if event() is not None] == []
        # The loop is idle by now, and is told nevertheless.
        for _ in range(10):
            hub.publish("t", b"x")
        seen = [weakref.ref(event) for event in sub.get_many_nowait(10)]
        assert hub.stats().bytes_held > 0
        await anyio.sleep(3 * SWEEP)
        assert [event for event in seen if event() is not None] == []
        assert hub.stats().bytes_held == 0


def test_a_large_payload_is_the_publishers_object_and_goes_with_its_last_event() -> None:
    class Mark:
        """To see it go."""

    class Payload(bytes):
        mark: Mark

    for size in (0, 100_000):
        payload = Payload(size)
        payload.mark = Mark()
        gone = weakref.ref(payload.mark)
        with Hub() as hub, hub.subscribe("a") as sub, hub.subscribe("b") as twin:
            hub.publish("a", payload)
            hub.publish("b", payload)
            hub.publish("b", payload)
            first, second = sub.get_nowait(), twin.get_nowait()
            assert first is not None
            assert second is not None
            assert first.data is second.data is payload
            del first, second
            assert twin.lag == 1
            last = twin.get_nowait()
            assert last is not None
            assert last.data is payload
            del payload, last
            hub.publish("c", b"")
            assert gone() is None


def test_memory_is_flat_over_a_million_events() -> None:
    said = run("""
        import asyncio, resource
        from distributary import Hub

        async def main():
            hub = Hub(capacity=256)
            async def read(sub):
                async for event in sub:
                    event.json()
            async def read_many(sub):
                while True:
                    await sub.get_many(64)
            stalled = hub.subscribe("t")
            tasks = [asyncio.ensure_future(read(hub.subscribe("t"))) for _ in range(3)]
            tasks.append(asyncio.ensure_future(read_many(hub.subscribe("t"))))
            payload = b'{"a": "' + b"x" * 1000 + b'"}'
            async def publish(count):
                for number in range(count):
                    hub.publish("t", payload)
                    if number % 100 == 0:
                        await asyncio.sleep(0)
            await publish(100_000)
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            await publish(1_000_000)
            print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            hub.close()
        asyncio.run(main())
    """)
    assert int(said) < 8 * 1024


#: Ways to leave everything as it is when the interpreter ends.
EXITS = {
    "a loop that was never closed": """
        loop = asyncio.new_event_loop()
        sub = hub.subscribe("t")
        async def read():
            hub.publish("t", b"x")
            await sub.get()
        loop.run_until_complete(read())
        asyncio.set_event_loop(loop)
        # For itself it would complain.
        loop.close()
    """,
    "a thread that is blocked": """
        sub = hub.subscribe("t")
        threading.Thread(target=lambda: [event for event in sub], daemon=True).start()
        time.sleep(0.1)
    """,
    "a thread with a loop": """
        sub = hub.subscribe("t")
        def run():
            try:
                asyncio.run(sub.get())
            except BaseException:
                os._exit(3)
        threading.Thread(target=run, daemon=True).start()
        time.sleep(0.1)
    """,
    "threads that publish and read": """
        def publish():
            while True:
                hub.publish("t", bytes(20_000))
        sub = hub.subscribe("t")
        for work in (publish, publish, lambda: [event for event in sub]):
            threading.Thread(target=work, daemon=True).start()
        time.sleep(0.1)
    """,
    "a run of trio": """
        import trio
        sub = hub.subscribe("t")
        async def main():
            async with trio.open_nursery() as nursery:
                nursery.start_soon(sub.get)
                await trio.sleep(0.01)
                nursery.cancel_scope.cancel()
        trio.run(main)
    """,
    "a loop that watches nothing": """
        class Loop(asyncio.SelectorEventLoop):
            def add_reader(self, *_):
                raise NotImplementedError
        sub = hub.subscribe("t")
        loop = Loop()
        threading.Timer(0.05, hub.publish, ("t", b"x")).start()
        loop.run_until_complete(sub.get())
        loop.close()
    """,
    "a cycle": """
        sub = hub.subscribe("t")
        class Holder: pass
        holder = Holder()
        holder.hub, holder.sub, holder.holder = hub, sub, holder
        del hub, sub
    """,
}


@pytest.mark.parametrize("left", EXITS)
def test_the_exit_is_silent(left: str) -> None:
    program = "import asyncio, os, threading, time\nfrom distributary import Hub\nhub = Hub()\n" + textwrap.dedent(
        EXITS[left]
    )
    assert run(program, "-X", "dev") == ""


def test_reading_leaves_no_resource_open() -> None:
    assert (
        run(
            """
            import asyncio
            from distributary import Hub
            async def main():
                asyncio.get_running_loop().slow_callback_duration = 60
                with Hub() as hub, hub.subscribe("t") as sub:
                    hub.publish("t", b"x")
                    await sub.get()
                    try:
                        await asyncio.wait_for(sub.get(), 0.01)
                    except asyncio.TimeoutError:
                        pass
                    await asyncio.sleep(0.6)
            asyncio.run(main(), debug=True)
            """,
            "-X",
            "dev",
            "-X",
            "tracemalloc=5",
        )
        == ""
    )


def test_a_closed_hub_is_told_to_who_comes_later() -> None:
    hub = Hub()
    sub = hub.subscribe("t")
    hub.publish("t", b"x")
    hub.close()

    async def read() -> list[bytes]:
        return [event.data async for event in sub]

    assert asyncio.run(read()) == [b"x"]
    assert asyncio.run(read()) == []
    with pytest.raises(Closed):
        hub.subscribe("t")


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="the module that makes them is another one")
def test_subinterpreters_are_refused() -> None:
    said = run("""
        import _xxsubinterpreters as interpreters, distributary
        one = interpreters.create()
        try:
            interpreters.run_string(one, "import distributary")
        except interpreters.RunFailedError as error:
            print(error)
        interpreters.destroy(one)
    """)
    assert "ImportError" in said
    assert "subinterpreters" in said
