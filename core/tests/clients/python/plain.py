"""A conversation of ``websockets`` with a gateway, payloads as they are."""

import asyncio

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from check import GATEWAY, number, run

LARGE = 4 << 20


def open_(target, **options):
    return connect(GATEWAY + target, compression=None, max_size=64 << 20, **options)


async def closed(client):
    """The code and the reason of the close that comes."""
    try:
        while True:
            await client.recv()
    except ConnectionClosed as end:
        return (end.rcvd.code, end.rcvd.reason) if end.rcvd else (None, "")


async def text_and_binary_events():
    async with open_("/?topics=py.a,py.b") as client:
        await client.send("!publish py.a grüße 👋")
        assert await client.recv() == "grüße 👋"
        await client.send("!bytes py.b 00ff80")
        assert await client.recv() == b"\x00\xff\x80"


async def what_is_said_is_heard():
    async with open_("/") as client:
        await client.send(["one, ", "two, ", "three"])
        assert await client.recv() == "one, two, three"
        await client.send(b"\x01\x02")
        assert await client.recv() == b"\x01\x02"


async def a_message_of_4_mib():
    async with open_("/?topics=py.large") as client:
        await client.send(f"!flood py.large 3 {LARGE}")
        for i in range(3):
            message = await client.recv()
            assert len(message) == LARGE
            assert number(message) == i


async def pings_both_ways():
    # The gateway pings every second here, and lets go of who does not answer.
    async with open_("/?topics=py.p", ping_interval=None) as client:
        pong = await client.ping(b"are you there")
        assert await pong >= 0
        await asyncio.sleep(3)
        await client.send("!publish py.p still here")
        assert await client.recv() == "still here"


async def close_codes():
    for code in (1000, 1001, 3000, 4999):
        async with open_("/") as client:
            await client.close(code)
            assert client.protocol.close_rcvd.code == code
    async with open_("/") as client:
        await client.send("!close enough")
        assert await closed(client) == (1000, "enough")
    async with open_("/") as client:
        await client.send("x" * ((64 << 10) + 1))
        assert (await closed(client))[0] == 1009
    async with open_("/?topics=py.lag&events=4") as client:
        await client.send("!flood py.lag 400 100")
        assert (await closed(client))[0] == 1013
    async with open_("/?topics=py.slow&events=4&overflow=disconnect") as client:
        await client.send("!flood py.slow 400 100")
        assert (await closed(client))[0] == 1013


async def compression_is_declined():
    async with connect(GATEWAY + "/") as client:
        assert client.protocol.extensions == []
        await client.send("plain")
        assert await client.recv() == "plain"


async def refused():
    try:
        async with open_("/?refuse=403"):
            raise AssertionError("it was let in")
    except InvalidStatus as refusal:
        assert refusal.response.status_code == 403


run(
    [
        text_and_binary_events,
        what_is_said_is_heard,
        a_message_of_4_mib,
        pings_both_ways,
        close_codes,
        compression_is_declined,
        refused,
    ]
)
