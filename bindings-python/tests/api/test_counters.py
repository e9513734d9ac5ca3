"""Counters: typed, under the engine's names, and true."""

from __future__ import annotations

import dataclasses
import re

import pytest

from distributary import F, Hub, OptionError, Stats, TopicStats
from distributary.stats import DurationHistogram, ShareHistogram


def test_every_counter_of_the_engine_has_its_place() -> None:
    with Hub() as hub:
        native = hub._native.stats()
        assert list(native) == [field.name for field in dataclasses.fields(Stats)]
        assert list(native["share"]) == [field.name for field in dataclasses.fields(ShareHistogram)]
        assert list(native["drain"]) == [field.name for field in dataclasses.fields(DurationHistogram)]
        hub.count_topic("t")
        assert list(hub._native.topic_stats()[0]) == [field.name for field in dataclasses.fields(TopicStats)]


def test_stats() -> None:
    with Hub(capacity=2) as hub:
        with hub.subscribe("a"), hub.subscribe("a*", where=F.id == 1), hub.subscribe("a", where=F.x.wildcard("*y*")):
            for n in range(4):
                hub.publish("a", {"id": n, "x": "xyz"})
            hub.publish("a", b"no json")
            hub.publish("nobody", {})
            stats = hub.stats()
        assert (stats.subscriptions, stats.feeds, stats.patterns, stats.topics) == (3, 3, 1, 2)
        assert (stats.filters_indexed, stats.filters_scanned) == (1, 1)
        assert (stats.published, stats.unmatched, stats.unreadable) == (6, 1, 1)
        assert stats.reached == 4 + 1 + 4 + 1
        assert stats.dropped_oldest > 0
        assert stats.bytes_held > 0
        assert stats.share.max == 1.0
        assert sum(count for _, count in stats.share.buckets) == 6
        assert stats.share.buckets[0] == (0.0, 1)
        assert hub.stats().subscriptions == 0
        with pytest.raises(dataclasses.FrozenInstanceError):
            stats.published = 0  # type: ignore[misc]
        assert stats == dataclasses.replace(stats)
        assert stats.drain.p50 <= stats.drain.p99 <= stats.drain.max or stats.drain.count == 0
        bounds = [bound for bound, _ in stats.drain.buckets]
        assert bounds == sorted(bounds)
        assert bounds[0] == 256e-9


def test_topics_by_themselves() -> None:
    with Hub(topic_counters=2) as hub, hub.subscribe(["b", "größe"]):
        hub.count_topic("b")
        hub.count_topic("größe")
        hub.count_topic("b")
        with pytest.raises(OptionError, match=r"2 topics are counted by themselves.* raise `topic_counters`"):
            hub.count_topic("c")
        hub.publish("b", b"123")
        hub.publish("b", b"4567")
        hub.publish("c", b"")
        assert hub.topic_stats() == [TopicStats("b", 2, 2, 2, 7), TopicStats("größe", 0, 0, 0, 0)]
        hub.uncount_topic("b")
        hub.uncount_topic("never")
        hub.count_topic("c")
        assert [one.topic for one in hub.topic_stats()] == ["c", "größe"]


def test_prometheus() -> None:
    with Hub() as hub, hub.subscribe("t"):
        hub.count_topic('a"\\\n')
        hub.publish("t", b"x")
        text = hub.prometheus()
    assert re.search(r"^distributary_events_total 1$", text, re.MULTILINE)
    for line in text.splitlines():
        assert line.startswith("#") or re.fullmatch(r'[a-z_]+(\{([a-z_]+="([^"\\\n]|\\.)*",?)+\})? \S+', line), line
