"""Bad input is an error at the call, which says what was wrong."""

from __future__ import annotations

from typing import Any

import pytest

from distributary import (
    FilterError,
    Hub,
    ListenError,
    NotRunning,
    OptionError,
    SelectorError,
    TopicError,
    VariableError,
)
from distributary.gateway import Accept, Client, Deny, Gateway, Limits, Reject, Selector


def authorize(request: Any) -> Accept[None]:
    return Accept()


async def aauthorize(request: Any) -> Accept[None]:
    return Accept()


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"address": "127.0.0.1"}, OptionError, "address: a host and a port, as in '127.0.0.1:8080'"),
        ({"address": ":8080"}, OptionError, "address"),
        ({"address": "127.0.0.1:http"}, OptionError, "address"),
        ({"address": "127.0.0.1:65536"}, OptionError, "address"),
        ({"address": 8080}, TypeError, "address"),
        ({"address": ("127.0.0.1", 65_536)}, OptionError, "the port of address"),
        ({"address": ("127.0.0.1", "8080")}, TypeError, "the port of address"),
        ({"address": (None, 8080)}, TypeError, "the host of address"),
        ({"address": None}, TypeError, "address"),
        ({"admin": "x"}, OptionError, "admin"),
        ({"authorize": None}, TypeError, "authorize: the function that says who may come in"),
        ({"authorize": "no"}, TypeError, "authorize: a function"),
        ({"on_open": 1}, TypeError, "on_open: a function"),
        ({"on_subscribe": 1}, TypeError, "on_subscribe"),
        ({"on_message": []}, TypeError, "on_message"),
        ({"on_end": "x"}, TypeError, "on_end"),
        ({"paths": "x"}, OptionError, "does not begin with '/'"),
        ({"paths": [1]}, TypeError, "paths"),
        ({"paths": b"/"}, TypeError, "paths"),
        ({"json_protocol": 1}, TypeError, "json_protocol"),
        ({"limits": {"connections": 1}}, TypeError, "limits"),
        ({"backlog": 0}, OptionError, "backlog"),
        ({"backlog": 1.5}, TypeError, "backlog"),
        ({"backlog_bytes": -1}, OptionError, "backlog_bytes"),
        ({"threads": 0}, OptionError, "threads"),
        ({"threads": True}, TypeError, "threads"),
        ({"hub": None}, TypeError, "hub: a Hub"),
        ({"none": 1}, TypeError, "none"),
    ],
)
def test_options(options: dict[str, Any], error: type[Exception], said: str) -> None:
    with pytest.raises(error) as caught:
        Gateway(**{"hub": Hub(), "address": "127.0.0.1:0", "authorize": authorize, **options})
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("limits", "error"),
    [
        ({"connections": 0}, OptionError),
        ({"connections": 1 << 70}, OptionError),
        ({"per_second": 2**32}, OptionError),
        ({"per_address": "1"}, TypeError),
        ({"handshakes": 1.0}, TypeError),
        ({"handshake_timeout": 0}, OptionError),
        ({"handshake_timeout": "1"}, TypeError),
        ({"write_timeout": float("nan")}, OptionError),
        ({"close_timeout": -1}, OptionError),
        ({"ping_every": 0}, OptionError),
        ({"ping_timeout": None, "ping_every": True}, TypeError),
        ({"retry_after": 5}, TypeError),
        ({"retry_after": (5, 1)}, OptionError),
        ({"retry_after": (-1, 1)}, OptionError),
        ({"retry_after": ("1", 2)}, TypeError),
        ({"fragment": 1_023}, OptionError),
        ({"fragment": 2**24 + 1}, OptionError),
        ({"slice_deliveries": 0}, OptionError),
        ({"slice_time": 0}, OptionError),
        ({"lanes": 2_000}, OptionError),
        ({"trusted_proxies": -1}, OptionError),
        ({"memory": 0}, OptionError),
        ({"max_message": 0}, OptionError),
        ({"unsent": -1}, OptionError),
        ({"none": 1}, TypeError),
    ],
)
def test_limits(limits: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error) as caught:
        Limits(**limits)
    assert list(limits)[-1] in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"topics": 1}, TypeError),
        ({"topics": [1]}, TypeError),
        ({"where": {"a": [1]}}, SelectorError),
        ({"capacity": 5}, SelectorError),
        ({"topics": "a", "where": {"a": [{"none": 1}]}}, FilterError),
        ({"topics": "a", "where": 5}, TypeError),
        ({"topics": "a", "variables": {"x": 1}}, VariableError),
        ({"topics": "a", "overflow": "none"}, OptionError),
        ({"topics": "a", "capacity": 0}, OptionError),
        ({"topics": "a", "capacity_bytes": "1"}, TypeError),
        ({"topics": "a", "max_age": -1}, OptionError),
        ({"topics": "a", "from_": 5}, TypeError),
        ({"topics": "a", "from_": {"a": 5}}, TypeError),
        ({"subscriptions": "a"}, TypeError),
        ({"subscriptions": [[]]}, SelectorError),
        ({"subscriptions": [Selector(where={"a": [1]})]}, SelectorError),
        ({"subscriptions": [5]}, TypeError),
        ({"allow": 5}, TypeError),
        ({"allow": [5]}, TypeError),
        ({"protocol": b"x"}, TypeError),
        ({"format": "text"}, OptionError),
        ({"on_lag": "none"}, OptionError),
        ({"headers": "a: b"}, TypeError),
        ({"headers": {"a": 5}}, TypeError),
        ({"headers": {"a": b"b"}}, TypeError),
        ({"headers": [("a",)]}, TypeError),
        ({"headers": [5]}, TypeError),
        ({"ticket": 0}, OptionError),
        ({"ticket": "1"}, TypeError),
        ({"none": 1}, TypeError),
    ],
)
def test_accept(arguments: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        Accept(**arguments)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"status": 200}, OptionError),
        ({"status": 600}, OptionError),
        ({"status": -1}, OptionError),
        ({"status": "401"}, TypeError),
        ({"body": b"x"}, TypeError),
        ({"retry_after": -1}, OptionError),
        ({"headers": 5}, TypeError),
    ],
)
def test_reject(arguments: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        Reject(**arguments)


def test_deny() -> None:
    with pytest.raises(TypeError):
        Deny(5)  # type: ignore[arg-type]
    assert Deny().reason == "this may not be subscribed to"


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda client: client.close(1000, 5), TypeError),
        (lambda client: client.close("why"), TypeError),
        (lambda client: client.close(1001), OptionError),
        (lambda client: client.close(5000), OptionError),
        (lambda client: client.close(1000, "ä" * 62), OptionError),
        (lambda client: client.turn_away(b"x"), TypeError),
        (lambda client: client.unsubscribe("1"), TypeError),
        (lambda client: client.unsubscribe(-1), OptionError),
        (lambda client: client.subscribe(None), TypeError),
        (lambda client: client.subscribe([]), SelectorError),
        (lambda client: client.subscribe("a" * 2_000), TopicError),
        (lambda client: client.subscribe("a", where={"a": [{"none": 1}]}), FilterError),
        (lambda client: client.send(object()), ValueError),
        (lambda client: client.send("\ud800"), ValueError),
    ],
)
async def test_calls_of_clients(serving: Any, eventually: Any, call: Any, error: type[Exception]) -> None:
    met: list[Client[None]] = []
    async with serving(Hub(), authorize, on_open=met.append) as clients, clients.websocket() as socket:
        (client,) = await eventually(lambda: met)
        with pytest.raises(error):
            call(client)
        client.send("it goes on")
        assert await socket.recv() == "it goes on"


async def test_an_address_that_is_taken(serving: Any) -> None:
    async with serving(Hub(), authorize) as clients:
        host, port = clients.gateway.address
        for options in ({"address": f"{host}:{port}"}, {"address": "127.0.0.1:0", "admin": (host, port)}):
            for kind in (authorize, aauthorize):
                gateway = Gateway(Hub(), **{"authorize": kind, **options})  # type: ignore[arg-type]
                with pytest.raises(ListenError, match=r"cannot listen on .* give another address or port"):
                    await gateway.start()
                assert gateway.closed
                with pytest.raises(NotRunning):
                    await gateway.start()
        gateway = Gateway(Hub(), address=(host, port), authorize=authorize)
        with pytest.raises(ListenError):
            gateway.start_blocking()
    with pytest.raises(ListenError):
        await Gateway(Hub(), address="name.invalid:80", authorize=authorize).start()


async def test_a_path_that_nobody_can_ask_for() -> None:
    gateway = Gateway(Hub(), address="127.0.0.1:0", authorize=authorize, paths="/a b")
    with pytest.raises(OptionError, match="/a b"):
        await gateway.start()


async def test_a_hub_that_is_closed() -> None:
    hub = Hub()
    hub.close()
    with pytest.raises(OptionError, match="the hub is closed"):
        await Gateway(hub, address="127.0.0.1:0", authorize=authorize).start()


@pytest.mark.parametrize("name", ["a\r\nb", "a b", "", "ä", "a:"])
def test_names_of_headers_are_checked_at_the_call(name: str) -> None:
    for verdict in (Accept, Reject):
        with pytest.raises(OptionError, match="is not a header"):
            verdict(headers={name: "1"})


@pytest.mark.parametrize("value", ["c\r\nx: y", "c\n", "\0", "ä", "\x7f"])
def test_values_of_headers_are_checked_at_the_call(value: str) -> None:
    for verdict in (Accept, Reject):
        with pytest.raises(OptionError, match="'a' with this value is not a header"):
            verdict(headers={"a": ["1\t2 ~", value]})
