"""The threads that run plain functions.

One of them at a time *leads*: it waits for the bell, fetches a batch, and gives the lead away before it runs anything.
So whoever comes while a function takes long is served by the next thread, and a crowd that comes at once costs one wake
and not one for each. Threads begin when there is nobody left to lead, up to a bound.

While they wait they hold nothing of the gateway, which can be collected meanwhile. They are daemons: a function that
never returns does not keep the process.
"""

from __future__ import annotations

import itertools
import select
import threading
import time
import weakref
from collections import deque
from typing import Any

from .. import _native
from .desk import Desk, report

__all__ = ["Workers"]

#: Calls fetched at once.
_BATCH = 64

_NUMBERS = itertools.count(1)


class _Crew:
    """What the threads share, without what they work for."""

    def __init__(self, most: int, bell: _native.Bell) -> None:
        self.most = most
        self.bell = bell
        #: Guards all else.
        self.changed = threading.Condition(threading.Lock())
        self.jobs: deque[tuple[Any, ...]] = deque()
        self.threads: list[threading.Thread] = []
        #: Who waits for the bell, or fetches.
        self.leader: threading.Thread | None = None
        #: Somebody has been called to lead, and is not there yet.
        self.is_called = False
        self.idle = 0
        #: There is more to fetch, for which the bell does not ring.
        self.more = False
        self.is_over = False


class Workers:
    """The threads of one gateway."""

    def __init__(self, desk: Desk, most: int) -> None:
        self._desk = desk
        self._crew = _Crew(most, desk.native.bell(False))

    def start(self) -> None:
        """Starts the first."""
        with self._crew.changed:
            _call(self._crew, weakref.ref(self._desk))

    def is_current(self) -> bool:
        """Whether the caller runs in one of them."""
        return threading.current_thread() in self._crew.threads

    def stop(self) -> None:
        """Ends them, each when it has returned from what it runs."""
        crew = self._crew
        with crew.changed:
            crew.is_over = True
            crew.jobs.clear()
            crew.changed.notify_all()
        crew.bell.ring()

    def join(self, seconds: float) -> None:
        """Waits for their end, at most so long."""
        until = time.monotonic() + seconds
        for thread in list(self._crew.threads):
            if thread is not threading.current_thread():
                thread.join(max(0.0, until - time.monotonic()))


def _call(crew: _Crew, desk: weakref.ref[Desk]) -> None:
    """Calls for somebody to lead, if nobody does. Under the lock."""
    if crew.leader is not None or crew.is_called or crew.is_over:
        return
    if crew.idle:
        crew.is_called = True
        crew.changed.notify()
    elif len(crew.threads) < crew.most:
        crew.is_called = True
        thread = threading.Thread(
            target=_work, args=(crew, desk), name=f"distributary-gateway-{next(_NUMBERS)}", daemon=True
        )
        try:
            thread.start()
        except RuntimeError:
            crew.is_called = False
            if not crew.threads:
                raise
            # The system gives no more: those that there are do it all.
            return
        crew.threads.append(thread)


def _work(crew: _Crew, desk: weakref.ref[Desk]) -> None:
    try:
        _work_on(crew, desk)
    except BaseException:
        # Whatever it died of, another one takes its place.
        me = threading.current_thread()
        with crew.changed:
            crew.threads.remove(me)
            if crew.leader is me:
                crew.leader = None
            crew.is_called = False
            _call(crew, desk)
        raise


def _work_on(crew: _Crew, desk: weakref.ref[Desk]) -> None:
    poll = select.poll()
    poll.register(crew.bell.fileno(), select.POLLIN)
    while True:
        with crew.changed:
            job = _next(crew, desk)
            waits = not crew.more
        if crew.is_over:
            return
        if job is None:
            if waits:
                poll.poll()
            try:
                if not _lead(crew, desk):
                    return
            except Exception as error:
                report("calls of the gateway could not be read", error=error)
        elif (served := desk()) is not None:
            try:
                served.serve(job)
            except BaseException as error:
                report("a call of the gateway could not be served", error=error)
            # Nothing of it is held while this thread waits.
            del served, job


def _next(crew: _Crew, desk: weakref.ref[Desk]) -> tuple[Any, ...] | None:
    """A job; None: lead, or it is over. Under the lock."""
    crew.is_called = False
    while not crew.is_over:
        if crew.jobs:
            job = crew.jobs.popleft()
            _call(crew, desk)
            return job
        if crew.leader is None:
            crew.leader = threading.current_thread()
            return None
        crew.idle += 1
        crew.changed.wait()
        crew.idle -= 1
        crew.is_called = False
    return None


def _lead(crew: _Crew, desk: weakref.ref[Desk]) -> bool:
    """Fetches a batch, and gives the lead away. False when it is over."""
    served = desk()
    if served is None or crew.is_over:
        return False
    more = True
    jobs = []
    try:
        fetched = served.fetch(False, _BATCH)
        jobs, more = fetched.jobs, fetched.more
    finally:
        # Whatever was wrong with one batch, there is a next one.
        with crew.changed:
            crew.jobs.extend(jobs)
            crew.more = more
            crew.leader = None
    return True
