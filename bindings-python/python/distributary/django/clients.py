"""Plain clients of the server that joins processes: those of the `redis` package, made from the options of the hub.

The package is an extra of this one, imported where the first client is made, in a thread: whoever needs no queues
does without. Its clients are asked to do one thing once. They retry nothing by themselves, for what was sent and not
answered may have been done; whoever uses one throws it away after an error, and the next finds its master, or the nodes
of its cluster, anew.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import SplitResult, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

from .errors import QueueError

if TYPE_CHECKING:
    from ..redis import Settings

__all__ = ["Link", "connect", "require"]

T = TypeVar("T")

#: Seconds that a connection may take, and an answer.
CONNECT, ANSWER = 3.0, 5.0


def require() -> None:
    """Raises `ImproperlyConfigured` unless there are clients. Imports nothing, which would hold a loop up."""
    if find_spec("redis") is None:
        raise ImproperlyConfigured(
            "a channel without a `!` in its name is a queue on the server, for which the `redis` package is needed: "
            "pip install 'distributary[django-queues]'"
        )


class Link:
    """A client that is made when it is needed, and anew after an error. For one thread at a time."""

    __slots__ = ("_client", "_settings")

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client: Any = None

    def run(self, work: Callable[[Any], T]) -> T:
        """Has it done, once. Whatever goes wrong is a `QueueError`."""
        try:
            if self._client is None:
                self._client = connect(self._settings)
            return work(self._client)
        except Exception as error:
            self.close()
            raise QueueError(f"the server of the channels' queues: {error or type(error).__name__}") from error

    def close(self) -> None:
        """Closes its connections. It can be used further."""
        client, self._client = self._client, None
        if client is not None:
            _close(client)


def connect(settings: Settings) -> Any:
    """A client by the options of a hub. Only that of a cluster connects at once."""
    from redis import Redis
    from redis.backoff import NoBackoff
    from redis.cluster import ClusterNode, RedisCluster
    from redis.retry import Retry
    from redis.sentinel import Sentinel

    urls = [urlsplit(url) for url in settings["urls"]]
    hosts = [(unquote(url.hostname or ""), url.port or 6379) for url in urls]
    # Everything but host and port is the same in all of them.
    credentials = _credentials(urls[0])
    options: dict[str, Any] = {
        "client_name": settings["client_name"],
        # The newer protocol has connections be handed over to another server without a word.
        "protocol": 2,
        "retry": Retry(NoBackoff(), 0),
        "socket_connect_timeout": CONNECT,
        "socket_keepalive": True,
        "socket_timeout": ANSWER,
    }
    if urls[0].scheme == "rediss":
        options["ssl"] = True
        options["ssl_cert_reqs"] = "required"
        options["ssl_check_hostname"] = True
        if settings["root_certificates"] is not None:  # beside the system's, as these clients have it
            options["ssl_ca_data"] = settings["root_certificates"].decode(errors="replace")
    if settings["cluster"]:
        return RedisCluster(startup_nodes=[ClusterNode(*host) for host in hosts], **options, **credentials)
    database = int(urls[0].path.strip("/") or 0)
    if (name := settings["sentinel"]) is None:
        host, port = hosts[0]
        return Redis(host=host, port=port, db=database, **options, **credentials)
    asked = credentials
    if (pair := settings["sentinel_credentials"]) is not None:
        asked = {"username": pair[0], "password": pair[1]}
    return Sentinel(hosts, sentinel_kwargs={**options, **asked}).master_for(name, db=database, **options, **credentials)


def _credentials(url: SplitResult) -> dict[str, str | None]:
    return {name: unquote(text) if (text := getattr(url, name)) else None for name in ("username", "password")}


def _close(client: Any) -> None:
    client.close()
    # A client that asks sentinels has one for each of them.
    manager = getattr(getattr(client, "connection_pool", None), "sentinel_manager", None)
    for sentinel in manager.sentinels if manager is not None else ():
        sentinel.close()
