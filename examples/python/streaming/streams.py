"""The streams that clients ask for: as topics of the hub, and as what a client is subscribed to."""

from __future__ import annotations

from database import Database

from distributary import F, Topic
from distributary.gateway import Reject, Request

BASE = "/api/v1/streaming"
STREAMS = ["user", "public", "public:local", "hashtag"]

#: Every path that is served: what follows the first is a stream's name with slashes for colons.
PATHS = [BASE, *(f"{BASE}/{stream.replace(':', '/')}" for stream in STREAMS)]


def home(account: str) -> Topic:
    return Topic(f"timeline:{account}")


def posts_of(account: str) -> Topic:
    """Of somebody whom very many follow: a post is put there once."""
    return Topic(f"timeline:account:{account}")


def hashtag(tag: str) -> Topic:
    # A `Topic` and not a mere text: a tag comes from a client, and must not become a pattern.
    return Topic(f"timeline:hashtag:{tag.lower()}")


EVERYWHERE = Topic("timeline:public")
LOCAL = Topic("timeline:public:local")


def selection(database: Database, request: Request, account: str | None) -> tuple[list[Topic], object]:
    """What a request asks for, and the filter of what its account does not want to see.

    `/api/v1/streaming/public/local` and `/api/v1/streaming?stream=public:local` are the same.
    """
    below = request.path[len(BASE) + 1 :]
    stream = below.replace("/", ":") if below else request.query.get("stream")
    if stream == "public":
        topics = [EVERYWHERE]
    elif stream == "public:local":
        topics = [LOCAL]
    elif stream == "hashtag":
        if not (tag := request.query.get("tag")):
            raise Reject(400, body="a hashtag stream wants a tag\n")
        topics = [hashtag(tag)]
    elif stream == "user":
        if account is None:
            raise Reject(401, headers={"www-authenticate": "Bearer"}, body="a token is needed\n")
        topics = [home(account), *map(posts_of, database.followed_topics(account))]
    else:
        raise Reject(400, body=f"there is no such stream: there are {', '.join(STREAMS)}\n")
    return topics, None if account is None else without(database, account)


def without(database: Database, account: str) -> object:
    """All but what somebody does not want to see.

    The filter is data: the hub looks at it before anything is queued, and evaluates it once for all who have set the
    same.
    """
    wanted = None
    if muted := database.muted(account):
        wanted = ~F.author.one_of(muted)
    if languages := database.hidden_languages(account):
        read = ~F.language.one_of(languages)
        wanted = read if wanted is None else wanted & read
    return wanted
