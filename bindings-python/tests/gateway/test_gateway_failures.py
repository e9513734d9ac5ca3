"""What fails around the application's functions: the log, and the threads themselves."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Iterator
from typing import Any

import anyio
import pytest
import websockets

from distributary import Hub, OptionError, TopicError
from distributary.gateway import Accept, Limits, Reject, Request, workers


class FullDisk(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        raise OSError("the log's disk is full")


@pytest.fixture
def full_disk() -> Iterator[None]:
    logger = logging.getLogger("distributary.gateway")
    handler = FullDisk()
    logger.addHandler(handler)
    yield
    logger.removeHandler(handler)


def plain(request: Request) -> Accept[None] | Reject:
    if "bad" in request.query:
        raise ValueError("no such user")
    return Reject(403) if "no" in request.query else Accept("a")


async def coroutine(request: Request) -> Accept[None] | Reject:
    return plain(request)


@pytest.mark.every_loop
@pytest.mark.usefixtures("full_disk")
@pytest.mark.parametrize("authorize", [plain, coroutine])
async def test_a_log_that_fails_keeps_nobody_out(
    serving: Any, authorize: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    async with serving(Hub(), authorize, threads=2) as clients:
        for _ in range(4):
            with anyio.fail_after(20):
                assert (await clients.refused("/?bad=1")).status_code == 500
        with anyio.fail_after(20):
            assert (await clients.refused("/?no")).status_code == 403
    assert "the log's disk is full" in capfd.readouterr().err


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_a_thread_that_dies_is_replaced(serving: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    lead = workers._lead
    died: list[threading.Thread] = []

    def dies(*arguments: Any) -> bool:
        if len(died) < 5:
            died.append(threading.current_thread())
            raise SystemExit
        return lead(*arguments)

    monkeypatch.setattr(workers, "_lead", dies)
    async with serving(Hub(), plain, threads=2) as clients:
        with anyio.fail_after(20):
            async with clients.websocket(), clients.websocket():
                pass
    assert len(set(died)) == 5


@pytest.mark.parametrize("is_plain", [True, False])
async def test_a_question_without_an_answer_is_logged(
    serving: Any, eventually: Any, caplog: pytest.LogCaptureFixture, is_plain: bool
) -> None:
    over = threading.Event()

    def blocked(request: Request) -> Accept[None]:
        over.wait(20)
        return Accept("a")

    async def asleep(request: Request) -> Accept[None]:
        await anyio.sleep(20)
        return Accept("a")

    limits = Limits(handshake_timeout=0.5)
    async with serving(Hub(), blocked if is_plain else asleep, limits=limits) as clients:
        try:
            await left_alone(clients)
            # A thread that is busy takes up nothing: it sees afterwards who has left.
            over.set()
            await eventually(lambda: caplog.text.count("had not answered") == 1, "it is logged")
        finally:
            over.set()


async def test_a_question_that_finds_no_thread_is_answered_and_logged(
    serving: Any, eventually: Any, caplog: pytest.LogCaptureFixture
) -> None:
    over = threading.Event()
    asked: list[Request] = []

    def blocked(request: Request) -> Accept[None]:
        asked.append(request)
        over.wait(20)
        return Accept("a")

    async with serving(Hub(), blocked, limits=Limits(handshake_timeout=0.5), threads=1) as clients:
        try:
            async with anyio.create_task_group() as group:
                for _ in range(3):
                    group.start_soon(left_alone, clients)
            assert len(asked) == 1
            over.set()

            def logged() -> int:
                # Those who were fetched in time by themselves, the others by their number.
                unasked = re.findall(r"(\d+) of those who wanted to come in", caplog.text)
                return caplog.text.count("had not answered") + sum(map(int, unasked))

            await eventually(lambda: logged() == 3, "all are logged")
            # Nobody waits for the others: they are not asked.
            async with clients.websocket():
                assert len(asked) == 2
            await eventually(lambda: clients.gateway.stats().refused["timeout"] == 3, "they are counted")
        finally:
            over.set()


async def left_alone(clients: Any) -> None:
    with pytest.raises(websockets.InvalidStatus) as caught:
        async with clients.websocket():
            pass
    assert caught.value.response.status_code == 503


@pytest.mark.parametrize("names", ["", [""], ["a", ""], "a" * 1025])
def test_a_name_that_is_none_raises_at_the_call(names: Any) -> None:
    with pytest.raises(TopicError):
        Accept(names)
    assert Accept([])._grant["subscriptions"] == []


@pytest.mark.parametrize(
    "make",
    [
        lambda: Reject(headers={"a\r\nb": "c"}),
        lambda: Reject(headers={"a": "c\r\nx: y"}),
        lambda: Reject(headers={"": "c"}),
        lambda: Reject(headers={"a": "c\n"}),
        lambda: Accept("a", headers={"a": "ä"}),
        lambda: Accept("a", headers={"a": "\ud800"}),
        lambda: Accept("a", headers={"\ud800": "a"}),
        lambda: Reject(body="\ud800"),
        lambda: Accept("a", protocol="\ud800"),
    ],
)
def test_what_http_cannot_say_raises_at_the_call(make: Callable[[], object]) -> None:
    with pytest.raises(OptionError, match=r"headers|body|protocol"):
        make()
