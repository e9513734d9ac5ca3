"""Hubs that a Redis server joins."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pickle
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import anyio
import pytest
import websockets

from distributary import (
    Busy,
    Closed,
    ForwardError,
    Hub,
    NotHeard,
    OptionError,
    PatternError,
    Redis,
    WrongLoop,
)
from distributary.gateway import Accept, Gateway, Request

#: Nobody listens there.
NOWHERE = "redis://127.0.0.1:1"


@pytest.fixture
def hubs(redis_server: Any) -> Iterator[tuple[Hub, Hub]]:
    """Two hubs that know of each other by the server alone."""
    with Hub(redis_server.url) as one, Hub(redis=Redis(redis_server.url)) as other:
        yield one, other


# Without a backplane.


@pytest.mark.every_loop
async def test_a_hub_by_itself_is_joined_and_well() -> None:
    with Hub() as hub:
        await hub.joined()
        delivery = hub.publish("a", b"")
        assert delivery.forwarding == "none"
        receipt = hub.publish_acknowledged("a", b"")
        assert receipt.delivery.subscriptions == 0
        acknowledged = await receipt
        assert (acknowledged.heard, acknowledged.number) == (0, None)
        # The outcome can be asked for again.
        assert await receipt == acknowledged
        health = hub.health()
        assert (health.condition, health.reasons, health.joining) == ("ok", (), 0)
        async for seen in hub.health_changes():
            assert seen.condition == "ok"
            hub.close()


def test_a_thread_of_a_hub_by_itself_does_not_wait() -> None:
    with Hub() as hub:
        assert hub.joined().wait(0)
        acknowledged = hub.publish_acknowledged("a", b"").wait(0)
        assert acknowledged is not None
        assert acknowledged.heard == 0


async def test_a_thread_with_a_loop_is_not_blocked() -> None:
    with Hub() as hub:
        for wait in (hub.joined().wait, hub.publish_acknowledged("a", b"").wait):
            with pytest.raises(WrongLoop):
                wait()


# With one.


@pytest.mark.every_loop
async def test_two_hubs_hear_each_other(hubs: tuple[Hub, Hub]) -> None:
    one, other = hubs
    with one.subscribe("a") as here, other.subscribe("?") as there:
        await one.joined()
        await other.joined()
        for number in range(100):
            assert one.publish("a", b"%d" % number).forwarding == "queued"
        acknowledged = await one.publish_acknowledged("a", {"is": "last"})
        assert acknowledged.heard >= 1
        assert acknowledged.number is None
        with anyio.fail_after(20):
            for number in range(100):
                assert (await there.get()).data == b"%d" % number
            assert (await there.get()).json() == {"is": "last"}
            other.publish("a", b"back")
            # Its own events come to a hub once, and not again by the server.
            found = [(await here.get()).data for _ in range(102)]
        assert found[-1] == b"back"
        assert found[:2] == [b"0", b"1"]
        assert here.get_nowait() is None


def test_threads_wait_without_a_loop(hubs: tuple[Hub, Hub]) -> None:
    one, other = hubs
    with other.subscribe("a") as there:
        assert other.joined().wait(20)
        acknowledged = one.publish_acknowledged("a", b"1").wait(20)
        assert acknowledged is not None
        assert acknowledged.heard == 1
        event = there.get_blocking(20)
        assert event is not None
        assert event.data == b"1"


def test_processes_hear_each_other(redis_server: Any, peer: Callable[[str], Any]) -> None:
    other = peer(redis_server.url)
    assert other.tell(subscribe="to.peer") == {"joined": True}
    with Hub(redis_server.url) as hub, hub.subscribe("from.*") as sub:
        assert hub.joined().wait(20)
        assert hub.publish("to.peer", "häll\u00f6").forwarding == "queued"
        assert other.says() == {"topic": "to.peer", "data": "häll\u00f6", "lost": 0}
        assert other.tell(publish="from.peer", data="back") == {"heard": 1}
        event = sub.get_blocking(20)
        assert event is not None
        assert (event.topic, event.text) == ("from.peer", "back")


def test_a_plain_client_is_heard_and_hears(redis_server: Any, plain: Any) -> None:
    with Hub(redis_server.url) as hub, hub.subscribe("a", where={"n": [1]}) as sub:
        assert hub.joined().wait(20)
        assert plain.send("PUBLISH", "a", '{"n":2}') == 1
        assert plain.send("PUBLISH", "a", '{"n":1}') == 1
        event = sub.get_blocking(20)
        assert event is not None
        assert event.json() == {"n": 1}
        plain.send("SUBSCRIBE", "b")
        hub.publish("b", {"id": 7})
        assert plain.read() == [b"message", b"b", b'{"id":7}']


def test_a_topic_that_is_not_to_linger_is_given_up_at_once(redis_server: Any, plain: Any, wait_until: Any) -> None:
    def listeners(topic: str) -> int:
        return int(plain.send("PUBSUB", "NUMSUB", topic)[1])

    with Hub(Redis(redis_server.url, linger=0)) as hasty, Hub(Redis(redis_server.url, linger=1e9)) as patient:
        with hasty.subscribe("hasty"), patient.subscribe("patient"):
            assert hasty.joined().wait(20)
            assert patient.joined().wait(20)
        wait_until(lambda: listeners("hasty") == 0, "it is given up")
        assert listeners("patient") == 1


async def test_names_that_the_server_refuses_are_said(redis_server: Any, plain: Any) -> None:
    rules = "on >secret +@all ~* resetchannels &allowed &distributary:*"
    plain.send("ACL", "SETUSER", "narrow", *rules.split())
    url = redis_server.url.replace("redis://", "redis://narrow:secret@")
    with Hub(url) as hub, hub.subscribe("allowed") as sub, hub.subscribe("forbidden"):
        with pytest.raises(NotHeard, match="'forbidden'") as caught:
            await hub.joined()
        assert caught.value.names == ("forbidden",)
        assert pickle.loads(pickle.dumps(caught.value)).names == caught.value.names
        assert plain.send("PUBLISH", "allowed", "x") == 1
        assert (await sub.get()).text == "x"


async def test_what_is_kept_is_numbered_and_envelopes_carry_the_rest(redis_server: Any) -> None:
    rules = Redis(
        redis_server.url,
        modes={"r.*": "replay", "d.*": "durable"},
        envelope=["e.*"],
        log_length=100,
        replica_wait=0.02,
    )
    with Hub(rules) as one, Hub(rules) as other, other.subscribe(["r.1", "e.1", "d.1"]) as there:
        await other.joined()
        for number in (1, 2, 3):
            acknowledged = await one.publish_acknowledged("r.1", b"kept")
            assert (acknowledged.number, acknowledged.heard) == (number, 1)
        assert one.publish("e.1", b"wrapped", key="k", attributes={"n": [1, 2]}).forwarding == "queued"
        with pytest.raises(ForwardError) as caught:
            # There is no replica.
            await one.publish_acknowledged("d.1", b"safe")
        assert caught.value.kind == "not_replicated"
        with anyio.fail_after(20):
            events = [await there.get() for _ in range(5)]
        assert [event.data for event in events] == [b"kept", b"kept", b"kept", b"wrapped", b"safe"]
        assert (events[3].key, events[3].attributes) == ("k", {"n": [1, 2]})


async def test_what_was_missed_while_a_connection_was_cut_is_replayed(redis_server: Any, plain: Any) -> None:
    rules = Redis(redis_server.url, modes={"r.*": "replay"})
    with Hub(rules) as one, Hub(rules) as other, other.subscribe("r.cut") as there:
        await other.joined()
        for number in range(100):
            if number % 20 == 0:
                plain.send("CLIENT", "KILL", "TYPE", "pubsub")
            await one.publish_acknowledged("r.cut", b"%d" % number)
        with anyio.fail_after(20):
            assert [(await there.get()).data for _ in range(100)] == [b"%d" % number for number in range(100)]
        assert there.missed == 0


async def test_clients_of_a_gateway_hear_other_processes(hubs: tuple[Hub, Hub]) -> None:
    one, other = hubs

    async def authorize(request: Request) -> Accept[None]:
        return Accept("news")

    async with Gateway(other, address="127.0.0.1:0", authorize=authorize) as gateway:
        assert gateway.address is not None
        host, port = gateway.address
        async with websockets.connect(f"ws://{host}:{port}/") as client:
            await other.joined()
            one.publish("news", {"n": 1})
            with anyio.fail_after(20):
                assert await client.recv() == '{"n":1}'


async def test_publishing_at_once_from_many_tasks_and_threads(hubs: tuple[Hub, Hub]) -> None:
    one, other = hubs
    with other.subscribe("a", capacity=10_000) as there:
        await other.joined()
        receipts = [one.publish_acknowledged("a", b"%d" % number) for number in range(500)]

        async def wait(receipt: Any) -> int:
            return (await receipt).heard

        with anyio.fail_after(20):
            heard = await asyncio.gather(*map(wait, receipts))
        assert set(heard) == {1}

        def publish() -> None:
            for _ in range(100):
                assert one.publish_acknowledged("a", b"thread").wait(20) is not None

        threads = [threading.Thread(target=publish) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            await anyio.to_thread.run_sync(thread.join)
        with anyio.fail_after(20):
            found = [(await there.get()).data for _ in range(900)]
        assert found[:500] == [b"%d" % number for number in range(500)]


async def test_a_wait_that_is_cancelled_leaves_the_event_under_way() -> None:
    with Hub(NOWHERE) as hub, hub.subscribe("a"):
        joined = hub.joined()
        receipt = hub.publish_acknowledged("a", b"")
        for what in (joined, receipt):
            for _ in range(3):
                with pytest.raises(asyncio.TimeoutError):
                    await asyncio.wait_for(_waited(what), 0.01)
        # Nobody sleeps there any more; and both end with the hub.
        waiting = [asyncio.ensure_future(_waited(what)) for what in (joined, receipt)]
        await asyncio.sleep(0.01)
        await anyio.to_thread.run_sync(hub.close)
        with anyio.fail_after(20):
            results = await asyncio.gather(*waiting, return_exceptions=True)
        assert isinstance(results[0], Closed)
        assert isinstance(results[1], ForwardError)
        assert results[1].kind == "closed"


async def _waited(what: Any) -> Any:
    return await what


# When the server is away.


async def test_a_server_that_is_away_is_no_error(eventually: Any) -> None:
    with Hub(NOWHERE) as hub, hub.subscribe("a") as sub:
        delivery = hub.publish("a", b"1")
        assert (delivery.subscriptions, delivery.forwarding) == (1, "queued")
        assert (await sub.get()).data == b"1"
        await eventually(lambda: hub.health().condition == "away", "it is seen")
        assert hub.health().reasons
        assert not await anyio.to_thread.run_sync(hub.joined().wait, 0.05)


async def test_what_waits_too_long_is_given_up() -> None:
    with Hub(redis=Redis(NOWHERE, queue_deadline=0.2)) as hub:
        with anyio.fail_after(20), pytest.raises(ForwardError) as caught:
            await hub.publish_acknowledged("a", b"")
        assert caught.value.kind == "expired"
        copy = pickle.loads(pickle.dumps(caught.value))
        assert (type(copy), copy.kind, str(copy)) == (ForwardError, "expired", str(caught.value))


async def test_more_than_may_wait_is_refused_at_the_call() -> None:
    with Hub(redis=Redis(NOWHERE, queue_bytes=1000)) as hub:
        while (delivery := hub.publish("a", bytes(300))).forwarding == "queued":
            pass
        assert delivery.forwarding == "full"
        with pytest.raises(ForwardError) as caught:
            await hub.publish_acknowledged("a", bytes(300))
        assert caught.value.kind == "full"


async def test_a_server_that_dies_comes_back(start_redis: Callable[[], Any], eventually: Any) -> None:
    server = start_redis()
    with Hub(server.url) as one, Hub(server.url) as other, other.subscribe("a") as there:
        await other.joined()
        changes = one.health_changes()
        await eventually(lambda: one.health().condition == "ok", "all is well")
        while (await changes.__anext__()).condition != "ok":
            pass
        server.kill()
        with anyio.fail_after(20):
            while (await changes.__anext__()).condition == "ok":
                pass
        # This process' own subscribers notice nothing.
        with one.subscribe("b") as own:
            one.publish("b", b"here")
            assert (await own.get()).data == b"here"
        server.start_again()
        with anyio.fail_after(20):
            while (await changes.__anext__()).condition != "ok":
                pass
            await one.joined()
            await other.joined()
            assert (await one.publish_acknowledged("a", b"after")).heard == 1
            while (await there.get()).data != b"after":
                pass


async def test_a_change_of_the_health_is_told_and_not_looked_for(
    start_redis: Callable[[], Any], eventually: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = start_redis()
    with Hub(server.url) as hub:
        await eventually(lambda: hub.health().condition == "ok", "all is well")
        changes = hub.health_changes()
        while (await changes.__anext__()).condition != "ok":
            pass

        async def never(seconds: float, result: object = None) -> None:
            await asyncio.get_running_loop().create_future()

        monkeypatch.setattr(asyncio, "sleep", never)

        async def becomes_ill() -> None:
            while (await changes.__anext__()).condition == "ok":
                pass

        with anyio.fail_after(20):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(becomes_ill)
                await anyio.wait_all_tasks_blocked()
                await anyio.to_thread.run_sync(server.kill)


@pytest.mark.every_loop
async def test_changes_of_the_health_end_with_the_hub_and_survive_a_cancelled_read() -> None:
    with Hub(NOWHERE) as hub:
        changes = hub.health_changes()
        with anyio.fail_after(20):
            while (await changes.__anext__()).condition != "away":
                pass
            with anyio.move_on_after(0.05):
                while True:
                    await changes.__anext__()
            async with anyio.create_task_group() as tasks:

                async def read_on() -> None:
                    async for _ in changes:
                        pass

                tasks.start_soon(read_on)
                await anyio.wait_all_tasks_blocked()
                await anyio.to_thread.run_sync(hub.close)


def test_a_thread_waits_for_a_change_of_the_health(start_redis: Callable[[], Any]) -> None:
    server = start_redis()
    with Hub(server.url) as hub:
        assert hub.joined().wait(20)
        changes = hub.health_changes()
        health = changes.wait(20)
        while health is not None and health.condition != "ok":
            health = changes.wait(20)
        assert health is not None
        assert changes.wait(0) is None
        server.kill()
        health = changes.wait(20)
        assert health is not None
        assert health.condition != "ok"
        with pytest.raises(OptionError):
            changes.wait(-1)
        closer = threading.Timer(0.05, hub.close)
        closer.start()
        while changes.wait() is not None:
            pass
        assert hub.closed
        closer.join()


async def test_changes_of_the_health_have_one_reader() -> None:
    with Hub(NOWHERE) as hub:
        changes = hub.health_changes()
        while (await changes.__anext__()).condition != "away":
            pass

        async def read() -> None:
            with contextlib.suppress(StopAsyncIteration):
                while True:
                    await changes.__anext__()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read)
            await anyio.wait_all_tasks_blocked()
            with pytest.raises(Busy):
                await changes.__anext__()
            # Another one begins with the state of now, and waits for changes by itself.
            assert (await hub.health_changes().__anext__()).condition == "away"
            tasks.cancel_scope.cancel()


async def test_a_loop_is_not_blocked_by_a_wait_for_the_health() -> None:
    with Hub(NOWHERE) as hub:
        changes = hub.health_changes()
        while (await changes.__anext__()).condition != "away":
            pass
        with pytest.raises(WrongLoop):
            changes.wait()


# Forks.


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_has_a_connection_of_its_own(redis_server: Any) -> None:
    with Hub(redis_server.url) as hub, hub.subscribe("from.child") as sub:
        assert hub.joined().wait(20)
        held = hub.publish_acknowledged("from.child", b"before")
        changes = hub.health_changes()
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                with hub.subscribe("to.child") as mine:
                    hub.joined().wait(20)
                    hub.publish_acknowledged("from.child", b"ready").wait(20)
                    event = mine.get_blocking(20)
                    assert event is not None
                    hub.publish_acknowledged("from.child", b"got " + event.data).wait(20)
                    try:
                        held.wait(0)
                    except Closed as closed:
                        code = 0 if closed.reason == "forked" and changes.wait() is None else 2
                hub.close()
            finally:
                os._exit(code)
        found = []
        for _ in range(2):
            event = sub.get_blocking(20)
            assert event is not None
            found.append(event.data)
        assert found == [b"before", b"ready"]
        hub.publish("to.child", b"hello")
        event = sub.get_blocking(20)
        assert event is not None
        assert event.data == b"got hello"
        assert os.waitpid(pid, 0)[1] == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_that_does_nothing_with_it_has_none(redis_server: Any, plain: Any) -> None:
    def connections() -> list[bytes]:
        return sorted(line.split()[0] for line in plain.send("CLIENT", "LIST").splitlines())

    with Hub(redis_server.url) as hub, hub.subscribe("a"):
        assert hub.joined().wait(20)
        before = connections()
        come, go = os.pipe(), os.pipe()
        pid = os.fork()
        if pid == 0:
            threads = _threads()
            os.write(come[1], b"%d" % threads)
            os.read(go[0], 1)
            os._exit(0)
        assert os.read(come[0], 9) == b"1"
        assert connections() == before
        os.write(go[1], b"x")
        assert os.waitpid(pid, 0)[1] == 0
        for end in (*come, *go):
            os.close(end)


# The ends.


def test_what_was_published_before_the_close_goes_out(redis_server: Any) -> None:
    with Hub(redis_server.url) as other, other.subscribe("a", capacity=10_000) as there:
        assert other.joined().wait(20)
        hub = Hub(redis_server.url)
        assert hub.publish_acknowledged("other", b"").wait(20) is not None
        for number in range(2000):
            hub.publish("a", b"%d" % number)
        hub.close()
        for number in range(2000):
            event = there.get_blocking(20)
            assert event is not None
            assert event.data == b"%d" % number


def test_a_hub_that_is_forgotten_leaves_nothing(redis_server: Any, wait_until: Any) -> None:
    before = threading.active_count(), _threads()
    for _ in range(5):
        hub = Hub(redis_server.url)
        hub.publish("a", b"")
        del hub
    wait_until(lambda: (threading.active_count(), _threads()) == before, "its thread has ended")


def _threads() -> int:
    return len(os.listdir("/proc/self/task")) if os.path.isdir("/proc/self/task") else 0


def test_a_close_without_a_server_takes_a_moment_at_most() -> None:
    hub = Hub(NOWHERE)
    hub.publish("a", b"")
    began = time.monotonic()
    hub.close()
    assert time.monotonic() - began < 10
    assert hub.closed


@pytest.mark.every_loop
async def test_a_hub_that_is_closed_in_a_task_holds_no_other_up() -> None:
    longest = 0.0

    async def tick() -> None:
        nonlocal longest
        while True:
            before = time.monotonic()
            await anyio.sleep(0.01)
            longest = max(longest, time.monotonic() - before)

    # It takes connections, and says nothing.
    with socket.create_server(("127.0.0.1", 0)) as silent:
        async with anyio.create_task_group() as tasks:
            async with Hub(f"redis://127.0.0.1:{silent.getsockname()[1]}") as hub:
                hub.publish("a", b"")
                tasks.start_soon(tick)
                await anyio.sleep(0.05)
                began = time.monotonic()
            took = time.monotonic() - began
            tasks.cancel_scope.cancel()
    assert hub.closed
    assert 0.5 < took < 10
    assert longest < 0.5


# What is refused.


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ("127.0.0.1:6379", OptionError),
        ("http://127.0.0.1", OptionError),
        ("redis://", OptionError),
        ("redis://127.0.0.1/x", OptionError),
        ("redis://127.0.0.1?db=1", OptionError),
        ("redis://\ud800", OptionError),
        ("", OptionError),
        (5, TypeError),
        (b"redis://127.0.0.1", TypeError),
        (["redis://127.0.0.1"], TypeError),
    ],
)
def test_what_is_no_server_is_refused_at_the_call(given: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="redis"):
        Hub(given)
    with pytest.raises(error, match="redis"):
        Hub(redis=given)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"url": []}, OptionError),
        ({"url": [5]}, TypeError),
        ({"url": None}, TypeError),
        ({"url": ["redis://a", "redis://b"]}, OptionError),
        ({"sentinel": ""}, OptionError),
        ({"sentinel": 5}, TypeError),
        ({"sentinel": "m", "cluster": True}, OptionError),
        ({"sharded": True}, OptionError),
        ({"cluster": 1}, TypeError),
        ({"modes": "replay"}, TypeError),
        ({"modes": {"a": "safe"}}, OptionError),
        ({"modes": {"a": 5}}, TypeError),
        ({"modes": {5: "live"}}, TypeError),
        ({"modes": {"\ud800": "live"}}, PatternError),
        ({"envelope": "a.*"}, TypeError),
        ({"envelope": [5]}, TypeError),
        ({"envelope": ["["]}, PatternError),
        ({"modes": {"[": "live"}}, PatternError),
        ({"sentinel_credentials": "ann"}, TypeError),
        ({"sentinel_credentials": ("ann", 5)}, TypeError),
        ({"replica_wait": -1}, OptionError),
        ({"log_length": -1}, OptionError),
        ({"queue_bytes": 1 << 63}, OptionError),
        ({"queue_bytes": 1.5}, TypeError),
        ({"queue_deadline": -1}, OptionError),
        ({"queue_deadline": "1"}, TypeError),
        ({"linger": -1}, OptionError),
        ({"fleet": 1 << 32}, OptionError),
        ({"client_name": ""}, OptionError),
        ({"colour": "red"}, TypeError),
    ],
)
def test_options_are_checked_at_the_call(options: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        Redis(**{"url": "redis://127.0.0.1", **options})


@pytest.mark.parametrize(
    "options",
    [
        {"url": ()},
        {"url": ("redis://a", "redis://b")},
        {"sentinel": "m", "cluster": True},
        {"root_certificates": b"nothing"},
    ],
)
def test_what_only_the_engine_knows_is_refused_as_well(options: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match=r"^redis: "):
        Redis(**{"url": "redis://127.0.0.1", **options})


def test_a_password_is_not_shown() -> None:
    assert "secret" not in repr(Redis("redis://ann:secret@127.0.0.1"))
    assert repr(Redis("redis://ann:p@secret@127.0.0.1/1")) == "Redis('redis://…@127.0.0.1/1')"
    assert repr(Redis("redis://127.0.0.1/1")) == "Redis('redis://127.0.0.1/1')"
    lone: list[dict[str, Any]] = [
        {"url": "redis://:secret\ud800@h"},
        {"url": "redis://h", "sentinel": "m", "sentinel_credentials": ("a", "secret\ud800")},
    ]
    for options in lone:
        with pytest.raises(OptionError) as raised:
            Redis(**options)
        assert "secret" not in str(raised.value)
    assert "secret" not in repr(Hub("redis://:secret@127.0.0.1:1"))
    with pytest.raises(OptionError) as caught:
        Hub("redis://:secret@127.0.0.1:99999")
    assert "secret" not in str(caught.value)


def test_attributes_need_an_envelope(hubs: tuple[Hub, Hub]) -> None:
    delivery = hubs[0].publish("a", b"", attributes={"x": 1})
    assert delivery.forwarding == "unsupported"
