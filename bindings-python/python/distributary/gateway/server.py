"""The gateway itself: its options, and its life."""

from __future__ import annotations

import atexit
import functools
import inspect
import os
import warnings
import weakref
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from .. import _native
from ..errors import NotRunning, OptionError, WrongLoop
from ..hub import Hub
from ..options import flag, shown, whole
from . import sides, stats
from .checks import seconds, strings, text
from .client import Client, Ended
from .desk import Desk, Hooks
from .limits import Limits
from .request import Request
from .verdict import Accept, Deny, Reject, Selector, Wish
from .workers import Workers

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["Gateway"]

S = TypeVar("S")

#: As many as a thread pool of the standard library has at most.
_THREADS = min(32, (os.cpu_count() or 1) + 4)

#: How long the end of the process waits for functions that run, in seconds.
_AT_EXIT = 0.5

#: How long a handshake takes at most where the limits do not say, in seconds.
_HANDSHAKE = 10.0

_OPEN: weakref.WeakSet[Gateway[Any]] = weakref.WeakSet()


class Gateway(Generic[S]):
    """A WebSocket and SSE endpoint that brings a hub's events to sockets.

    ::

        async def authorize(request: Request) -> Accept[User]:
            user = await users.by_token(request.bearer)
            if user is None:
                raise Reject(401)
            return Accept(f"user.{user.id}", session=user)

        async with Gateway(hub, address="127.0.0.1:8080", authorize=authorize):
            await stopped.wait()

    Functions may be plain or coroutine functions. Coroutine functions run as tasks of the event loop in which the
    gateway was started; plain ones run in threads of the gateway's, which start when they are needed, so they may
    block. What is told about one client is told in order and one at a time; different clients do not wait for each
    other.

    Without an event loop there is `with Gateway(...)`, or :meth:`start_blocking`; functions are plain ones then.

    The child of a fork has no gateway of its parent's, but copies of its sockets: as with any server, fork first and
    start then.

    Args:
        hub: Whose events it brings.
        address: Where clients connect: `"127.0.0.1:8080"`, `"[::1]:8080"` or a pair of host and port. Port 0 lets the
            system choose; :attr:`address` then says which.
        authorize: Who may come in, and what they see. Called for each client that shows no valid ticket, with its
            :class:`Request`; returns :class:`Accept` or :class:`Reject`. It is waited for as long as
            `Limits.handshake_timeout` says, then the client gets a 503. Then, and when the client goes meanwhile, a
            coroutine is cancelled, and `request.gone` is true. When it raises, the client gets a plain 500, and the log
            `distributary.gateway` is told why.
        admin: Where `/metrics` (for Prometheus) and `/healthz` are answered: a loopback address, unless you know
            better. None: nowhere.
        paths: The paths that are served, percent-encoded as clients send them; others get 404 without a question.
            Without any, all are.
        json_protocol: Whether clients that offer `distributary.v1.json` get the JSON protocol.
        limits: What is admitted, and how long things may take.
        on_open: A client is served and subscribed. Called before what it says, though events may have been written to
            it already.
        on_subscribe: May this client of the JSON protocol subscribe to this, beyond what `Accept(allow=...)` lets it?
            True grants it, False or :class:`Deny` does not, a :class:`Selector` grants something else. Without this
            function the answer is no.
        on_message: What a client says: text as a `str` (in the JSON protocol, the JSON text of its `data`), binary as
            `bytes`. Without this function a client of a plain WebSocket that says anything is closed with code 1003.
        on_end: A client that was served has gone, and why.
        backlog: How many messages of clients may wait until they are heard. A client may have a sixteenth of it; one
            that says more is closed with code 1013.
        backlog_bytes: The same in bytes.
        threads: The most threads that run plain functions. If more of these block at a time, others wait.

    Raises:
        OptionError: An option is out of its bounds.
    """

    def __init__(
        self,
        hub: Hub,
        *,
        address: str | tuple[str, int],
        authorize: Callable[[Request], Accept[S] | Reject | Awaitable[Accept[S] | Reject]],
        admin: str | tuple[str, int] | None = None,
        paths: str | Iterable[str] = (),
        json_protocol: bool = True,
        limits: Limits | None = None,
        on_open: Callable[[Client[S]], Awaitable[None] | None] | None = None,
        on_subscribe: Callable[[Client[S], Wish], bool | Selector | Deny | Awaitable[bool | Selector | Deny]]
        | None = None,
        on_message: Callable[[Client[S], str | bytes], Awaitable[None] | None] | None = None,
        on_end: Callable[[Client[S], Ended], Awaitable[None] | None] | None = None,
        backlog: int = 65_536,
        backlog_bytes: int = 64 * 1024 * 1024,
        threads: int = _THREADS,
    ) -> None:
        if not isinstance(hub, Hub):
            raise TypeError(f"hub: a Hub, not {type(hub).__name__}")
        if limits is not None and not isinstance(limits, Limits):
            raise TypeError(f"limits: Limits(...), not {type(limits).__name__}")
        hooks = {
            "authorize": authorize,
            "on_open": on_open,
            "on_subscribe": on_subscribe,
            "on_message": on_message,
            "on_end": on_end,
        }
        kinds = {name: _kind(hook, name) for name, hook in hooks.items()}
        if kinds["authorize"] is None:
            raise TypeError("authorize: the function that says who may come in and what they see, not None")
        settings = {
            "address": _address(address, "address"),
            "admin": None if admin is None else _address(admin, "admin"),
            "paths": [_path(path) for path in strings("paths", paths)],
            "json": flag("json_protocol", json_protocol),
            "limits": (limits or Limits())._native(),
            "backlog": whole("backlog", backlog, least=1),
            "backlog_bytes": whole("backlog_bytes", backlog_bytes, least=1),
            **kinds,
        }
        self._kinds = kinds
        self._threads = whole("threads", threads, least=1)
        self._native = _native.Gateway(hub._native, settings, functools.partial(Client, hub._encode))
        patience = _HANDSHAKE if limits is None or limits.handshake_timeout is None else limits.handshake_timeout
        self._desk = Desk(self._native, Hooks(**hooks), patience)  # type: ignore[arg-type]
        self._side: sides.Side | None = None
        self._workers: Workers | None = None
        self._pid = os.getpid()
        self._is_started = False
        self._is_closed = False

    async def start(self) -> Gateway[S]:
        """Starts to listen, and to run coroutine functions on this event loop.

        Raises:
            ListenError: An address cannot be listened on.
            OptionError: No client can ask for one of the paths.
            NotRunning: It was started or closed before.
            OSError: The system gives no thread.
        """
        self._begin()
        side = self._side = sides.find(self._desk)
        return await self._run(side)

    async def _run(self, side: sides.Side) -> Gateway[S]:
        self._staff()
        try:
            await side.operation(self._native.start)
        except BaseException:
            self._release()
            raise
        return self

    def start_blocking(self) -> Gateway[S]:
        """The same without an event loop; functions are plain ones."""
        for name, kind in self._kinds.items():
            if kind:
                raise OptionError(
                    f"{name} is a coroutine function: start the gateway in its loop, `await gateway.start()`"
                )
        self._begin()
        self._staff()
        try:
            self._native.start(None)
        except BaseException:
            self._release()
            raise
        return self

    def _begin(self) -> None:
        self._check_process()
        if self._is_closed or self._is_started:
            raise NotRunning("the gateway was started or closed before: make a new one")

    def _staff(self) -> None:
        self._is_started = True
        _OPEN.add(self)
        if any(kind is False for kind in self._kinds.values()):
            self._workers = Workers(self._desk, self._threads)
            self._workers.start()

    @property
    def address(self) -> tuple[str, int] | None:
        """Where clients connect, while it runs."""
        self._check_process()
        return self._native.address

    @property
    def admin_address(self) -> tuple[str, int] | None:
        """Where `/metrics` and `/healthz` are answered, while it runs."""
        self._check_process()
        return self._native.admin_address

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._is_closed

    def stats(self) -> stats.GatewayStats:
        """A snapshot of all counters. Raises `NotRunning` when it does not run."""
        self._check_process()
        counters = self._native.stats()
        if counters is None:
            raise _not_running()
        return stats.read(counters)

    def prometheus(self) -> str:
        """The same, as Prometheus reads them. The admin address answers with these and the hub's."""
        self._check_process()
        page = self._native.prometheus()
        if page is None:
            raise _not_running()
        return page

    async def drain(self, over: float) -> None:
        """Sends everybody away for a deploy, spread evenly over so many seconds, each with a hint when to come back.

        New connections are refused with 503, and `/healthz` says `draining`. Returns when the last connection has gone,
        or the gateway is closed. A second drain can shorten the first, not prolong it.
        """
        over = seconds("over", over)
        side = self._its_side("drain")
        await side.operation(lambda number: self._native.drain(number, over))

    def drain_blocking(self, over: float) -> None:
        """The same from a thread that may block."""
        over = seconds("over", over)
        self._check_running()
        self._check_blocking("drain")
        self._native.drain(None, over)

    async def close(self) -> None:
        """Ends it: no new connections; those that exist are closed with code 1001.

        Returns when its threads have ended and `on_end` has returned for everybody. May be called twice. Cancelled, it
        ends the gateway without waiting. One of the gateway's own functions may await it: that call is not waited for,
        and what else its client is told comes meanwhile.
        """
        if self._is_over():
            return
        side = self._its_side("close")
        self._desk.let_go()
        try:
            await side.operation(self._native.close)
        finally:
            self._release()

    def close_blocking(self) -> None:
        """The same from a thread that may block, for a gateway that was started in an event loop, too.

        Not from a plain function of the gateway, for which it would wait: that raises `WrongLoop`.
        """
        if self._is_over():
            return
        self._check_blocking("close")
        if self._workers is not None and self._workers.is_current():
            raise WrongLoop(
                "a function of the gateway cannot wait for the end of all of them: call `close_blocking` in a thread "
                "of your own"
            )
        self._desk.let_go()
        if self._side is not None and not self._side.is_running():
            # Its loop has ended: there is nobody to run coroutine functions.
            self._native.hang_up(True)
        try:
            self._native.close(None)
        finally:
            self._release()

    def _is_over(self) -> bool:
        """Whether there is nothing to close."""
        if self._pid != os.getpid():
            return True
        if not self._is_started:
            self._release()
        return self._is_closed

    def _its_side(self, call: str) -> sides.Side:
        self._check_running()
        side = self._side
        if side is None or not side.is_current():
            raise WrongLoop(
                f"the gateway was not started in this event loop: await `{call}` there, or use `{call}_blocking` in a "
                "thread"
            )
        return side

    def _check_running(self) -> None:
        self._check_process()
        if self._is_closed or not self._is_started:
            raise _not_running()

    def _check_blocking(self, call: str) -> None:
        if self._side is not None and self._side.is_current():
            raise WrongLoop(f"this would block the event loop that the gateway needs: `await gateway.{call}(...)`")

    def _check_process(self) -> None:
        if self._pid != os.getpid():
            raise NotRunning(
                "the process was forked after the gateway was made, and it runs in the parent: make a new one"
            )

    def _release(self) -> None:
        self._is_closed = True
        _OPEN.discard(self)
        self._native.abandon()
        if self._workers is not None:
            self._workers.stop()
        if self._side is not None:
            self._side.stop()

    def __enter__(self) -> Gateway[S]:
        return self.start_blocking()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close_blocking()

    async def __aenter__(self) -> Gateway[S]:
        return await self.start()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __del__(self, warn: Callable[..., None] = warnings.warn) -> None:
        if getattr(self, "_is_started", False) and not self._is_closed and self._pid == os.getpid():
            warn(f"unclosed {self!r}: `await gateway.close()`, or use `async with`", ResourceWarning, source=self)
            self._release()

    def __repr__(self) -> str:
        if self._is_closed or not self._is_started or self._pid != os.getpid():
            return "<Gateway that does not run>"
        return f"<Gateway at {self._native.address}>"


@atexit.register
def _at_exit() -> None:
    """Ends what still runs, so that no thread is in Python while Python is taken apart."""
    workers = []
    for gateway in list(_OPEN):
        if gateway._pid == os.getpid():
            gateway._release()
            workers.append(gateway._workers)
    for one in workers:
        if one is not None:
            one.join(_AT_EXIT)


def _kind(hook: object, name: str) -> bool | None:
    """Whether it is a coroutine function; None: it is not there."""
    if hook is None:
        return None
    if not callable(hook):
        raise TypeError(f"{name}: a function, not {type(hook).__name__}")
    while isinstance(hook, functools.partial):
        hook = hook.func
    return inspect.iscoroutinefunction(hook) or inspect.iscoroutinefunction(getattr(hook, "__call__", None))  # noqa: B004


def _address(given: object, name: str) -> str:
    if isinstance(given, str):
        host, is_pair, port = given.rpartition(":")
        if is_pair and host and port.isdecimal() and int(port) <= 65_535:
            return given
    elif isinstance(given, tuple) and len(given) == 2:
        host, number = (
            text(f"the host of {name}", given[0]),
            whole(f"the port of {name}", given[1], least=0, most=65_535),
        )
        return f"[{host}]:{number}" if ":" in host else f"{host}:{number}"
    else:
        raise TypeError(f"{name}: a host and a port, as in '127.0.0.1:8080', not {type(given).__qualname__}")
    raise OptionError(f"{name}: a host and a port, as in '127.0.0.1:8080' or '[::1]:8080', not {shown(given)}")


def _path(path: str) -> str:
    if not path.startswith("/"):
        raise OptionError(f"paths: {path!r} does not begin with '/', so no client can ask for it")
    return path


def _not_running() -> NotRunning:
    return NotRunning("the gateway does not run: it was closed, or never started")
