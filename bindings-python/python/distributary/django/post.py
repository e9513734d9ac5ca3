"""The layer's messages for one consumer, handled without waking a task.

They come with the turn of a bell (`bells`). The handler is stepped right there, in the name of the worker, a task that
the consumer gets with its first message; a handler that waits is carried on by the worker. That the worker is the
current task of each step lets a timeout inside a handler cancel what it is meant to.

A bell that finds the consumer busy leaves the mail where it is; when the turn is given back, it is rung again.
"""

from __future__ import annotations

import asyncio
from asyncio.tasks import _enter_task, _leave_task  # documented, for those who step coroutines themselves
from collections.abc import Coroutine
from time import perf_counter
from types import CoroutineType
from typing import TYPE_CHECKING, Any

from channels.consumer import AsyncConsumer, get_handler_name

from .desk import Desk, is_time_to_close
from .driving import START, as_coroutine, drive
from .errors import SlowWebsocket
from .exchange import Exchange
from .messages import Message

if TYPE_CHECKING:
    from .consumers import FanoutMixin

__all__ = ["Post"]


class Post:
    """The reader of a consumer's channel."""

    __slots__ = (
        "_box",
        "_consumer",
        "_desk",
        "_direct",
        "_exchange",
        "_is_open",
        "_owed",
        "_pending",
        "_run",
        "_wake",
        "_worker",
        "bell",
        "called",
    )

    def __init__(self, desk: Desk, consumer: FanoutMixin, exchange: Exchange, channel: str, overflow: str) -> None:
        self.bell = exchange.bell_of(desk.loop)
        self.called = False
        self._desk = desk
        self._consumer = consumer
        # A consumer with a dispatch of its own has it called; that of a sync one finds it a thread.
        self._direct = type(consumer).dispatch is AsyncConsumer.dispatch
        self._exchange = exchange
        self._is_open = True
        # It was called when the consumer was busy, or messages were left over.
        self._owed = False
        self._worker: asyncio.Task[None] | None = None
        # For the worker: a handler, and what it waits for.
        self._pending: list[tuple[Coroutine[Any, Any, Any], Any]] = []
        self._wake = desk.loop.create_future()
        self._run = desk.context.run
        self._box = exchange.attach(channel, self, overflow)

    def go(self) -> bool:
        """Handles the messages that are there."""
        desk = self._desk
        if desk.is_busy:
            self._owed = True
            return False
        desk.is_busy = True
        box, bell, worker = self._box, self.bell, self._worker
        while self._is_open and (message := self._exchange.next_of(box, bell.now)) is not None:
            try:
                coroutine = self._handle(message)
                if worker is None:
                    waits_for = START
                else:
                    _enter_task(bell.loop, worker)
                    try:
                        waits_for = self._run(coroutine.send, None)
                    finally:
                        _leave_task(bell.loop, worker)
            except StopIteration:  # noqa: PERF203 (it has run through)
                if not box.letters:
                    break
                if perf_counter() > bell.until:
                    desk.give_turn_back()
                    return True
            except BaseException as error:
                self._is_open = False
                desk.fail(error)
            else:
                self._pending.append((coroutine, waits_for))
                self._owed = bool(box.letters)
                if worker is None:
                    self._worker = bell.loop.create_task(self._work())
                else:
                    self._wake.set_result(None)
                return False  # the worker gives the turn back
        desk.give_turn_back()
        return False

    def go_on(self) -> None:
        """The consumer is not busy any more."""
        if self._owed:
            self._owed = False
            if self._is_open:
                self._exchange.call_again(self)

    def overflow(self) -> None:
        """There are more messages than the channel holds, and the consumer asked to end then."""
        self._desk.fail(SlowWebsocket("the consumer did not keep up with its messages: its channel is full"))

    def close(self) -> set[asyncio.Task[None]]:
        """Leaves the layer. Gives what runs still."""
        if self._box.reader is self:
            self._exchange.detach(self._box)
        self._is_open = False
        return set() if self._worker is None or self._worker.done() else {self._worker}

    def _handle(self, message: Message) -> Coroutine[Any, Any, Any]:
        """What handles a message, not yet started."""
        consumer = self._consumer
        content = message.copy()
        if not self._direct or is_time_to_close(self.bell.now):
            return as_coroutine(consumer.dispatch(content))
        name = message.handler
        if name is None:
            name = message.handler = get_handler_name(content)
        handler = getattr(consumer, name, None)
        if handler is None:
            raise ValueError(f"No handler for message type {content['type']}")
        coroutine = handler(content)
        return coroutine if type(coroutine) is CoroutineType else as_coroutine(coroutine)

    async def _work(self) -> None:
        """Carries on handlers that wait."""
        desk = self._desk
        thrown = None
        while True:
            coroutine, waits_for = self._pending.pop()
            try:
                await drive(coroutine, self._run, waits_for, thrown)
            except BaseException as error:
                desk.fail(error)
                return
            self._wake = desk.loop.create_future()
            desk.give_turn_back()
            thrown = None
            try:
                await self._wake
            except asyncio.CancelledError as error:
                if not self._pending:
                    raise
                thrown = error  # meant for the handler, by a timeout that it had set in its first step
