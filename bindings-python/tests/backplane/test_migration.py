"""Topics that move to another name or another server while they are in use."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pickle
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import anyio
import pytest

from distributary import (
    Closed,
    Course,
    Demands,
    Hub,
    MigrationError,
    Moving,
    OptionError,
    Redis,
    SelectorError,
    TopicError,
    WrongLoop,
)

TOPIC = "documents"

#: Nobody listens there.
NOWHERE = "redis://127.0.0.1:1"


class Node:
    """A hub that takes part, hears all of the topic, and publishes when it is told to."""

    def __init__(self, name: str, url: str, course: Course, stage: Any = "old") -> None:
        self.name = name
        self.heard: list[str] = []
        self.published: list[str] = []
        moving = Moving(Redis(url, linger=0.2))
        self.hub = Hub(moving, capacity=100_000)
        self._sub = self.hub.subscribe(TOPIC)
        self.migration = moving.begin(course, stage)
        self._tasks = [asyncio.ensure_future(self._listen())]
        self._publishes = True

    async def _listen(self) -> None:
        with contextlib.suppress(Closed):
            while True:
                self.heard.append((await self._sub.get()).text)

    def publish(self) -> None:
        """A few hundred events a second."""
        self._tasks.append(asyncio.ensure_future(self._publish()))

    async def _publish(self) -> None:
        while self._publishes:
            for _ in range(3):
                text = f"{self.name}:{len(self.published)}"
                self.published.append(text)
                self.hub.publish(TOPIC, text)
            await asyncio.sleep(0.005)

    def rest(self) -> None:
        self._publishes = False

    async def close(self) -> None:
        self.rest()
        await anyio.to_thread.run_sync(self.hub.close)
        await asyncio.gather(*self._tasks)

    async def enter(self, stage: Any) -> None:
        """Once nothing but time is in the way: what was written just now, or a hub that has yet to tell where it is."""
        with anyio.fail_after(20):
            while True:
                try:
                    await self.migration.enter(stage)
                except MigrationError:
                    continue
                assert self.migration.stage == stage
                return

    async def refused(self, stage: Any, timeout: float = 10.0) -> MigrationError:
        """What is in the way."""
        before = self.migration.stage
        with anyio.fail_after(20), pytest.raises(MigrationError) as caught:
            await self.migration.enter(stage, timeout)
        assert self.migration.stage == before
        return caught.value


@contextlib.asynccontextmanager
async def nodes_of(url: str, course: Course, *names: str, stage: str = "old") -> AsyncIterator[list[Node]]:
    nodes = [Node(name, url, course, stage) for name in names]
    try:
        with anyio.fail_after(20):
            for node in nodes:
                await node.hub.joined()
        yield nodes
    finally:
        for node in nodes:
            await node.close()


async def flow() -> None:
    """Long enough for events of all stages."""
    await asyncio.sleep(0.1)


@pytest.mark.parametrize("where", ["another name", "another server"])
async def test_a_topic_moves_under_load(
    redis_server: Any, start_redis: Callable[[], Any], eventually: Any, where: str
) -> None:
    if where == "another name":
        course = Course(TOPIC, to=f"{TOPIC}.v2", quiet=0.3)
    else:
        course = Course(TOPIC, onto=start_redis().url, quiet=0.3)
    async with nodes_of(redis_server.url, course, "one", "two") as nodes:
        one, two = nodes
        await eventually(lambda: all(len(node.migration.peers()) == 1 for node in nodes), "the hubs know each other")
        for node in nodes:
            node.publish()
        await flow()

        await one.enter("dual_read")
        early = await one.refused("new_write")
        assert early.kind == "readers"
        assert [(peer.stage, peer.entering, peer.hears) for peer in early.peers] == [("old", None, ("old",))]
        assert early.peers[0].hub in str(early)
        with pytest.raises(MigrationError) as caught:
            await one.migration.check("new_write")
        assert caught.value.kind == "readers"
        assert (await one.refused("new")).kind == "not_next"

        # There and back, and there again.
        await one.enter("old")
        await flow()
        await one.enter("dual_read")
        await two.enter("dual_read")
        await one.enter("new_write")
        await flow()
        assert (await one.refused("new")).kind == "writers"
        assert (await two.refused("old")).kind == "writers"
        await one.enter("dual_read")
        await flow()
        await one.enter("new_write")
        await two.enter("new_write")
        await flow()
        await one.enter("new")
        await flow()
        await two.enter("new")
        await flow()
        # A deploy that runs again finds it where it was to go.
        await two.migration.enter("new")
        await two.migration.check("new")

        for node in nodes:
            node.rest()
        published = sorted(text for node in nodes for text in node.published)
        await eventually(lambda: all(len(node.heard) >= len(published) for node in nodes), "all has come")
        # What came twice would come just behind.
        await flow()
        for node in nodes:
            assert sorted(node.heard) == published
            counts = node.migration.counts()
            for side in (counts.old, counts.new):
                assert min(side.read, side.written, side.only) > 0
            stage = 'distributary_migration_stage{topic="documents",stage="new"} 1'
            assert stage in node.hub.prometheus()


async def test_who_listens_and_takes_no_part_is_in_the_way_unless_it_is_forced(
    redis_server: Any, start_redis: Callable[[], Any]
) -> None:
    course = Course(TOPIC, onto=start_redis().url, window=0)
    async with nodes_of(redis_server.url, course, "one", stage="dual_read") as [node]:
        with Hub(redis_server.url) as stranger, stranger.subscribe(TOPIC):
            await stranger.joined()
            error = await node.refused("new_write")
            assert (error.kind, error.connections, error.side) == ("strangers", 1, "old")
            await node.migration.force("new_write")
            assert node.migration.stage == "new_write"


async def test_a_server_that_is_not_well_or_not_there_is_not_moved_to(
    redis_server: Any, start_redis: Callable[[], Any]
) -> None:
    demands = Demands(replicas=1, stable=0, steady=0)
    unsafe = Course(TOPIC, onto=start_redis().url, demands=demands)
    async with nodes_of(redis_server.url, unsafe, "one", stage="dual_read") as [node]:
        error = await node.refused("new_write")
        assert error.kind == "unhealthy"
        assert error.findings
        assert str(error.findings[0]) in str(error)
        copy = pickle.loads(pickle.dumps(error))
        assert (type(copy), str(copy), vars(copy)) == (MigrationError, str(error), vars(error))
    async with nodes_of(redis_server.url, Course(TOPIC, onto=NOWHERE), "one") as [node]:
        assert (await node.refused("dual_read", timeout=0.1)).kind == "not_reached"


async def test_one_stage_is_entered_at_a_time_and_the_end_of_the_hub_ends_it(eventually: Any) -> None:
    moving = Moving(NOWHERE)
    with Hub(moving) as hub:
        migration = moving.begin(Course("a", to="b"), "old")
        first = migration.enter("dual_read")
        await eventually(lambda: migration.stage == "dual_read", "it is being entered")
        with pytest.raises(MigrationError) as caught:
            await migration.enter("old")
        assert caught.value.kind == "busy"
        # A wait that is cancelled leaves it under way.
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(_waited(first), 0.01)
        assert migration.stage == "dual_read"
        await anyio.to_thread.run_sync(hub.close)
        with anyio.fail_after(5), pytest.raises(Closed):
            await first
        with anyio.fail_after(5), pytest.raises(Closed):
            await migration.enter("dual_read")
        assert (migration.topic, migration.stage) == ("a", "old")


async def _waited(what: Any) -> Any:
    return await what


@pytest.mark.every_loop
async def test_every_loop_waits_for_a_stage() -> None:
    moving = Moving(NOWHERE)
    with Hub(moving):
        migration = moving.begin(Course("a", to="b"), "old")
        with anyio.fail_after(20), pytest.raises(MigrationError) as caught:
            await migration.enter("dual_read", timeout=0.05)
        assert caught.value.kind == "not_reached"
        with pytest.raises(WrongLoop):
            migration.check("dual_read").wait()


def test_a_thread_waits_for_a_stage(redis_server: Any) -> None:
    moving = Moving(redis_server.url)
    with Hub(moving) as hub, hub.subscribe("a"):
        migration = moving.begin(Course("a", to="b"), "old")
        assert hub.joined().wait(20)
        migration.enter("dual_read").wait()
        assert migration.stage == "dual_read"
        with pytest.raises(MigrationError):
            migration.enter("new").wait()
        threads = [threading.Thread(target=migration.check("new_write").wait) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_takes_part_at_the_stage_of_its_parent(redis_server: Any, plain: Any, wait_until: Any) -> None:
    moving = Moving(redis_server.url)
    with Hub(moving) as hub:
        migration = moving.begin(Course("a", to="b", quiet=0), "dual_read")
        migration.enter("new_write").wait()
        plain.send("SUBSCRIBE", "b")
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                # Where its parent writes, and nobody reads the old name any more.
                stage = migration.stage
                hub.publish_acknowledged("a", b"of the child").wait(20)
                wait_until(lambda: migration.peers(), "it knows its parent")
                code = 0 if (stage, migration.stage) == ("new_write", "new_write") else 2
                hub.close()
            finally:
                os._exit(code)
        assert plain.read() == [b"message", b"b", b"of the child"]
        assert os.waitpid(pid, 0)[1] == 0
        assert migration.stage == "new_write"


# What is refused.


@pytest.fixture
def moving() -> Iterator[Moving]:
    found = Moving(NOWHERE)
    with Hub(found):
        yield found


@pytest.mark.parametrize(
    ("given", "error"),
    [(None, TypeError), (5, TypeError), (b"redis://a", TypeError), ("", OptionError), ("http://a", OptionError)],
)
def test_what_is_no_server_is_refused(given: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="redis"):
        Moving(given)


@pytest.mark.parametrize(
    ("course", "error"),
    [
        ({}, TypeError),
        ({"topic": 5}, TypeError),
        ({"topic": "\ud800"}, TopicError),
        ({"to": b"b"}, TypeError),
        ({"to": "\ud800"}, TopicError),
        ({"onto": 5}, TypeError),
        ({"onto": "a"}, OptionError),
        ({"window": -1}, OptionError),
        ({"window": "1"}, TypeError),
        ({"quiet": float("nan")}, OptionError),
        ({"demands": {"replicas": 1}}, TypeError),
        ({"colour": "red"}, TypeError),
    ],
)
def test_a_course_is_checked_at_the_call(course: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        Course(**{"topic": "a", **course} if course else {})


@pytest.mark.parametrize(
    ("demands", "error"),
    [
        ({"replicas": -1}, OptionError),
        ({"replicas": 1.5}, TypeError),
        ({"stable": -1}, OptionError),
        ({"steady": "1"}, TypeError),
        ({"behind": True}, TypeError),
        ({"lag": 0}, OptionError),
        ({"memory": 0}, OptionError),
        ({"memory": "0.8"}, TypeError),
        ({"p99": 1}, TypeError),
    ],
)
def test_demands_are_checked_at_the_call(demands: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        Demands(**demands)


@pytest.mark.parametrize(
    ("course", "stage", "error"),
    [
        ("a", "old", TypeError),
        (Course("a"), "old", OptionError),
        (Course("", to="b"), "old", TopicError),
        (Course("a", to=""), "old", TopicError),
        (Course("distributary:x", to="b"), "old", TopicError),
        (Course("a", to="distributary:x"), "old", TopicError),
        (Course("a", to="b"), "cleanup", OptionError),
        (Course("a", to="b"), None, TypeError),
    ],
)
def test_what_only_the_engine_knows_is_refused_as_well(moving: Moving, course: Any, stage: Any, error: Any) -> None:
    with pytest.raises(error):
        moving.begin(course, stage)


def test_a_stage_and_a_time_are_checked_at_the_call(moving: Moving) -> None:
    migration = moving.begin(Course("a", to="b"), "old")
    for call in (migration.enter, migration.force, migration.check):
        with pytest.raises(OptionError):
            call("dual-read")  # type: ignore[arg-type]
        with pytest.raises(OptionError):
            call("dual_read", timeout=0)
        with pytest.raises(TypeError):
            call("dual_read", timeout="1")  # type: ignore[arg-type]
    for what in (moving, migration):
        with pytest.raises(TypeError, match="copied or pickled"):
            pickle.dumps(what)


def test_names_that_are_taken_are_refused() -> None:
    moving = Moving(NOWHERE)
    with Hub(moving) as hub:
        moving.begin(Course("a", to="b"), "old")
        for course in (Course("a", to="c"), Course("b", to="c"), Course("c", to="b")):
            with pytest.raises(MigrationError) as caught:
                moving.begin(course, "old")
            assert caught.value.kind == "taken"
        with pytest.raises(SelectorError, match="listen to a"):
            hub.subscribe("b")


def test_a_course_whose_new_side_promises_something_else_is_refused() -> None:
    moving = Moving(Redis(NOWHERE, modes={"doc.*": "replay"}))
    with Hub(moving):
        for course in (Course("doc.1", to="other.1"), Course("doc.1", onto="redis://127.0.0.1:2")):
            with pytest.raises(MigrationError, match=r"replay.*live") as caught:
                moving.begin(course, "old")
            assert caught.value.kind == "modes"
        assert moving.begin(Course("doc.1", to="doc.2"), "old").stage == "old"


def test_a_moving_has_one_hub() -> None:
    moving = Moving(NOWHERE)
    with pytest.raises(OptionError, match="no hub"):
        moving.begin(Course("a", to="b"), "old")
    hub = Hub(moving)
    with pytest.raises(OptionError, match="one of its own"):
        Hub(moving)
    hub.close()
    with pytest.raises(Closed):
        moving.begin(Course("a", to="b"), "old")
    del hub
    with pytest.raises(Closed):
        moving.begin(Course("a", to="b"), "old")


def test_a_hub_that_is_forgotten_takes_its_migrations_with_it(redis_server: Any, wait_until: Any) -> None:
    before = threading.active_count(), _threads()
    moving = Moving(redis_server.url)
    hub = Hub(moving)
    migration = moving.begin(Course("a", to="b"), "old")
    began = time.monotonic()
    del hub
    wait_until(lambda: (threading.active_count(), _threads()) == before, "its threads have ended")
    assert time.monotonic() - began < 20
    with pytest.raises(Closed):
        migration.enter("dual_read").wait()


def _threads() -> int:
    return len(os.listdir("/proc/self/task")) if os.path.isdir("/proc/self/task") else 0
