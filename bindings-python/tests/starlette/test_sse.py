"""What stands in an event stream."""

from __future__ import annotations

import base64
import json
import threading
from typing import Any

import httpx
import pytest
from fastapi import Depends, FastAPI, HTTPException
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from distributary import Event, Hub, OptionError, Topic, TopicError
from distributary.starlette import EventStream, sse


def app_of(hub: Hub, topics: Any = "a", middleware: list[Middleware] | None = None, **options: Any) -> Starlette:
    """One stream, at `/`."""

    async def events(request: Request) -> Response:
        return sse(hub, request, topics, **options)

    return Starlette(routes=[Route("/", events)], middleware=middleware or [])


@pytest.fixture
def hub() -> Any:
    with Hub(history={"*": 1000}) as hub:
        yield hub


def test_events_come_with_their_positions(serve: Any, listen: Any, loop: str, hub: Hub) -> None:
    served = serve(app_of(hub), loop=loop)
    listener = listen(served.url)
    assert listener.response.headers["content-type"] == "text/event-stream"
    assert listener.response.headers["cache-control"] == "no-store"
    first = hub.publish("a", {"x": 1})
    second = hub.publish("a", "text")
    hub.publish("b", "not for it")
    third = hub.publish("a", b"")
    blocks = listener.take(3)
    assert [it.data for it in blocks] == ['{"x":1}', "text", ""]
    assert [it.id for it in blocks] == [first.position, second.position, third.position]
    assert {it.event for it in blocks} == {"message"}


def test_it_says_where_it_begins(serve: Any, listen: Any, hub: Hub) -> None:
    """A client that is cut off before its first event misses nothing either."""
    hub.publish("a", "before")
    served = serve(app_of(hub))
    here = hub.position("a")
    listener = listen(served.url)
    hub.close()
    assert list(listener) == []
    assert listener.last_id == here


@pytest.mark.parametrize(
    "text", ["a\nb", "a\r\nb", "a\rb", "\n", "a\n", "\r\n\r\n", " a", "ü\n\nü", ":", "data: x\n\nid: y"]
)
def test_lines_are_kept(serve: Any, listen: Any, hub: Hub, text: str) -> None:
    listener = listen(serve(app_of(hub)).url)
    hub.publish("a", text)
    assert next(listener).data == text.replace("\r\n", "\n").replace("\r", "\n")


def test_what_is_no_text_comes_in_base64(serve: Any, listen: Any, hub: Hub) -> None:
    listener = listen(serve(app_of(hub)).url)
    hub.publish("a", b"\xff\x00")
    block = next(listener)
    assert (block.event, base64.b64decode(block.data)) == ("binary", b"\xff\x00")


def test_events_have_the_names_and_data_that_callables_say(serve: Any, listen: Any, hub: Hub) -> None:
    def name(event: Event) -> str | None:
        return event.key

    def data(event: Event) -> str | bytes:
        return f"{event.topic}\n{event.json()['x']}" if event.key else b"\xff"

    listener = listen(serve(app_of(hub, event=name, data=data)).url)
    hub.publish("a", {"x": 1}, key="order")
    hub.publish("a", {"x": 2})
    named, unnamed = listener.take(2)
    assert (named.event, named.data) == ("order", "a\n1")
    assert (unnamed.event, base64.b64decode(unnamed.data)) == ("binary", b"\xff")


def test_a_fixed_name(serve: Any, listen: Any, hub: Hub) -> None:
    listener = listen(serve(app_of(hub, event="order")).url)
    hub.publish("a", "1")
    assert next(listener).event == "order"


def test_a_frame_is_made_once_for_all(serve: Any, listen: Any, hub: Hub) -> None:
    made = []

    def data(event: Event) -> bytes:
        made.append(event.position)
        return event.data

    served = serve(app_of(hub, data=data))
    listeners = [listen(served.url) for _ in range(20)]
    for number in range(5):
        hub.publish("a", str(number))
    for listener in listeners:
        assert [it.data for it in listener.take(5)] == ["0", "1", "2", "3", "4"]
    assert len(made) == len(set(made)) == 5


def test_the_filter_is_of_each_client(serve: Any, listen: Any) -> None:
    """Who asks, and what for, is the endpoint's affair."""
    hub = Hub()
    app = FastAPI()

    def user(request: Request) -> str:
        name = request.query_params.get("user")
        if name is None:
            raise HTTPException(401)
        return name

    @app.get("/orders")
    async def orders(request: Request, regions: str, user: str = Depends(user)) -> Response:
        return sse(hub, request, [Topic(f"user.{user}"), "orders.*"], where={"region": regions.split(",")})

    served = serve(app)
    assert httpx.get(f"{served.url}/orders", params={"regions": "eu"}).status_code == 401
    europe = listen(f"{served.url}/orders", params={"user": "ann", "regions": "eu,uk"})
    asia = listen(f"{served.url}/orders", params={"user": "bob", "regions": "jp"})
    for region in ["eu", "jp", "us", "uk"]:
        hub.publish("orders.new", {"region": region})
    hub.publish("user.ann", {"region": "eu", "hello": "ann"})
    assert [json.loads(it.data)["region"] for it in europe.take(3)] == ["eu", "uk", "eu"]
    assert [json.loads(it.data)["region"] for it in asia.take(1)] == ["jp"]
    assert hub.stats().subscriptions == 2
    hub.close()


def test_silence_is_filled(serve: Any, listen: Any, loop: str, hub: Hub) -> None:
    listener = listen(serve(app_of(hub, keep_alive=0.1, retry=2.5), loop=loop).url)
    lines = listener.response.iter_text()
    seen = ""
    while seen.count(":\n\n") < 3:
        seen += next(lines)
    assert seen.startswith("retry: 2500\n\nid: ")


def test_busy_streams_send_no_comments(serve: Any, listen: Any, hub: Hub) -> None:
    listener = listen(serve(app_of(hub, keep_alive=0.5)).url)
    for number in range(40):
        hub.publish("a", str(number))
        assert next(listener).data == str(number)
        threading.Event().wait(0.03)
    assert listener.comments == 0


def test_head_is_answered_without_a_subscription(serve: Any, hub: Hub) -> None:
    served = serve(app_of(hub))
    answer = httpx.head(served.url)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"] == "text/event-stream"
    assert hub.stats().subscriptions == 0


def test_headers_of_the_application_come_first(serve: Any, listen: Any, hub: Hub) -> None:
    own = {"Cache-Control": "no-cache", "X-Own": "1", "Content-Type": "text/event-stream; charset=utf-8"}
    headers = listen(serve(app_of(hub, headers=own)).url).response.headers
    assert (headers["cache-control"], headers["x-own"]) == ("no-cache", "1")
    assert headers.get_list("content-type") == ["text/event-stream; charset=utf-8"]


def test_mistakes_are_told_before_the_response(hub: Hub) -> None:
    request = Request({"type": "http", "headers": [], "query_string": b""})
    for topics, options, error in [
        (Topic(""), {}, TopicError),
        ("a", {"event": "a\nb"}, OptionError),
        ("a", {"on_lost": "shout"}, OptionError),
        ("a", {"overflow": "explode"}, OptionError),
        (hub.subscribe("a"), {"capacity": 3}, OptionError),
        (3, {}, TypeError),
    ]:
        with pytest.raises(error):
            sse(hub, request, topics, **options)


@pytest.mark.parametrize(
    ("headers", "error"),
    [
        ({"x-a": "b\r\nset-cookie: c=d"}, OptionError),
        ({"x-a": "b\n"}, OptionError),
        ({"x-a": "b\r"}, OptionError),
        ({"x-a": "b\0"}, OptionError),
        ({"x-a\r\nb": "c"}, OptionError),
        ({"": "c"}, OptionError),
        ({"x a": "c"}, OptionError),
        ({"x-a": "\u20ac"}, OptionError),
        ({"x-\xe4": "c"}, OptionError),
        ({"x-a": 1}, TypeError),
        ({b"x-a": "c"}, TypeError),
    ],
)
def test_headers_that_http_cannot_have_are_refused_at_the_call(hub: Hub, headers: Any, error: type[Exception]) -> None:
    request = Request({"type": "http", "query_string": b"", "headers": []})
    with pytest.raises(error, match=r"^headers: "):
        sse(hub, request, "a", headers=headers)
    assert hub.stats().subscriptions == 0


@pytest.mark.parametrize("option", ["keep_alive", "retry", "send_timeout"])
@pytest.mark.parametrize("time", [-1, 0, float("nan"), "1"])
def test_times_are_checked_before_anything_is_subscribed(hub: Hub, option: str, time: Any) -> None:
    request = Request({"type": "http", "query_string": b"", "headers": []})
    options: Any = {option: time}
    with pytest.raises((OptionError, TypeError), match=f"^{option}: seconds"):
        sse(hub, request, "a", **options)
    assert hub.stats().subscriptions == 0


def test_a_name_of_several_lines_ends_no_stream(serve: Any, listen: Any, hub: Hub) -> None:
    listener = listen(serve(app_of(hub, "*", event=lambda event: event.topic)).url)
    hub.publish("a\r\ndata: b\n", "1")
    hub.publish("c", "2")
    assert [(it.event, it.data) for it in listener.take(2)] == [("a data: b", "1"), ("c", "2")]


def test_bursts_come_in_few_pieces(serve: Any, listen: Any, hub: Hub) -> None:
    pieces = []

    class Counted(EventStream):
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            async def counting(message: Any) -> None:
                pieces.append(message.get("body"))
                await send(message)

            await super().__call__(scope, receive, counting)

    async def events(request: Request) -> Response:
        stream = sse(hub, request, "a")
        stream.__class__ = Counted
        return stream

    served = serve(Starlette(routes=[Route("/", events)]))
    listener = listen(served.url)
    for number in range(500):
        hub.publish("a", f"{number:0100}")
    assert [int(it.data) for it in listener.take(500)] == list(range(500))
    assert len(pieces) < 250
    assert max(len(it) for it in pieces if it) < 66_000


def test_several_topics_each_have_their_place_in_the_id(serve: Any, listen: Any, hub: Hub) -> None:
    listener = listen(serve(app_of(hub, ["a", "b,=%ü", "c*"])).url)
    at = {"a": hub.position("a"), "b": hub.position("b,=%ü")}
    a = hub.publish("a", "1").position
    b = hub.publish("b,=%ü", "2").position
    c = hub.publish("c.d", "3").position
    blocks = listener.take(3)
    assert [it.id for it in blocks] == [
        f"a={a},b%2C%3D%25%C3%BC={at['b']}",
        f"a={a},b%2C%3D%25%C3%BC={b}",
        f"a={a},b%2C%3D%25%C3%BC={b},c.d={c}",
    ]


def test_middlewares_stay_in_the_way(serve: Any, listen: Any, hub: Hub) -> None:
    seen = []

    class Passing(BaseHTTPMiddleware):
        async def dispatch(self, request: Request, call_next: Any) -> Response:
            answer: Response = await call_next(request)
            answer.headers["x-passed"] = "1"
            return answer

    class Seeing:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            async def sending(message: Any) -> None:
                seen.append(message["type"])
                await send(message)

            await self.app(scope, receive, sending)

    middleware = [Middleware(Passing), Middleware(GZipMiddleware), Middleware(Seeing)]
    served = serve(app_of(hub, middleware=middleware))
    listener = listen(served.url)
    assert listener.response.headers["x-passed"] == "1"
    for number in range(3):
        hub.publish("a", str(number))
        assert next(listener).data == str(number)
    assert len(seen) >= 5


def test_what_is_to_be_done_afterwards_is_done(serve: Any, listen: Any, hub: Hub) -> None:
    done = threading.Event()

    async def events(request: Request) -> Response:
        stream = sse(hub, request, "a")
        stream.background = BackgroundTask(done.set)
        return stream

    listener = listen(serve(Starlette(routes=[Route("/", events)])).url)
    assert not done.is_set()
    listener.response.close()
    assert done.wait(10)
