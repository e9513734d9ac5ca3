"""What is let go of inside of the engine may run anything: a published object's finalizer among it."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

PROGRAM = """
    import threading, time
    from distributary import Hub

    class Tells:
        def __del__(self):
            told.append(sub.lag)

    class Carries(bytes):
        '''Carries an object along, as a server within one process may.'''

    def carry():
        carried = Carries(b"x")
        carried.tells = Tells()
        return carried

    told = []
"""

AGED = """
    hub = Hub(max_age=0.01)
    sub = hub.subscribe("t")
    hub.publish("t", carry())
    time.sleep(0.05)
    assert sub.get_nowait() is None
"""

REMOVED = """
    hub = Hub()
    sub = hub.subscribe(["t", "u"])
    hub.publish("t", carry())
    sub.remove("t")
    while sub.get_nowait():
        pass
"""

# No word with the subscription, but with another thread that has one.
ANOTHER_THREAD = """
    class Tells:
        def __del__(self):
            time.sleep(0.2)
            told.append(1)

    hub = Hub(max_age=0.01)
    sub = hub.subscribe("t")
    hub.publish("t", carry())
    time.sleep(0.05)
    threading.Timer(0.1, lambda: sub.lag).start()
    assert sub.get_nowait() is None
"""


@pytest.mark.parametrize("what", [AGED, REMOVED, ANOTHER_THREAD], ids=["aged", "removed", "another thread"])
def test_a_finalizer_runs_under_no_lock(what: str) -> None:
    program = textwrap.dedent(PROGRAM) + textwrap.dedent(what) + "\nassert told\n"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=10, check=False)
    assert done.returncode == 0, done.stderr
