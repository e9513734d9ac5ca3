//! Where a server is, as another one tells it.

use crate::redis::target::Server;

impl Server {
    /// IPv6 numbers are held without brackets.
    pub(crate) fn new(host: impl Into<String>, port: u16) -> Self {
        Server {
            host: host.into(),
            port,
        }
    }

    /// Reads `host:port` as redirections write it: the last colon parts the two, so that
    /// `::1:6379` is IPv6, and a node that does not know its own name leaves the host out:
    /// then it is where `teller` is. `None` for what has no usable host (`?`) or port.
    pub(in crate::redis) fn redirected(text: &str, teller: &Server) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        Server::told(Some(host), port.parse().ok()?, teller)
    }

    /// The address that a node tells of another: no host, or an empty one, means the host
    /// that was asked; `?` means that it has none that clients could use.
    pub(super) fn told(host: Option<&str>, port: u16, teller: &Server) -> Option<Self> {
        let host = match host {
            Some("?") => return None,
            None | Some("") => teller.host.as_str(),
            Some(host) => host.trim_start_matches('[').trim_end_matches(']'),
        };
        (port != 0 && !host.is_empty()).then(|| Server::new(host, port))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redirected(text: &str) -> Option<String> {
        Server::redirected(text, &Server::new("seed.example", 7000)).map(|at| at.to_string())
    }

    #[test]
    fn hosts_are_names_numbers_or_left_out() {
        assert_eq!(redirected("10.0.0.2:6381").unwrap(), "10.0.0.2:6381");
        assert_eq!(
            redirected("node-1.example:6381").unwrap(),
            "node-1.example:6381"
        );
        assert_eq!(redirected("::1:6381").unwrap(), "[::1]:6381");
        assert_eq!(redirected("[fe80::2]:6381").unwrap(), "[fe80::2]:6381");
        assert_eq!(redirected(":6381").unwrap(), "seed.example:6381");
    }

    #[test]
    fn what_cannot_be_dialled_is_no_address() {
        for text in [
            "?:6381",
            "",
            "host",
            "host:",
            "host:0",
            "host:65536",
            "host:-1",
        ] {
            assert_eq!(redirected(text), None, "{text}");
        }
    }
}
