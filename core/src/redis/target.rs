//! What to connect to, read from URLs once.
//!
//! A URL says everything or is refused: a part that would have no effect is an error, not
//! something to be skipped.

use std::fmt;

use url::{Host, Url};

use super::error::{RedisError, RedisErrorKind};

/// What to connect to, and as whom.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) topology: Topology,
    /// The servers of the URLs, in their order: the one, the sentinels, the seeds.
    pub(crate) servers: Vec<Server>,
    pub(crate) credentials: Option<Credentials>,
    /// For the sentinels themselves.
    pub(crate) sentinel_credentials: Option<Credentials>,
    pub(crate) db: u32,
    /// TLS, to every server alike.
    pub(crate) tls: bool,
}

/// What the servers of the URLs are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Topology {
    Single,
    /// Sentinels that know the master of this name.
    Sentinel {
        master: String,
    },
    /// Nodes of a cluster.
    Cluster,
}

/// A host and a port.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Server {
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// A user and a password.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Credentials {
    pub(crate) user: String,
    pub(crate) password: String,
}

impl fmt::Debug for Credentials {
    /// A password is never printed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

/// One URL, read.
#[derive(Debug, Clone)]
struct Parsed {
    server: Server,
    credentials: Option<Credentials>,
    db: Option<u32>,
    tls: bool,
}

impl Target {
    /// The servers of the URLs. What they have in common must be the same in all.
    pub(crate) fn parse<U: AsRef<str>>(
        topology: Topology,
        urls: impl IntoIterator<Item = U>,
    ) -> Result<Self, RedisError> {
        let mut parsed = Vec::new();
        for url in urls {
            parsed.push(parse(url.as_ref())?);
        }
        let Some(first) = parsed.first().cloned() else {
            return Err(refused("no URL was given: at least one is needed".into()));
        };
        for other in &parsed {
            if (other.credentials.as_ref(), other.db, other.tls)
                != (first.credentials.as_ref(), first.db, first.tls)
            {
                return Err(refused(format!(
                    "the URLs of {} and {} differ in more than host and port: user, password, database and scheme go for all of them",
                    first.server, other.server
                )));
            }
        }
        let db = first.db.unwrap_or(0);
        if topology == Topology::Cluster && db != 0 {
            return Err(refused(format!(
                "a cluster has database 0 alone, and the URL asks for {db}"
            )));
        }
        Ok(Target {
            topology,
            servers: parsed.into_iter().map(|one| one.server).collect(),
            credentials: first.credentials,
            sentinel_credentials: None,
            db,
            tls: first.tls,
        })
    }
}

fn parse(text: &str) -> Result<Parsed, RedisError> {
    let url = Url::parse(text).map_err(|error| {
        // The text may hold a password, so it is not repeated.
        refused(format!(
            "the URL cannot be read ({error}): expected redis://[user[:password]@]host[:port][/database], or rediss:// for TLS"
        ))
    })?;
    let tls = is_encrypted(&url, text)?;
    // What is behind such a host is the end of a password.
    if [Some(url.path()), url.query(), url.fragment()]
        .into_iter()
        .flatten()
        .any(|part| part.contains('@'))
    {
        return Err(refused(
            "the URL has an @ after its host: in a user or password write / as %2F, ? as %3F and # as %23".into(),
        ));
    }
    let host = match url.host() {
        Some(Host::Domain(name)) if !name.is_empty() => decoded(name, "host")?,
        Some(Host::Ipv4(address)) => address.to_string(),
        Some(Host::Ipv6(address)) => address.to_string(),
        _ => return Err(refused("the URL names no host".into())),
    };
    let port = url.port().unwrap_or(6379);
    if port == 0 {
        return Err(refused("port 0 cannot be connected to".into()));
    }
    let db = match url.path().strip_prefix('/').unwrap_or(url.path()) {
        "" => None,
        path => Some(path.parse().map_err(|_| {
            refused(format!(
                "{path:?} is not a database: after the host comes a number, or nothing"
            ))
        })?),
    };
    if let Some((name, _)) = url.query_pairs().next() {
        return Err(refused(format!(
            "the URL's parameter {name:?} has no effect here: set the option of the same purpose in code"
        )));
    }
    if url.fragment().is_some() {
        return Err(refused("a URL's fragment (#…) has no effect here".into()));
    }
    Ok(Parsed {
        server: Server { host, port },
        credentials: credentials(&url)?,
        db,
        tls,
    })
}

fn is_encrypted(url: &Url, text: &str) -> Result<bool, RedisError> {
    match url.scheme() {
        "redis" => Ok(false),
        "rediss" => Ok(true),
        // With an @ it may be a user, where the scheme was left out.
        other if !text.contains('@') => Err(refused(format!(
            "the scheme {other:?} is not known: use redis:// or, for TLS, rediss://"
        ))),
        _ => Err(refused(
            "the URL's scheme is neither redis:// nor, for TLS, rediss://".into(),
        )),
    }
}

fn credentials(url: &Url) -> Result<Option<Credentials>, RedisError> {
    let user = decoded(url.username(), "user")?;
    let password = url.password().map(|text| decoded(text, "password"));
    match (user, password.transpose()?) {
        (user, None) if user.is_empty() => Ok(None),
        (_, None) => Err(refused(
            "the URL names a user without a password; if it is the password, write redis://:password@…".into(),
        )),
        (user, Some(password)) => Ok(Some(Credentials {
            user: if user.is_empty() {
                "default".into()
            } else {
                user
            },
            password,
        })),
    }
}

/// Undoes `%xx`.
fn decoded(text: &str, what: &str) -> Result<String, RedisError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let hex = |digit: u8| char::from(digit).to_digit(16);
        match (byte, after) {
            (b'%', [high, low, after @ ..]) => {
                let (Some(high), Some(low)) = (hex(*high), hex(*low)) else {
                    return Err(refused(format!("the {what} in the URL has a stray %")));
                };
                bytes.push((high * 16 + low) as u8);
                rest = after;
            }
            _ => {
                bytes.push(byte);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).map_err(|_| refused(format!("the {what} in the URL is not UTF-8")))
}

fn refused(detail: String) -> RedisError {
    RedisError::new(RedisErrorKind::Url, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn single(url: &str) -> Result<Target, RedisError> {
        Target::parse(Topology::Single, [url])
    }

    #[test]
    fn a_url_says_everything() {
        let target = single("rediss://ann:p%40ss%3A@example.org:7000/3").unwrap();
        assert_eq!(target.servers[0].to_string(), "example.org:7000");
        assert_eq!(
            target.credentials,
            Some(Credentials {
                user: "ann".into(),
                password: "p@ss:".into()
            })
        );
        assert!(target.tls);
        assert_eq!(target.db, 3);

        let target = single("redis://[::1]").unwrap();
        assert_eq!(target.servers[0].to_string(), "[::1]:6379");
        assert!(target.credentials.is_none() && !target.tls && target.db == 0);

        let target = single("redis://:secret@127.0.0.1/").unwrap();
        assert_eq!(target.credentials.unwrap().user, "default");
    }

    #[test]
    fn what_has_no_effect_is_refused() {
        for (url, part) in [
            ("", "cannot be read"),
            ("localhost:6379", "scheme"),
            ("http://localhost", "scheme"),
            ("redis://", "host"),
            ("redis://h/x", "database"),
            ("redis://h/-1", "database"),
            ("redis://h?db=1", "db"),
            ("redis://h#a", "fragment"),
            ("redis://h:0", "port 0"),
            ("redis://ann@h", "without a password"),
            ("redis://:a%ff@h", "UTF-8"),
        ] {
            let error = single(url).unwrap_err();
            assert_eq!(error.kind(), RedisErrorKind::Url);
            assert!(error.to_string().contains(part), "{url}: {error}");
        }
    }

    #[test]
    fn several_urls_differ_in_host_and_port_alone() {
        let sentinel = || Topology::Sentinel { master: "m".into() };
        let target = Target::parse(sentinel(), ["redis://a", "redis://b:7"]).unwrap();
        assert_eq!(target.servers.len(), 2);
        assert!(Target::parse(sentinel(), ["redis://a", "rediss://b"]).is_err());
        assert!(Target::parse(sentinel(), Vec::<String>::new()).is_err());
        assert!(Target::parse(Topology::Cluster, ["redis://a/1"]).is_err());
    }

    #[test]
    fn a_password_is_never_printed() {
        let target = single("redis://:secret@h").unwrap();
        assert!(!format!("{target:?}").contains("secret"));
        for url in [
            "redis://secret@h",
            "secret:x@h",
            "redis://u:12/secret@h",
            "redis://u:12/?secret@h",
            "redis://u:12?x=secret@h",
            "redis://u:12#secret@h",
            "redis://u:secret/x@h",
            "redis://u:sec%xxsecret@h",
        ] {
            let error = single(url).unwrap_err().to_string();
            assert!(!error.contains("secret"), "{url}: {error}");
        }
    }
}
