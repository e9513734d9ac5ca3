"""What a client asks before it is let in. Read lazily: most applications look at a token and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Literal
from urllib.parse import parse_qsl

__all__ = ["Headers", "Query", "Request"]


class Headers(Mapping[str, str]):
    """The headers of a request. Names are looked up in any case.

    Several of one name are joined as HTTP has it: by `, `, cookies by `; `. :meth:`all` has them one by one.
    """

    __slots__ = ("_values",)

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        values: dict[str, list[str]] = {}
        for name, value in pairs:
            values.setdefault(name, []).append(value)
        self._values = values

    def __getitem__(self, name: str) -> str:
        name = name.lower()
        return ("; " if name == "cookie" else ", ").join(self._values[name])

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def all(self, name: str) -> list[str]:
        """All values of one name, in their order."""
        return list(self._values.get(name.lower(), ()))

    def __repr__(self) -> str:
        # Without values: they are tokens and cookies as often as not.
        return f"<Headers {', '.join(self._values)}>"


class Query(Mapping[str, str]):
    """The parameters of a URL, decoded. Of several of one name this is the first; :meth:`all` has them all."""

    __slots__ = ("_values", "text")

    def __init__(self, text: str) -> None:
        #: As it was sent, without the `?`.
        self.text = text
        values: dict[str, list[str]] = {}
        for name, value in parse_qsl(text, keep_blank_values=True):
            values.setdefault(name, []).append(value)
        self._values = values

    def __getitem__(self, name: str) -> str:
        return self._values[name][0]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def all(self, name: str) -> list[str]:
        """All values of one name, in their order."""
        return list(self._values.get(name, ()))

    def __repr__(self) -> str:
        return f"<Query {', '.join(self._values)}>"


class Request:
    """The request of a client that wants to be let in: everything needed to say who it is, and what it may see."""

    #: Always `GET`: others are answered with 405 before anybody is asked.
    method: Literal["GET"] = "GET"

    #: How it wants its events.
    transport: Literal["websocket", "sse"]
    #: Its IP address: the peer's, or the one that trusted proxies report.
    address: str
    #: The path of the URL, as it was sent: percent-encoded.
    path: str

    def __init__(
        self, is_websocket: bool, address: str, path: str, query: str | None, headers: list[tuple[str, str]]
    ) -> None:
        self.transport = "websocket" if is_websocket else "sse"
        self.address = address
        self.path = path
        self._query = query
        self._headers = headers
        self._gone = False
        self._asked = 0.0

    @property
    def url(self) -> str:
        """The path and the query, as they were sent."""
        return self.path if self._query is None else f"{self.path}?{self._query}"

    @cached_property
    def query(self) -> Query:
        """The parameters of the URL."""
        return Query(self._query or "")

    @cached_property
    def headers(self) -> Headers:
        """The headers."""
        return Headers(self._headers)

    @cached_property
    def cookies(self) -> dict[str, str]:
        """The cookies, as they were sent."""
        cookies: dict[str, str] = {}
        for pair in self.headers.get("cookie", "").split(";"):
            name, is_pair, value = pair.strip().partition("=")
            if is_pair and name:
                value = value.strip()
                cookies.setdefault(
                    name.rstrip(), value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value
                )
        return cookies

    @property
    def origin(self) -> str | None:
        """The site whose page a browser connects from.

        Browsers send cookies along with WebSockets of any site: who lets clients in by a cookie has to look at this.
        """
        return self.headers.get("origin")

    @property
    def bearer(self) -> str | None:
        """The token of an `Authorization: Bearer` header."""
        scheme, is_pair, token = self.headers.get("authorization", "").partition(" ")
        return token.strip() if is_pair and scheme.lower() == "bearer" else None

    @property
    def protocols(self) -> list[str]:
        """The WebSocket subprotocols that the client offers, best first."""
        offered = self.headers.get("sec-websocket-protocol", "").split(",")
        return [name for name in map(str.strip, offered) if name]

    @property
    def last_event_id(self) -> str | None:
        """Where a returning client of server-sent events stopped. The gateway resumes from there by itself."""
        return self.headers.get("last-event-id") or None

    @property
    def gone(self) -> bool:
        """Whether nobody waits for the answer any more: the client left, or its handshake took too long."""
        return self._gone

    def __repr__(self) -> str:
        # Without the query, in which there may be a token.
        return f"<Request {self.transport} {self.path} from {self.address}>"
