"""Redis and Valkey as the backplane: what joins the hubs of several processes and machines."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import Literal, TypedDict, get_args

from . import _native
from .errors import OptionError, PatternError
from .names import encodable
from .options import flag, seconds, shown, whole

__all__ = ["Mode", "Redis"]

#: How safely events of a topic travel: at most once, as Redis' own pub/sub does; kept in a log from which whoever was
#: cut off reads what it missed; or that, and confirmed by a replica before the publisher is told.
Mode = Literal["live", "replay", "durable"]

_MODES: tuple[str, ...] = get_args(Mode)


class Settings(TypedDict):
    """What the native backplane is made with."""

    urls: list[str]
    sentinel: str | None
    sentinel_credentials: tuple[str, str] | None
    cluster: bool
    sharded: bool
    modes: list[tuple[str, str]]
    envelope: list[str]
    log_length: int | None
    replica_wait: float | None
    queue_bytes: int | None
    queue_deadline: float | None
    linger: float | None
    fleet: int | None
    client_name: str | None
    root_certificates: bytes | None


@dataclass(frozen=True)
class Redis:
    """A Redis or Valkey server, and how events travel over it.

    ::

        hub = Hub(redis=Redis("redis://127.0.0.1:6379", modes={"orders.*": "replay"}))

    Nothing is connected to before the hub is made, and a server that cannot be reached is no error then: it is looked
    for as long as the hub lives, and :meth:`Hub.health` says so.

    Raises:
        OptionError: A URL or an option cannot be so.
        PatternError: A pattern of `modes` or `envelope` is none.
    """

    #: ``redis://[user[:password]@]host[:port][/database]``, or ``rediss://`` for TLS. Several with `sentinel` and
    #: `cluster`; they differ in host and port alone.
    url: str | Iterable[str]
    _: KW_ONLY
    #: The URLs are of Sentinels, which know the master of this name.
    sentinel: str | None = None
    #: User and password for the Sentinels themselves. None: those of the URLs.
    sentinel_credentials: tuple[str, str] | None = field(default=None, repr=False)
    #: The URLs are of nodes of a cluster; the others are found.
    cluster: bool = False
    #: Publishes to the node that has the topic's slot, and not to all of them. There are no patterns then.
    sharded: bool = False
    #: How events travel: patterns and modes. The first pattern that matches a topic counts; others are ``"live"``.
    modes: Mapping[str, Mode] = field(default_factory=dict)
    #: Patterns of live topics that nobody but hubs listens to: their events carry what lets a hub count what it missed,
    #: and keys and attributes.
    envelope: Iterable[str] = ()
    #: Events that a topic's log keeps, about. None: 10,000.
    log_length: int | None = None
    #: Seconds that a durable event may wait for a replica once the log has it. None: 0.5.
    replica_wait: float | None = None
    #: Bytes that may wait to be sent. None: 16 MiB.
    queue_bytes: int | None = None
    #: Seconds after which what waits to be sent is given up. None: 10.
    queue_deadline: float | None = None
    #: Seconds that a topic is still listened to after its last subscription has gone, so that whoever comes back costs
    #: nothing; 0 gives it up at once. None: 2.
    linger: float | None = None
    #: How many hubs there are, for the pace of coming back together. None: it is counted.
    fleet: int | None = None
    #: What the server calls the connections. None: ``distributary-`` and the hub's number.
    client_name: str | None = None
    #: Certificates to trust instead of the system's, in PEM: the name of a file, or its content, as bytes or as a str
    #: with ``-----BEGIN CERTIFICATE-----`` in it. None: the system's; ``SSL_CERT_FILE`` and ``SSL_CERT_DIR`` can name
    #: others.
    root_certificates: str | os.PathLike[str] | bytes | None = None

    def __post_init__(self) -> None:
        if isinstance(self.url, (bytes, Mapping)) or not isinstance(self.url, (str, Iterable)):
            raise TypeError(f"redis: url is a str or several, not {_type(self.url)}")
        self._set("url", self.url if isinstance(self.url, str) else tuple(self.url))
        for text in self._urls():
            _text("url", text)
        for name in ("sentinel", "client_name"):
            if (given := getattr(self, name)) is not None:
                _text(name, given)
        if (pair := self.sentinel_credentials) is not None:
            if not isinstance(pair, tuple) or len(pair) != 2:
                raise TypeError(f"redis: sentinel_credentials is a tuple of user and password, not {_type(pair)}")
            for text in pair:
                _text("sentinel_credentials", text)
        for name in ("cluster", "sharded"):
            flag(f"redis: {name}", getattr(self, name))
        self._check_rules()
        for name in ("log_length", "queue_bytes"):
            if (number := getattr(self, name)) is not None:
                whole(f"redis: {name}", number, least=0)
        if self.fleet is not None:
            whole("redis: fleet", self.fleet, least=0, most=(1 << 32) - 1)
        for name in ("replica_wait", "queue_deadline", "linger"):
            if (time := getattr(self, name)) is not None:
                seconds(f"redis: {name}", time, none=True)
        # Which values can be, and which of them together, the engine says.
        _native.check_redis(self._settings())

    def _check_rules(self) -> None:
        if not isinstance(self.modes, Mapping):
            raise TypeError(f"redis: modes is a dict of patterns and modes, not {_type(self.modes)}")
        self._set("modes", dict(self.modes))
        for pattern, mode in self.modes.items():
            if not isinstance(pattern, str):
                raise TypeError(f"redis: a pattern of modes is a str, not {_type(pattern)}")
            encodable(pattern, PatternError)
            if not isinstance(mode, str):
                raise TypeError(f"redis: the mode of {shown(pattern)} is a str, not {_type(mode)}")
            if mode not in _MODES:
                names = f"{', '.join(map(repr, _MODES[:-1]))} or {_MODES[-1]!r}"
                raise OptionError(f"redis: the mode of {shown(pattern)} is {names}, not {shown(mode)}")
        if isinstance(self.envelope, (str, bytes)) or not isinstance(self.envelope, Iterable):
            raise TypeError(f"redis: envelope is a list of patterns, not {_type(self.envelope)}")
        self._set("envelope", tuple(self.envelope))
        for pattern in self.envelope:
            if not isinstance(pattern, str):
                raise TypeError(f"redis: a pattern of envelope is a str, not {_type(pattern)}")
            encodable(pattern, PatternError)

    def _set(self, name: str, value: object) -> None:
        """What is given by an iterable is read once, here."""
        object.__setattr__(self, name, value)

    def _urls(self) -> list[str]:
        return [self.url] if isinstance(self.url, str) else list(self.url)

    def _certificates(self) -> bytes | None:
        given = self.root_certificates
        if given is None or isinstance(given, bytes):
            return given
        # No file is called so.
        if isinstance(given, str) and "-----BEGIN " in given:
            return given.encode(errors="replace")
        try:
            return Path(os.fspath(given)).read_bytes()
        except TypeError:
            raise TypeError(f"redis: root_certificates is a path, or PEM as str or bytes, not {_type(given)}") from None
        except (OSError, ValueError) as error:
            raise OptionError(f"redis: root_certificates is no PEM, and as a file cannot be read: {error}") from error

    def _settings(self) -> Settings:
        """As the native half takes it."""
        return {
            "urls": self._urls(),
            "sentinel": self.sentinel,
            "sentinel_credentials": self.sentinel_credentials,
            "cluster": self.cluster,
            "sharded": self.sharded,
            "modes": list(self.modes.items()),
            "envelope": list(self.envelope),
            "log_length": self.log_length,
            "replica_wait": self.replica_wait,
            "queue_bytes": self.queue_bytes,
            "queue_deadline": self.queue_deadline,
            "linger": self.linger,
            "fleet": self.fleet,
            "client_name": self.client_name,
            "root_certificates": self._certificates(),
        }

    def __repr__(self) -> str:
        urls = ", ".join(repr(_bare(url)) for url in self._urls())
        kind = "" if self.sentinel is None else f", sentinel={self.sentinel!r}"
        return f"Redis({urls}{kind}{', cluster=True' if self.cluster else ''})"


def settings(given: str | Redis | None, name: str = "redis") -> Settings | None:
    """What a hub was given, as the native half takes it. `name`: of the option."""
    if given is None:
        return None
    if isinstance(given, str):
        given = Redis(given)
    if not isinstance(given, Redis):
        raise TypeError(f"{name}: a URL or a Redis(...), not {_type(given)}")
    return given._settings()


def _text(name: str, given: object) -> str:
    if not isinstance(given, str):
        raise TypeError(f"redis: {name} is a str, not {_type(given)}")
    try:
        return encodable(given, OptionError)
    except OptionError:
        # The text may hold a password, so it is not repeated.
        raise OptionError(f"redis: {name} has a lone surrogate, which is no character of Unicode") from None


def _bare(url: str) -> str:
    """Without user and password, in which an `@` may stand as it is: nothing after the host has one."""
    head, at, rest = url.rpartition("@")
    return f"{head.partition(':')[0]}://…@{rest}" if at else url


def _type(given: object) -> str:
    return type(given).__qualname__
