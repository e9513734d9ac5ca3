"""The application's database: who is who, who follows whom, and what they do not want to see.

Ann follows everybody who posts, bob and a thousand readers some of them, and all follow the tides.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable
from pathlib import Path

SCHEMA = """
CREATE TABLE accounts (
    id TEXT PRIMARY KEY,
    -- Its posts have a topic of their own, which followers subscribe to.
    has_topic INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE access_tokens (token TEXT PRIMARY KEY, account_id TEXT NOT NULL REFERENCES accounts) WITHOUT ROWID;
CREATE TABLE follows (
    account_id TEXT NOT NULL REFERENCES accounts,
    target_id TEXT NOT NULL REFERENCES accounts,
    PRIMARY KEY (account_id, target_id)
) WITHOUT ROWID;
CREATE INDEX followers ON follows (target_id);
CREATE TABLE mutes (account_id TEXT NOT NULL REFERENCES accounts, target_id TEXT NOT NULL REFERENCES accounts);
CREATE TABLE hidden_languages (account_id TEXT NOT NULL REFERENCES accounts, language TEXT NOT NULL);
"""

READERS = 1_000

#: The account that everybody follows.
TIDEWATCH = "109300311974412290"


class Database:
    """An SQLite file. Each thread that asks has a connection of its own."""

    def __init__(self, file: Path, authors: Iterable[str]) -> None:
        self._file = file
        self._local = threading.local()
        if not file.exists():
            with self._connection() as connection:
                connection.executescript(SCHEMA)
                _fill(connection, sorted(authors))

    def account_of(self, token: str) -> str | None:
        """Whose token this is."""
        found = self._ask("SELECT account_id FROM access_tokens WHERE token = ?", token)
        return found[0] if found else None

    def followed_topics(self, account: str) -> list[str]:
        """Whom somebody follows, as far as their posts have a topic of their own."""
        return self._ask(
            "SELECT target_id FROM follows JOIN accounts ON accounts.id = target_id WHERE account_id = ? AND has_topic",
            account,
        )

    def muted(self, account: str) -> list[str]:
        return self._ask("SELECT target_id FROM mutes WHERE account_id = ?", account)

    def hidden_languages(self, account: str) -> list[str]:
        return self._ask("SELECT language FROM hidden_languages WHERE account_id = ?", account)

    def has_topic(self, account: str) -> bool:
        """Whether what this account posts is published once for all, and not to one timeline after the other."""
        return bool(self._ask("SELECT 1 FROM accounts WHERE id = ? AND has_topic", account))

    def followers(self, author: str) -> list[str]:
        return self._ask("SELECT account_id FROM follows WHERE target_id = ?", author)

    def _ask(self, question: str, about: str) -> list[str]:
        return [row[0] for row in self._connection().execute(question, (about,))]

    def _connection(self) -> sqlite3.Connection:
        try:
            return self._local.connection
        except AttributeError:
            self._local.connection = sqlite3.connect(self._file)
            return self._local.connection


def _fill(connection: sqlite3.Connection, authors: list[str]) -> None:
    """Accounts, tokens and follows to try the server with."""
    connection.executemany("INSERT INTO accounts VALUES (?, ?)", [(author, author == TIDEWATCH) for author in authors])
    names = ["ann", "bob", *(f"reader{number}" for number in range(1, READERS + 1))]
    for at, name in enumerate(names):
        account = str(at + 1)
        connection.execute("INSERT INTO accounts (id) VALUES (?)", (account,))
        connection.execute("INSERT INTO access_tokens VALUES (?, ?)", (f"{name}-token", account))
        followed = [
            author
            for number, author in enumerate(authors)
            if author == TIDEWATCH or name == "ann" or number % 50 == at % 50
        ]
        connection.executemany("INSERT INTO follows VALUES (?, ?)", [(account, author) for author in followed])
    # Bob reads neither German nor Japanese, and has muted somebody whom he follows.
    connection.executemany("INSERT INTO hidden_languages VALUES ('2', ?)", [("de",), ("ja",)])
    connection.execute("INSERT INTO mutes VALUES ('2', ?)", (authors[1],))
