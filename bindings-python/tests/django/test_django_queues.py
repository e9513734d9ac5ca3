"""Channels of all processes: queues on the server, of whose messages each is received once.

Layers that share neither hub nor exchange are to each other what those of two processes are; some tests have real ones.
"""

from __future__ import annotations

import asyncio
import gc
import random
import signal
import sys
import textwrap
import threading
import weakref
from pathlib import Path
from typing import Any

import anyio
import pytest
from asgiref.sync import async_to_sync
from channels.exceptions import ChannelFull
from django.core.exceptions import ImproperlyConfigured

from distributary import Hub, Moving, Redis
from distributary.django import ChannelLayer, ForeignChannel, QueueError
from distributary.django.clients import connect
from distributary.redis import settings

DATA = {
    "type": "thumbnail.make",
    "text": "häll\u00f6 \0 \U0001f600",
    "bytes": b"\0\xff",
    "list": [1, -(1 << 63), (1 << 64) - 1, 1.5, None, True, [b"in", {"a": b""}]],
    "dict": {"\0b": "no bytes", "\0": {b"key": "value"}},
}


async def receive(layer: ChannelLayer, channel: str) -> dict[str, Any]:
    with anyio.fail_after(20):
        return await layer.receive(channel)


async def nothing_comes(layer: ChannelLayer, channel: str) -> None:
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(layer.receive(channel), 0.05)


def threads() -> int:
    return sum(thread.name == "distributary-queue" for thread in threading.enumerate())


async def waits(layer: ChannelLayer, channel: str) -> asyncio.Task[dict[str, Any]]:
    """Somebody who waits at the channel."""
    task = asyncio.create_task(layer.receive(channel))
    await asyncio.sleep(0)
    return task


# Who receives what


async def test_what_is_sent_is_received(layers: tuple[ChannelLayer, ChannelLayer]) -> None:
    one, other = layers
    await one.send("thumbnails", DATA)
    assert await receive(other, "thumbnails") == DATA
    # Who waits before, as well, and in the process that sends.
    for layer in layers:
        task = await waits(layer, "thumbnails")
        await one.send("thumbnails", DATA)
        assert await asyncio.wait_for(task, 20) == DATA


async def test_each_message_is_received_by_one_of_all(
    layers: tuple[ChannelLayer, ChannelLayer], eventually: Any
) -> None:
    got: list[int] = []

    async def work(layer: ChannelLayer) -> None:
        while True:
            got.append((await layer.receive("thumbnails"))["number"])

    workers = [asyncio.create_task(work(layer)) for layer in layers for _ in range(3)]
    for number in range(300):
        while True:
            try:
                await layers[number % 2].send("thumbnails", {"type": "x", "number": number})
                break
            except ChannelFull:
                await asyncio.sleep(0.001)
    await eventually(lambda: len(got) >= 300, "all are received")
    await asyncio.sleep(0.05)
    assert sorted(got) == list(range(300))
    for worker in workers:
        worker.cancel()
    await asyncio.wait(workers)


async def test_one_receiver_has_them_in_order(layers: tuple[ChannelLayer, ChannelLayer]) -> None:
    one, other = layers
    for number in range(100):
        await one.send("thumbnails", {"type": "x", "number": number})
    assert [(await receive(other, "thumbnails"))["number"] for _ in range(100)] == list(range(100))


async def test_several_channels_do_not_wait_for_each_other(layers: tuple[ChannelLayer, ChannelLayer]) -> None:
    one, other = layers
    tasks = [await waits(other, f"channel-{number}") for number in range(5)]
    for number in reversed(range(5)):
        await one.send(f"channel-{number}", {"type": "x", "number": number})
        assert (await asyncio.wait_for(tasks[number], 20))["number"] == number


async def test_prefixes_are_apart(redis_server: Any) -> None:
    one, other = (ChannelLayer(redis=redis_server.url, prefix=prefix) for prefix in ("one", "other"))
    await one.send("thumbnails", {"type": "x"})
    await nothing_comes(other, "thumbnails")
    assert await receive(one, "thumbnails") == {"type": "x"}
    for layer in (one, other):
        await layer.close()


@pytest.mark.parametrize("kind", ["redis", "moving"])
async def test_the_hub_may_be_given(kind: str, redis_server: Any) -> None:
    hub = Hub(redis_server.url if kind == "redis" else Moving(redis_server.url))
    one, other = ChannelLayer(hub=hub), ChannelLayer(redis=redis_server.url)
    await one.send("thumbnails", {"type": "x"})
    assert await receive(other, "thumbnails") == {"type": "x"}
    await other.send("thumbnails", {"type": "y"})
    assert await receive(one, "thumbnails") == {"type": "y"}
    await other.close()
    hub.close()


def test_from_threads_and_loops_that_come_and_go(redis_server: Any) -> None:
    layer = ChannelLayer(redis=Redis(redis_server.url, client_name="queues"))
    for number in range(20):
        async_to_sync(layer.send)("thumbnails", {"type": "x", "number": number})
    assert [async_to_sync(layer.receive)("thumbnails")["number"] for _ in range(20)] == list(range(20))

    def work() -> None:
        for _ in range(10):
            async_to_sync(layer.send)("thumbnails", {"type": "x"})

    senders = [threading.Thread(target=work) for _ in range(8)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join(20)
    assert redis_server.ask("LLEN", "asgi:queue:thumbnails") == 80
    connections = redis_server.ask("CLIENT", "LIST").decode().split("name=queues ")
    assert len(connections) - 1 <= 5
    async_to_sync(layer.close)()


# How much is kept, and for how long


async def test_a_full_queue_takes_nothing(redis_server: Any) -> None:
    one = ChannelLayer(redis=redis_server.url, capacity=2, channel_capacity={"tiny*": 1})
    other = ChannelLayer(redis=redis_server.url, capacity=2)
    await one.send("thumbnails", {"type": "x", "number": 0})
    await other.send("thumbnails", {"type": "x", "number": 1})
    for layer in (one, other):
        with pytest.raises(ChannelFull):
            await layer.send("thumbnails", {"type": "x"})
    assert (await receive(other, "thumbnails"))["number"] == 0
    await one.send("thumbnails", {"type": "x", "number": 2})
    assert [(await receive(one, "thumbnails"))["number"] for _ in range(2)] == [1, 2]
    await one.send("tiny-1", {"type": "x"})
    with pytest.raises(ChannelFull):
        await one.send("tiny-1", {"type": "x"})
    for layer in (one, other):
        await layer.close()


async def test_many_receivers_need_no_capacity(redis_server: Any) -> None:
    layer = ChannelLayer(redis=redis_server.url, channel_capacity={"tiny": 1})
    tasks = [await waits(layer, "tiny") for _ in range(5)]
    for number in range(5):
        while True:
            try:
                await layer.send("tiny", {"type": "x", "number": number})
                break
            except ChannelFull:
                await asyncio.sleep(0.001)
    with anyio.fail_after(20):
        assert sorted(message["number"] for message in await asyncio.gather(*tasks)) == list(range(5))
    await layer.close()


async def test_what_is_over_is_not_received(redis_server: Any) -> None:
    short, long = ChannelLayer(redis=redis_server.url, expiry=0.1), ChannelLayer(redis=redis_server.url)
    for number in range(3):
        await short.send("thumbnails", {"type": "x", "number": number})
    await long.send("thumbnails", {"type": "y"})
    await asyncio.sleep(0.15)
    assert await receive(long, "thumbnails") == {"type": "y"}
    assert long.stats().expired == 3
    for layer in (short, long):
        await layer.close()


async def test_what_is_over_takes_no_room(redis_server: Any) -> None:
    short, long = (ChannelLayer(redis=redis_server.url, expiry=expiry, capacity=2) for expiry in (0.1, 60))
    await short.send("thumbnails", {"type": "x"})
    await long.send("thumbnails", {"type": "y"})
    await asyncio.sleep(0.15)
    await long.send("thumbnails", {"type": "z"})
    assert long.stats().expired == 1
    for layer in (short, long):
        await layer.close()


async def test_a_queue_that_nobody_receives_from_goes_away(redis_server: Any, eventually: Any) -> None:
    layer = ChannelLayer(redis=redis_server.url)
    key = "asgi:queue:thumbnails"
    await layer.send("thumbnails", {"type": "x"})
    assert 50_000 < redis_server.ask("PTTL", key) <= 60_000
    # Also when somebody has looked at it, or had it in his hand.
    other = ChannelLayer(redis=redis_server.url, expiry=120)
    await other.send("thumbnails", {"type": "x"})
    assert 110_000 < redis_server.ask("PTTL", key) <= 120_000
    await layer.send("thumbnails", {"type": "x"})
    assert redis_server.ask("PTTL", key) > 110_000
    assert redis_server.ask("BLMOVE", key, key, "LEFT", "LEFT", "1")
    assert redis_server.ask("PTTL", key) > 110_000
    for each in (layer, other):
        await each.close()
    short = ChannelLayer(redis=redis_server.url, expiry=0.1)
    await short.send("other", {"type": "x"})
    await eventually(lambda: redis_server.ask("EXISTS", "asgi:queue:other") == 0, "it is gone")
    await short.close()


# Receivers that go


def fetch(layer: ChannelLayer, channel: str, url: str, wait_until: Any) -> None:
    """Stops the loop until a message of another process has come for somebody who cannot take it."""

    def send() -> None:
        other = ChannelLayer(redis=url)
        async_to_sync(other.send)(channel, {"type": "x"})
        async_to_sync(other.close)()

    sender = threading.Thread(target=send)
    sender.start()
    wait_until(lambda: layer.channels == {channel: 1}, "it is here")
    sender.join()


async def test_a_receiver_that_goes_leaves_it_to_the_next(redis_server: Any, wait_until: Any) -> None:
    layer = ChannelLayer(redis=redis_server.url)
    task = await waits(layer, "thumbnails")
    fetch(layer, "thumbnails", redis_server.url, wait_until)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert redis_server.ask("EXISTS", "asgi:queue:thumbnails") == 0
    assert await receive(layer, "thumbnails") == {"type": "x"}
    await layer.close()


async def test_what_nobody_came_for_goes_back(
    layers: tuple[ChannelLayer, ChannelLayer], redis_server: Any, wait_until: Any
) -> None:
    one, other = layers
    task = await waits(one, "thumbnails")
    fetch(one, "thumbnails", redis_server.url, wait_until)
    task.cancel()
    await asyncio.wait([task])
    # It is the first again.
    await one.send("thumbnails", {"type": "y"})
    task = await waits(other, "thumbnails")
    assert (await asyncio.wait_for(task, 20))["type"] in ("x", "y")
    rest = await receive(other, "thumbnails")
    assert {task.result()["type"], rest["type"]} == {"x", "y"}
    assert one.stats().messages == other.stats().messages == 0


async def test_it_goes_back_to_the_head(redis_server: Any, wait_until: Any) -> None:
    one, other = ChannelLayer(redis=redis_server.url), ChannelLayer(redis=redis_server.url, capacity=1)
    task = await waits(one, "thumbnails")
    fetch(one, "thumbnails", redis_server.url, wait_until)
    task.cancel()
    await asyncio.wait([task])
    await other.send("thumbnails", {"type": "y"})
    await one.close()
    # At once, and though there is no room.
    assert redis_server.ask("LLEN", "asgi:queue:thumbnails") == 2
    assert redis_server.ask("PTTL", "asgi:queue:thumbnails") > 50_000
    assert [(await receive(other, "thumbnails"))["type"] for _ in range(2)] == ["x", "y"]
    await other.close()


async def test_a_loop_that_stands_still_keeps_nothing_from_others(redis_server: Any, wait_until: Any) -> None:
    layer = ChannelLayer(redis=redis_server.url)
    task = await waits(layer, "thumbnails")
    fetch(layer, "thumbnails", redis_server.url, wait_until)
    got: list[dict[str, Any]] = []

    def work() -> None:
        other = ChannelLayer(redis=redis_server.url)
        got.append(async_to_sync(other.receive)("thumbnails"))
        async_to_sync(other.close)()

    worker = threading.Thread(target=work)
    worker.start()
    worker.join(20)
    assert got == [{"type": "x"}]
    # And it has the next, when it goes on.
    await layer.send("thumbnails", {"type": "y"})
    assert await asyncio.wait_for(task, 20) == {"type": "y"}
    await layer.close()


async def test_receivers_that_come_and_go_lose_nothing(redis_server: Any) -> None:
    layers = [ChannelLayer(redis=redis_server.url, capacity=1000) for _ in range(2)]
    count = 300
    got: list[int] = []
    chance = random.Random(7)

    async def work(layer: ChannelLayer) -> None:
        while len(got) < count:
            task = asyncio.create_task(layer.receive("thumbnails"))
            await asyncio.wait([task], timeout=chance.choice([0, 0, 0.0005, 0.002]))
            task.cancel()
            await asyncio.wait([task])
            if not task.cancelled():
                got.append(task.result()["number"])

    async def send() -> None:
        for number in range(count):
            await layers[0].send("thumbnails", {"type": "x", "number": number})

    with anyio.fail_after(50):
        await asyncio.gather(send(), *(work(layer) for layer in layers for _ in range(2)))
    assert sorted(got) == list(range(count))
    for layer in layers:
        await layer.close()


async def test_a_channel_that_nobody_waits_for_has_no_thread(redis_server: Any, eventually: Any) -> None:
    await eventually(lambda: threads() == 0, "those of other tests have ended")
    layer = ChannelLayer(redis=redis_server.url)
    task = await waits(layer, "thumbnails")
    assert threads() == 1
    task.cancel()
    await eventually(lambda: threads() == 0, "its thread has ended")
    # And has one again when somebody does.
    task = await waits(layer, "thumbnails")
    await layer.send("thumbnails", {"type": "x"})
    assert await asyncio.wait_for(task, 20) == {"type": "x"}
    await layer.close()
    await eventually(lambda: threads() == 0, "its thread has ended")


async def test_a_layer_that_is_forgotten_ends_its_threads(redis_server: Any, eventually: Any) -> None:
    before = set(threading.enumerate())
    layer = ChannelLayer(redis=redis_server.url)
    await layer.send("thumbnails", {"type": "x"})
    await receive(layer, "thumbnails")
    assert set(threading.enumerate()) - before
    gone = weakref.ref(layer)
    del layer

    def is_gone() -> bool:
        gc.collect()
        return gone() is None and set(threading.enumerate()) <= before

    await eventually(is_gone, "its threads have ended")


async def test_a_closed_layer_can_be_used_further(redis_server: Any) -> None:
    layer = ChannelLayer(redis=redis_server.url)
    for _ in range(2):
        await layer.send("thumbnails", {"type": "x"})
        assert await receive(layer, "thumbnails") == {"type": "x"}
        await layer.close()


# Servers


async def test_an_outage_is_told_to_senders_and_outlived_by_receivers(
    start_redis: Any, eventually: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "distributary.django")
    server = start_redis()
    one, other = ChannelLayer(redis=server.url), ChannelLayer(redis=server.url)
    await one.send("thumbnails", {"type": "x", "number": 0})
    assert (await receive(other, "thumbnails"))["number"] == 0
    task = await waits(other, "thumbnails")
    server.kill()
    for _ in range(3):
        with pytest.raises(QueueError, match="queues"):
            await one.send("thumbnails", {"type": "x"})
    with pytest.raises(QueueError):
        await one.flush()
    await eventually(lambda: "cannot be fetched" in caplog.text, "it is noticed")
    assert not task.done()
    server.start_again()
    await one.send("thumbnails", {"type": "x", "number": 1})
    assert (await asyncio.wait_for(task, 20))["number"] == 1
    assert caplog.text.count("cannot be fetched") == 1
    await eventually(lambda: caplog.text.count("fetched again") == 1, "that is said as well")
    for layer in (one, other):
        await layer.close()


async def test_connections_that_are_cut_lose_nothing_that_was_not_sent_for(
    layers: tuple[ChannelLayer, ChannelLayer], redis_server: Any
) -> None:
    one, other = layers
    for number in range(10):
        task = await waits(other, "thumbnails")
        redis_server.ask("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        await one.send("thumbnails", {"type": "x", "number": number})
        assert (await asyncio.wait_for(task, 20))["number"] == number


async def test_what_nobody_came_for_stays_here_while_the_server_is_away(
    start_redis: Any, eventually: Any, wait_until: Any, caplog: pytest.LogCaptureFixture
) -> None:
    server = start_redis()
    layer = ChannelLayer(redis=server.url)
    task = await waits(layer, "thumbnails")
    fetch(layer, "thumbnails", server.url, wait_until)
    server.kill()
    task.cancel()
    await asyncio.wait([task])
    await eventually(lambda: "cannot be fetched" in caplog.text, "it could not be given back")
    await eventually(lambda: layer.channels == {"thumbnails": 1}, "it is here")
    server.start_again()
    await eventually(lambda: server.ask("LLEN", "asgi:queue:thumbnails") == 1, "it was given back")
    assert await receive(layer, "thumbnails") == {"type": "x"}
    await layer.close()


@pytest.mark.parametrize("topology", ["sentinel", "cluster", "sharded"])
async def test_sentinels_and_clusters_have_queues_as_well(topology: str, request: pytest.FixtureRequest) -> None:
    options: dict[str, Any]
    if topology == "sentinel":
        watched = request.getfixturevalue("watched_redis")
        options = {"url": watched.urls, "sentinel": watched.name}
    else:
        cluster = request.getfixturevalue("redis_cluster")
        options = {"url": cluster.urls, "cluster": True, "sharded": topology == "sharded"}
    one, other = ChannelLayer(redis=options), ChannelLayer(redis=options)
    await one.flush()
    for number in range(10):
        task = await waits(other, f"channel-{number}")
        await one.send(f"channel-{number}", DATA)
        assert await asyncio.wait_for(task, 20) == DATA
        await one.send(f"channel-{number}", {"type": "x"})
    await one.flush()
    await nothing_comes(other, "channel-3")
    for layer in (one, other):
        await layer.close()


async def test_a_new_master_is_found(watched_redis: Any) -> None:
    options = {"url": watched_redis.urls, "sentinel": watched_redis.name}
    one, other = ChannelLayer(redis=options), ChannelLayer(redis=options)
    await one.send("thumbnails", {"type": "x"})
    await receive(other, "thumbnails")
    task = await waits(other, "thumbnails")
    watched_redis.master.kill()
    with anyio.fail_after(40):
        while True:
            try:
                await one.send("thumbnails", {"type": "y"})
                break
            except QueueError:
                await asyncio.sleep(0.1)
    assert await asyncio.wait_for(task, 20) == {"type": "y"}
    for layer in (one, other):
        await layer.close()


async def test_a_user_needs_these_rights(start_redis: Any) -> None:
    server = start_redis()
    rights = (
        "on >se%cret ~asgi:queue:* resetchannels -@all +client|setname +eval +time +lindex +llen +lpop +lpush +rpush "
        "+pttl +pexpire +blmove +scan +unlink"
    )
    server.ask("ACL", "SETUSER", "ann", *rights.split())
    layer = ChannelLayer(redis=Redis(f"redis://ann:se%25cret@127.0.0.1:{server.port}/0", client_name="queues"))
    task = await waits(layer, "thumbnails")
    await layer.send("thumbnails", {"type": "x"})
    assert await asyncio.wait_for(task, 20) == {"type": "x"}
    await layer.send("thumbnails", {"type": "x"})
    await layer.flush()
    await nothing_comes(layer, "thumbnails")
    refused = ChannelLayer(redis=f"redis://ann:wrong@127.0.0.1:{server.port}")
    with pytest.raises(QueueError, match="invalid"):
        await refused.send("thumbnails", {"type": "x"})
    for each in (layer, refused):
        await each.close()


async def test_over_tls_the_server_has_to_show_who_it_is(start_redis: Any, free_port: Any, tmp_path: Path) -> None:
    key, certificate, port = tmp_path / "server.key", tmp_path / "server.pem", free_port()
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-days", "2", "-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1"]
    command += ["-keyout", str(key), "-out", str(certificate)]
    await anyio.run_process(command)
    files = ("--tls-key-file", str(key), "--tls-cert-file", str(certificate), "--tls-ca-cert-file", str(certificate))
    start_redis("--tls-port", str(port), "--tls-auth-clients", "no", *files)
    url = f"rediss://127.0.0.1:{port}"
    layer = ChannelLayer(redis={"url": url, "root_certificates": certificate})
    await layer.send("thumbnails", DATA)
    assert await receive(layer, "thumbnails") == DATA
    stranger = ChannelLayer(redis=url)
    with pytest.raises(QueueError, match="CERTIFICATE_VERIFY_FAILED"):
        await stranger.send("thumbnails", DATA)
    for each in (layer, stranger):
        await each.close()


@pytest.mark.parametrize(
    ("redis", "expected"),
    [
        (Redis("redis://localhost"), {"host": "localhost", "port": 6379, "db": 0, "username": None, "password": None}),
        (
            Redis("redis://ann:p%40ss%2F@[::1]:7000/3", client_name="me"),
            {"host": "::1", "port": 7000, "db": 3, "username": "ann", "password": "p@ss/", "client_name": "me"},
        ),
        (Redis("redis://:secret@localhost"), {"username": None, "password": "secret"}),
        (Redis(["redis://ann:secret@a", "redis://ann:secret@b"], sentinel="main"), {"username": "ann", "db": 0}),
    ],
)
def test_options_of_a_hub_are_those_of_its_client(redis: Redis, expected: dict[str, Any]) -> None:
    client = client_of(redis)
    assert expected.items() <= client.connection_pool.connection_kwargs.items()
    assert client.connection_pool.connection_kwargs["retry"].get_retries() == 0
    client.close()


def client_of(redis: Redis) -> Any:
    options = settings(redis)
    assert options is not None
    return connect(options)


@pytest.mark.parametrize("options", [{}, {"sentinel": "main"}])
def test_a_server_with_tls_is_looked_at_closely(options: dict[str, Any]) -> None:
    client = client_of(Redis("rediss://localhost", **options))
    assert "SSL" in client.connection_pool.connection_class.__name__
    kept = client.connection_pool.connection_kwargs
    assert (kept["ssl_cert_reqs"], kept["ssl_check_hostname"]) == ("required", True)
    client.close()


@pytest.mark.parametrize("given", [None, ("guard", "other")])
def test_sentinels_have_users_of_their_own(given: tuple[str, str] | None) -> None:
    urls = ["redis://ann:secret@a:1/2", "redis://ann:secret@b:2/2"]
    client = client_of(Redis(urls, sentinel="main", sentinel_credentials=given))
    assert client.connection_pool.service_name == "main"
    assert client.connection_pool.connection_kwargs["db"] == 2
    sentinels = client.connection_pool.sentinel_manager.sentinels
    asked = [sentinel.connection_pool.connection_kwargs for sentinel in sentinels]
    assert [(each["host"], each["port"], each["username"], each["password"]) for each in asked] == [
        (host, port, *(given or ("ann", "secret"))) for host, port in (("a", 1), ("b", 2))
    ]
    client.close()


# The rest


async def test_what_is_no_message_is_logged_and_stops_nothing(
    layers: tuple[ChannelLayer, ChannelLayer], redis_server: Any, caplog: pytest.LogCaptureFixture
) -> None:
    one, other = layers
    for nonsense in ("", "{}", "9999999999999:{", "9999999999999:[]", "9999999999999:\n3"):
        redis_server.ask("RPUSH", "asgi:queue:thumbnails", nonsense)
    await one.send("thumbnails", {"type": "x"})
    assert await receive(other, "thumbnails") == {"type": "x"}
    assert caplog.text.count("is no message") == 3
    # Those without a time are over.
    assert one.stats().expired == 2


async def test_flush_empties_the_queues_of_all(redis_server: Any) -> None:
    layer, starred = (ChannelLayer(redis=redis_server.url, prefix=prefix) for prefix in ("asgi", "a*[g]?\\"))
    for each in (layer, starred):
        await each.send("thumbnails", {"type": "x"})
    redis_server.ask("SET", "asgi:other", "1")
    # A layer that has used none.
    other = ChannelLayer(redis=redis_server.url, prefix="a*[g]?\\")
    await other.flush()
    assert redis_server.ask("EXISTS", "asgi:queue:thumbnails", "a*[g]?\\:queue:thumbnails", "asgi:other") == 2
    assert await receive(layer, "thumbnails") == {"type": "x"}
    task = await waits(layer, "thumbnails")
    await layer.flush()
    await layer.send("thumbnails", {"type": "y"})
    assert await asyncio.wait_for(task, 20) == {"type": "y"}
    for each in (layer, starred, other):
        await each.close()


async def test_a_queue_is_in_no_group(layers: tuple[ChannelLayer, ChannelLayer]) -> None:
    with pytest.raises(ForeignChannel, match="queue of all processes"):
        await layers[0].group_add("g", "thumbnails")
    await layers[0].group_discard("g", "thumbnails")


async def test_without_the_package_it_is_said_what_to_install(
    redis_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "redis", None)
    layer = ChannelLayer(redis=redis_server.url)
    for refused in (layer.send("thumbnails", {"type": "x"}), layer.receive("thumbnails")):
        with pytest.raises(ImproperlyConfigured, match=r"pip install 'distributary\[django-queues\]'"):
            await refused
    # All else goes without.
    channel = await layer.new_channel()
    await layer.send(channel, {"type": "x"})
    assert await receive(layer, channel) == {"type": "x"}
    await layer.flush()
    await layer.close()


async def test_calls_that_would_be_late_are_given_up(start_redis: Any) -> None:
    server = start_redis()
    layer = ChannelLayer(redis=Redis(server.url, queue_deadline=0.5))
    server.ask("CLIENT", "PAUSE", "1500")
    outcomes = await asyncio.gather(
        *(layer.send("thumbnails", {"type": "x", "number": number}) for number in range(12)), return_exceptions=True
    )
    # As many as there are threads were sent, and wait for the answer; the others waited for them.
    assert [type(outcome) for outcome in outcomes] == [type(None)] * 4 + [QueueError] * 8
    await layer.close()


# Processes

APPLICATION = """
    import os

    from asgiref.sync import async_to_sync
    from channels.consumer import AsyncConsumer, SyncConsumer
    from channels.routing import ChannelNameRouter, ProtocolTypeRouter

    class Thumbnails(SyncConsumer):
        def thumbnail_make(self, message):
            reply = {"type": "done", "number": message["number"], "process": os.getpid()}
            async_to_sync(self.channel_layer.send)(message["to"], reply)

    class Mails(AsyncConsumer):
        async def mail_send(self, message):
            await self.channel_layer.send("thumbnails", {**message, "type": "thumbnail.make"})

    router = ChannelNameRouter({"thumbnails": Thumbnails.as_asgi(), "mails": Mails.as_asgi()})
    application = ProtocolTypeRouter({"channel": router})
"""

WORKER = """
    import sys

    import django
    from django.conf import settings
    from django.core.management import call_command

    layer = {"BACKEND": "distributary.django.ChannelLayer", "CONFIG": {"redis": sys.argv[1]}}
    settings.configure(
        ASGI_APPLICATION="application.application",
        CHANNEL_LAYERS={"default": layer},
        INSTALLED_APPS=["channels"],
        SECRET_KEY="for tests",
    )
    django.setup()
    call_command("runworker", "thumbnails", "mails")
"""


async def test_workers_share_the_work_and_one_that_is_killed_takes_none_of_it_away(
    redis_server: Any, launch: Any, tmp_path: Path, eventually: Any
) -> None:
    (tmp_path / "application.py").write_text(textwrap.dedent(APPLICATION))
    layer = ChannelLayer(redis=redis_server.url)
    command = (sys.executable, "-W", "error::ResourceWarning", "-c", textwrap.dedent(WORKER), redis_server.url)
    workers = {}
    for _ in range(2):
        worker = launch(*command, cwd=tmp_path)
        workers[worker.pid] = worker

    done = await layer.new_channel()

    async def work(numbers: range) -> set[int]:
        """Has it done; gives who did it."""
        doers: dict[int, int] = {}
        for number in numbers:
            await layer.send("mails", {"type": "mail.send", "number": number, "to": done})
        for _ in numbers:
            message = await receive(layer, done)
            assert doers.setdefault(message["number"], message["process"]) == message["process"]
        assert doers.keys() == set(numbers)
        return set(doers.values())

    async def both_work() -> bool:
        return await work(range(50)) == workers.keys()

    await eventually(both_work, "both workers work", patience=50)
    killed, left = workers
    workers[killed].signal(signal.SIGKILL)
    workers[killed].wait()
    assert await work(range(20)) == {left}
    assert "ResourceWarning" not in workers[left].output()
    await layer.close()


async def test_a_child_of_a_fork_begins_anew(redis_server: Any, launch: Any) -> None:
    program = """
        import asyncio, os, sys, threading
        from asgiref.sync import async_to_sync
        from distributary.django import ChannelLayer

        layer = ChannelLayer(redis=sys.argv[1])
        got = []
        waiting = threading.Thread(target=lambda: got.append(asyncio.run(layer.receive("parent"))))
        waiting.start()
        send, receive = async_to_sync(layer.send), async_to_sync(layer.receive)
        send("child", {"type": "x", "number": 0})
        if not (child := os.fork()):
            assert receive("child") == {"type": "x", "number": 0}
            send("parent", {"type": "x", "number": 1})
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        waiting.join(20)
        assert got == [{"type": "x", "number": 1}], got
        send("child", {"type": "x", "number": 2})
        assert receive("child") == {"type": "x", "number": 2}
        async_to_sync(layer.close)()
        print("well")
    """
    ignored = ("-W", "ignore::DeprecationWarning") if sys.version_info >= (3, 12) else ()
    child = launch(sys.executable, "-W", "error", *ignored, "-c", textwrap.dedent(program), redis_server.url)
    assert (await anyio.to_thread.run_sync(child.wait), child.output()) == (0, "well\n")
