"""Publishes what people post, to everyone who is to see it.

Both ways of fan-out are here. A post of somebody with some followers is put on the timeline of each, as Mastodon does:
one publish per follower. A post of somebody whom everybody follows is put on one topic, which all of them have
subscribed to: one publish, however many they are.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import streams
from database import Database

from distributary import Hub


def load_posts(file: Path) -> list[dict[str, Any]]:
    """The posts of the sample file. A line there is one post on one timeline; here each happens once, and where it goes
    is decided anew."""
    posts: dict[tuple[str, str | None], dict[str, Any]] = {}
    with file.open(encoding="utf-8") as lines:
        for line in lines:
            if line.startswith('{"topic":"timeline:'):
                event = json.loads(line)["event"]
                if "account" in event and "visibility" in event:
                    posts[event["id"], event.get("edited_at")] = event
    return list(posts.values())


def publish(hub: Hub, database: Database, post: dict[str, Any]) -> None:
    """Publishes one post."""
    author = post["account"]["id"]
    # What filters look at, so that nobody has to parse the post for them.
    attributes = {"author": author, "language": post["language"]}
    event = "status.update" if post["edited_at"] else "update"
    entity = json.dumps(post, ensure_ascii=False, separators=(",", ":"))

    def message(*stream: str) -> str:
        # As Mastodon's clients know it: the entity is a string inside.
        return json.dumps({"stream": stream, "event": event, "payload": entity}, ensure_ascii=False)

    for_user = message("user")
    if database.has_topic(author):
        hub.publish(streams.posts_of(author), for_user, attributes=attributes)
    else:
        for follower in database.followers(author):
            hub.publish(streams.home(follower), for_user, attributes=attributes)

    if post["visibility"] != "public" or post["reblog"] or post["in_reply_to_id"]:
        return
    hub.publish(streams.EVERYWHERE, message("public"), attributes=attributes)
    if "@" not in post["account"]["acct"]:
        hub.publish(streams.LOCAL, message("public:local"), attributes=attributes)
    for tag in post["tags"]:
        hub.publish(streams.hashtag(tag["name"]), message("hashtag", tag["name"].lower()), attributes=attributes)
