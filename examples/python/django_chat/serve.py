"""Starts the chat: `python serve.py [--port 8000] [--database PATH]`."""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

import uvicorn


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8000, help="0: any that is free")
    parser.add_argument("--database", type=Path, help="what was said; a file that is gone afterwards if left out")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["CHAT_DATABASE"] = str(arguments.database or Path(folder, "chat.sqlite3"))
        os.environ["DJANGO_SETTINGS_MODULE"] = "chat.settings"
        from chat.asgi import application  # it reads them
        from django.core.management import call_command

        call_command("migrate", run_syncdb=True, verbosity=0)
        uvicorn.run(application, port=arguments.port, lifespan="off")


if __name__ == "__main__":
    main()
