"""The native half. Private, but for the classes that :mod:`distributary` names.

What begins with an underscore is between the two halves.
"""

from collections.abc import Callable, Mapping
from typing import Any, Literal, final

from typing_extensions import Self, disjoint_base

from .errors import Reason
from .filter import Scalar, Variables, Where
from .migration import CourseSettings, Side, Stage
from .options import Budget, Settings
from .redis import Settings as RedisSettings
from .waiting import Forwarding

__all__ = [
    "Bell",
    "Delivery",
    "Event",
    "Filter",
    "Gateway",
    "GatewayClient",
    "Hub",
    "Lane",
    "Migration",
    "Subscription",
    "Template",
    "Var",
    "Wait",
    "before_latest",
    "check_pattern",
    "check_redis",
    "check_value",
    "forked",
]

@final
class Event:
    """One published event: one object for all readers of an event loop who get it at the same time. Immutable."""

    @property
    def topic(self) -> str:
        """The topic that it was published to."""
    @property
    def data(self) -> bytes:
        """The payload. One of 16 KiB or more is the publisher's own object."""
    @property
    def text(self) -> str:
        """The payload as UTF-8. Raises :class:`PayloadError` if it is not."""
    def json(self) -> Any:
        """The payload parsed as JSON: parsed once, and the same object for all readers, so it must not be changed.
        Raises :class:`PayloadError` if it is not JSON."""
    @property
    def key(self) -> str | None:
        """The conflation key, if it has one."""
    @property
    def attributes(self) -> dict[str, Scalar | list[Scalar]]:
        """The scalars that were given beside the payload; a name that was given several times has a list."""
    @property
    def position(self) -> str:
        """Where it stands in its topic. Subscribe `from_` there to get what follows."""
    @property
    def published_at(self) -> float:
        """When it was published: seconds since 1970."""
    @property
    def lost(self) -> int:
        """How many events this reader missed right before it."""
    def __len__(self) -> int:
        """The length of the payload in bytes."""
    def _decoded(self, decoder: int, missing: Any) -> Any: ...
    def _keep(self, decoder: int, value: Any) -> Any: ...

@final
class Delivery:
    """What became of a published event."""

    @property
    def subscriptions(self) -> int:
        """Subscriptions that it reached. Each gets it, unless its budget is spent before."""
    @property
    def feeds(self) -> int:
        """Distinct selectors and limits among them."""
    @property
    def share(self) -> float:
        """The share of all live subscriptions that is, from 0 to 1."""
    @property
    def position(self) -> str | None:
        """Its position in its topic; None when nobody asked for it and the topic keeps no history."""

    @property
    def forwarding(self) -> Forwarding:
        """What became of the part that concerns other machines."""

@final
class Filter:
    """A compiled filter: which events somebody wants. Immutable.

    Filters of equal meaning are equal, as far as that is seen from their form, and subscriptions with equal filters
    share what it costs to have them.

    Args:
        where: A dict, JSON text, an expression made of :data:`F`, a `Filter` or a :class:`Template`.
        variables: Values for its variables, of which none may be missing.

    Raises:
        FilterError: It is malformed; the message names the place.
        VariableError: A variable has no value, or one that cannot stand there.
    """

    def __new__(cls, where: Where, variables: Variables | None = None) -> Filter: ...
    def matches(self, payload: object) -> bool:
        """Whether an event with this payload is admitted: JSON as bytes or text, or an object.

        A payload that cannot be read is met only by a filter that asks for nothing.
        """
    def explain(self) -> str:
        """How events find it, in words."""
    @property
    def is_indexed(self) -> bool:
        """Whether events find it by look-ups alone; if not, each event of its topics is tried against it."""
    @property
    def is_all(self) -> bool:
        """Whether it asks for nothing, so that every event is admitted."""
    @property
    def fields(self) -> tuple[str, ...]:
        """The paths of the fields that it names, in alphabetical order."""
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Filter: ...
    def __deepcopy__(self, _memo: Any) -> Filter: ...

@final
class Template:
    """A filter with variables, compiled once and bound for each subscriber. Immutable.

    Args:
        where: What a :class:`Filter` takes, with ``Var("name")`` or ``{"$var": "name"}`` in places of scalars.

    Raises:
        FilterError: It is malformed; the message names the place.
    """

    def __new__(cls, where: Where) -> Template: ...
    @property
    def variables(self) -> tuple[str, ...]:
        """The names of the variables, each once, in alphabetical order."""
    def bind(self, variables: Variables | None = None, /, **values: Any) -> Filter:
        """The filter with these values, given as a dict, by name, or both: then by name wins. A list stands for any of
        its values, None for the value null.

        Raises:
            VariableError: A variable has no value, or one that cannot stand there.
        """
    def __copy__(self) -> Template: ...
    def __deepcopy__(self, _memo: Any) -> Template: ...

@final
class Var:
    """A variable in a filter, in the place of a scalar: it gets its value when the filter is bound.

    Args:
        name: What it is called.
        optional: Without a value, the condition on its field is dropped instead of being an error.
    """

    def __new__(cls, name: str, *, optional: bool = False) -> Var: ...
    @property
    def name(self) -> str:
        """What it is called."""
    @property
    def optional(self) -> bool:
        """Whether its condition is dropped when it has no value."""
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __getnewargs_ex__(self) -> tuple[tuple[str], dict[str, bool]]: ...

def check_pattern(pattern: Mapping[str, Any]) -> None:
    """Raises what a filter of this pattern would; nothing is kept of it."""

def check_value(path: str, value: object) -> None:
    """The same for a field that has to be equal to a value, which is looked at alone."""

def before_latest(hub: Hub, topic: str, most: int | None) -> str | None:
    """The position before the latest so many events of a topic that keeps history; without a limit, before all."""

def check_redis(settings: RedisSettings) -> None:
    """Raises what a hub with this server would; nothing is connected to."""

def forked() -> None:
    """Tells that this process is the child of a fork."""

@final
class Hub:
    """The engine in one process."""

    def __new__(cls, settings: Settings) -> Hub: ...
    def publish(
        self,
        topic: str,
        data: bytes,
        key: str | None,
        attributes: Mapping[str, Any] | None,
        come: Callable[[int], None],
    ) -> Delivery: ...
    def publish_acknowledged(
        self,
        topic: str,
        data: bytes,
        key: str | None,
        attributes: Mapping[str, Any] | None,
        come: Callable[[int], None],
    ) -> tuple[Delivery, Wait]: ...
    def joined(self) -> Wait: ...
    def health_changes(self) -> Wait: ...
    def begin(self, course: CourseSettings, stage: Stage) -> Migration: ...
    def health(self) -> dict[str, Any]: ...
    def position(self, topic: str) -> str | None: ...
    def stats(self) -> dict[str, Any]: ...
    def prometheus(self) -> str: ...
    def count_topic(self, topic: str) -> None: ...
    def uncount_topic(self, topic: str) -> None: ...
    def topic_stats(self) -> list[dict[str, Any]]: ...
    def close(self) -> Wait | None: ...
    @property
    def is_closed(self) -> bool: ...

@final
class Wait:
    """What is waited for and is no event."""

    def sleep(self, lane: Lane, sleeper: object) -> bool:
        """Lays a task to sleep in the lane of its loop. False: there is nothing to sleep for."""
    def leave(self) -> None:
        """Nobody sleeps any more: the seat is given back."""
    def block(self, seconds: float | None, signals: bool) -> bool:
        """Blocks the thread until there is an outcome, at most so many seconds; whether there is one. `signals`: it is
        the thread that gets them."""
    def outcome(self) -> tuple[int, int | None] | None:
        """Of a publication: how many heard it, and its number. None: what was waited for is so, or nothing is known
        yet."""
    def take_health(self) -> dict[str, Any] | None:
        """Takes how the health is, so that the next change can be waited for. None once there is nothing more to tell,
        and in the child of a fork."""

@final
class Migration:
    """The migration of one topic."""

    @property
    def stage(self) -> Stage: ...
    def counts(self) -> tuple[dict[str, int], dict[str, int]]: ...
    def peers(self) -> list[tuple[str, Stage, Stage | None, tuple[Side, ...]]]: ...
    def go(self, how: Literal["enter", "force", "check"], stage: Stage, timeout: float) -> Wait:
        """Begins to enter a stage, or to find out whether it can be."""

@final
class Lane:
    """One event loop's share of a hub. `id` is not 0; `slice` is in seconds."""

    def __new__(cls, id: int, slice: float) -> Lane: ...
    def descriptor(self) -> int | None:
        """What becomes readable when there is somebody to wake; None once it is silent."""
    def is_coming(self) -> None:
        """The loop has been told to come. From its own thread."""
    def ring(self) -> None:
        """Makes the descriptor readable."""
    def hear(self) -> None:
        """Makes it unreadable again, for a thread that listens for the loop."""
    def turn(self, sleepers: list[Any]) -> bool:
        """Begins a turn of the loop, which sees to a sweep: adds sleepers that can go on to the list, and says whether
        there are more."""
    def run(self, turn: Callable[[], None]) -> None:
        """Calls what makes a turn. If it is broken off, wherever that may be, the loop is called again."""
    def again(self, sleepers: list[Any]) -> None:
        """A turn was broken off: these are to be woken by the next one, which is called for."""
    def sweep(self) -> bool:
        """Lets go of events that nobody asked for since the last sweep. False when none is left."""
    def is_idle(self) -> bool:
        """Whether nobody sleeps here, nor can go on."""
    def is_foreign(self) -> bool:
        """Whether it is of the process that this one was forked from."""
    def silence(self) -> None:
        """Gives the descriptors back, and lets go of the events."""

@disjoint_base
class Subscription:
    """A cursor on the events of one selector."""

    def __new__(
        cls,
        hub: Hub,
        topics: list[str],
        patterns: list[str],
        filter: Filter | None,
        overflow: str | None,
        budget: Budget,
        from_: list[tuple[str | None, str]] | None,
    ) -> Self: ...
    def _sit(self, lane: Lane) -> None: ...
    def _take(self) -> Event | None: ...
    def _take_now(self) -> Event | None: ...
    def _take_many(self, most: int) -> tuple[Event, ...]: ...
    def _take_many_now(self, most: int) -> tuple[Event, ...]: ...
    def _sleep(self, sleeper: object, count: int) -> Literal[0, 1, 2]: ...
    def _sleeper(self) -> Any: ...
    def _rouse(self) -> None: ...
    def _block(self, seconds: float | None, signals: bool) -> bool: ...
    def _close(self) -> None: ...
    def _add(self, topics: list[str], patterns: list[str]) -> int: ...
    def _remove(self, topics: list[str], patterns: list[str]) -> int: ...
    def _names(self) -> tuple[list[str], list[str]]: ...
    @property
    def lag(self) -> int:
        """Events that wait to be read, with those that are lost and not yet told."""
    @property
    def missed(self) -> int:
        """Events that it has missed in all, as far as reads have passed them."""
    @property
    def closed(self) -> Reason | None:
        """Why it is over, or None as long as something can be read."""

@final
class Bell:
    """What wakes a side of a gateway."""

    def fileno(self) -> int: ...
    def ring(self) -> None: ...

@final
class Gateway:
    """A gateway, from before it starts until it is closed. Operations without a number block."""

    def __new__(cls, hub: Hub, settings: dict[str, Any], make: Callable[[GatewayClient], Any]) -> Self: ...
    def bell(self, of_loop: bool) -> Bell: ...
    def start(self, operation: int | None) -> None: ...
    def drain(self, operation: int | None, over: float) -> None: ...
    def close(self, operation: int | None) -> None: ...
    def hang_up(self, of_loop: bool) -> None: ...
    def abandon(self) -> None: ...
    def take(self, of_loop: bool, most: int) -> tuple[list[tuple[Any, ...]], bool]: ...
    def told(self, of_loop: bool, client: int) -> None: ...
    def accept(self, question: int, session: Any, grant: dict[str, Any]) -> bool: ...
    def is_asked(self, question: int) -> bool: ...
    def reject(self, question: int, refusal: dict[str, Any]) -> bool: ...
    def grant(self, question: int, instead: dict[str, Any] | None) -> bool: ...
    def deny(self, question: int, reason: str) -> bool: ...
    @property
    def address(self) -> tuple[str, int] | None: ...
    @property
    def admin_address(self) -> tuple[str, int] | None: ...
    def stats(self) -> dict[str, Any] | None: ...
    def prometheus(self) -> str | None: ...

@final
class GatewayClient:
    """What the native half knows of a client of a gateway."""

    @property
    def number(self) -> int: ...
    @property
    def session(self) -> Any: ...
    def send_text(self, text: str) -> None: ...
    def send_bytes(self, bytes: bytes) -> None: ...
    def subscribe(self, wanted: dict[str, Any]) -> int: ...
    def unsubscribe(self, number: int) -> bool: ...
    def close(self, code: int, reason: str) -> None: ...
    def turn_away(self, reason: str) -> None: ...
