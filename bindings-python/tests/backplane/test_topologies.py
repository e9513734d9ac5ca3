"""Hubs that sentinels or a cluster join."""

from __future__ import annotations

import asyncio
from typing import Any

import anyio
import pytest

from distributary import Hub, Redis, SelectorError


async def _waited(what: Any) -> Any:
    return await what


async def test_a_master_dies_and_what_was_acknowledged_is_heard(watched_redis: Any) -> None:
    rules = Redis(watched_redis.urls, sentinel=watched_redis.name, modes={"r.*": "replay"}, queue_deadline=30)
    with Hub(rules) as one, Hub(rules) as other, other.subscribe("r.1") as there:
        with anyio.fail_after(20):
            await other.joined()
            for number in range(50):
                await one.publish_acknowledged("r.1", b"%d" % number)
        watched_redis.master.kill()
        meanwhile = [one.publish_acknowledged("r.1", b"%d" % number) for number in range(50, 100)]
        with anyio.fail_after(20):
            await asyncio.gather(*map(_waited, meanwhile))
            for number in range(100, 150):
                await one.publish_acknowledged("r.1", b"%d" % number)
            # Each once, and in order.
            assert [(await there.get()).data for _ in range(150)] == [b"%d" % number for number in range(150)]
        assert there.missed == 0
        assert b"role:master" in watched_redis.replica.ask("INFO", "replication")


@pytest.mark.parametrize("sharded", [False, True])
async def test_a_cluster_brings_topics_of_all_slots(redis_cluster: Any, sharded: bool) -> None:
    # Of all slots: their names have no common part in braces.
    topics = [f"{'sharded' if sharded else 'classic'}.{number}" for number in range(60)]
    rules = Redis(redis_cluster.urls, cluster=True, sharded=sharded, modes={"*": "replay"})
    with Hub(rules) as one, Hub(rules) as other:
        there = [other.subscribe(topic) for topic in topics]
        with anyio.fail_after(20):
            await other.joined()
            for number in range(20):
                if number == 10:
                    for node in redis_cluster.nodes:
                        node.ask("CLIENT", "KILL", "TYPE", "pubsub")
                sent = [one.publish_acknowledged(topic, b"%d" % number) for topic in topics]
                await asyncio.gather(*map(_waited, sent))
            await other.joined()
            # What the cut has cost is read from the logs.
            for sub in there:
                assert [(await sub.get()).data for _ in range(20)] == [b"%d" % number for number in range(20)]
        words = ("SHARDCHANNELS", "sharded.*") if sharded else ("CHANNELS", "classic.*")
        heard = [len(node.ask("PUBSUB", *words)) for node in redis_cluster.nodes]
        assert sum(heard) == len(topics)
        if sharded:
            assert all(heard), "each node has its own"
            with pytest.raises(SelectorError):
                other.subscribe("a.*")
