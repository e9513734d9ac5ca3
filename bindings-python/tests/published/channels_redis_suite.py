"""Reads a file of channels_redis' tests with our layer in the place of theirs."""

from __future__ import annotations

import asyncio
import inspect
import sys
import types
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
from channels.exceptions import ChannelFull
from sdists import sdist

from distributary.django import ChannelLayer

__all__ = ["JoinedLayer", "published"]


class Layer(ChannelLayer):
    """Our layer, made and closed as theirs are."""

    def __init__(self, *, hosts: list[str] | None = None, **options: Any) -> None:
        super().__init__(**options)

    async def close_pools(self) -> None:
        await self.close()


class JoinedLayer(Layer):
    """The same, on a server that joins processes."""

    #: Of the server.
    url = ""

    def __init__(self, **options: Any) -> None:
        super().__init__(redis=self.url, **options)


def published(file: str, left_out: dict[str, str], layer: type[Layer] = Layer) -> dict[str, Any]:
    """The tests of a file and their fixtures, without those left out (name and reason).

    A name in `left_out` that the file does not have is an error, so that the list stays true. Tests that are expected
    to fail with their layers must pass with ours.
    """
    path = sdist("channels-redis") / "tests" / f"{file}.py"
    namespace: dict[str, Any] = {"__name__": file, "__file__": str(path)}
    with pytest.MonkeyPatch.context() as patch:
        for name, module in _stand_ins(layer).items():
            patch.setitem(sys.modules, name, module)
        exec(compile(path.read_text(), path, "exec"), namespace)
    for name in left_out:
        del namespace[name]
    for name, value in namespace.items():
        if hasattr(value, "pytestmark"):
            value.pytestmark = [mark for mark in value.pytestmark if mark.name not in ("asyncio", "xfail")]
        make = getattr(value, "__wrapped__", None)
        if inspect.isasyncgenfunction(make):
            namespace[name] = _plain_fixture(name, make)
    return {name: value for name, value in namespace.items() if not name.startswith("__")}


def _plain_fixture(name: str, make: Callable[[], AsyncGenerator[Any]]) -> Any:
    """A fixture of theirs in a loop of its own: tests without a loop ask for it, too."""

    @pytest.fixture(name=name)
    def fixture() -> Iterator[Any]:
        with closing(asyncio.new_event_loop()) as loop:
            generator = make()
            yield loop.run_until_complete(anext(generator))
            loop.run_until_complete(anext(generator, None))

    return fixture


def _stand_ins(layer: type[Layer]) -> dict[str, types.ModuleType]:
    """What the files import that is not here, or must be ours."""
    contents: dict[str, dict[str, Any]] = {
        "channels_redis": {},
        "channels_redis.core": {"ChannelFull": ChannelFull, "RedisChannelLayer": layer},
        "channels_redis.pubsub": {"RedisPubSubChannelLayer": layer},
        "channels_redis.utils": {"_close_redis": None},
    }
    if sys.version_info >= (3, 11):
        contents["async_timeout"] = {"timeout": asyncio.timeout}
    modules = {name: types.ModuleType(name) for name in contents}
    for name, module in modules.items():
        module.__dict__.update(contents[name])
    return modules
