"""Messages between processes, over topics of a hub that a server joins with those of the others.

Each process has a topic of its own, for messages to the channels that were made there, and each group has one, which
those processes listen to that have members in it. Members are known where they are and nowhere else. What arrives goes
to the exchange as what is sent here does, from a thread, for loops come and go; so a message costs its process the same
wherever it came from.

On its way a message is JSON, with who sent it: the sender's own exchange has it already.

Invariants:
- A group's topic is listened to while the exchange knows the group, whoever changes that last: its state is looked up
  under the lock in which topics are changed. Groups that were left without a word are found out by the next message, or
  when as many have joined again as are listened to.
- All messages of a group come over one subscription, so they come in order. One names a bounded number of topics, as
  the engine takes no more, so many groups have several.
- The threads, one for each subscription, hold neither the layer nor the exchange.
"""

from __future__ import annotations

import json
import logging
import threading
import weakref
from collections.abc import Mapping
from time import monotonic
from typing import TYPE_CHECKING, Any

from ..names import Topic
from ..waiting import heard
from .messages import Message
from .packing import packed, read

if TYPE_CHECKING:
    from .._native import Event
    from ..hub import Hub
    from ..subscription import Subscription
    from .exchange import Exchange

__all__ = ["Relay"]

logger = logging.getLogger("distributary.django")

#: Messages that may wait for a thread.
CAPACITY = 65_536

#: Topics that one subscription names. The engine takes 10,000, and to change them costs the more the more there are.
NAMES = 4096

#: Groups from which on it is worth a look which of them are still there.
MANY = 1024


class _Ear:
    """A subscription, and how many topics it names."""

    __slots__ = ("names", "sub")

    def __init__(self, sub: Subscription[Event]) -> None:
        self.sub = sub
        self.names = 1


class Relay:
    """What joins the exchange of this process with those of others that have the same prefix."""

    def __init__(self, hub: Hub, exchange: Exchange, prefix: str) -> None:
        self._hub = hub
        self._exchange = exchange
        self._prefix = prefix
        self._client = exchange.client
        self._lock = threading.Lock()
        # The first is that of the process' own channels, and stays.
        self._ears: list[_Ear] = []
        self._groups: dict[str, _Ear] = {}
        self._joined = 0

    def __del__(self) -> None:
        for ear in getattr(self, "_ears", ()):
            ear.sub.close()

    # Sending

    def send(self, client: str, channel: str, message: Mapping[str, Any]) -> bool:
        """Sends a message to a channel of another process. Whether it is on its way."""
        return self._publish(self._topic("client", client), {"to": channel}, message)

    def send_to_group(self, group: str, message: Mapping[str, Any]) -> bool:
        """Sends a message to the members of a group in other processes. Whether it is on its way."""
        return self._publish(self._topic("group", group), {"group": group}, message)

    def _publish(self, topic: Topic, head: dict[str, Any], message: Mapping[str, Any]) -> bool:
        head["from"] = self._client
        head["message"] = packed(message)
        delivery = self._hub.publish(topic, json.dumps(head, separators=(",", ":")).encode())
        return delivery.forwarding == "queued"

    # Listening

    async def attend(self, group: str | None = None) -> None:
        """Listens for the channels of this process, and for the group if it has members here. When it returns, other
        processes are heard, unless the server cannot be reached right now."""
        with self._lock:
            self._begin()
            if group is not None:
                self._level(group)
                self._joined += 1
                if self._joined > max(MANY, 2 * len(self._groups)):
                    self._joined = 0
                    for other in list(self._groups):
                        self._level(other)
        if not await heard(self._hub):
            logger.warning("other processes are not heard yet: %s", self._hub.health().condition)

    def look(self, *groups: str) -> None:
        """These groups may have lost their last member; without any, all may."""
        with self._lock:
            if self._ears:
                for group in groups or list(self._groups):
                    self._level(group)

    def _level(self, group: str) -> None:
        """Listens to a group exactly if it has members here. Under the lock."""
        wanted = self._exchange.has_group(group)
        if wanted and group not in self._groups:
            topic = self._topic("group", group)
            ear = next((ear for ear in self._ears if ear.names < NAMES), None)
            if ear is None:
                ear = self._ear(topic)
            else:
                ear.sub.add(topic)
                ear.names += 1
            self._groups[group] = ear
        elif not wanted and group in self._groups:
            ear = self._groups[group]
            if ear.names == 1:
                ear.sub.close()
                self._ears.remove(ear)
            else:
                ear.sub.remove(self._topic("group", group))
                ear.names -= 1
            del self._groups[group]

    def _begin(self) -> None:
        """Listens for the channels of this process. Under the lock."""
        if not self._ears or self._ears[0].sub.closed is not None:
            self._groups.clear()
            self._ears.clear()
            self._ear(self._topic("client", self._client))

    def _ear(self, topic: Topic) -> _Ear:
        """One more subscription, and the thread that reads it. Under the lock."""
        ear = _Ear(self._hub.subscribe(topic, capacity=CAPACITY, overflow="drop_oldest"))
        self._ears.append(ear)
        threading.Thread(
            target=_listen, args=(ear.sub, weakref.ref(self)), name="distributary-layer", daemon=True
        ).start()
        return ear

    def _topic(self, kind: str, name: str) -> Topic:
        return Topic(f"{self._prefix}:{kind}:{name}")

    def _arrived(self, event: Event) -> None:
        head = read(event.data)
        if head["from"] == self._client:
            return
        message = Message(head["message"])
        group = head.get("group")
        if group is None:
            if not self._exchange.put(head["to"], message, monotonic()):
                logger.info("channel %s is full: a message of another process is dropped", head["to"])
            return
        members, full = self._exchange.put_to_group(group, message, monotonic())
        if full:
            logger.info("%s of %s channels over capacity in group %s", full, members, group)
        if not members:
            self.look(group)


def _listen(sub: Subscription[Event], relay: weakref.ref[Relay]) -> None:
    for event in sub:
        there = relay()
        if there is None:
            return
        if event.lost:
            logger.warning("%s messages of other processes were lost", event.lost)
        try:
            there._arrived(event)
        except Exception:
            # Whoever sent it is no layer.
            logger.exception("what came over %s is no message", event.topic)
        del there
