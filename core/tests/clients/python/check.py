"""What the conversations in this directory have in common: cases that are run one after
the other, each with a deadline."""

import asyncio
import sys
import traceback

PATIENCE = 30

GATEWAY = sys.argv[1]
"""Where the gateway of the test is: ``ws://127.0.0.1:PORT``."""


def run(cases):
    """Runs the cases. The exit code says whether all went well."""

    async def one_by_one():
        for case in cases:
            try:
                await asyncio.wait_for(case(), PATIENCE)
            except Exception:
                traceback.print_exc()
                sys.exit(f"FAILED: {case.__name__}")
            print(f"ok: {case.__name__}")

    asyncio.run(one_by_one())


def number(payload):
    """The number that an event of the command ``flood`` carries."""
    return int(payload.rstrip())
