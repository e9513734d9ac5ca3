//! The first words on a connection: who we are, what the server is, the canary.
//!
//! A user whose rights are narrow is let in: what the server refuses to tell is missing
//! from what is known, and said so; only what the backplane cannot do without fails.

use super::watching::listening;
use crate::redis::{
    names::HUBS,
    socket::{Broken, Commands, Kind, Reply, Session},
    target::{Credentials, Target},
    topology::field,
};

/// What the server is, as far as it tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Greeted {
    /// `master_replid`: which history this server continues.
    pub(crate) lineage: Option<String>,
    /// How many hubs listen, this one included.
    pub(crate) hubs: Option<u32>,
    /// Whether the canary's channel is heard.
    pub(crate) canary: bool,
    /// Channels that are heard beside those of the ledger.
    pub(crate) beside: u64,
    /// It is a node of a cluster.
    pub(crate) is_clustered: bool,
    /// What this user may not do, in the server's words.
    pub(crate) denied: Vec<String>,
}

impl Greeted {
    /// The replication id in short, as logs note it.
    pub(crate) fn server_id(&self) -> Option<u64> {
        let digits = self.lineage.as_deref()?.get(..16)?;
        u64::from_str_radix(digits, 16).ok()
    }
}

/// Why a server is of no use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// It does not let us in: a person has to change something.
    Refused(String),
    /// Now; another time, or another server, may do.
    Failed(String),
}

impl std::fmt::Display for Unfit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (Unfit::Refused(why) | Unfit::Failed(why)) = self;
        f.write_str(why)
    }
}

impl From<Broken> for Unfit {
    fn from(broken: Broken) -> Self {
        Unfit::Failed(broken.0)
    }
}

/// Greets the server, and begins to listen to the roll of hubs and, if there is to be one,
/// to the canary.
pub(crate) async fn greet(
    session: &Session,
    target: &Target,
    name: &str,
    canary: Option<&str>,
) -> Result<Greeted, Unfit> {
    let mode = hello(session, target.credentials.as_ref(), name).await?;
    if mode.as_deref() == Some("sentinel") {
        return Err(Unfit::Refused(
            "the server is a sentinel, and was named as the one to publish to: use the sentinel form of the backplane, with the name of its master".into(),
        ));
    }

    let replies = session.request(questions(target, canary)).await?;
    let is_clustered = mode.as_deref() == Some("cluster");
    greeted(target, is_clustered, &replies)
}

/// What is asked of a server that has let us in; [`greeted`] reads the answers.
fn questions(target: &Target, canary: Option<&str>) -> Commands {
    let mut commands = Commands::default();
    commands
        .command(&[b"SELECT", target.db.to_string().as_bytes()])
        .command(&[b"ROLE"])
        .command(&[b"INFO", b"replication"])
        .command(&[b"INFO", b"server"])
        .command(&[b"CLIENT", b"SETINFO", b"LIB-NAME", b"distributary"])
        .listen(Kind::Channel, true, &[HUBS.as_bytes()])
        .command(&[b"PUBSUB", b"NUMSUB", HUBS.as_bytes()]);
    if let Some(canary) = canary {
        commands.listen(Kind::Channel, true, &[canary.as_bytes()]);
    }
    commands
}

/// What the answers say, if the server is of use.
fn greeted(target: &Target, is_clustered: bool, replies: &[Reply]) -> Result<Greeted, Unfit> {
    let [
        select,
        role,
        replication,
        server,
        _,
        hubs,
        count,
        canary @ ..,
    ] = replies
    else {
        return Err(Unfit::Failed("the server's greeting is incomplete".into()));
    };
    if let Some(words) = select.error()
        && target.db != 0
    {
        let db = target.db;
        return Err(Unfit::Refused(format!("SELECT {db} was refused: {words}")));
    }
    let mut denied = Vec::new();
    for reply in [role, replication, server, hubs, count]
        .into_iter()
        .chain(canary)
    {
        match reply.error() {
            Some(words) if words.starts_with("NOPERM") => denied.push(words.to_owned()),
            Some(words) => return Err(Unfit::Failed(words.to_owned())),
            None => {}
        }
    }
    let said = |field: &str| {
        [replication, server].into_iter().find_map(|info| {
            let mut lines = info.as_str()?.lines();
            lines.find_map(|line| Some(line.strip_prefix(field)?.trim().to_owned()))
        })
    };
    let role = match role {
        Reply::List(parts) => parts.first().and_then(Reply::as_str).map(str::to_owned),
        _ => said("role:"),
    };
    if let Some(role) = role
        && role != "master"
    {
        return Err(Unfit::Failed(format!(
            "the server is no master but a {role}: what is published there reaches nobody else"
        )));
    }
    let is_heard = |reply: &&Reply| reply.error().is_none();
    Ok(Greeted {
        lineage: said("master_replid:"),
        hubs: listening(count),
        canary: canary.iter().any(|reply| is_heard(&reply)),
        beside: canary.iter().chain([hubs]).filter(is_heard).count() as u64,
        is_clustered,
        denied,
    })
}

/// Who we are; returns what the server is: `standalone`, `sentinel` or `cluster`.
pub(super) async fn hello(
    session: &Session,
    credentials: Option<&Credentials>,
    name: &str,
) -> Result<Option<String>, Unfit> {
    let mut hello: Vec<&[u8]> = vec![b"HELLO", b"3"];
    if let Some(Credentials { user, password }) = credentials {
        hello.extend([b"AUTH", user.as_bytes(), password.as_bytes()]);
    }
    hello.extend([b"SETNAME".as_slice(), name.as_bytes()]);
    let mut commands = Commands::default();
    commands.command(&hello);
    let replies = session.request(commands).await?;
    let Some(words) = replies.first().and_then(Reply::error) else {
        let hello = replies.first();
        return Ok(hello
            .and_then(|hello| field(hello, "mode"))
            .map(str::to_owned));
    };
    let code = words.split(' ').next().unwrap_or_default();
    Err(match code {
        "WRONGPASS" | "NOAUTH" | "NOPERM" | "DENIED" => {
            Unfit::Refused(format!("the server does not let this hub in: {words}"))
        }
        "NOPROTO" => Unfit::Refused(format!(
            "the server does not speak RESP3, version 6.2 or later is needed: {words}"
        )),
        "ERR" if words.contains("unknown command") => Unfit::Refused(format!(
            "the server is too old, version 6.2 or later is needed: {words}"
        )),
        "ERR" if words.contains("AUTH") => Unfit::Refused(format!(
            "the URL has a password and the server has none: {words}"
        )),
        _ => Unfit::Failed(words.to_owned()),
    })
}
