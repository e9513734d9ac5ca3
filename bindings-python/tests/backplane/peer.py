"""A hub in a process of its own. Commands come in as lines of JSON; what it did, and what it hears, go out so."""

from __future__ import annotations

import json
import sys
import threading

from distributary import Hub, Pattern, Subscription, Topic

LOCK = threading.Lock()


def say(**what: object) -> None:
    with LOCK:
        print(json.dumps(what), flush=True)


def listen(sub: Subscription) -> None:
    for event in sub:
        say(topic=event.topic, data=event.text, lost=event.lost)


def main() -> None:
    hub = Hub(sys.argv[1])
    for line in sys.stdin:
        command = json.loads(line)
        if "subscribe" in command or "pattern" in command:
            names = Topic(command["subscribe"]) if "subscribe" in command else Pattern(command["pattern"])
            threading.Thread(target=listen, args=(hub.subscribe(names),), daemon=True).start()
            say(joined=hub.joined().wait(10))
        elif "publish" in command:
            found = hub.publish_acknowledged(command["publish"], command["data"]).wait(10)
            say(heard=found and found.heard)
        else:
            say(error=f"what is {line}?")
    hub.close()


main()
