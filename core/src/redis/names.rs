//! Names of channels that are the backplane's own.

use std::fmt::Display;

/// What they begin with.
const OWN: &str = "distributary:";

/// Where every hub listens and nobody publishes: how many listen is how many there are.
pub(crate) const HUBS: &str = "distributary:hubs";

/// What canaries' channels begin with.
const CANARIES: &str = "distributary:canary:";

/// Why such a name is refused.
pub(crate) const RESERVED: &str =
    "is the backplane's own: take a name that does not begin with \"distributary:\"";

/// Whether a name is the backplane's own: what it hears there, and who else does, would be
/// mistaken for somebody's listening.
pub(crate) fn is_reserved(name: &str) -> bool {
    name.starts_with(OWN)
}

/// Where a hub publishes by a link what it alone listens to there.
pub(crate) fn canary(hub: u64, link: impl Display) -> String {
    format!("{CANARIES}{hub:016x}:{link}")
}
