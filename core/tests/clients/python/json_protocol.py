"""A conversation of ``websockets`` with a gateway in the JSON protocol."""

import asyncio
import json
from contextlib import asynccontextmanager

from websockets.asyncio.client import connect

from check import GATEWAY, number, run

PROTOCOL = "distributary.v1.json"


class Talk:
    def __init__(self, client):
        self.client = client

    async def say(self, **message):
        await self.client.send(json.dumps(message))

    async def tell(self, command):
        await self.say(type="message", data=command)

    async def hear(self, kind):
        text = await self.client.recv()
        assert isinstance(text, str)
        message = json.loads(text)
        assert message["type"] == kind, message
        return message

    async def subscribe(self, id_, **wish):
        await self.say(type="subscribe", id=id_, **wish)
        answer = await self.hear("subscribed")
        assert answer["id"] == id_
        return answer


@asynccontextmanager
async def open_(target):
    async with connect(GATEWAY + target, subprotocols=[PROTOCOL]) as client:
        assert client.subprotocol == PROTOCOL
        talk = Talk(client)
        talk.welcome = await talk.hear("welcome")
        assert talk.welcome["version"] == 1
        yield talk


async def subscribe_hear_unsubscribe():
    async with open_("/?allow=py.*") as talk:
        await talk.subscribe(1, topics=["py.a"])
        await talk.tell('!publish py.a {"n": 1}')
        event = await talk.hear("event")
        assert (event["id"], event["topic"], event["data"]) == (1, "py.a", {"n": 1})
        await talk.say(type="unsubscribe", id=1)
        assert (await talk.hear("unsubscribed"))["id"] == 1
        await talk.tell('!publish py.a {"n": 2}')
        await talk.say(type="ping")
        await talk.hear("pong")


async def lagged_with_the_number():
    async with open_("/?allow=py.*") as talk:
        await talk.subscribe(1, topics=["py.l"], budget={"events": 4})
        await talk.tell("!flood py.l 400 100")
        next_ = 0
        while next_ < 400:
            message = json.loads(await talk.client.recv())
            if message["type"] == "lagged":
                next_ += message["missed"]
            else:
                value = message["data"] if "data" in message else number(message["text"])
                assert value == next_, (message, next_)
                next_ += 1
        assert next_ == 400


async def keep_latest():
    async with open_("/?allow=py.*") as talk:
        await talk.subscribe(1, topics=["py.k"], overflow="keep_latest", budget={"events": 2})
        await talk.tell("!publish py.k 1")
        assert (await talk.hear("event"))["data"] == 1


async def back_where_it_stopped():
    async with open_("/?allow=kept.*") as talk:
        await talk.subscribe(1, topics=["kept.p"])
        await talk.tell('!publish kept.p "one"')
        position = (await talk.hear("event"))["position"]
    async with open_("/?allow=kept.*") as talk:
        await talk.tell('!publish kept.p "two"')
        await talk.subscribe(1, topics=["kept.p"], **{"from": {"kept.p": position}})
        assert (await talk.hear("event"))["data"] == "two"


async def a_position_of_another_time_is_told():
    async with open_("/?allow=kept.*") as talk:
        await talk.say(type="subscribe", id=1, topics=["kept.p"], **{"from": {"kept.p": "1-1"}})
        kinds = {}
        for _ in range(2):
            message = json.loads(await talk.client.recv())
            kinds[message["type"]] = message
        assert set(kinds) == {"subscribed", "lagged"}, kinds
        assert kinds["lagged"]["missed"] is None
        assert kinds["lagged"]["reason"]


async def what_is_wrong_is_told():
    async with open_("/?allow=py.*") as talk:
        await talk.say(type="subscribe", id=1, topics=["other"])
        assert (await talk.hear("error"))["code"] == "denied"
        await talk.client.send("[1]")
        assert (await talk.hear("error"))["code"] == "bad_request"
        await talk.say(type="unsubscribe", id=5)
        assert (await talk.hear("error"))["code"] == "unknown"


async def stays_without_a_word():
    async with open_("/") as talk:
        await asyncio.sleep(3)
        await talk.say(type="ping")
        await talk.hear("pong")


run(
    [
        subscribe_hear_unsubscribe,
        lagged_with_the_number,
        keep_latest,
        back_where_it_stopped,
        a_position_of_another_time_is_told,
        what_is_wrong_is_told,
        stays_without_a_word,
    ]
)
