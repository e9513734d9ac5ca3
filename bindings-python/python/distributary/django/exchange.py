"""Channels and groups: who gets which message, and what becomes of one that nobody fetches.

A channel is a mailbox, a first-in first-out queue with a capacity. A group is the mailboxes that joined it, in the
order in which they did. Sending appends under one lock and wakes those who wait after it is given back; no method here
waits, and time comes in as an argument (seconds of a monotonic clock), so all of it can be called from any loop, from
threads without one, and by tests with a clock of their own.

- A letter whose time is over is not delivered and takes no room. It is found out when its mailbox is used; mailboxes
  that nobody uses any more are swept when the first of their letters is due, but not more often than four times in an
  expiry.
- A mailbox is there as long as it has letters, somebody waits at it, or it is in a group.
- One letter goes to one receiver. A receiver takes it only when it runs, so one that is cancelled before has taken
  nothing; its turn goes to the next.
- After a fork the child starts empty: who waited and who had joined is the parent's.

All messages come in at `put` and `put_to_group`, with a name and a `Message` of plain data, those of other processes
as well: see `relay`. Those of queues on a server come in at `deliver`, and may leave again at `withdraw`: see `queues`.
"""

from __future__ import annotations

import math
import os
import re
import threading
import uuid
import weakref
from asyncio import AbstractEventLoop
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from .bells import Bell, Sleeper
from .messages import Message

if TYPE_CHECKING:
    from .queues import Queues
    from .relay import Relay

__all__ = ["Exchange", "LayerStats", "Letter", "Limits", "Mailbox", "Reader"]


@dataclass(frozen=True)
class Limits:
    """How much is kept, and for how long."""

    expiry: float
    group_expiry: float
    capacity: int
    #: Patterns and the capacities of the channels that match them; the first that matches counts.
    channel_capacity: tuple[tuple[re.Pattern[str], int], ...]


@dataclass(frozen=True)
class LayerStats:
    """What a layer holds, and what it has lost since it was made."""

    #: Channels that hold messages, are received from, or are in a group.
    channels: int
    groups: int
    #: Messages that wait to be received.
    messages: int
    #: Messages that were not delivered, or were thrown away unread, since a channel was full.
    dropped: int
    #: Messages that were not received in time.
    expired: int


#: When a message is over, and the message.
Letter = tuple[float, Message]


class Reader(Sleeper, Protocol):
    """Somebody who reads all messages of a channel. While it is not called, the mailbox is empty."""

    #: The message that it is to handle next, before those in the mailbox.
    letter: Letter | None

    def overflow(self) -> None:
        """Its mailbox was full, for the first time. Called in its loop, if it asked for `disconnect`."""


class Mailbox:
    """A channel's messages, and who waits for them."""

    __slots__ = ("asleep", "capacity", "groups", "letters", "name", "overflow", "reader")

    def __init__(self, name: str, capacity: int) -> None:
        self.name = name
        self.capacity = capacity
        self.letters: deque[Letter] = deque()
        #: Receivers, longest waiting first.
        self.asleep: deque[Sleeper] = deque()
        #: The one that reads all, if there is one.
        self.reader: Reader | None = None
        #: What becomes of a message when it is full: `drop_newest`, `drop_oldest` or `disconnect`.
        self.overflow = "drop_newest"
        self.groups: set[str] = set()

    def is_needed(self) -> bool:
        return bool(self.letters or self.asleep or self.groups or self.reader)


class Exchange:
    """All channels and groups of a layer, or of several that share them."""

    def __init__(self, limits: Limits, capacity_of: Callable[[str], int]) -> None:
        self.limits = limits
        self._capacity_of = capacity_of
        self._renew()
        _EXCHANGES.add(self)

    def _renew(self) -> None:
        #: In the names of the process-local channels that are made here.
        self.client = uuid.uuid4().hex
        #: What joins it with those of other processes.
        self.relay: Relay | None = None
        #: What brings it messages that are for one receiver of all processes.
        self.queues: Queues | None = None
        self._lock = threading.Lock()
        self._boxes: dict[str, Mailbox] = {}
        # Members in the order in which they joined, with the time when they did.
        self._groups: dict[str, dict[Mailbox, float]] = {}
        self._bells: dict[AbstractEventLoop, Bell] = {}
        self._due = math.inf
        self._dropped = 0
        self._expired = 0

    # Sending

    def put(self, channel: str, message: Message, now: float) -> bool:
        """Gives the channel a message. Gives whether it had room."""
        with self._lock:
            if now >= self._due:
                self._sweep(now)
            box = self._boxes.get(channel) or self._open(channel)
            over = now + self.limits.expiry
            reader = box.reader
            if reader is not None and not reader.called:
                bell: Bell | None = self._hand(reader, (over, message))
            elif len(box.letters) >= box.capacity and not self._make_room(box, now):
                return False
            else:
                box.letters.append((over, message))
                self._due = min(self._due, over)
                bell = self._rouse(box)
        if bell is not None:
            self._ring([bell], now)
        return True

    def put_to_group(self, group: str, message: Message, now: float) -> tuple[int, int]:
        """Gives all members of the group a message. Gives how many members there are, and how many had no room."""
        bells: list[Bell] = []
        last: Bell | None = None
        full = 0
        with self._lock:
            if now >= self._due:
                self._sweep(now)
            members = self._groups.get(group)
            if members is None or not self._leave_those_before(now - self.limits.group_expiry, group, members):
                return 0, 0
            over = now + self.limits.expiry
            letter = (over, message)
            for box in members:
                reader = box.reader
                if reader is not None and not reader.called:
                    # `_hand`, written out: this is done for each member.
                    reader.called = True
                    reader.letter = letter
                    bell = reader.bell
                    bell.ready.append(reader)
                elif len(box.letters) >= box.capacity and not self._make_room(box, now):
                    full += 1
                    continue
                else:
                    box.letters.append(letter)
                    if not box.asleep:
                        continue
                    sleeper = box.asleep.popleft()
                    sleeper.called = True
                    bell = sleeper.bell
                    bell.ready.append(sleeper)
                if bell is not last:
                    last = bell
                    if bell not in bells:
                        bells.append(bell)
            self._due = min(self._due, over)
            count = len(members)
        if bells:
            self._ring(bells, now)
        return count, full

    def _throw_away(self, box: Mailbox, now: float) -> None:
        """Throws away what is over."""
        letters = box.letters
        while letters and letters[0][0] <= now:
            letters.popleft()
            self._expired += 1

    def _make_room(self, box: Mailbox, now: float) -> bool:
        """Makes room in a full mailbox, if that can be done."""
        self._throw_away(box, now)
        if len(box.letters) < box.capacity:
            return True
        self._dropped += 1
        if box.overflow == "drop_oldest":
            box.letters.popleft()
            return True
        if box.overflow == "disconnect":
            box.overflow = "drop_newest"
            reader = box.reader
            if reader is not None:
                reader.bell.call(reader.overflow)
        return False

    # Receiving

    def take(self, channel: str, now: float, sleeper: Sleeper) -> Message | None:
        """The channel's first message. If there is none, the sleeper is told, once, to go on when there may be one."""
        with self._lock:
            if now >= self._due:
                self._sweep(now)
            box = self._boxes.get(channel) or self._open(channel)
            letters = box.letters
            while letters:
                over, message = letters.popleft()
                if over > now:
                    self._forget_if_unneeded(box)
                    return message
                self._expired += 1
            # One that was called before and came too late has waited longest.
            (box.asleep.appendleft if sleeper.called else box.asleep.append)(sleeper)
            sleeper.called = False
            return None

    def give_up(self, channel: str, sleeper: Sleeper, now: float) -> None:
        """The sleeper does not wait any more. If it was its turn, that goes to the next."""
        bell = None
        with self._lock:
            box = self._boxes.get(channel)
            if box is None:
                return
            if not sleeper.called:
                if sleeper in box.asleep:  # else its loop was closed, and somebody found out
                    box.asleep.remove(sleeper)
                self._forget_if_unneeded(box)
            elif box.letters:
                bell = self._rouse(box)
        if bell is not None:
            self._ring([bell], now)

    def attach(self, channel: str, reader: Reader, overflow: str) -> Mailbox:
        """Makes it the one that reads the channel: it is told to go on whenever there are messages."""
        with self._lock:
            box = self._boxes.get(channel) or self._open(channel)
            box.reader = reader
            box.overflow = overflow
            return box

    def detach(self, box: Mailbox, reader: Reader) -> None:
        """It reads the channel no more: the channel leaves its groups, and what is in it is lost."""
        with self._lock:
            if box.reader is not reader:
                return
            box.reader = None
            box.letters.clear()
            for group in list(box.groups):
                self._leave(group, box)
            self._forget_if_unneeded(box)

    def next_for(self, reader: Reader, box: Mailbox) -> Letter | None:
        """The first letter of its mailbox. If there is none, the reader is called with the next."""
        with self._lock:
            reader.called = bool(box.letters)
            return box.letters.popleft() if reader.called else None

    def call_again(self, reader: Reader, box: Mailbox) -> None:
        """The reader was called when it could not go on, and now it can."""
        with self._lock:
            reader.called = reader.letter is not None or bool(box.letters)
            if reader.called:
                reader.bell.ready.append(reader)
        if reader.called:
            reader.bell.ring()

    def count_expired(self, count: int = 1) -> None:
        """So many letters were over that are not in a mailbox, but in the hand of a reader, or in a queue."""
        with self._lock:
            self._expired += count

    # Queues on a server

    def use(self, queues: Queues) -> Queues:
        """Is brought messages by these, unless there are others already. Gives those that do."""
        with self._lock:
            if self.queues is None:
                self.queues = queues
            return self.queues

    def waiting(self, channel: str) -> int:
        """How many receivers wait that were not called."""
        with self._lock:
            box = self._boxes.get(channel)
            return 0 if box is None else len(box.asleep)

    def holds(self, channel: str) -> bool:
        """Whether there are letters that nobody has taken yet."""
        with self._lock:
            box = self._boxes.get(channel)
            return box is not None and bool(box.letters)

    def deliver(self, channel: str, letters: list[Letter], now: float) -> None:
        """Gives the channel letters that were waited for, so that it needs no room for them."""
        bells: list[Bell] = []
        with self._lock:
            box = self._boxes.get(channel) or self._open(channel)
            for letter in letters:
                box.letters.append(letter)
                self._due = min(self._due, letter[0])
                bell = self._rouse(box)
                if bell is not None and bell not in bells:
                    bells.append(bell)
            self._forget_if_unneeded(box)
        self._ring(bells, now)

    def withdraw(self, channel: str, now: float) -> list[Letter]:
        """Takes out the letters that nobody has taken. Who was called for one finds none, and goes on waiting."""
        with self._lock:
            box = self._boxes.get(channel)
            if box is None:
                return []
            self._throw_away(box, now)
            letters = list(box.letters)
            box.letters.clear()
            self._forget_if_unneeded(box)
            return letters

    # Waking

    def bell_of(self, loop: AbstractEventLoop) -> Bell:
        """The bell of a loop, made if there is none."""
        bell = self._bells.get(loop)
        if bell is None:
            with self._lock:
                for other in [other for other in self._bells if other.is_closed()]:
                    del self._bells[other]
                bell = self._bells.setdefault(loop, Bell(loop, self._lock))
        return bell

    @staticmethod
    def _rouse(box: Mailbox) -> Bell | None:
        """Calls the receiver that has waited longest. Gives the bell to ring."""
        if not box.asleep:
            return None
        sleeper = box.asleep.popleft()
        sleeper.called = True
        sleeper.bell.ready.append(sleeper)
        return sleeper.bell

    @staticmethod
    def _hand(reader: Reader, letter: Letter) -> Bell:
        """Calls a reader that is not called, with a letter. Gives the bell to ring."""
        reader.called = True
        reader.letter = letter
        reader.bell.ready.append(reader)
        return reader.bell

    def _ring(self, bells: list[Bell], now: float) -> None:
        for bell in bells:
            if not bell.ring():
                self._bury(bell, now)

    def _bury(self, dead: Bell, now: float) -> None:
        """Forgets those who waited in a loop that is closed. Their turn goes to others."""
        bells = []
        with self._lock:
            for box in list(self._boxes.values()):
                if box.reader is not None and box.reader.bell is dead:
                    box.reader = None
                for sleeper in [sleeper for sleeper in box.asleep if sleeper.bell is dead]:
                    box.asleep.remove(sleeper)
                self._throw_away(box, now)
                for _ in range(min(len(box.letters), len(box.asleep))):
                    bell = self._rouse(box)
                    if bell is not None and bell not in bells:
                        bells.append(bell)
                self._forget_if_unneeded(box)
        self._ring(bells, now)

    # Groups

    def join(self, group: str, channel: str, now: float) -> None:
        """Adds the channel to the group, anew if it is there."""
        with self._lock:
            if now >= self._due:
                self._sweep(now)
            box = self._boxes.get(channel) or self._open(channel)
            members = self._groups.setdefault(group, {})
            members.pop(box, None)
            members[box] = now
            box.groups.add(group)
            self._due = min(self._due, now + self.limits.group_expiry)

    def has_group(self, group: str) -> bool:
        """Whether somebody is in the group."""
        with self._lock:
            return group in self._groups

    def leave(self, group: str, channel: str) -> None:
        """Takes the channel out of the group, if it is in it."""
        with self._lock:
            box = self._boxes.get(channel)
            if box is not None and group in box.groups:
                self._leave(group, box)
                self._forget_if_unneeded(box)

    def _leave(self, group: str, box: Mailbox) -> None:
        box.groups.discard(group)
        members = self._groups[group]
        del members[box]
        if not members:
            del self._groups[group]

    def _leave_those_before(self, then: float, group: str, members: dict[Mailbox, float]) -> bool:
        """Takes out those who joined then or before. Gives whether there are members left."""
        while members:
            box, joined = next(iter(members.items()))
            if joined > then:
                return True
            self._leave(group, box)
            self._forget_if_unneeded(box)
        return False

    # Keeping house

    def _open(self, channel: str) -> Mailbox:
        box = self._boxes[channel] = Mailbox(channel, self._capacity_of(channel))
        return box

    def _forget_if_unneeded(self, box: Mailbox) -> None:
        if not box.is_needed():
            self._boxes.pop(box.name, None)

    def _sweep(self, now: float) -> None:
        """Throws away what is over, everywhere."""
        due = math.inf
        for box in list(self._boxes.values()):
            letters = box.letters
            if letters:
                if letters[0][0] <= now:
                    self._throw_away(box, now)
                    self._forget_if_unneeded(box)
                if letters:
                    due = min(due, letters[0][0])
        for group, members in list(self._groups.items()):
            if self._leave_those_before(now - self.limits.group_expiry, group, members):
                due = min(due, next(iter(members.values())) + self.limits.group_expiry)
        self._due = max(due, now + self.limits.expiry / 4)

    def flush(self) -> None:
        """Forgets all messages and groups. Who waits goes on waiting."""
        with self._lock:
            self._groups.clear()
            self._due = math.inf
            for box in list(self._boxes.values()):
                box.letters.clear()
                box.groups.clear()
                self._forget_if_unneeded(box)

    def knows(self, channel: object) -> bool:
        """Whether there is something about the channel: its name is a good one then."""
        return channel in self._boxes

    def unread(self) -> dict[str, int]:
        """The channels that hold messages, and how many."""
        with self._lock:
            return {box.name: len(box.letters) for box in self._boxes.values() if box.letters}

    def members(self) -> dict[str, tuple[str, ...]]:
        """The groups and the channels in them, in the order in which they joined."""
        with self._lock:
            return {group: tuple(box.name for box in members) for group, members in self._groups.items()}

    def stats(self) -> LayerStats:
        """What is held, and what was lost."""
        with self._lock:
            return LayerStats(
                channels=len(self._boxes),
                groups=len(self._groups),
                messages=sum(len(box.letters) for box in self._boxes.values()),
                dropped=self._dropped,
                expired=self._expired,
            )


_EXCHANGES: weakref.WeakSet[Exchange] = weakref.WeakSet()


def _forked() -> None:
    for exchange in list(_EXCHANGES):
        exchange._renew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
