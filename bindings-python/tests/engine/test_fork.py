"""A hub that was made before a fork: new in the child, unharmed in the parent."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
from typing import Any

import pytest

from distributary import Closed, Hub

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork"),
    # Of Python 3.12 and later: a fork with threads, as the engine's own.
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),
]


def run(program: str, *, seconds: float = 60) -> str:
    """A program of its own, for it forks and ends in many ways. All that it says."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, timeout=seconds, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


COMMON = """
    import asyncio, gc, os, sys, threading, warnings
    from distributary import Closed, Hub
    warnings.simplefilter("ignore", DeprecationWarning)

    def in_child(work):
        sys.stdout.flush()
        child = os.fork()
        if child == 0:
            code = 1
            try:
                work()
                sys.stdout.flush()
                code = 0
            except BaseException:
                import traceback
                traceback.print_exc()
            finally:
                os._exit(code)
        assert os.waitpid(child, 0)[1] == 0, "the child failed"

    def ended(sub):
        try:
            sub.get_nowait()
        except Closed as error:
            return error.reason

    async def one(hub):
        with hub.subscribe("t") as sub:
            threading.Timer(0.01, hub.publish, ("t", b"child")).start()
            return (await sub.get()).data
"""


def test_the_child_has_a_hub_of_its_own_and_the_parent_reads_on() -> None:
    said = run(
        COMMON
        + """
    hub = Hub(capacity=3, history={"h": 10})
    sub = hub.subscribe("t")
    for _ in range(1000):
        hub.publish("h", bytes(20_000))
    others = [hub.subscribe("t") for _ in range(100)]

    async def main():
        # The parent has a lane, somebody asleep in it, and the engine's threads.
        tasks = [asyncio.ensure_future(other.get()) for other in others]
        hub.publish("t", b"parent")
        await asyncio.wait(tasks)
        tasks = [asyncio.ensure_future(other.get()) for other in others]
        await asyncio.sleep(0.01)

        def work():
            print("child:", ended(sub), sub.lag, sub.topics)
            sub.close()
            others[0].close()
            try:
                others[1].add("u")
            except Closed as error:
                print(error.reason)
            print(hub.stats().subscriptions, hub.stats().published, hub.closed)
            print(threading.Thread(target=lambda: print(asyncio.run(one(hub)))).run())
            mine = hub.subscribe("t")
            for _ in range(5):
                hub.publish("t", bytes(20_000))
            print(len(mine.get_many_nowait(10)), mine.missed)
            hub.close()

        in_child(work)
        # Nothing that the child did was heard here.
        await asyncio.sleep(0.05)
        print(sum(task.done() for task in tasks))
        hub.publish("t", b"again")
        done, _ = await asyncio.wait(tasks)
        print({task.result().data for task in done})

    asyncio.run(main())
    print(sub.get_nowait().data, hub.stats().subscriptions)
    """
    )
    assert said.splitlines() == [
        "child: forked 0 ()",
        "forked",
        "0 0 False",
        "b'child'",
        "None",
        "3 2",
        "0",
        "{b'again'}",
        "b'parent' 101",
    ]


def test_a_child_that_goes_through_the_whole_exit() -> None:
    said = run("""
    import asyncio, gc, os, sys, warnings
    from distributary import Hub
    warnings.simplefilter("ignore", DeprecationWarning)
    hub = Hub()
    sub = hub.subscribe("t")
    payload = bytes(100_000)
    hub.publish("t", payload)
    hub.publish("t", payload)
    async def read():
        return await sub.get()
    event = asyncio.run(read())
    child = os.fork()
    if child == 0:
        # Its copies of what was the parent's go in any order.
        assert event.data == payload
        del event
        gc.collect()
        del sub
        sys.exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert asyncio.run(read()).data is payload
    print("done")
    """)
    assert said == "done\n"


def test_children_of_children() -> None:
    said = run(
        COMMON
        + """
    hub = Hub()
    def first():
        sub = hub.subscribe("t")
        hub.publish("t", bytes(20_000))
        def second():
            print(ended(sub), asyncio.run(one(hub)))
        in_child(second)
        print(len(sub.get_nowait()), asyncio.run(one(hub)))
    in_child(first)
    print(asyncio.run(one(hub)))
    """
    )
    assert said.splitlines() == ["forked b'child'", "20000 b'child'", "b'child'"]


def test_forks_while_other_threads_publish_and_read() -> None:
    said = run(
        COMMON
        + """
    hub = Hub()
    stop = threading.Event()
    def publish():
        while not stop.is_set():
            hub.publish("t", bytes(20_000))
    def read(sub):
        for event in sub:
            pass
    async def follow():
        async for event in hub.subscribe("t"):
            pass
    subs = [hub.subscribe("t") for _ in range(2)]
    threads = [threading.Thread(target=publish) for _ in range(2)]
    threads += [threading.Thread(target=read, args=(sub,)) for sub in subs]
    threads.append(threading.Thread(target=lambda: asyncio.run(follow())))
    for thread in threads:
        thread.start()
    for _ in range(20):
        in_child(lambda: print(asyncio.run(one(hub))))
    stop.set()
    for thread in threads[:2]:
        thread.join(10)
    hub.close()
    for thread in threads[2:]:
        thread.join(10)
    print("done")
    """
    )
    assert said.splitlines() == ["b'child'"] * 20 + ["done"]


HUB = Hub()
BEFORE = HUB.subscribe("t")


def work(count: int) -> tuple[str | None, list[int]]:
    """In a process of a pool: the hub of this module, wherever it comes from."""
    reason = None
    try:
        BEFORE.get_nowait()
    except Closed as error:
        reason = error.reason

    async def read() -> list[int]:
        with HUB.subscribe("t") as sub:
            for number in range(count):
                HUB.publish("t", str(number))
            return [int(event.text) for event in await sub.get_many(count)]

    return reason, asyncio.run(read())


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_processes_of_multiprocessing(method: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        textwrap.dedent(
            f"""
            import multiprocessing, sys, warnings
            sys.path.insert(0, {os.path.dirname(__file__)!r})
            warnings.simplefilter("ignore", DeprecationWarning)
            import test_fork

            if __name__ == "__main__":
                with multiprocessing.get_context({method!r}).Pool(2) as pool:
                    print(pool.map(test_fork.work, [3, 5]))
                print(test_fork.work(2))
            """
        )
    )
    done = subprocess.run([sys.executable, str(program)], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    reason = "forked" if method == "fork" else None
    assert done.stdout.splitlines() == [
        str([(reason, [0, 1, 2]), (reason, [0, 1, 2, 3, 4])]),
        str((None, [0, 1])),
    ]
    assert multiprocessing.active_children() == []


APP = """
    import asyncio, os
    from distributary import Hub

    hub = Hub()
    before = hub.subscribe("t")

    async def app(scope, receive, send):
        if scope["type"] == "lifespan":
            while True:
                message = await receive()
                await send({"type": message["type"] + ".complete"})
                if message["type"] == "lifespan.shutdown":
                    return
        with hub.subscribe("t") as sub:
            asyncio.get_running_loop().call_later(0.01, hub.publish, "t", f"{os.getpid()} {before.closed}")
            event = await sub.get()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(event))]})
        await send({"type": "http.response.body", "body": event.data})
"""


def test_workers_of_gunicorn_that_were_preloaded(launch: Any, free_port: Any, tmp_path: Any, wait_until: Any) -> None:
    httpx = pytest.importorskip("httpx")
    pytest.importorskip("gunicorn")
    worker = _worker()
    (tmp_path / "app.py").write_text(textwrap.dedent(APP))
    port = free_port()
    command = ["--preload", "-w", "2", "-k", worker, "-b", f"127.0.0.1:{port}", "--chdir", str(tmp_path), "app:app"]
    server = launch(sys.executable, "-W", "ignore", "-m", "gunicorn", *command)
    server.wait_for_port(port)
    seen = set()

    def both() -> bool:
        response = httpx.get(f"http://127.0.0.1:{port}/", timeout=20, headers={"connection": "close"})
        pid, closed = response.text.split()
        assert closed == "forked"
        seen.add(int(pid))
        return len(seen) == 2

    wait_until(both, "both workers have answered")
    assert server.pid not in seen
    server.signal(signal.SIGTERM)
    assert server.wait() == 0
    assert "Traceback" not in server.output()


def _worker() -> str:
    """The worker of uvicorn for gunicorn, where there is one."""
    import importlib.util

    for module, name in (("uvicorn_worker", "UvicornWorker"), ("uvicorn.workers", "UvicornWorker")):
        if importlib.util.find_spec(module) is not None:
            return f"{module}.{name}"
    pytest.skip("there is no worker of uvicorn for gunicorn")
