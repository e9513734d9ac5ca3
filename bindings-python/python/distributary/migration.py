"""Topics that move to other names and other servers while they are in use: stage by stage, on one hub after the other.

In the program nothing changes: a topic keeps its name, and its subscriptions hear each event once.
"""

from __future__ import annotations

import weakref
from collections.abc import Generator, Mapping
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any, Literal, NoReturn, TypedDict, get_args

from . import redis as backplane
from .errors import Closed, MigrationError, OptionError
from .loops import Lanes
from .names import encodable
from .options import seconds, shown, whole
from .redis import Redis
from .waiting import Waiting

if TYPE_CHECKING:
    from . import _native
    from .errors import MigrationKind
    from .hub import Hub

__all__ = ["Course", "Demands", "Entering", "Finding", "Migration", "Moving", "Peer", "Side", "SideCounts", "Stage"]

#: How far a topic has moved, as one hub sees it. Stages are entered one after the other, and left the same way
#: backwards: the old side is read and written to; both are read; both are read, and the new one is written to; the new
#: one alone is both.
Stage = Literal["old", "dual_read", "new_write", "new"]

_STAGES: tuple[str, ...] = get_args(Stage)

#: Where events come from, or where they move to.
Side = Literal["old", "new"]


class DemandsSettings(TypedDict):
    """Demands as the native half takes them."""

    replicas: int | None
    stable: float | None
    steady: float | None
    behind: int | None
    lag: float | None
    memory: float | None


class CourseSettings(TypedDict):
    """A course as the native half takes it."""

    topic: str
    to: str | None
    onto: backplane.Settings | None
    window: float | None
    quiet: float | None
    demands: DemandsSettings | None


@dataclass(frozen=True)
class Demands:
    """What is asked of a server before events go to it.

    Raises:
        OptionError: One cannot be so.
    """

    _: KW_ONLY
    #: Replicas that each master must have online. None: 0.
    replicas: int | None = None
    #: They must have been there, unchanged, for so many seconds, or since the server started. None: 60.
    stable: float | None = None
    #: No replica may have begun anew for so many seconds, or since the server started. None: 300.
    steady: float | None = None
    #: They must lack fewer bytes than this. None: 1 MiB.
    behind: int | None = None
    #: Probes of the last ten seconds must be faster than so many seconds, but for an odd one. None: 0.2.
    lag: float | None = None
    #: Memory in use, as a share of what may be used, must be below. None: 0.8.
    memory: float | None = None

    def __post_init__(self) -> None:
        if self.replicas is not None:
            whole("demands: replicas", self.replicas, least=0, most=(1 << 32) - 1)
        if self.behind is not None:
            whole("demands: behind", self.behind, least=0)
        for name in ("stable", "steady", "lag"):
            if (time := getattr(self, name)) is not None:
                seconds(f"demands: {name}", time, none=name != "lag")
        if self.memory is not None:
            if isinstance(self.memory, bool) or not isinstance(self.memory, (int, float)):
                raise TypeError(f"demands: memory is a share as a float, not {_type(self.memory)}")
            if not self.memory > 0:
                raise OptionError(f"demands: memory is a share above 0, not {shown(self.memory)}")

    def _settings(self) -> DemandsSettings:
        return {
            "replicas": self.replicas,
            "stable": self.stable,
            "steady": self.steady,
            "behind": self.behind,
            "lag": self.lag,
            "memory": self.memory,
        }


@dataclass(frozen=True)
class Course:
    """What is moved, and where to: to another name, to another server, or both.

    Raises:
        TopicError: A name is none.
        OptionError: An option cannot be so.
    """

    #: The topic. In the hub it is called so at every stage.
    topic: str
    _: KW_ONLY
    #: What its channel is called on the new side. None: the same.
    to: str | None = None
    #: The server, Sentinels or cluster of the new side. None: the same.
    onto: str | Redis | None = None
    #: Of two equal payloads that come by the two sides within so many seconds, the second is let go. 0 lets nothing go:
    #: right without publishers that write to both sides, and without a mirror between them. None: 2.
    window: float | None = None
    #: A side is given up only after nobody wrote to it for so many seconds. None: 2.
    quiet: float | None = None
    #: What is asked of a side before events go to it. None: the demands of :class:`Demands`.
    demands: Demands | None = None

    def __post_init__(self) -> None:
        for name in ("topic", "to"):
            if not isinstance(text := getattr(self, name), str) and (name == "topic" or text is not None):
                raise TypeError(f"course: {name} is a str, not {_type(text)}")
            if text is not None:
                encodable(text)
        for name in ("window", "quiet"):
            if (time := getattr(self, name)) is not None:
                seconds(f"course: {name}", time, none=True)
        if self.demands is not None and not isinstance(self.demands, Demands):
            raise TypeError(f"course: demands are Demands(...), not {_type(self.demands)}")
        backplane.settings(self.onto, "course: onto")

    def _settings(self) -> CourseSettings:
        return {
            "topic": self.topic,
            "to": self.to,
            "onto": backplane.settings(self.onto, "course: onto"),
            "window": self.window,
            "quiet": self.quiet,
            "demands": None if self.demands is None else self.demands._settings(),
        }


@dataclass(frozen=True, slots=True)
class SideCounts:
    """What one side carried for this hub, since the migration began here."""

    #: Events that came by it.
    read: int
    #: Events of this hub that went to it.
    written: int
    #: Of those that came, the ones that had come by the other side already.
    duplicates: int
    #: Of those that came, the ones that came by no other side.
    only: int


@dataclass(frozen=True, slots=True)
class Sides:
    """What both sides carried."""

    #: Where events come from.
    old: SideCounts
    #: Where they move to.
    new: SideCounts


@dataclass(frozen=True, slots=True)
class Peer:
    """Another hub that takes part in a migration."""

    #: The number it chose for itself, in hexadecimal. On the old side's server it is ``distributary-`` and this in
    #: ``CLIENT LIST``, unless it was given a `client_name`.
    hub: str
    #: How far it has come.
    stage: Stage
    #: The stage that it is about to enter, unless it finds somebody in the way.
    entering: Stage | None
    #: The sides where it listens.
    hears: tuple[Side, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """What keeps a server from being written to."""

    #: A stable word for programs, such as `stable`.
    code: str
    #: What was seen, for people.
    text: str

    def __str__(self) -> str:
        return f"{self.code}: {self.text}"


class Moving:
    """The servers of one hub, between which its topics can be moved.

    ::

        moving = Moving("redis://old.example")
        hub = Hub(moving)
        migration = moving.begin(Course("documents", onto="redis://new.example"), "old")
        await migration.enter("dual_read")
        # On one hub after the other, once all of them read both sides:
        await migration.enter("new_write")

    Args:
        redis: Everything goes by this server until it is moved.

    Raises:
        OptionError: The URL cannot be so.
    """

    def __init__(self, redis: str | Redis) -> None:
        settings = backplane.settings(redis)
        if settings is None:
            raise TypeError("redis: a URL or a Redis(...), not NoneType")
        self._redis = settings
        self._hub: weakref.ref[Hub] | None = None
        #: Not the hub's, which end with it: a stage that is being entered is told of that a moment later.
        self._lanes: Lanes
        self._migrations: list[Migration] = []

    def begin(self, course: Course, stage: Stage) -> Migration:
        """Takes part in the migration of a topic, at this stage: the one that all hubs have reached, or the one before.
        It is taken as it is said; from then on stages are entered by :meth:`Migration.enter`.

        Raises:
            MigrationError: A name of the course is `taken`.
            TopicError: A name of the course is none.
            OptionError: The course ends where it begins, there is no such stage, or it was given to no hub yet.
            Closed: The hub is closed.
        """
        if not isinstance(course, Course):
            raise TypeError(f"course: a Course(...), not {_type(course)}")
        if self._hub is None:
            raise OptionError("moving: it has no hub yet: give it to one, as in Hub(moving)")
        hub = self._hub()
        if hub is None:
            raise Closed("hub_closed")
        native = hub._native.begin(course._settings(), _stage(stage))
        migration = Migration(hub, self._lanes, course, native)
        self._migrations.append(migration)
        return migration

    def _attach(self, hub: Hub) -> backplane.Settings:
        """The server, for the hub that is made with it."""
        if self._hub is not None:
            raise OptionError("redis: another hub has been made with this Moving: each takes one of its own")
        self._hub = weakref.ref(hub)
        self._lanes = Lanes(hub._slice)
        return self._redis

    def _resume(self, hub: Hub, native: _native.Hub) -> None:
        """In the child of a fork, whose hub has an engine of its own: takes part there as well, at the same stages."""
        self._lanes = Lanes(hub._slice)
        for migration in self._migrations:
            migration._resume(native, self._lanes)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Moving cannot be copied or pickled: it belongs to one hub")


class Migration:
    """The migration of one topic, as this hub takes part in it; from :meth:`Moving.begin`. Forgetting it ends
    nothing."""

    __slots__ = ("_course", "_hub", "_lanes", "_native")

    def __init__(self, hub: Hub, lanes: Lanes, course: Course, native: _native.Migration) -> None:
        self._hub = weakref.ref(hub)
        self._lanes = lanes
        self._course = course
        self._native = native

    @property
    def topic(self) -> str:
        """The topic, as it is called in this hub."""
        return self._course.topic

    @property
    def stage(self) -> Stage:
        """How far it has come in this hub."""
        return self._native.stage

    def counts(self) -> Sides:
        """What each side has carried."""
        old, new = self._ours().counts()
        return Sides(SideCounts(**old), SideCounts(**new))

    def peers(self) -> list[Peer]:
        """The other hubs that take part, as far as they are known by now."""
        return [Peer(*peer) for peer in self._ours().peers()]

    def enter(self, stage: Stage, timeout: float = 10.0) -> Entering:
        """Enters a stage next to the one that it is at, forward or back, once nobody would lose anything by it, within
        `timeout` seconds; the stage where it is already is entered at once, so that a deploy can run again. It is begun
        when this returns, and to be awaited, or waited for with ``wait()``::

            await migration.enter("dual_read")
            migration.enter("dual_read").wait()

        Raises:
            MigrationError: When it is waited for: who or what is in the way. Nothing has changed then.
            OptionError: There is no such stage, or `timeout` is no time.
        """
        return self._go("enter", stage, timeout)

    def force(self, stage: Stage, timeout: float = 10.0) -> Entering:
        """The same without looking at who would lose something. The side that is to be heard is still waited for."""
        return self._go("force", stage, timeout)

    def check(self, stage: Stage, timeout: float = 10.0) -> Entering:
        """Whether :meth:`enter` would enter a stage now: raises what would be in the way."""
        return self._go("check", stage, timeout)

    def _go(self, how: Literal["enter", "force", "check"], stage: Stage, timeout: float) -> Entering:
        word = _stage(stage)
        timeout = seconds("timeout", timeout)
        return Entering(self._ours().go(how, word, timeout), self._lanes)

    def _ours(self) -> _native.Migration:
        """Of this process: a hub that was put off at a fork is made now."""
        hub = self._hub()
        if hub is not None:
            _ = hub._native
        return self._native

    def _resume(self, native: _native.Hub, lanes: Lanes) -> None:
        self._lanes = lanes
        self._native = native.begin(self._course._settings(), self._native.stage)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Migration cannot be copied or pickled: it belongs to one hub")

    def __repr__(self) -> str:
        return f"<Migration of {self.topic!r} at {self.stage!r}>"


class Entering(Waiting):
    """A stage that was asked for, from :meth:`Migration.enter` and its kin: to be awaited, or waited for by a thread.
    Whether that is done or not, and also if it is cancelled, it goes on."""

    __slots__ = ()

    def __await__(self) -> Generator[Any, None, None]:
        return self._entered().__await__()

    async def _entered(self) -> None:
        await self._settled()
        self._native.outcome()

    def wait(self) -> None:
        """Blocks the thread until it is settled.

        Raises:
            MigrationError: Who or what is in the way. Nothing has changed then.
            Closed: The hub is closed.
            WrongLoop: An event loop runs in this thread.
        """
        self._settled_in_time(None)
        self._native.outcome()


def in_the_way(message: str, kind: MigrationKind, details: Mapping[str, Any]) -> MigrationError:
    """What the native half says, typed."""
    typed = dict(details)
    typed["peers"] = tuple(Peer(*peer) for peer in details.get("peers", ()))
    typed["findings"] = tuple(Finding(*finding) for finding in details.get("findings", ()))
    return MigrationError(message, kind, **typed)


def _stage(given: Stage) -> Stage:
    if not isinstance(given, str):
        raise TypeError(f"stage: a str, not {_type(given)}")
    if given not in _STAGES:
        raise OptionError(f"stage: {', '.join(map(repr, _STAGES[:-1]))} or {_STAGES[-1]!r}, not {shown(given)}")
    return given


def _type(given: object) -> str:
    return type(given).__qualname__
