"""Coming back: an event stream goes on where the client stood, or says that it cannot."""

from __future__ import annotations

import json
import random
import threading
import time
import tracemalloc
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from distributary import History, Hub, Pattern, Topic
from distributary.starlette import sse
from distributary.starlette.marks import LONGEST, MOST, Marks, parse

UNKNOWN = "the position shown does not cover everything that is followed: load the current state"


@pytest.fixture
def hub() -> Iterator[Hub]:
    with Hub(history={"*": History(events=5000)}) as hub:
        yield hub


def app_of(hub: Hub, topics: Any = "a", **options: Any) -> Starlette:
    async def events(request: Request) -> Response:
        return sse(hub, request, topics, **options)

    return Starlette(routes=[Route("/", events)])


def test_what_was_published_while_away_comes_first(serve: Any, listen: Any, loop: str, hub: Hub) -> None:
    served = serve(app_of(hub), loop=loop)
    here = hub.publish("a", "seen").position
    hub.publish("a", "away")
    for params, last_id in [(None, here), ({"from": here}, None), ({"from": "0-0"}, here)]:
        listener = listen(served.url, last_id=last_id, params=params)
        assert next(listener).data == "away"
    hub.publish("a", "now")
    assert next(listener).data == "now"


def test_several_topics_resume_each_in_its_place(serve: Any, listen: Any, hub: Hub) -> None:
    served = serve(app_of(hub, ["a", "b"]))
    first = listen(served.url)
    hub.publish("a", "1")
    hub.publish("b", "2")
    id = first.take(2)[-1].id
    hub.publish("b", "3")
    hub.publish("a", "4")
    second = listen(served.url, last_id=id)
    assert sorted(it.data for it in second.take(2)) == ["3", "4"]
    hub.publish("a", "5")
    assert next(second).data == "5"


@pytest.mark.parametrize(
    ("topics", "shown", "reason"),
    [
        ("a", "nonsense", UNKNOWN),
        ("a", "*", UNKNOWN),
        ("a", "1-1", "another epoch"),
        ("a", "b=1-1", UNKNOWN),
        ("a", "a=%zz", UNKNOWN),
        (["a", "b"], "1-1", UNKNOWN),
        (["a", "b"], "a={a}", UNKNOWN),
        (Pattern("*"), "1-1", UNKNOWN),
        ("a", "{epoch}-ffffffffffffffff", "not counted that far"),
    ],
)
def test_a_position_that_cannot_be_had_is_told(
    serve: Any, listen: Any, hub: Hub, topics: Any, shown: str, reason: str
) -> None:
    at = hub.publish("a", "before").position
    assert at is not None
    listener = listen(serve(app_of(hub, topics)).url, last_id=shown.format(a=at, epoch=at.split("-")[0]))
    told = next(listener)
    assert told.event == "lagged"
    said = json.loads(told.data)
    assert said["missed"] is None
    assert reason in said["reason"]
    hub.publish("a", "now")
    assert next(listener).data == "now"


def test_what_is_kept_no_more_is_told(serve: Any, listen: Any) -> None:
    with Hub(history={"a": 2}) as hub:
        served = serve(app_of(hub))
        here = hub.publish("a", "seen").position
        for number in range(5):
            hub.publish("a", str(number))
        listener = listen(served.url, last_id=here)
        assert "no longer held" in json.loads(next(listener).data)["reason"]


def test_what_a_pattern_covers_is_resumed_and_the_rest_told(serve: Any, listen: Any, hub: Hub) -> None:
    """Topics that nothing has come of have no position: nobody knows what was missed there."""
    served = serve(app_of(hub, "a*"))
    first = listen(served.url)
    hub.publish("a1", "1")
    id = next(first).id
    hub.publish("a1", "2")
    hub.publish("a2", "missed")
    second = listen(served.url, last_id=id)
    told, resumed = second.take(2)
    assert json.loads(told.data) == {"missed": None, "reason": UNKNOWN}
    assert resumed.data == "2"


def test_a_position_of_the_applications_goes_before_the_clients(serve: Any, listen: Any, hub: Hub) -> None:
    here = hub.publish("a", "1").position
    hub.publish("a", "2")
    from_nowhere = listen(serve(app_of(hub, from_=None)).url, last_id=here)
    hub.publish("a", "3")
    assert next(from_nowhere).data == "3"
    assert [it.data for it in listen(serve(app_of(hub, from_={"a": here})).url, last_id="x").take(2)] == ["2", "3"]


@pytest.mark.parametrize("topics", ["a", ["a", "b"]])
def test_nothing_is_lost_and_nothing_doubled_over_many_connections(
    serve: Any, loop: str, hub: Hub, topics: Any
) -> None:
    served = serve(app_of(hub, topics), loop=loop)
    total, chance = 2000, random.Random(7)
    names = ["a"] if topics == "a" else ["a", "b"]
    start = {name: hub.position(name) for name in names}
    stop = threading.Event()

    def publish() -> None:
        for number in range(total):
            for name in names:
                hub.publish(name, f"{name}{number}")
            if number % 20 == 0:
                time.sleep(0.002)
            if stop.is_set():
                return

    publisher = threading.Thread(target=publish)
    seen: list[str] = []
    last_id = Marks({k: v for k, v in start.items() if v}).id()
    if topics == "a":
        last_id = start["a"] or ""
    connections = 0
    publisher.start()
    try:
        with httpx.Client(timeout=20, trust_env=False) as client:
            while len(seen) < total * len(names):
                connections += 1
                with client.stream("GET", served.url, headers={"Last-Event-ID": last_id}) as response:
                    # Cut anywhere: what came behind is thrown away, and has to come again.
                    enough = min(len(seen) + chance.randrange(1, 200), total * len(names))
                    block = b""
                    for piece in response.iter_raw():
                        *blocks, block = (block + piece).split(b"\n\n")
                        for one in blocks:
                            fields = dict(line.split(": ", 1) for line in one.decode().split("\n"))
                            last_id = fields.get("id", last_id)
                            assert fields.get("event") != "lagged", fields
                            if "data" in fields:
                                seen.append(fields["data"])
                            if len(seen) >= enough:
                                break
                        if len(seen) >= enough:
                            break
    finally:
        stop.set()
        publisher.join()
    assert connections > 5
    for name in names:
        assert [it for it in seen if it.startswith(name)] == [f"{name}{number}" for number in range(total)]


def test_a_client_moves_between_two_ways_of_writing_topics(hub: Hub) -> None:
    """The gateway encodes a tilde, and this does not."""
    assert parse("a%7Eb=1-2,c~d=3-4") == {"a~b": "1-2", "c~d": "3-4"}


@pytest.mark.parametrize("text", ["", "a", "a=", "a=1", "a=1-1,", "%=1-1", "%f=1-1", "%ff=1-1", "\x80", "=1-1"])
def test_what_says_nothing_is_unknown(text: str) -> None:
    assert parse(text) is None


def test_an_id_that_cannot_say_says_so() -> None:
    many = Marks({f"t{number}": "1-1" for number in range(MOST)})
    assert parse(many.id()) == {f"t{number}": "1-1" for number in range(MOST)}
    assert parse(many.set("one more", "1-1")) is None
    assert parse(Marks({"x" * LONGEST: "1-1"}).id()) is None


def test_what_no_id_can_say_is_not_kept() -> None:
    tracemalloc.start()
    try:
        marks = Marks({})
        for number in range(50_000):
            marks.set(f"t{number}", "1-1")
        # Each one kept would be 100 bytes.
        assert tracemalloc.get_traced_memory()[0] < 2e6
    finally:
        tracemalloc.stop()
    assert parse(marks.set("t1", "2-2")) is None


def test_a_topic_with_any_name_comes_back(serve: Any, listen: Any, hub: Hub) -> None:
    odd = 'a b,c=d%41*[x]\\"é\u2028\n'
    served = serve(app_of(hub, [Topic(odd), "b"]))
    first = listen(served.url)
    hub.publish(odd, "1")
    id = next(first).id
    assert id.isascii()
    hub.publish(odd, "2")
    assert next(listen(served.url, last_id=id)).data == "2"
