//! The application's database: who is who, who follows whom, who may see what.
//!
//! SQLite answers on threads where waiting is allowed; the tasks that accept clients
//! never wait for a disk. One connection is enough here; a server of yours has a pool.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use crate::{Failure, posts::Account};

const SCHEMA: &str = "
CREATE TABLE accounts (
    id INTEGER PRIMARY KEY,
    acct TEXT NOT NULL UNIQUE,
    -- Its posts have a topic of their own, which followers subscribe to.
    has_topic INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE access_tokens (
    token TEXT PRIMARY KEY,
    account_id INTEGER NOT NULL REFERENCES accounts,
    scopes TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE follows (
    account_id INTEGER NOT NULL REFERENCES accounts,
    target_id INTEGER NOT NULL REFERENCES accounts,
    PRIMARY KEY (account_id, target_id)
) WITHOUT ROWID;
CREATE INDEX followers ON follows (target_id);
CREATE TABLE mutes (
    account_id INTEGER NOT NULL REFERENCES accounts,
    target_id INTEGER NOT NULL REFERENCES accounts,
    PRIMARY KEY (account_id, target_id)
) WITHOUT ROWID;
CREATE TABLE hidden_languages (
    account_id INTEGER NOT NULL REFERENCES accounts,
    language TEXT NOT NULL,
    PRIMARY KEY (account_id, language)
) WITHOUT ROWID;
CREATE TABLE lists (
    id INTEGER PRIMARY KEY,
    account_id INTEGER NOT NULL REFERENCES accounts
);
CREATE TABLE list_accounts (
    list_id INTEGER NOT NULL REFERENCES lists,
    account_id INTEGER NOT NULL REFERENCES accounts,
    PRIMARY KEY (account_id, list_id)
) WITHOUT ROWID;
";

/// Readers that a new database knows, beside those with a name.
const READERS: i64 = 1_000;

/// The account that everybody follows.
const TIDEWATCH: i64 = 109_300_311_974_412_290;

/// Who shows a token: the session of a client.
#[derive(Debug, Clone)]
pub(crate) struct Viewer {
    pub(crate) account: i64,
    scopes: String,
}

impl Viewer {
    /// Whether the token was given this right: `read` includes `read:statuses`.
    pub(crate) fn may(&self, scope: &str) -> bool {
        let whole = scope.split(':').next();
        let mut scopes = self.scopes.split(' ');
        scopes.any(|given| given == scope || Some(given) == whole)
    }
}

/// What somebody does not want to see.
#[derive(Default)]
pub(crate) struct Unwanted {
    pub(crate) authors: Vec<i64>,
    pub(crate) languages: Vec<String>,
}

/// Where a post of somebody goes beside the public timelines.
pub(crate) enum Audience {
    /// To a topic of its own: everybody follows this one.
    OwnTopic,
    /// To these followers and these lists, one by one.
    Each {
        followers: Vec<i64>,
        lists: Vec<i64>,
    },
}

#[derive(Clone)]
pub(crate) struct Database(Arc<Mutex<Connection>>);

impl Database {
    /// Opens a database; one that is not there yet is made and filled, with these as
    /// the people who post.
    pub(crate) fn open(path: &Path, authors: &[Account]) -> Result<Self, Failure> {
        let mut connection = Connection::open(path)?;
        connection.pragma_update(None, "foreign_keys", true)?;
        let all = connection.transaction()?;
        if !all.table_exists(None, "accounts")? {
            all.execute_batch(SCHEMA)?;
            fill(&all, authors)?;
        }
        all.commit()?;
        Ok(Database(Arc::new(Mutex::new(connection))))
    }

    /// Whose token this is.
    pub(crate) async fn viewer(&self, token: String) -> Result<Option<Viewer>, Failure> {
        self.ask(move |connection| {
            let mut query = connection
                .prepare_cached("SELECT account_id, scopes FROM access_tokens WHERE token = ?")?;
            let viewer = query.query_one([token], |row| {
                Ok(Viewer {
                    account: row.get(0)?,
                    scopes: row.get(1)?,
                })
            });
            viewer.optional()
        })
        .await
    }

    /// Whom somebody follows, as far as their posts have a topic of their own.
    pub(crate) async fn followed_topics(&self, account: i64) -> Result<Vec<i64>, Failure> {
        self.ask(move |connection| {
            ids(
                connection,
                "SELECT target_id FROM follows JOIN accounts ON accounts.id = target_id
                 WHERE account_id = ? AND has_topic",
                account,
            )
        })
        .await
    }

    pub(crate) async fn unwanted(&self, account: i64) -> Result<Unwanted, Failure> {
        self.ask(move |connection| {
            let authors = "SELECT target_id FROM mutes WHERE account_id = ?";
            let languages = "SELECT language FROM hidden_languages WHERE account_id = ?";
            let mut languages = connection.prepare_cached(languages)?;
            let languages = languages.query_map([account], |row| row.get(0))?;
            Ok(Unwanted {
                authors: ids(connection, authors, account)?,
                languages: languages.collect::<Result<_, _>>()?,
            })
        })
        .await
    }

    pub(crate) async fn owns_list(&self, account: i64, list: i64) -> Result<bool, Failure> {
        self.ask(move |connection| {
            let mut query =
                connection.prepare_cached("SELECT 1 FROM lists WHERE id = ? AND account_id = ?")?;
            query.exists([list, account])
        })
        .await
    }

    /// Who is to see what this account posts.
    pub(crate) async fn audience(&self, author: i64) -> Result<Audience, Failure> {
        self.ask(move |connection| {
            let mut query =
                connection.prepare_cached("SELECT 1 FROM accounts WHERE id = ? AND has_topic")?;
            if query.exists([author])? {
                return Ok(Audience::OwnTopic);
            }
            let followers = "SELECT account_id FROM follows WHERE target_id = ?";
            let lists = "SELECT list_id FROM list_accounts WHERE account_id = ?";
            Ok(Audience::Each {
                followers: ids(connection, followers, author)?,
                lists: ids(connection, lists, author)?,
            })
        })
        .await
    }

    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Failure> {
        let connection = Arc::clone(&self.0);
        let answer = tokio::task::spawn_blocking(move || {
            // SQLite rolls back what a panic leaves behind.
            question(&connection.lock().unwrap_or_else(PoisonError::into_inner))
        });
        Ok(answer.await??)
    }
}

fn ids(connection: &Connection, query: &str, of: i64) -> rusqlite::Result<Vec<i64>> {
    let mut query = connection.prepare_cached(query)?;
    query.query_map([of], |row| row.get(0))?.collect()
}

/// Accounts, tokens and follows to try the server with.
fn fill(all: &Transaction<'_>, authors: &[Account]) -> rusqlite::Result<()> {
    let mut account = all.prepare("INSERT INTO accounts VALUES (?, ?, ?)")?;
    let mut follow = all.prepare("INSERT INTO follows VALUES (?, ?)")?;
    for author in authors {
        account.execute(params![author.id, author.acct, author.id == TIDEWATCH])?;
    }
    let names = ["ann", "bob", "cay"].map(str::to_owned);
    let readers = names
        .into_iter()
        .chain((4..=READERS).map(|id| format!("reader{id}")));
    for (id, name) in (1..).zip(readers) {
        account.execute(params![id, name, false])?;
        let mut token = all.prepare_cached("INSERT INTO access_tokens VALUES (?, ?, ?)")?;
        // Who holds cay's token may read her notifications and nothing else.
        let scopes = if id == 3 {
            "read:notifications"
        } else {
            "read write"
        };
        token.execute(params![format!("{name}-token"), id, scopes])?;
        for (at, author) in (0..).zip(authors) {
            // Ann follows everybody, the others every fiftieth; all follow the tides.
            if id == 1 || author.id == TIDEWATCH || at % 50 == id % 50 {
                follow.execute([id, author.id])?;
            }
        }
    }
    // Bob reads neither German nor Japanese, and has muted two people.
    all.execute_batch("INSERT INTO hidden_languages VALUES (2, 'de'), (2, 'ja')")?;
    for author in authors
        .iter()
        .filter(|author| author.id != TIDEWATCH)
        .take(2)
    {
        all.execute("INSERT INTO mutes VALUES (2, ?)", [author.id])?;
    }
    // Ann's list.
    all.execute_batch("INSERT INTO lists VALUES (1, 1)")?;
    for author in authors
        .iter()
        .filter(|author| author.id != TIDEWATCH)
        .take(20)
    {
        all.execute("INSERT INTO list_accounts VALUES (1, ?)", [author.id])?;
    }
    Ok(())
}
