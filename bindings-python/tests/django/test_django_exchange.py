"""Capacity, expiry and groups, by a clock of the test's own."""

from __future__ import annotations

import re

from distributary.django.exchange import Exchange, Limits
from distributary.django.messages import Message


class Receiver:
    """Somebody who waits in no loop: only whether it is called counts."""

    class Bell:
        def __init__(self) -> None:
            self.ready: list[Receiver] = []

        def ring(self) -> bool:
            return True

    def __init__(self) -> None:
        self.called = False
        self.bell = Receiver.Bell()


def exchange(*, expiry: float = 60, group_expiry: float = 86400, capacity: int = 100, **special: int) -> Exchange:
    limits = Limits(expiry, group_expiry, capacity, tuple((re.compile(name), size) for name, size in special.items()))
    return Exchange(limits, lambda channel: special.get(channel, capacity))


def numbers(box: Exchange, channel: str, now: float) -> list[int]:
    """All that can be received."""
    found = []
    while (message := box.take(channel, now, sleeper := Receiver())) is not None:
        found.append(message.copy()["n"])
    box.give_up(channel, sleeper, now)
    return found


def message(number: int) -> Message:
    return Message({"type": "test", "n": number})


def test_a_channel_holds_its_capacity_to_the_message() -> None:
    box = exchange(capacity=3, wide=5)
    assert [box.put("plain", message(n), 0) for n in range(5)] == [True, True, True, False, False]
    assert [box.put("wide", message(n), 0) for n in range(7)] == [True] * 5 + [False] * 2
    assert numbers(box, "plain", 1) == [0, 1, 2]
    assert numbers(box, "wide", 1) == [0, 1, 2, 3, 4]
    assert box.stats().dropped == 4
    assert box.put("plain", message(9), 1)


def test_a_message_is_over_at_its_time_and_not_before() -> None:
    box = exchange(expiry=10)
    for n in range(4):
        box.put("channel", message(n), float(n))
    assert box.take("channel", 9.999, Receiver()).copy()["n"] == 0
    assert numbers(box, "channel", 12.0) == [3]
    assert box.stats().expired == 2


def test_what_is_over_takes_no_room() -> None:
    box = exchange(expiry=10, capacity=2)
    assert box.put("channel", message(0), 0)
    assert box.put("channel", message(1), 5)
    assert not box.put("channel", message(2), 9)
    assert box.put("channel", message(3), 10)
    assert not box.put("channel", message(4), 10)
    assert numbers(box, "channel", 10) == [1, 3]


def test_mailboxes_that_nobody_uses_are_swept() -> None:
    box = exchange(expiry=10)
    for n in range(1000):
        box.put(f"channel.{n}", message(n), 0)
    assert box.stats().channels == 1000
    box.put("another", message(0), 10)
    assert box.stats().channels == 1
    assert box.stats().expired == 1000


def test_groups_in_which_nobody_is_any_more_are_swept() -> None:
    box = exchange(group_expiry=100, expiry=10)
    for n in range(1000):
        box.join(f"group.{n}", f"channel.{n}", 0)
    box.put("another", message(0), 100)
    assert box.stats().groups == 0
    assert box.stats().channels == 1


def test_membership_ends_unless_it_is_renewed() -> None:
    box = exchange(group_expiry=100)
    box.join("group", "a", 0)
    box.join("group", "b", 10)
    box.join("group", "a", 50)
    assert box.put_to_group("group", message(0), 99.9) == (2, 0)
    assert box.put_to_group("group", message(1), 110) == (1, 0)
    assert box.put_to_group("group", message(2), 150) == (0, 0)
    assert numbers(box, "a", 150) == [0, 1]
    assert numbers(box, "b", 150) == [0]
    assert box.stats().channels == 0


def test_full_members_are_left_out_and_counted() -> None:
    box = exchange(capacity=2, tiny=1)
    for channel in ("a", "b", "tiny"):
        box.join("group", channel, 0)
    box.put("b", message(9), 0)
    assert [box.put_to_group("group", message(n), 0) for n in range(3)] == [(3, 0), (3, 2), (3, 3)]
    assert numbers(box, "a", 0) == [0, 1]
    assert numbers(box, "b", 0) == [9, 0]
    assert numbers(box, "tiny", 0) == [0]
    assert box.stats().dropped == 5


def test_each_message_calls_the_one_who_has_waited_longest() -> None:
    box = exchange()
    first, second = Receiver(), Receiver()
    assert box.take("channel", 0, first) is None
    assert box.take("channel", 0, second) is None
    box.put("channel", message(0), 0)
    assert (first.called, second.called) == (True, False)
    box.put("channel", message(1), 0)
    assert second.called


def test_the_turn_of_one_who_gives_up_goes_to_the_next() -> None:
    box = exchange()
    first, second = Receiver(), Receiver()
    box.take("channel", 0, first)
    box.take("channel", 0, second)
    box.put("channel", message(0), 0)
    box.give_up("channel", first, 0)
    assert second.called
    assert box.take("channel", 0, second).copy()["n"] == 0


def test_one_who_came_too_late_keeps_his_place() -> None:
    box = exchange()
    first, second = Receiver(), Receiver()
    box.take("channel", 0, first)
    box.take("channel", 0, second)
    box.put("channel", message(0), 0)
    assert box.take("channel", 0, Receiver()) is not None  # somebody who did not wait
    assert box.take("channel", 0, first) is None
    box.put("channel", message(1), 0)
    assert (first.called, second.called) == (True, False)


def test_nothing_is_left_of_channels_that_are_not_used() -> None:
    box = exchange()
    box.join("group", "a", 0)
    box.leave("group", "a")
    box.leave("group", "never")
    box.put("b", message(0), 0)
    numbers(box, "b", 0)
    assert box.stats() == exchange().stats()


def test_flush_keeps_those_who_wait() -> None:
    box = exchange()
    waits = Receiver()
    box.take("a", 0, waits)
    box.join("group", "b", 0)
    box.put("b", message(0), 0)
    box.flush()
    assert box.members() == {}
    assert box.unread() == {}
    box.put("a", message(1), 0)
    assert waits.called
