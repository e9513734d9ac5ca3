"""Counters of a hub: snapshots, under the engine's names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["DurationHistogram", "ShareHistogram", "Stats", "TopicStats"]


@dataclass(frozen=True, slots=True)
class ShareHistogram:
    """The share of live subscriptions that single events reached, from 0 to 1."""

    #: Of the latest event that reached anybody.
    last: float
    #: The largest so far.
    max: float
    #: All of them together.
    sum: float
    #: Upper bounds (inclusive) and counts; the first, with bound 0, counts the events that reached nobody.
    buckets: tuple[tuple[float, int], ...]


@dataclass(frozen=True, slots=True)
class DurationHistogram:
    """How long something took, in seconds."""

    #: How many were counted.
    count: int
    #: All of them together.
    sum: float
    #: The longest one, exactly.
    max: float
    #: What half of them did not exceed: at most twice the true value.
    p50: float
    #: What 99 of 100 did not exceed: at most twice the true value.
    p99: float
    #: Upper bounds (exclusive; the last takes all beyond) and counts.
    buckets: tuple[tuple[float, int], ...]


@dataclass(frozen=True, slots=True)
class Stats:
    """A snapshot of a hub's counters. Counts run from the hub's start, and are exact once it is quiet."""

    #: Subscriptions alive now.
    subscriptions: int
    #: Topics known now: subscribed to, with history, counted, or lately published to while patterns are alive.
    topics: int
    #: Feeds alive now: distinct selectors and limits.
    feeds: int
    #: Patterns alive now.
    patterns: int
    #: Filters that are found through the index; one per distinct filter of a topic or pattern.
    filters_indexed: int
    #: Filters that every event of their topic or pattern is tried against.
    filters_scanned: int
    #: What the indexes over filters take, in bytes, without the filters themselves.
    index_bytes: int
    #: Weight of all events alive, in bytes: unread, in histories, and kept by whoever received them.
    bytes_held: int
    #: What the queues take themselves to hold them, in bytes. Both together are what the hub's `memory` bounds.
    log_bytes: int
    #: Events published.
    published: int
    #: Of these, events that no subscription asked for.
    unmatched: int
    #: Feeds that admitted an event, summed over events.
    matched: int
    #: Subscriptions reached, summed over events.
    reached: int
    #: Events handed to subscribers.
    delivered: int
    #: Events that subscribers were told they missed. Of one that is closed as a slow consumer, nobody counts.
    missed: int
    #: Events whose payload some filter wanted to read and that is not a JSON object, as far as it had to be read.
    unreadable: int
    #: Unread events pushed out by newer ones.
    dropped_oldest: int
    #: Events refused by what is full.
    dropped_newest: int
    #: Unread events dropped for their age.
    dropped_stale: int
    #: Unread events dropped because the whole hub was over its memory.
    dropped_pressed: int
    #: Unread events replaced by a newer one with the same key.
    conflated: int
    #: Subscriptions closed as slow consumers.
    slow_closed: int
    #: Subscriptions that failed.
    panicked: int
    #: Deliveries to a socket that had been closed. Stays 0.
    closed_writes: int
    #: The share of live subscriptions that single events reached.
    share: ShareHistogram
    #: From publish until the last subscription of a feed had the event; a sample.
    drain: DurationHistogram
    #: How long commands to an event loop of the engine's own have waited there.
    control_wait: DurationHistogram


@dataclass(frozen=True, slots=True)
class TopicStats:
    """What one topic has seen since it was asked to be counted."""

    #: The topic.
    topic: str
    #: Events published to it.
    published: int
    #: Feeds that admitted them, summed over events.
    matched: int
    #: Subscriptions reached, summed over events.
    reached: int
    #: Payload bytes published.
    bytes: int


def stats(counters: dict[str, Any]) -> Stats:
    """What the native half counts, typed."""
    counters["share"] = ShareHistogram(**counters["share"])
    for name in ("drain", "control_wait"):
        counters[name] = DurationHistogram(**counters[name])
    return Stats(**counters)
