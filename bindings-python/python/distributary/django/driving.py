"""Running coroutines without a task for each.

A consumer's handler mostly runs through: it builds a frame and gives it to a socket that takes it. Such a handler needs
no task of its own, which would cost more than all it does. It is stepped once where its message arrives; only one that
really waits is handed to a task, which goes on where it stopped.
"""

from __future__ import annotations

import types
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any

__all__ = ["START", "as_coroutine", "drive"]

#: In the place of what a coroutine waits for: it has not been started.
START: Any = object()


@types.coroutine
def drive(
    coroutine: Coroutine[Any, Any, Any],
    run: Callable[..., Any],
    waits_for: Any = START,
    thrown: BaseException | None = None,
) -> Generator[Any, Any, Any]:
    """Goes on with a coroutine that waits for something, or starts it; each step through `run` (of a context).

    `thrown` is raised in it instead of waiting.
    """
    try:
        if thrown is not None:
            waits_for = run(coroutine.throw, thrown)
        elif waits_for is START:
            waits_for = run(coroutine.send, None)
        while True:
            try:
                value = yield waits_for
            except BaseException as error:  # noqa: PERF203 (cancellation, too, is the coroutine's to see)
                waits_for = run(coroutine.throw, error)
            else:
                waits_for = run(coroutine.send, value)
    except StopIteration as end:
        return end.value


def as_coroutine(awaitable: Any) -> Coroutine[Any, Any, Any]:
    """What can be stepped, of whatever a handler gives. If that cannot be awaited, stepping it raises `TypeError`."""
    return awaitable if type(awaitable) is types.CoroutineType else _wait_for(awaitable)


async def _wait_for(awaitable: Awaitable[Any]) -> Any:
    return await awaitable
