"""The threads that bring messages of queues on the server to those who wait for them here.

One for each channel that is waited for, with a connection of its own: it waits for receivers here and for messages
there, in turns, and neither keeps another channel waiting. While the queue is empty it holds nothing that is not
forgotten when the layer is.

When the server is away it is asked again after growing, jittered pauses, for as long as somebody waits.
"""

from __future__ import annotations

import logging
import random
import threading
import weakref
from enum import Enum
from time import sleep
from typing import TYPE_CHECKING, Any

from .errors import QueueError

if TYPE_CHECKING:
    from .clients import Link
    from .queues import Queues

__all__ = ["Fetcher"]

logger = logging.getLogger("distributary.django")

#: Seconds after which a channel is left that nobody waits for.
IDLE = 1.0

#: Seconds after which the server is asked anew for messages, and a layer that is closed or forgotten is noticed.
PEEK = 1

#: Seconds of the first pause and of the longest.
SHORT, LONG = 0.1, 2.0


class Step(Enum):
    """What a thread does next."""

    SERVE = 1
    PEEK = 2
    END = 3


class Fetcher:
    """Fetches the messages of one channel."""

    def __init__(self, channel: str, key: str, link: Link) -> None:
        self.channel = channel
        #: Somebody may wait.
        self.wanted = threading.Event()
        # Held while messages are on their way between the server and the exchange.
        self._carrying = threading.Lock()
        self._closed = False
        self._key = key
        self._link = link
        self._failures = 0

    def start(self, queues: Queues) -> None:
        """Starts its thread, which does not hold the queues."""
        threading.Thread(target=self._work, args=(weakref.ref(queues),), name="distributary-queue", daemon=True).start()

    def close(self) -> None:
        """Nothing is taken from here on. When it returns, all that was taken is in the exchange."""
        self._closed = True
        self.wanted.set()
        with self._carrying:
            pass

    def _work(self, there: weakref.ref[Queues]) -> None:
        step = Step.SERVE
        try:
            while step is not Step.END:
                step = self._make(step, there)
        finally:
            self._link.close()

    def _make(self, step: Step, there: weakref.ref[Queues]) -> Step:
        try:
            if step is Step.PEEK:
                self._link.run(self._peek)
            return self._serve(there)
        except QueueError as error:
            self._failed(error)
            return Step.SERVE

    def _serve(self, there: weakref.ref[Queues]) -> Step:
        """Fetches what is waited for here, or waits until something is."""
        queues = there()
        if queues is None:
            return Step.END
        if queues.is_waited_for(self.channel):
            with self._carrying:
                if self._closed:
                    return Step.END
                came = queues.fetch(self._link, self.channel)
            self._answered()
            return Step.SERVE if came else Step.PEEK
        self.wanted.clear()
        if queues.is_waited_for(self.channel) or self.wanted.wait(IDLE):
            return Step.SERVE
        with self._carrying:
            queues.give_back(self._link, self.channel)
        return Step.END if queues.end(self) else Step.SERVE

    def _peek(self, client: Any) -> None:
        """Waits until there are messages, and takes none: the first one is moved to where it is."""
        client.execute_command("BLMOVE", self._key, self._key, "LEFT", "LEFT", PEEK)

    def _answered(self) -> None:
        if self._failures:
            self._failures = 0
            logger.info("messages of %s are fetched again", self.channel)

    def _failed(self, error: QueueError) -> None:
        if not self._failures:
            logger.warning("messages of %s cannot be fetched: %s", self.channel, error)
        # The exponent is bounded as well: an outage may be long.
        pause = min(LONG, SHORT * 2 ** min(self._failures, 8))
        self._failures += 1
        sleep(pause * random.uniform(0.5, 1))
