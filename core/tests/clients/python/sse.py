"""Server-Sent Events with nothing but Python's own HTTP client."""

import asyncio
import http.client
import json
from urllib.parse import urlsplit

from websockets.asyncio.client import connect

from check import GATEWAY, PATIENCE, number, run

WHERE = urlsplit(GATEWAY)


class Stream:
    def __init__(self, target, last=None):
        self.http = http.client.HTTPConnection(WHERE.hostname, WHERE.port, timeout=PATIENCE)
        headers = {"Accept": "text/event-stream"}
        if last is not None:
            headers["Last-Event-ID"] = last
        self.http.request("GET", target, headers=headers)
        self.answer = self.http.getresponse()
        assert self.answer.status == 200, self.answer.status
        assert self.answer.getheader("content-type").startswith("text/event-stream")

    def event(self):
        """The next event that has data, as a dictionary of its fields."""
        fields = {}
        while True:
            line = self.answer.readline().decode().rstrip("\r\n")
            if line == "" and "data" in fields:
                return fields
            name, _, value = line.partition(":")
            if name:
                value = value.removeprefix(" ")
                joined = name == "data" and "data" in fields
                fields[name] = f"{fields['data']}\n{value}" if joined else value

    def close(self):
        self.answer.close()
        self.http.close()


def in_a_thread(call, *arguments):
    return asyncio.get_running_loop().run_in_executor(None, call, *arguments)


async def events_and_a_gap():
    stream = await in_a_thread(Stream, "/?topics=pysse.a&events=4")
    async with connect(GATEWAY + "/") as client:
        await client.send("!publish pysse.a hello")
        assert (await in_a_thread(stream.event))["data"] == "hello"
        await client.send("!flood pysse.a 400 100")
        next_ = 0
        while next_ < 400:
            event = await in_a_thread(stream.event)
            if event.get("event") == "lagged":
                next_ += json.loads(event["data"])["missed"]
            else:
                assert number(event["data"]) == next_
                next_ += 1
    stream.close()


async def back_by_its_last_id():
    stream = await in_a_thread(Stream, "/?topics=kept.y")
    async with connect(GATEWAY + "/") as client:
        await client.send("!publish kept.y 0")
        first = await in_a_thread(stream.event)
        stream.close()
        for i in range(1, 10):
            await client.send(f"!publish kept.y {i}")
        stream = await in_a_thread(Stream, "/?topics=kept.y", first["id"])
        for i in range(1, 10):
            assert (await in_a_thread(stream.event))["data"] == str(i)
    stream.close()


run([events_and_a_gap, back_by_its_last_id])
