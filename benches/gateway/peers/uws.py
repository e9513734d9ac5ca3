"""uWebSockets, through socketify: one C++ loop, topics, `publish`.

Prints `ready PORT websocket`, takes the messages `publish BYTES` and `watch N` on a
WebSocket at `/control`, and ends with its input. Python is called when a connection
opens and closes and for an order, never for a delivery.
"""

import os
import socket
import sys
import threading
import time

from socketify import App, CompressOptions, OpCode

subscribed = 0
watchers = []


def joined(ws):
    global subscribed
    ws.subscribe("all")
    subscribed += 1


def left(ws, code, message):
    global subscribed
    subscribed -= 1
    tell()


def tell():
    for watcher in list(watchers):
        number, ws = watcher
        if subscribed <= number:
            watchers.remove(watcher)
            ws.send(f"reached {time.monotonic_ns()}", OpCode.TEXT)


def order(ws, message, opcode):
    words = message.split()
    if words[0] == "publish":
        app.publish("all", "x" * int(words[1]), OpCode.TEXT)
    elif words[0] == "watch":
        watchers.append((int(words[1]), ws))
        tell()


settings = {
    "compression": CompressOptions.DISABLED,
    "idle_timeout": 0,
    # What waits for a socket has no limit, as in the other servers here.
    "max_backpressure": 0,
}

app = App()
app.ws("/all", {**settings, "open": joined, "close": left})
app.ws("/probe", {**settings})
app.ws("/control", {**settings, "message": order})


def end_with_input():
    sys.stdin.read()
    os._exit(0)


# The library does not say which port it was given.
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]

threading.Thread(target=end_with_input, daemon=True).start()
app.listen({"port": port, "host": "127.0.0.1"}, lambda config: print(f"ready {port} websocket", flush=True))
app.run()
