"""Publishing: what payloads become, what is refused, and from where."""

from __future__ import annotations

import array
import collections
import dataclasses
import enum
import json
import threading
from typing import Any

import pytest

from distributary import Closed, Hub, PayloadError, Topic, TopicError


@pytest.fixture
def hub() -> Any:
    with Hub() as hub:
        yield hub


def sent(hub: Hub, data: object) -> bytes:
    with hub.subscribe("t") as sub:
        hub.publish("t", data)
        return sub.get_nowait().data


class Text(str):
    pass


class Raw(bytes):
    pass


class Kind(str, enum.Enum):
    EDIT = "edit"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", b""),
        (b"\x00\xff", b"\x00\xff"),
        (Raw(b"raw"), b"raw"),
        (bytearray(b"ab"), b"ab"),
        (memoryview(b"abcdef")[1:3], b"bc"),
        (memoryview(b"abcdef")[::2], b"ace"),
        (memoryview(array.array("H", [1])), array.array("H", [1]).tobytes()),
        ("", b""),
        ("größe 🦀", "größe 🦀".encode()),
        (Text("text"), b"text"),
        (Kind.EDIT, b"edit"),
        ({}, b"{}"),
        ({"a": [1, None, True, "ü"]}, '{"a":[1,null,true,"ü"]}'.encode()),
        ([], b"[]"),
        ((1, 2), b"[1,2]"),
        (None, b"null"),
        (5, b"5"),
        (1.5, b"1.5"),
        (True, b"true"),
        (2**70, str(2**70).encode()),
    ],
    ids=lambda it: repr(it).partition(" at 0x")[0],
)
def test_payloads(hub: Hub, data: object, expected: bytes) -> None:
    received = sent(hub, data)
    assert isinstance(received, bytes)
    assert received == expected


def test_large_bytes_are_the_publishers_own_object(hub: Hub) -> None:
    data = bytes(100_000)
    assert sent(hub, data) is data
    for derived in (Raw(100_000), Raw(b"")):
        assert sent(hub, derived) is derived
    # Whoever gives a buffer may use it again.
    buffer = bytearray(100_000)
    with hub.subscribe("t") as sub:
        hub.publish("t", buffer)
        buffer[0] = 7
        assert sub.get_nowait().data[0] == 0


@dataclasses.dataclass
class Order:
    id: int


def holds_itself() -> list[Any]:
    several: list[Any] = []
    several.append(several)
    return several


def deep() -> list[Any]:
    inner: list[Any] = []
    for _ in range(100_000):
        inner = [inner]
    return inner


RELEASED = memoryview(b"x")
RELEASED.release()


@pytest.mark.parametrize(
    ("data", "cause"),
    [
        (float("nan"), ValueError),
        ({"a": float("inf")}, ValueError),
        (object(), TypeError),
        ({1, 2}, TypeError),
        (Order(1), TypeError),
        ({"a": b"x"}, TypeError),
        ({(1, 2): 3}, TypeError),
        (array.array("b"), TypeError),
        (holds_itself(), ValueError),
        (deep(), RecursionError),
        ("\ud800", UnicodeEncodeError),
        ({"a": "\ud800"}, UnicodeEncodeError),
        (RELEASED, ValueError),
    ],
    ids=lambda it: type(it).__name__,
)
def test_payloads_that_cannot_be_encoded(hub: Hub, data: object, cause: type[Exception]) -> None:
    with pytest.raises(PayloadError) as caught:
        hub.publish("t", data)
    assert isinstance(caught.value.__cause__, cause)
    assert hub.stats().published == 0


def test_an_encoder_that_fails() -> None:
    def encode(value: object) -> bytes:
        raise KeyError("no such field")

    with Hub(encode=encode) as hub:
        with pytest.raises(PayloadError, match="no such field") as caught:
            hub.publish("t", 5)
        assert isinstance(caught.value.__cause__, KeyError)

    def interrupted(value: object) -> bytes:
        raise KeyboardInterrupt

    with Hub(encode=interrupted) as hub, pytest.raises(KeyboardInterrupt):
        hub.publish("t", 5)


@pytest.mark.parametrize("topic", [None, 5, b"t", ["t"], object(), ("t",)])
def test_topics_of_a_wrong_type(hub: Hub, topic: Any) -> None:
    for call in (lambda: hub.publish(topic, b""), lambda: hub.position(topic), lambda: hub.count_topic(topic)):
        with pytest.raises(TypeError, match=f"topic: a str, not {type(topic).__name__}"):
            call()


@pytest.mark.parametrize("topic", ["", "x" * 1025, "é" * 513, "\ud800", "a\udfffb"])
def test_what_is_no_topic(hub: Hub, topic: str) -> None:
    calls = [
        lambda: hub.publish(topic, b""),
        lambda: hub.position(topic),
        lambda: hub.count_topic(topic),
        lambda: hub.uncount_topic(topic),
        lambda: hub.subscribe(topic),
        lambda: hub.subscribe(["fine", Topic(topic)]),
        lambda: hub.subscribe("fine", from_={topic: "0-0"}),
    ]
    for call in calls:
        with pytest.raises(TopicError):
            call()


@pytest.mark.parametrize("topic", ["t", "x" * 1024, "größe", "🦀", "a*b", "[", "\\", " ", "\x00", "a\nb", "日本語"])
def test_topics(hub: Hub, topic: str) -> None:
    with hub.subscribe(Topic(topic), from_=None) as sub:
        assert hub.publish(topic, b"x").subscriptions == 1
        event = sub.get_nowait()
        assert event.topic == topic
        assert sub.topics == (topic,)


def test_keys(hub: Hub) -> None:
    with hub.subscribe("t", overflow="keep_latest") as sub:
        for key in ("a", "ä", "a", "", None):
            hub.publish("t", "x", key=key)
        assert [sub.get_nowait().key for _ in range(4)] == ["ä", "a", "", None]
    for key in (1, b"a", True):
        with pytest.raises(TypeError, match="key: a str, not"):
            hub.publish("t", b"", key=key)  # type: ignore[arg-type]
    with pytest.raises(PayloadError, match="key: it has a lone surrogate"):
        hub.publish("t", b"", key="\ud800")


def test_attributes(hub: Hub) -> None:
    given = {"s": "x", "i": -5, "u": 2**64 - 1, "f": 1.5, "b": True, "n": None, "many": [1, "x"], "größe": ("a",)}
    with hub.subscribe("t", where={"u": [2**64 - 1], "b": [True], "many": ["x"]}) as sub:
        hub.publish("t", b"no json", attributes=given)
        attributes = sub.get_nowait().attributes
    assert attributes == {**given, "größe": "a"}
    assert attributes["b"] is True
    with hub.subscribe("t", where={"a": [1]}) as sub:
        assert hub.publish("t", b"", attributes=collections.ChainMap({"a": 1})).subscriptions == 1
        assert hub.publish("t", {"a": 1}, attributes={}).subscriptions == 1
        assert hub.publish("t", {"a": 1}, attributes={"b": 1}).subscriptions == 0
        assert hub.publish("t", b"", attributes={"a": {1, 2}}).subscriptions == 1


@pytest.mark.parametrize(
    ("attributes", "kind", "says"),
    [
        (5, TypeError, "attributes: a dict of names and scalars, not int"),
        ([("a", 1)], TypeError, "attributes: a dict of names and scalars, not list"),
        ("a", TypeError, "attributes: a dict of names and scalars, not str"),
        ({1: 1}, TypeError, "attributes: a name: a str, not int"),
        ({"a": {}}, TypeError, 'attributes: the value of "a" is a value of type dict'),
        ({"a": [[]]}, TypeError, 'attributes: the value of "a" is a value of type list'),
        ({"a": b"x"}, TypeError, 'attributes: the value of "a" is a value of type bytes'),
        ({"a": float("nan")}, PayloadError, 'attributes: the value of "a" is nan'),
        ({"a": float("inf")}, PayloadError, 'attributes: the value of "a" is inf'),
        ({"a": "\ud800"}, PayloadError, 'attributes: the value of "a" is a str with a lone surrogate'),
        ({"a": 10**5000}, PayloadError, 'attributes: the value of "a" is an int of more digits'),
        ({"\ud800": 1}, PayloadError, "attributes: a name: it has a lone surrogate"),
    ],
)
def test_attributes_that_are_none(hub: Hub, attributes: Any, kind: type[Exception], says: str) -> None:
    with pytest.raises(kind) as caught:
        hub.publish("t", b"", attributes=attributes)
    assert says in str(caught.value)


def test_attributes_whose_reading_fails(hub: Hub) -> None:
    class Spiteful(list[int]):
        def __iter__(self) -> Any:
            raise ZeroDivisionError

    growing: dict[str, Any] = {}

    class Growing(list[int]):
        def __iter__(self) -> Any:
            growing.update({str(n): n for n in range(100)})
            return iter(())

    growing["a"] = Growing()
    growing["b"] = 1
    with pytest.raises(ZeroDivisionError):
        hub.publish("t", b"", attributes={"a": Spiteful()})
    hub.publish("t", b"", attributes=growing)


def test_arguments_are_pythons_own_affair(hub: Hub) -> None:
    for wrong in (
        lambda: hub.publish(),  # type: ignore[call-arg]
        lambda: hub.publish("t"),  # type: ignore[call-arg]
        lambda: hub.publish("t", b"", "key"),  # type: ignore[misc]
        lambda: hub.publish("t", b"", kee="x"),  # type: ignore[call-arg]
    ):
        with pytest.raises(TypeError, match="publish"):
            wrong()


def test_what_became_of_it(hub: Hub) -> None:
    nobody = hub.publish("t", b"")
    assert (nobody.subscriptions, nobody.feeds, nobody.share, nobody.position) == (0, 0, 0.0, None)
    with hub.subscribe("t"), hub.subscribe("t"), hub.subscribe("*"), hub.subscribe("other"):
        delivery = hub.publish("t", b"")
        assert (delivery.subscriptions, delivery.feeds, delivery.share) == (3, 2, 0.75)
        assert delivery.position is not None
        assert "3 subscriptions" in repr(delivery)


def test_from_threads(hub: Hub) -> None:
    """Eight threads at once: everything arrives, each thread's in its order."""
    each, threads = 2_000, 8
    start = threading.Barrier(threads)
    failures: list[BaseException] = []

    def publish(number: int) -> None:
        try:
            start.wait(30)
            for n in range(each):
                data: object = (number, n) if n % 3 else json.dumps((number, n)).encode()
                hub.publish(f"t.{number % 3}", data, key=str(number), attributes={"number": number})
        except BaseException as failure:
            failures.append(failure)

    with hub.subscribe("t.*", capacity=each * threads) as sub, hub.subscribe("t.1", capacity=5) as slow:
        running = [threading.Thread(target=publish, args=(number,)) for number in range(threads)]
        for thread in running:
            thread.start()
        for thread in running:
            thread.join(60)
        assert not failures
        seen: dict[int, int] = {}
        for event in sub.get_many_nowait(each * threads + 1):
            number, n = event.json()
            assert seen.get(number, -1) == n - 1
            seen[number] = n
        assert seen == dict.fromkeys(range(threads), each - 1)
        assert len(slow.get_many_nowait(100)) == 5
    assert hub.stats().published == each * threads


def test_after_close(hub: Hub) -> None:
    hub.close()
    hub.close()
    assert hub.closed
    for call in (
        lambda: hub.publish("t", b"x"),
        lambda: hub.publish("t", {}, key="k", attributes={"a": 1}),
        lambda: hub.subscribe("t"),
        lambda: hub.subscribe("t*", where={"a": [1]}),
    ):
        with pytest.raises(Closed, match="the hub is closed: make a new one") as caught:
            call()
        assert caught.value.reason == "hub_closed"
    # What is wrong is said first.
    with pytest.raises(TypeError):
        hub.publish(5, b"x")  # type: ignore[arg-type]
    assert hub.stats().subscriptions == 0
    assert hub.prometheus()
    assert hub.topic_stats() == []
