"""The load is what it says it is."""

from __future__ import annotations

import json

from load.events import messages, order


def test_events_are_of_one_kilobyte_and_the_same_each_time() -> None:
    made = messages(order(200, 10_000))
    assert made == messages(order(200, 10_000))
    assert all(900 <= len(message.data) <= 1_100 for message in made)
    assert all(json.loads(message.data) == message.fields for message in made)
    assert all(message.data.startswith(b'{"id":%d,' % message.fields["id"]) for message in made)


def test_ids_are_all_visited() -> None:
    assert set(order(10_000, 10_000)) == set(range(10_000))
