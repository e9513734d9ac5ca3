"""Publishers and readers on many threads and loops at once, counted; and what signals do to a blocked read."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

import anyio
import pytest

from distributary import Busy, Closed, Event, Hub, Subscription

PUBLISHERS = 8
EACH = 1000


def in_thread(work: Callable[[], Any]) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread


@pytest.mark.parametrize("backends", [("asyncio", "trio"), (("asyncio", {"use_uvloop": True}), "asyncio")], ids=str)
def test_eight_publishers_two_loops_and_a_thread(backends: tuple[Any, Any]) -> None:
    if not isinstance(backends[0], str):
        pytest.importorskip("uvloop")
    readers = 20
    with Hub(capacity=PUBLISHERS * EACH) as hub:
        got: list[list[str]] = []

        def note(event: Event, seen: list[str]) -> None:
            seen.append(event.text)

        async def read_all(subs: list[Subscription[Event]]) -> None:
            async def read(index: int, sub: Subscription[Event]) -> None:
                seen: list[str] = []
                got.append(seen)
                while len(seen) < PUBLISHERS * EACH:
                    if index % 3 == 0:
                        for event in await sub.get_many(100, linger=0.001):
                            note(event, seen)
                    elif index % 3 == 1:
                        note(await sub.get(), seen)
                    else:
                        async for event in sub:
                            note(event, seen)
                            if len(seen) == PUBLISHERS * EACH:
                                break

            async with anyio.create_task_group() as tasks:
                for index, sub in enumerate(subs):
                    tasks.start_soon(read, index, sub)

        def loop(backend: Any) -> None:
            name, options = backend if isinstance(backend, tuple) else (backend, {})
            subs = [hub.subscribe("t") for _ in range(readers)]
            ready.wait()
            anyio.run(read_all, subs, backend=name, backend_options=options)

        def block() -> None:
            seen: list[str] = []
            got.append(seen)
            with hub.subscribe("t") as sub:
                ready.wait()
                for event in sub:
                    note(event, seen)
                    if len(seen) == PUBLISHERS * EACH:
                        return

        def publish(number: int) -> None:
            ready.wait()
            for count in range(EACH):
                hub.publish("t", f"{number} {count}")

        ready = threading.Barrier(3 + PUBLISHERS)
        threads = [in_thread(lambda backend=backend: loop(backend)) for backend in backends]  # type: ignore[misc]
        threads.append(in_thread(block))
        threads += [in_thread(lambda number=number: publish(number)) for number in range(PUBLISHERS)]  # type: ignore[misc]
        for thread in threads:
            thread.join(50)
            assert not thread.is_alive()
        assert len(got) == 2 * readers + 1
        for seen in got:
            # All of each publisher, in its order; and all readers agree on the whole.
            assert len(seen) == PUBLISHERS * EACH
            assert seen == got[0]
        for number in range(PUBLISHERS):
            mine = [text for text in got[0] if text.startswith(f"{number} ")]
            assert mine == [f"{number} {count}" for count in range(EACH)]


def test_one_thread_blocks_at_a_time() -> None:
    with Hub() as hub, hub.subscribe("t") as sub:
        thread = in_thread(lambda: sub.get_blocking(20))
        end = time.monotonic() + 10
        while time.monotonic() < end:
            try:
                sub.get_blocking(0.001)
            except Busy:  # noqa: PERF203
                break
        else:
            pytest.fail("two threads read")
        with pytest.raises(Busy):
            asyncio.run(sub.get())
        hub.publish("t", b"")
        thread.join(10)
        assert not thread.is_alive()


@pytest.mark.parametrize("end", ["sub", "hub"])
def test_a_blocked_thread_is_told_of_the_end_at_once(end: str) -> None:
    hub = Hub()
    sub = hub.subscribe("t")
    raised: list[BaseException] = []

    def read() -> None:
        try:
            sub.get_blocking()
        except Closed as error:
            raised.append(error)

    thread = in_thread(read)
    time.sleep(0.1)
    (sub if end == "sub" else hub).close()
    thread.join(5)
    assert not thread.is_alive()
    assert [error.reason for error in raised if isinstance(error, Closed)] == [
        "unsubscribed" if end == "sub" else "hub_closed"
    ]


def test_a_blocked_read_leaves_others_the_interpreter_and_times_out() -> None:
    with Hub() as hub, hub.subscribe("t") as sub:
        count = 0
        stop = threading.Event()

        def spin() -> None:
            nonlocal count
            while not stop.is_set():
                count += 1

        thread = in_thread(spin)
        began = time.monotonic()
        assert sub.get_blocking(0.2) is None
        assert 0.2 <= time.monotonic() - began < 5
        stop.set()
        thread.join()
        assert count > 1000
        hub.publish("t", b"x")
        event = sub.get_blocking(0)
        assert event is not None
        assert event.data == b"x"
        assert sub.get_blocking(0) is None


@pytest.mark.skipif(sys.platform == "win32", reason="sends a signal")
@pytest.mark.parametrize("read", ["sub.get_blocking()", "next(sub)", "sub.get_blocking(60)"])
def test_an_interrupt_ends_a_blocked_read(read: str) -> None:
    # Started in the background, a test run may have been told to ignore interrupts, and its children with it.
    program = f"""
        import signal
        from distributary import Hub
        signal.signal(signal.SIGINT, signal.default_int_handler)
        hub = Hub()
        sub = hub.subscribe("t")
        print("ready", flush=True)
        try:
            {read}
        except KeyboardInterrupt:
            hub.publish("t", "x")
            print(sub.get_blocking().text, flush=True)
    """
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process:
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.1)
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert process.stdout.read() == "x\n"
        assert time.monotonic() - began < 5
    assert process.returncode == 0


class Interrupt(KeyboardInterrupt):
    """What a handler of signals raises."""


class Interrupts:
    """Raises once, when so many lines of what wakes readers have been run."""

    FUNCTIONS = ("publish", "come", "_turn")

    def __init__(self, line: int) -> None:
        self.left = line

    def __call__(self, frame: FrameType, event: str, _: object) -> Any:
        code = frame.f_code
        if code.co_name not in self.FUNCTIONS or "distributary" not in code.co_filename:
            return None
        if frame.f_back is not None and frame.f_back.f_code.co_name == "lay":
            # This would end a reader.
            return None
        if event in ("call", "line"):
            self.left -= 1
            if self.left == 0:
                raise Interrupt
        return self


def test_an_interrupt_anywhere_loses_no_wake_up() -> None:
    """The loop is left by an exception in the midst of waking, and run again: everybody is woken all the same."""
    line = 0
    interrupted = True
    while interrupted:
        line += 1
        interrupted = rounds_with_an_interrupt(line)
    assert line > 40


def rounds_with_an_interrupt(line: int) -> bool:
    """Whether there was one."""
    readers = 40
    counts = [0] * readers
    hub = Hub(slice=1e-9)
    loop = asyncio.new_event_loop()
    interrupted = False

    async def read(index: int) -> None:
        async for _ in hub.subscribe("t"):
            counts[index] += 1

    async def publish() -> None:
        hub.publish("t", b"x")

    async def wait() -> None:
        with anyio.fail_after(10):
            while min(counts) < hub.stats().published:  # noqa: ASYNC110
                await asyncio.sleep(0)

    tasks = [loop.create_task(read(index)) for index in range(readers)]
    loop.run_until_complete(asyncio.sleep(0))
    sys.settrace(Interrupts(line))
    try:
        for step in (publish, publish, wait, publish, wait):
            task = loop.create_task(step())
            while not task.done():
                try:
                    loop.run_until_complete(task)
                except Interrupt:  # noqa: PERF203
                    interrupted = True
                except RuntimeError as error:
                    # What a run that was broken off leaves of itself in the loop stops the next one.
                    assert "stopped before" in str(error)  # noqa: PT017
    finally:
        sys.settrace(None)
    loop.run_until_complete(wait())
    hub.close()
    loop.run_until_complete(asyncio.wait(tasks))
    loop.close()
    assert counts == [hub.stats().published] * readers
    return interrupted
