//! Who the master is, by the word of the sentinels.
//!
//! One sentinel may be cut off and tell of yesterday. So all that can be reached are
//! heard, and more than half of them have to agree; one that was never heard yet counts
//! as somebody who may disagree, until it is known to be silent. What a connection then
//! finds at the master is checked there again, by `ROLE`.
//!
//! While no sentinel can be reached there is no verdict, and nothing follows from that:
//! the connection to the master is good as long as it is good.
//!
//! # Invariants
//!
//! - A sentinel has one vote, also when it is known by two addresses: its id tells.
//! - Seeds are never forgotten; sentinels that were only told of are, once they are silent
//!   and nobody names them any more.

use smol_str::SmolStr;

use super::slots::field;
use crate::redis::{socket::Reply, target::Server};

/// The channels of a sentinel that say that it is time to ask again; the first says the
/// new master itself.
pub(crate) const EVENTS: [&str; 5] = [
    "+switch-master",
    "+promoted-slave",
    "+failover-state-reconf-slaves",
    "+failover-end",
    "+sentinel",
];

/// The sentinels, and what each said last.
#[derive(Debug)]
pub(crate) struct Council {
    members: Vec<Member>,
}

#[derive(Debug)]
struct Member {
    at: Server,
    seed: bool,
    id: Option<SmolStr>,
    voice: Voice,
    /// Whom it named when it was asked for the others.
    names: Vec<Colleague>,
}

#[derive(Debug, PartialEq, Eq)]
enum Voice {
    Pending,
    Silent,
    Says(Option<Server>),
}

/// A sentinel, as another one tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Colleague {
    pub(crate) id: SmolStr,
    pub(crate) at: Server,
}

/// What follows from what was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Those who matter have not answered yet.
    Pending,
    /// No sentinel can be reached.
    Silence,
    /// Sentinels can be reached, and more than half of them know no master of this name.
    Unknown,
    /// They do not agree: one that is cut off, or a failover that has not gone round.
    Split,
    /// This is the master.
    Master(Server),
}

impl Council {
    pub(crate) fn new(seeds: impl IntoIterator<Item = Server>) -> Self {
        let mut council = Council {
            members: Vec::new(),
        };
        for at in seeds {
            council.admit(at, true);
        }
        council
    }

    /// Everybody to be asked.
    pub(crate) fn members(&self) -> impl Iterator<Item = &Server> {
        self.members.iter().map(|member| &member.at)
    }

    /// A sentinel with this id answered: the master, or that it knows none of this name.
    pub(crate) fn said(&mut self, sentinel: &Server, id: &str, master: Option<Server>) {
        if let Some(member) = self.member(sentinel) {
            member.id = Some(SmolStr::new(id));
            member.voice = Voice::Says(master);
        }
    }

    /// A sentinel cannot be reached, or did not answer in time.
    pub(crate) fn silent(&mut self, sentinel: &Server) {
        if let Some(member) = self.member(sentinel) {
            member.voice = Voice::Silent;
        }
        self.forget();
    }

    /// A sentinel told of the others.
    pub(crate) fn introduced(&mut self, sentinel: &Server, others: Vec<Colleague>) {
        for Colleague { id, at } in &others {
            if !self.members.iter().any(|m| m.id.as_ref() == Some(id)) {
                self.admit(at.clone(), false);
            }
        }
        if let Some(member) = self.member(sentinel) {
            member.names = others;
        }
        self.forget();
    }

    /// Who the master is.
    pub(crate) fn verdict(&self) -> Verdict {
        let mut heard: Vec<(&Option<SmolStr>, &Option<Server>)> = Vec::new();
        let mut pending = 0;
        for member in &self.members {
            match &member.voice {
                Voice::Pending => pending += 1,
                Voice::Silent => {}
                Voice::Says(_) if heard.iter().any(|(id, _)| **id == member.id) => {}
                Voice::Says(master) => heard.push((&member.id, master)),
            }
        }
        if heard.is_empty() {
            return match pending {
                0 => Verdict::Silence,
                _ => Verdict::Pending,
            };
        }
        let voters = heard.len() + pending;
        for (_, master) in &heard {
            let votes = heard.iter().filter(|(_, other)| other == master).count();
            if votes * 2 > voters {
                return match master {
                    Some(master) => Verdict::Master(master.clone()),
                    None => Verdict::Unknown,
                };
            }
        }
        match pending {
            0 => Verdict::Split,
            _ => Verdict::Pending,
        }
    }

    fn member(&mut self, at: &Server) -> Option<&mut Member> {
        self.members.iter_mut().find(|member| member.at == *at)
    }

    fn admit(&mut self, at: Server, seed: bool) {
        if self.member(&at).is_none() {
            self.members.push(Member {
                at,
                seed,
                id: None,
                voice: Voice::Pending,
                names: Vec::new(),
            });
        }
    }

    fn forget(&mut self) {
        let named: Vec<Server> = self
            .members
            .iter()
            .flat_map(|member| member.names.iter().map(|other| other.at.clone()))
            .collect();
        self.members.retain(|member| {
            member.seed || member.voice != Voice::Silent || named.contains(&member.at)
        });
    }
}

/// The master in an answer to `SENTINEL GET-MASTER-ADDR-BY-NAME`: `None` if the sentinel
/// knows no master of that name.
///
/// # Errors
/// The server's words, or ours when the answer is not one.
pub(crate) fn master(reply: &Reply) -> Result<Option<Server>, String> {
    match reply {
        Reply::Nil => Ok(None),
        Reply::Error(words) => Err(words.clone()),
        Reply::List(parts) => match parts.as_slice() {
            [host, port] => address(host.as_str(), port.as_int()).map(Some),
            _ => None,
        }
        .ok_or_else(|| format!("not the address of a master: {reply:?}")),
        _ => Err(format!("not the address of a master: {reply:?}")),
    }
}

/// The others in an answer to `SENTINEL SENTINELS`. Those that cannot be read are left out.
pub(crate) fn colleagues(reply: &Reply) -> Vec<Colleague> {
    let Reply::List(sentinels) = reply else {
        return Vec::new();
    };
    let colleague = |sentinel| {
        let port = field(sentinel, "port").and_then(|port| port.parse().ok());
        Some(Colleague {
            id: SmolStr::new(field(sentinel, "runid").filter(|id| !id.is_empty())?),
            at: address(field(sentinel, "ip"), port)?,
        })
    };
    sentinels.iter().filter_map(colleague).collect()
}

/// The new master in an event of `+switch-master`, if it is about this one.
pub(crate) fn switched(payload: &[u8], name: &str) -> Option<Server> {
    let text = std::str::from_utf8(payload).ok()?;
    // A name may have spaces nowhere: the configuration could not be read again.
    let mut words = text.split(' ');
    (words.next()? == name).then_some(())?;
    let (host, port) = (words.nth(2)?, words.next()?);
    address(Some(host), port.parse().ok())
}

fn address(host: Option<&str>, port: Option<i64>) -> Option<Server> {
    let host = host.filter(|host| !host.is_empty())?;
    let port = u16::try_from(port?).ok().filter(|port| *port != 0)?;
    Some(Server::new(host, port))
}

#[cfg(test)]
mod tests {
    use super::{super::recorded::reply, *};

    fn at(port: u16) -> Server {
        Server::new("10.0.0.1", port)
    }

    fn council() -> Council {
        Council::new([at(1), at(2), at(3)])
    }

    fn is(port: u16) -> Verdict {
        Verdict::Master(at(port))
    }

    #[test]
    fn more_than_half_of_those_who_can_be_reached() {
        let mut council = council();
        assert_eq!(council.verdict(), Verdict::Pending);
        council.said(&at(1), "a", Some(at(6001)));
        assert_eq!(council.verdict(), Verdict::Pending, "two may disagree");
        council.said(&at(2), "b", Some(at(6001)));
        assert_eq!(council.verdict(), is(6001), "the third cannot change it");
        council.said(&at(3), "c", Some(at(6002)));
        assert_eq!(council.verdict(), is(6001));
        council.said(&at(2), "b", Some(at(6002)));
        assert_eq!(council.verdict(), is(6002));
        council.silent(&at(2));
        assert_eq!(council.verdict(), Verdict::Split);
        council.silent(&at(1));
        assert_eq!(
            council.verdict(),
            is(6002),
            "one alone is a majority of one"
        );
        council.silent(&at(3));
        assert_eq!(council.verdict(), Verdict::Silence);
        assert_eq!(council.members().count(), 3, "seeds stay");
    }

    #[test]
    fn a_name_that_nobody_knows() {
        let mut council = council();
        council.said(&at(1), "a", None);
        council.said(&at(2), "b", None);
        assert_eq!(council.verdict(), Verdict::Unknown);
        council.said(&at(2), "b", Some(at(6001)));
        council.silent(&at(3));
        assert_eq!(council.verdict(), Verdict::Split);
    }

    fn named(id: &str, port: u16) -> Colleague {
        Colleague {
            id: SmolStr::new(id),
            at: at(port),
        }
    }

    #[test]
    fn one_vote_each_by_whatever_address() {
        let mut council = Council::new([Server::new("localhost", 1)]);
        let seed = Server::new("localhost", 1);
        council.said(&seed, "a", Some(at(6001)));
        council.introduced(&seed, vec![named("b", 2)]);
        assert_eq!(council.verdict(), Verdict::Pending);
        council.said(&at(2), "b", Some(at(6002)));
        // The seed by its number: known already.
        council.introduced(&at(2), vec![named("a", 1)]);
        assert_eq!(council.members().count(), 2);
        // And if it was let in before it was known, it does not vote twice.
        let mut council = Council::new([seed.clone(), at(2)]);
        council.said(&at(2), "b", Some(at(6002)));
        council.introduced(&at(2), vec![named("a", 1)]);
        council.said(&seed, "a", Some(at(6001)));
        council.said(&at(1), "a", Some(at(6001)));
        assert_eq!(council.members().count(), 3);
        assert_eq!(council.verdict(), Verdict::Split);
    }

    #[test]
    fn who_is_silent_and_not_named_is_forgotten() {
        let mut council = Council::new([at(1)]);
        council.said(&at(1), "a", Some(at(6001)));
        council.introduced(&at(1), vec![named("b", 2), named("c", 3)]);
        council.silent(&at(3));
        assert_eq!(council.members().count(), 3, "still named");
        council.introduced(&at(1), vec![named("b", 2)]);
        assert_eq!(
            council.members().cloned().collect::<Vec<_>>(),
            [at(1), at(2)]
        );
        assert_eq!(council.verdict(), Verdict::Pending);
    }

    #[test]
    fn answers_as_sentinels_give_them() {
        let found = master(&reply("*2|$127.0.0.1|$6001"));
        assert_eq!(found, Ok(Some(Server::new("127.0.0.1", 6001))));
        let found = master(&reply("*2|$redis-1.example|$6001"));
        assert_eq!(found, Ok(Some(Server::new("redis-1.example", 6001))));
        assert_eq!(master(&reply("_")), Ok(None));
        for text in [
            "-NOAUTH Authentication required.",
            ":1",
            "*1|$h",
            "*2|$|$1",
            "*2|$h|$0",
        ] {
            assert!(master(&reply(text)).is_err(), "{text}");
        }

        // RESP3 has maps where RESP2 has flat lists.
        for kind in ["%4", "*8"] {
            let one =
                |id, port| format!("{kind}|$name|${id}|$ip|$fd00::1|$port|${port}|$runid|${id}");
            let text = format!("*3|{}|{}|*0", one("ab", 26_379), one("cd", 26_380));
            let found = colleagues(&reply(&text));
            assert_eq!(found.len(), 2);
            assert_eq!(found[1].id, "cd");
            assert_eq!(found[1].at, Server::new("fd00::1", 26_380));
        }
        assert_eq!(colleagues(&reply("-ERR No such master with that name")), []);
    }

    #[test]
    fn a_switch_is_told_with_both_addresses() {
        let payload = b"main 10.0.0.1 6001 10.0.0.1 6002";
        assert_eq!(switched(payload, "main"), Some(at(6002)));
        assert_eq!(switched(payload, "other"), None);
        for payload in [&b"main"[..], b"main a 1 b", b"main a 1 b x", b"\xff", b""] {
            assert_eq!(switched(payload, "main"), None);
        }
    }
}
