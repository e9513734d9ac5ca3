"""The layer's messages for one consumer, handled without waking a task.

They come with the turn of a bell (`bells`), and the handler is stepped right there; one that waits is carried on by a
courier (`couriers`). A bell that finds the consumer busy leaves the mail where it is; when the consumer is not busy any
more, the bell is rung again.

A consumer that waits for mail has an empty mailbox, so the next letter is put into its hand. While it is called, more
go to its mailbox; it looks there when it has handled what it has, and only then is it not called any more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from time import perf_counter
from types import CoroutineType
from typing import TYPE_CHECKING, Any

from channels.consumer import AsyncConsumer, get_handler_name

from .desk import Desk, is_time_to_close
from .driving import as_coroutine
from .errors import SlowWebsocket
from .exchange import Exchange, Letter
from .messages import Message

if TYPE_CHECKING:
    from .consumers import FanoutMixin

__all__ = ["Post"]


class Post:
    """The reader of a consumer's channel."""

    __slots__ = (
        "_box",
        "_carrier",
        "_consumer",
        "_desk",
        "_direct",
        "_exchange",
        "_is_open",
        "_owed",
        "_run",
        "bell",
        "called",
        "letter",
    )

    #: The message in its hand.
    letter: Letter | None

    def __init__(self, desk: Desk, consumer: FanoutMixin, exchange: Exchange, channel: str, overflow: str) -> None:
        self.bell = exchange.bell_of(desk.loop)
        self.bell.steps = True
        self.called = False
        self.letter = None
        self._desk = desk
        self._run: Callable[..., Any] = desk.context.run
        self._consumer = consumer
        # A consumer with a dispatch of its own has it called; that of a sync one finds it a thread.
        self._direct = type(consumer).dispatch is AsyncConsumer.dispatch
        self._exchange = exchange
        self._is_open = True
        # It was called when the consumer was busy.
        self._owed = False
        # The task of a handler that waits.
        self._carrier: asyncio.Task[None] | None = None
        self._box = exchange.attach(channel, self, overflow)

    def go(self) -> bool:
        """Handles the messages that are there."""
        desk, bell = self._desk, self.bell
        if desk.is_busy:
            self._owed = True
            return False
        letter = self.letter or self._exchange.next_for(self, self._box)
        if letter is None:
            return False
        desk.is_busy = True
        while self._is_open:
            self.letter = None
            over, message = letter
            try:
                if over <= bell.now:
                    self._exchange.count_expired()
                    raise StopIteration
                coroutine = self._handle(message)
                waits_for = self._run(coroutine.send, None)
            except StopIteration:
                # Under the lock, even to find nothing: from the moment it is not called any more, a sender of another
                # thread may put the next letter into its hand.
                letter = self._exchange.next_for(self, self._box)
                if letter is None:
                    break
                if perf_counter() <= bell.until:
                    continue
                self.letter = letter
                desk.give_turn_back()
                return True
            except BaseException as error:
                self._is_open = False
                desk.fail(error)
            else:
                self._owed = True
                self._carrier = bell.couriers.hand_over((coroutine, waits_for, self._run, self._carried))
                return False
        if desk.is_wanted:
            desk.give_turn_back()
        else:
            desk.is_busy = False
        return False

    def _carried(self, error: BaseException | None) -> None:
        """A handler that waited has ended."""
        self._carrier = None
        if error is not None:
            self._is_open = False
            self._desk.fail(error)
        self._desk.give_turn_back()

    def go_on(self) -> None:
        """The consumer is not busy any more."""
        if self._owed:
            self._owed = False
            if self._is_open:
                self._exchange.call_again(self, self._box)

    def overflow(self) -> None:
        """There are more messages than the channel holds, and the consumer asked to end then."""
        self._desk.fail(SlowWebsocket("the consumer did not keep up with its messages: its channel is full"))

    def close(self) -> set[asyncio.Task[None]]:
        """Leaves the layer. Gives what runs still."""
        self._is_open = False
        self._exchange.detach(self._box, self)
        return set() if self._carrier is None else {self._carrier}

    def _handle(self, message: Message) -> Coroutine[Any, Any, Any]:
        """What handles a message, not yet started."""
        name = message.handler
        if name is None or not self._direct or is_time_to_close(self.bell.now):
            content = message.copy()
            message.handler = get_handler_name(content)
            return as_coroutine(self._consumer.dispatch(content))
        handler = getattr(self._consumer, name, None)
        if handler is None:
            raise ValueError(f"No handler for message type {message.copy()['type']}")
        coroutine = handler(message.copy())
        return coroutine if type(coroutine) is CoroutineType else as_coroutine(coroutine)
