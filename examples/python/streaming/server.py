"""A streaming server in Mastodon's shape: home and public timelines and hashtags over WebSockets and Server-Sent
Events, for the clients that exist, and one account that everybody follows.

    python server.py
    curl -N http://127.0.0.1:4000/api/v1/streaming/public
    curl -N -H 'Authorization: Bearer ann-token' http://127.0.0.1:4000/api/v1/streaming/user
    websockets 'ws://127.0.0.1:4000/api/v1/streaming?stream=user&access_token=bob-token'

What it shows:

- `authorize` is the application's own code: a plain function that asks an SQLite file who shows a token, whom its owner
  follows and what they do not want to see. The gateway runs it in threads of its own, where it may wait. Its answer
  says what the client sees; the database is not asked again for any event, and Python does not run for any delivery.
- What a user does not want to see is a filter: data, not a function that runs for every client and event.
- A home timeline is one subscription to several topics: what was put there for this user alone, and one topic for each
  account that very many follow. See `poster.py` for the two ways of fan-out.
- SIGTERM drains: clients leave spread over some seconds, and do not all come back at once.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import tempfile
from pathlib import Path

from database import Database
from poster import load_posts, publish
from streams import PATHS, selection

from distributary import Hub
from distributary.gateway import Accept, Gateway, Limits, Reject, Request

POSTS = Path(__file__).parents[2] / "data" / "events.jsonl"

#: How long clients are sent away for at the end, in seconds.
DRAIN = 2.0


def main() -> None:
    parser = argparse.ArgumentParser(description="A streaming server in Mastodon's shape.")
    parser.add_argument("--address", default="127.0.0.1:4000", help="where clients connect; port 0 is any")
    parser.add_argument("--admin", default="127.0.0.1:4001", help="where /metrics and /healthz are answered")
    parser.add_argument("--database", type=Path, help="an SQLite file, made and filled when it is not there")
    parser.add_argument("--rate", type=float, default=2.0, help="posts in a second")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(serve(options, options.database or Path(folder) / "streaming.sqlite3"))


async def serve(options: argparse.Namespace, file: Path) -> None:
    posts = load_posts(POSTS)
    database = Database(file, authors={post["account"]["id"] for post in posts})
    hub = Hub(memory=256 * 1024 * 1024)

    def authorize(request: Request) -> Accept[str]:
        # Browsers cannot set headers for a WebSocket: they offer the token as a protocol, or put it into the URL. They
        # want the protocol that they offered to be chosen.
        offered = request.protocols[0] if request.protocols else None
        token = request.bearer or offered or request.query.get("access_token")
        account = None
        if token is not None:
            account = database.account_of(token)
            if account is None:
                raise Reject(401, body="this token is not known\n")
        topics, where = selection(database, request, account)
        return Accept(topics, where=where, session=account, protocol=offered)

    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)

    gateway = Gateway(
        hub,
        address=options.address,
        admin=options.admin,
        paths=PATHS,
        authorize=authorize,
        # The streams are known by their URLs; messages that subscribe are not taken here.
        json_protocol=False,
        limits=Limits(connections=50_000, per_second=2_000),
    )
    async with gateway:
        where, metrics = ("{}:{}".format(*address or ()) for address in (gateway.address, gateway.admin_address))
        print(f"listening on http://{where}, metrics on http://{metrics}/metrics", flush=True)
        posting = asyncio.create_task(post_forever(hub, database, posts, 1 / options.rate))
        await stop.wait()
        posting.cancel()
        await gateway.drain(DRAIN)
        print(f"{gateway.stats().opened} clients were served", flush=True)


async def post_forever(hub: Hub, database: Database, posts: list[dict], pause: float) -> None:
    while True:
        for post in posts:
            publish(hub, database, post)
            await asyncio.sleep(pause)


if __name__ == "__main__":
    main()
