"""Where the native half's calls are taken up: who wants to come in, what clients say, who has gone.

Functions of the application run on one of two sides: coroutine functions as tasks of the event loop that started the
gateway, plain ones in threads. Both fetch their calls here, in batches, and answer with the number that the question
had.

Invariants:
- Nothing that the application's functions raise comes out of a plain call. It is logged, and whoever asked gets a plain
  no.
- Nothing that the log's filters and handlers raise comes out of any call.
- Every question that is still asked gets one answer, and every call about a client is followed by `told`.
"""

from __future__ import annotations

import contextlib
import inspect
import logging
import time
import traceback
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from .. import _native
from .client import Ended
from .request import Request
from .verdict import Accept, Deny, Reject, Selector, Wish

__all__ = ["Desk", "Fetched", "Hooks", "report"]

logger = logging.getLogger("distributary.gateway")

# The numbers of the calls. `src/gateway/calls.rs` has the same, and says what follows each.
ADMIT, GRANT, WITHDRAWN, DONE, OPENED, SAID, OVERRUN, ENDED = range(8)

#: Which function a call is for.
_NAMES = {
    ADMIT: "authorize",
    GRANT: "on_subscribe",
    OPENED: "on_open",
    SAID: "on_message",
    OVERRUN: "on_message",
    ENDED: "on_end",
}

#: What a client is told when the application fails. The log is told more.
_FAILED = {"status": 500, "headers": [], "body": "internal error", "retry_after": None}

_DENIED = "this may not be subscribed to"


@dataclass(frozen=True)
class Hooks:
    """The functions of the application."""

    authorize: Callable[[Request], Any]
    on_open: Callable[[Any], Any] | None
    on_subscribe: Callable[[Any, Wish], Any] | None
    on_message: Callable[[Any, str | bytes], Any] | None
    on_end: Callable[[Any, Ended], Any] | None


@dataclass(frozen=True)
class Fetched:
    """A batch of calls."""

    #: Calls that run a function, in order.
    jobs: list[tuple[Any, ...]]
    #: Questions that nobody asks any more.
    withdrawn: list[int]
    #: Operations that are over, and their failures.
    done: list[tuple[int, BaseException | None]]
    #: Whether to come back without being woken.
    more: bool


class _Telling:
    """A client is being told something, and hears of nothing else until `told`."""

    __slots__ = ("_left",)

    def __init__(self, desk: Desk, client: int) -> None:
        # Taken out by whoever is first. Afterwards it holds nothing: tasks that the function began have it, too.
        self._left = [(desk, client)]

    def is_of(self, desk: Desk) -> bool:
        return any(one is desk for one, _ in self._left)

    def over(self) -> None:
        with contextlib.suppress(IndexError):
            desk, client = self._left.pop()
            desk.native.told(True, client)


#: What the coroutine function is called for that this code is a part of.
_TELLING: ContextVar[_Telling | None] = ContextVar("_TELLING", default=None)


class Desk:
    """What one gateway's calls mean."""

    def __init__(self, native: _native.Gateway, hooks: Hooks, patience: float) -> None:
        self.native = native
        self._hooks = hooks
        #: Who waits for an answer.
        self._requests: dict[int, Request] = {}
        #: Questions that nobody asks any more, which was found out before it was fetched.
        self._gone: set[int] = set()
        self._patience = patience
        #: When each side last fetched.
        self._fetched = [time.monotonic()] * 2

    def fetch(self, of_loop: bool, most: int) -> Fetched:
        """Takes what a side is called for. One at a time on each side: a question comes before it is withdrawn."""
        last, now = self._fetched[of_loop], time.monotonic()
        self._fetched[of_loop] = now
        calls, more = self.native.take(of_loop, most)
        fetched = Fetched([], [], [], more)
        unasked = 0
        for call in calls:
            kind = call[0]
            if kind == ADMIT:
                request = self._requests[call[1]] = Request(*call[2:])
                request._asked = now
                fetched.jobs.append((ADMIT, call[1], request))
            elif kind == WITHDRAWN:
                request_gone = self._requests.pop(call[1], None)
                if request_gone is not None:
                    request_gone._gone = True
                    # Asked and taken back between two batches: it waited for its turn all the while.
                    self._complain(request_gone, now - (last if request_gone._asked == now else request_gone._asked))
                elif call[1] in self._gone:
                    self._gone.remove(call[1])
                else:
                    unasked += 1
                fetched.withdrawn.append(call[1])
            elif kind == DONE:
                fetched.done.append(call[1:])
            else:
                fetched.jobs.append(call)
        if unasked and now - last > self._patience / 2:
            report(
                "%d of those who wanted to come in left, or had no time left, before `authorize` was asked: is it "
                "blocked, or are all `threads` busy?",
                unasked,
            )
        return fetched

    def _answered_for(self, question: int, is_heard: bool) -> Request | None:
        """Forgets a question. If nobody heard the answer, that it was taken back is still to be fetched."""
        if not is_heard:
            self._gone.add(question)
        request = self._requests.pop(question, None)
        if request is None:
            self._gone.discard(question)
        return request

    def _complain(self, request: Request, waited: float) -> None:
        """Tells the log of a question that went unanswered as long as a handshake may take, or nearly."""
        # The handshake began before the question, which so has less than all of its time.
        if waited > self._patience / 2:
            report(
                "`authorize` had not answered for %r after %.1f s, and nobody waits for it any more: is it blocked, or "
                "are all `threads` busy?",
                request,
                waited,
            )

    def serve(self, job: tuple[Any, ...]) -> None:
        """Runs a plain function."""
        kind = job[0]
        try:
            hook, arguments = self._hook(job)
            answer = hook(*arguments) if hook is not None else None
            if inspect.isawaitable(answer):
                if inspect.iscoroutine(answer):
                    answer.close()
                raise TypeError(f"a plain function returned {type(answer).__name__}: define it with `async def`")
        except BaseException as error:
            # Whatever it is: this thread is the gateway's, and goes on.
            self._failed(job, error)
        else:
            self._answered(job, answer)
        finally:
            if kind >= OPENED:
                self.native.told(False, job[1])

    async def aserve(self, job: tuple[Any, ...]) -> None:
        """Runs a coroutine function."""
        telling = None
        if job[0] >= OPENED:
            telling = _Telling(self, job[1])
            _TELLING.set(telling)
        try:
            hook, arguments = self._hook(job)
            answer = await hook(*arguments) if hook is not None else None
        except Exception as error:
            self._failed(job, error)
        except BaseException:
            # Its task was cancelled: because nobody asks any more, or with its loop.
            self._refuse(job)
            raise
        else:
            self._answered(job, answer)
        finally:
            if telling is not None:
                telling.over()

    def let_go(self) -> None:
        """Whoever is about to wait for all functions does not wait for the one that it is called by."""
        telling = _TELLING.get()
        if telling is not None and telling.is_of(self):
            telling.over()

    def _hook(self, job: tuple[Any, ...]) -> tuple[Callable[..., Any] | None, tuple[Any, ...]]:
        """The function that a job is for, and its arguments."""
        kind = job[0]
        hooks = self._hooks
        if kind == ADMIT:
            # It may have left while it waited for its turn, whether that has been fetched or not.
            if not job[2].gone and not self.native.is_asked(job[1]):
                request = self._answered_for(job[1], False)
                if request is not None:
                    request._gone = True
                    self._complain(request, time.monotonic() - request._asked)
            return (None if job[2].gone else hooks.authorize), (job[2],)
        if kind == GRANT:
            return hooks.on_subscribe, (job[2], Wish(tuple(job[3]), tuple(job[4])))
        if kind == OPENED:
            return hooks.on_open, (job[2],)
        if kind == SAID:
            return hooks.on_message, (job[2], job[3])
        if kind == ENDED:
            return hooks.on_end, (job[2], Ended(job[3], job[4]))
        report(
            "client %d said more than was heard so far, and was closed: is `on_message` blocked? If it is just busy, "
            "raise `backlog`",
            job[2].id,
        )
        return None, ()

    def _answered(self, job: tuple[Any, ...], answer: Any) -> None:
        try:
            if job[0] == ADMIT:
                self._admitted(job[1], answer)
            elif job[0] == GRANT:
                self._granted(job[1], answer)
        except Exception as error:
            # An answer that is none, or something in it that only the native half knows to be wrong.
            self._failed(job, error)

    def _admitted(self, question: int, answer: Any) -> None:
        if question not in self._requests:
            return
        if isinstance(answer, Accept):
            is_heard = self.native.accept(question, answer.session, answer._grant)
        elif isinstance(answer, Reject):
            is_heard = self.native.reject(question, answer._refusal)
        else:
            raise TypeError(
                f"`authorize` returned {_named(answer)}: return Accept(...) with what the client sees, or Reject(403)"
            )
        request = self._answered_for(question, is_heard)
        if not is_heard and request is not None:
            self._complain(request, time.monotonic() - request._asked)

    def _granted(self, question: int, answer: Any) -> None:
        if answer is True:
            self.native.grant(question, None)
        elif answer is False:
            self.native.deny(question, _DENIED)
        elif isinstance(answer, Deny):
            self.native.deny(question, answer.reason)
        elif isinstance(answer, Selector):
            self.native.grant(question, answer._wanted)
        else:
            raise TypeError(
                f"`on_subscribe` returned {_named(answer)}: return True, False, Deny('why'), or a Selector of what "
                "is granted"
            )

    def _failed(self, job: tuple[Any, ...], error: BaseException) -> None:
        """Answers for a function that raised, and logs what, if it is not an answer itself."""
        kind = job[0]
        if kind == ADMIT and job[1] not in self._requests:
            # Nobody waits for it any more.
            return
        if (kind == ADMIT and isinstance(error, Reject)) or (kind == GRANT and isinstance(error, Deny)):
            self._answered(job, error)
            return
        self._refuse(job)
        report("`%s` failed for %r", _NAMES[kind], job[2], error=error)

    def _refuse(self, job: tuple[Any, ...]) -> None:
        """A plain no to whoever asked."""
        kind, number = job[0], job[1]
        if kind == ADMIT and number in self._requests:
            self._answered_for(number, self.native.reject(number, _FAILED))
        elif kind == GRANT:
            self.native.deny(number, "internal error")


def report(message: str, *arguments: object, error: BaseException | None = None) -> None:
    """Tells the log. Where that fails (its disk is full, say), what is served goes on, and standard error has it."""
    try:
        logger.error(message, *arguments, exc_info=error)
    except Exception:
        with contextlib.suppress(Exception):
            traceback.print_exc()


def _named(answer: object) -> str:
    return "None" if answer is None else type(answer).__name__
