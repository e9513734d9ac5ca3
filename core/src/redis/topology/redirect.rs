//! What a node says when a command was not for it, or not now.

use super::slots::Slot;
use crate::redis::target::Server;

/// An error that is about where and when, not about what was asked. The command was not
/// carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Redirect {
    /// The slot has another owner now, for this command and all later ones. Without an
    /// address the node does not know how clients reach it: the slot map may.
    Moved { slot: Slot, to: Option<Server> },
    /// The slot is on its way: this command, and only this one, is for the other node, with
    /// `ASKING` in front.
    Ask { slot: Slot, to: Server },
    /// The same place, a little later: keys of the slot are half here and half there, the
    /// cluster has a slot without an owner, the node loads its data.
    Later,
    /// The node is a replica now: who the master is has to be found out again.
    Demoted,
}

impl Redirect {
    /// Reads an error. `None` if it is about something else. `teller` is the node that said
    /// it.
    pub(crate) fn parse(error: &str, teller: &Server) -> Option<Self> {
        let mut words = error.split_ascii_whitespace();
        match words.next()? {
            "MOVED" => {
                let slot = Slot::parse(words.next()?)?;
                let to = Server::redirected(words.next()?, teller);
                Some(Redirect::Moved { slot, to })
            }
            "ASK" => {
                let slot = Slot::parse(words.next()?)?;
                Some(match Server::redirected(words.next()?, teller) {
                    Some(to) => Redirect::Ask { slot, to },
                    // Nobody can be asked; once the slot has moved there is an owner.
                    None => Redirect::Later,
                })
            }
            "TRYAGAIN" | "CLUSTERDOWN" | "LOADING" => Some(Redirect::Later),
            "READONLY" | "MASTERDOWN" => Some(Redirect::Demoted),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(error: &str) -> Option<Redirect> {
        Redirect::parse(error, &Server::new("10.0.0.1", 7001))
    }

    #[test]
    fn redirections_as_servers_write_them() {
        let slot = Slot::parse("15495").unwrap();
        let at = |host: &str| Some(Server::new(host, 17003));
        for (error, to) in [
            ("MOVED 15495 127.0.0.1:17003", at("127.0.0.1")),
            ("MOVED 15495 node1.example:17003", at("node1.example")),
            ("MOVED 15495 fd00::7:17003", at("fd00::7")),
            ("MOVED 15495 :17003", at("10.0.0.1")),
            ("MOVED 15495 ?:17003", None),
        ] {
            assert_eq!(parse(error), Some(Redirect::Moved { slot, to }), "{error}");
        }
        assert_eq!(
            parse("ASK 15495 127.0.0.1:17003"),
            Some(Redirect::Ask {
                slot,
                to: Server::new("127.0.0.1", 17003)
            })
        );
        assert_eq!(parse("ASK 15495 ?:17003"), Some(Redirect::Later));
    }

    #[test]
    fn states_that_pass() {
        for error in [
            "TRYAGAIN Multiple keys request during rehashing of slot",
            "CLUSTERDOWN The cluster is down",
            "CLUSTERDOWN Hash slot not served",
            "LOADING Redis is loading the dataset in memory",
        ] {
            assert_eq!(parse(error), Some(Redirect::Later), "{error}");
        }
        assert_eq!(
            parse("READONLY You can't write against a read only replica."),
            Some(Redirect::Demoted)
        );
    }

    #[test]
    fn other_errors_are_not_redirections() {
        for error in [
            "",
            "MOVED",
            "MOVED 15495",
            "MOVED 16384 127.0.0.1:1",
            "MOVED -1 127.0.0.1:1",
            "ERR unknown command",
            "NOPERM this user has no permissions",
            "MOVEDX 1 127.0.0.1:1",
        ] {
            assert_eq!(parse(error), None, "{error}");
        }
    }
}
