//! What a server's "no" means for an event.

/// What to do after an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The server has forgotten the script.
    Script,
    /// Not now, or not here.
    Again(Trouble),
    /// It will not take it.
    Final,
}

/// What the one who drives the connections should know. The server's words come with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The slot is served elsewhere: `MOVED`, `CLUSTERDOWN`.
    Moved(String),
    /// The server is a replica by now: `READONLY`.
    Demoted(String),
    /// It is loading, busy, or a slot is on its way: it will pass.
    Busy(String),
}

impl Trouble {
    /// Whether both call for the same.
    pub(super) fn is_like(&self, other: &Trouble) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}

/// Reads an error. Older servers put what a script's command was told behind words of
/// their own, so that the code may stand anywhere.
pub(super) fn classify(words: &str) -> Refusal {
    let mut tokens = words.split(|char: char| !char.is_ascii_uppercase());
    let again = |trouble: fn(String) -> Trouble| Refusal::Again(trouble(words.to_owned()));
    tokens
        .find_map(|token| match token {
            "NOSCRIPT" => Some(Refusal::Script),
            "MOVED" | "CLUSTERDOWN" => Some(again(Trouble::Moved)),
            "READONLY" | "UNBLOCKED" => Some(again(Trouble::Demoted)),
            "LOADING" | "BUSY" | "MASTERDOWN" | "TRYAGAIN" | "ASK" => Some(again(Trouble::Busy)),
            _ => None,
        })
        .unwrap_or(Refusal::Final)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_found_where_servers_put_them() {
        let again = |words: &str, trouble: fn(String) -> Trouble| {
            let expected = Refusal::Again(trouble(words.to_owned()));
            assert_eq!(classify(words), expected, "{words}");
        };
        again("MOVED 3999 127.0.0.1:6381", Trouble::Moved);
        again("CLUSTERDOWN Hash slot not served", Trouble::Moved);
        again(
            "READONLY You can't write against a read only replica.",
            Trouble::Demoted,
        );
        again(
            "ERR Error running script (call to f_0a): @user_script:5: @user_script: 5: -READONLY You can't write",
            Trouble::Demoted,
        );
        again(
            "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)",
            Trouble::Demoted,
        );
        again(
            "LOADING Redis is loading the dataset in memory",
            Trouble::Busy,
        );
        again(
            "TRYAGAIN Multiple keys request during rehashing of slot",
            Trouble::Busy,
        );
        assert_eq!(classify("NOSCRIPT No matching script."), Refusal::Script);
        for words in ["NOPERM this user has no permissions", "ERR unknown", ""] {
            assert_eq!(classify(words), Refusal::Final);
        }
    }
}
