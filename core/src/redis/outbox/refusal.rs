//! What a server's "no" means for an event.

/// Why what a server says is elsewhere is not sent there, where one server is all there is.
pub(crate) const NOT_ALONE: &str = "the server is a node of a cluster, and was named as a single one: use the cluster form of the backplane, which reaches all nodes";

/// What to do after an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The server has forgotten the script.
    Script,
    /// Not now, or not here.
    Again(Trouble),
    /// It can keep nothing more for now: for want of memory, of replicas or of a disk.
    Unkept,
    /// It will not take it.
    Final,
}

/// What the one who drives the connections should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The slot is served elsewhere, or nowhere for now, in the server's words.
    Elsewhere(String),
    /// The server is a replica by now, in its words.
    Demoted(String),
    /// It is loading, or busy: it will pass.
    Busy,
    /// It has no memory for more.
    OutOfMemory,
}

impl Trouble {
    /// Whether both call for the same.
    pub(super) fn is_like(&self, other: &Trouble) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}

/// Reads an error.
pub(super) fn classify(words: &str) -> Refusal {
    let again = |trouble: fn(String) -> Trouble| Refusal::Again(trouble(words.to_owned()));
    match code(words) {
        "NOSCRIPT" => Refusal::Script,
        "MOVED" | "ASK" | "TRYAGAIN" | "CLUSTERDOWN" => again(Trouble::Elsewhere),
        "READONLY" | "UNBLOCKED" => again(Trouble::Demoted),
        "LOADING" | "BUSY" | "MASTERDOWN" => Refusal::Again(Trouble::Busy),
        "OOM" | "NOREPLICAS" | "MISCONF" => Refusal::Unkept,
        _ => Refusal::Final,
    }
}

/// Whether it is about where this one topic is at the moment, while its slot moves.
pub(super) fn is_about_place(words: &str) -> bool {
    matches!(code(words), "MOVED" | "ASK")
}

/// Whether it is for want of memory.
pub(super) fn is_out_of_memory(words: &str) -> bool {
    code(words) == "OOM"
}

/// The code of an error: its first word. Older servers put what a script's command was told
/// behind words of their own: then it is the first word with a `-` before it. Anything else
/// in capitals may be a part of somebody's name.
fn code(words: &str) -> &str {
    let is_code = |word: &&str| {
        !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_uppercase()) && *word != "ERR"
    };
    let mut tokens = words.split_ascii_whitespace();
    let first = tokens.next().filter(is_code);
    first
        .or_else(|| {
            tokens
                .filter_map(|word| word.strip_prefix('-'))
                .find(is_code)
        })
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_found_where_servers_put_them() {
        let again = |words: &str, trouble: Trouble| {
            assert_eq!(classify(words), Refusal::Again(trouble), "{words}");
        };
        for words in [
            "MOVED 3999 127.0.0.1:6381",
            "CLUSTERDOWN Hash slot not served",
            "TRYAGAIN Multiple keys request during rehashing of slot",
        ] {
            again(words, Trouble::Elsewhere(words.into()));
        }
        for words in [
            "READONLY You can't write against a read only replica.",
            "ERR Error running script (call to f_0a): @user_script:5: @user_script: 5: -READONLY You can't write",
            "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)",
        ] {
            again(words, Trouble::Demoted(words.into()));
        }
        again(
            "LOADING Redis is loading the dataset in memory",
            Trouble::Busy,
        );
        assert_eq!(classify("NOSCRIPT No matching script."), Refusal::Script);
        for words in [
            "OOM command not allowed when used memory > 'maxmemory'.",
            "@user_script: 9: -OOM command not allowed when used memory > 'maxmemory'.",
            "NOREPLICAS Not enough good replicas to write.",
            "MISCONF Redis is configured to save RDB snapshots",
        ] {
            assert_eq!(classify(words), Refusal::Unkept, "{words}");
        }
        for words in [
            "NOPERM this user has no permissions",
            "NOPERM No permissions to access a key named 'BUSY' or LOADING or ASK",
            "ERR unknown command 'MOVED', with args beginning with: 'READONLY'",
            "ERR",
            "",
        ] {
            assert_eq!(classify(words), Refusal::Final, "{words}");
        }
        assert!(is_out_of_memory("OOM command not allowed when used memory"));
        assert!(is_out_of_memory(
            "@user_script: 9: -OOM command not allowed"
        ));
        assert!(!is_out_of_memory("NOPERM OOMPH"));
    }
}
