"""Channels that all processes share: queues on the server, of whose messages each goes to one receiver of any process.

A queue is a list at `<prefix>:queue:<channel>`. Its items have in front when they are over, in milliseconds of the
server's clock, which is nobody's but the server's: scripts there look at it, and say how long a message still has.

Sending goes by threads of a small pool, since a loop must not wait for a socket, and a client that belongs to a loop
would have to be closed with it: Channels makes loops for single calls. Receivers wait at the exchange, as for any
channel, and a thread for each channel on which somebody waits brings there what they wait for (`fetching`).

Invariants:
- A message is taken from the server only for somebody who waits at that moment. If he has gone when it comes, the next
  who receives in this process has it; if there is none within a second, it goes back to where it was.
- Every script has one key, so that a cluster can have the queues on any of its nodes.
- At most once: what the server gave, or a process had, when one of them was cut off or killed, is not given again.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar

from . import clients
from .clients import Link
from .errors import QueueError
from .fetching import Fetcher
from .messages import Message
from .packing import packed, read

if TYPE_CHECKING:
    from ..redis import Settings
    from .exchange import Exchange

__all__ = ["Queues"]

logger = logging.getLogger("distributary.django")

T = TypeVar("T")

#: Threads that send.
SENDERS = 4

#: Seconds that a call waits for one of them, unless the hub's options say otherwise.
DEADLINE = 10.0

# In front of all: throws away what is over. An item that says no time is.
_BEGIN = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local expired = 0
local first = redis.call('LINDEX', KEYS[1], 0)
while first and tonumber(string.match(first, '^(%d+):') or 0) <= now do
    redis.call('LPOP', KEYS[1])
    expired = expired + 1
    first = redis.call('LINDEX', KEYS[1], 0)
end
local function keep_for(milliseconds)
    if redis.call('PTTL', KEYS[1]) < milliseconds then redis.call('PEXPIRE', KEYS[1], milliseconds) end
end
local function item(milliseconds, message)
    return string.format('%.0f:', now + milliseconds) .. message
end
"""

# A message, how long it has, and the capacity. Gives whether it had room.
_SEND = f"""{_BEGIN}
if redis.call('LLEN', KEYS[1]) >= tonumber(ARGV[3]) then return {{expired, 0}} end
redis.call('RPUSH', KEYS[1], item(tonumber(ARGV[2]), ARGV[1]))
keep_for(tonumber(ARGV[2]))
return {{expired, 1}}
"""

# How many. Gives each with how long it has.
_TAKE = f"""{_BEGIN}
local taken = {{expired}}
while first and #taken <= 2 * tonumber(ARGV[1]) - 1 do
    redis.call('LPOP', KEYS[1])
    local over, message = string.match(first, '^(%d+):(.*)$')
    if over and tonumber(over) > now then
        taken[#taken + 1] = tonumber(over) - now
        taken[#taken + 1] = message
    else
        taken[1] = taken[1] + 1
    end
    first = redis.call('LINDEX', KEYS[1], 0)
end
return taken
"""

# Messages, the first one first, each with how long it has. They come before all others, and need no room.
_GIVE_BACK = f"""{_BEGIN}
for last = #ARGV, 2, -2 do
    redis.call('LPUSH', KEYS[1], item(tonumber(ARGV[last]), ARGV[last - 1]))
    keep_for(tonumber(ARGV[last]))
end
return {{expired}}
"""


class Queues:
    """The queues of all layers that have the same server and prefix, as this process uses them."""

    def __init__(self, settings: Settings, exchange: Exchange, prefix: str) -> None:
        clients.require()
        self._settings = settings
        self._exchange = exchange
        self._prefix = f"{prefix}:queue:"
        self._deadline = settings["queue_deadline"] or DEADLINE
        self._lock = threading.Lock()
        self._closed = False
        self._fetchers: dict[str, Fetcher] = {}
        # Those of senders that send nothing just now.
        self._links: list[Link] = []
        self._senders = ThreadPoolExecutor(SENDERS, "distributary-queues")
        weakref.finalize(self, _close_all, self._links)

    # Sending

    async def send(self, channel: str, message: Message, expiry: float, capacity: int) -> bool:
        """Puts a message into the channel's queue. Gives whether it had room."""
        arguments = (_text(message), _milliseconds(expiry), capacity)
        return await self._in_thread(lambda client: self._run(client, _SEND, channel, *arguments) == [1])

    async def flush(self) -> None:
        """Throws away all queues, whoever waits at them."""
        pattern = re.sub(r"([*?\[\]\\])", r"\\\1", self._prefix) + "*"

        def flush(client: Any) -> None:
            for key in client.scan_iter(pattern, 1000):
                client.unlink(key)

        await self._in_thread(flush)

    async def _in_thread(self, work: Callable[[Any], T]) -> T:
        return await asyncio.wrap_future(self._senders.submit(self._work, work, monotonic() + self._deadline))

    def _work(self, work: Callable[[Any], T], deadline: float) -> T:
        if monotonic() > deadline:
            raise QueueError("the server of the channels' queues does not keep up: given up before it was sent")
        with self._lock:
            link = self._links.pop() if self._links else Link(self._settings)
        try:
            return link.run(work)
        finally:
            with self._lock:
                self._links.append(link)

    def _run(self, client: Any, script: str, channel: str, *arguments: Any) -> Any:
        """Runs a script. Gives what it gives but the first, which is how many messages were over."""
        expired, *found = client.eval(script, 1, self._prefix + channel, *arguments)
        if expired:
            self._exchange.count_expired(expired)
        return found

    # Receiving

    def want(self, channel: str) -> None:
        """Somebody waits at the exchange for a message of the channel. From any thread; never waits."""
        with self._lock:
            if self._closed:
                return
            fetcher = self._fetchers.get(channel)
            if fetcher is None:
                fetcher = Fetcher(channel, self._prefix + channel, Link(self._settings))
                fetcher.start(self)
                self._fetchers[channel] = fetcher
        fetcher.wanted.set()

    def is_waited_for(self, channel: str) -> bool:
        """Whether there are receivers for whom nothing has come."""
        return self._exchange.waiting(channel) > 0

    def fetch(self, link: Link, channel: str) -> bool:
        """Brings the exchange as many messages as there are receivers waiting. Gives whether there were any."""
        wanted = self._exchange.waiting(channel)
        found = link.run(lambda client: self._run(client, _TAKE, channel, wanted))
        now = monotonic()
        messages = [(now + left / 1000, _message(channel, text)) for left, text in zip(*[iter(found)] * 2, strict=True)]
        self._exchange.deliver(channel, [(over, message) for over, message in messages if message is not None], now)
        return bool(found)

    def give_back(self, link: Link, channel: str) -> None:
        """Gives the server what nobody came for. If that cannot be done, the exchange keeps it."""
        now = monotonic()
        letters = self._exchange.withdraw(channel, now)
        arguments: list[Any] = []
        for over, message in letters:
            arguments += [_text(message), _milliseconds(over - now)]
        if letters:
            try:
                link.run(lambda client: self._run(client, _GIVE_BACK, channel, *arguments))
            except QueueError:
                self._exchange.deliver(channel, letters, now)
                raise

    def end(self, fetcher: Fetcher) -> bool:
        """Forgets a fetcher, unless somebody waits, or something is left."""
        channel = fetcher.channel
        with self._lock:
            if not self._closed and (self._exchange.waiting(channel) or self._exchange.holds(channel)):
                return False
            self._fetchers.pop(channel, None)
            return True

    # The end

    async def close(self) -> None:
        """Gives back what nobody came for, and takes nothing from here on."""
        with self._lock:
            self._closed = True
            fetchers = list(self._fetchers.values())
        try:
            await asyncio.wrap_future(self._senders.submit(self._close, fetchers))
        finally:
            self._senders.shutdown(wait=False)

    def _close(self, fetchers: list[Fetcher]) -> None:
        link = Link(self._settings)
        try:
            for fetcher in fetchers:
                fetcher.close()
                self.give_back(link, fetcher.channel)
        except QueueError as error:
            logger.warning("messages that nobody came for were not given back: %s", error)
        finally:
            link.close()
            _close_all(self._links)


def _close_all(links: list[Link]) -> None:
    while links:
        links.pop().close()


def _message(channel: str, text: bytes) -> Message | None:
    try:
        return Message(read(text))
    except Exception:
        # Whoever sent it is no layer.
        logger.exception("what was in the queue of %s is no message", channel)
        return None


def _text(message: Message) -> str:
    return json.dumps(packed(message.copy()), separators=(",", ":"))


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))
