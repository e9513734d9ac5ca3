//! What waits in a server to be sent to us.
//!
//! A server lets a subscriber's output grow to 32 MB, or 8 MB for a minute, and then cuts
//! the connection; the bytes count against its memory before. We never stop reading, so
//! that this stays near nothing, unless the way between is too thin.

use super::{Reasons, code, megabytes};
use crate::backplane::Output;

/// As much as a server lets wait for a minute, by default.
const MUCH: u64 = 8 << 20;

/// Says so when much waits.
pub(crate) fn reasons(output: Option<Output>, address: &str, reasons: &mut Reasons) {
    let Some(output) = output.filter(|output| output.waiting >= MUCH) else {
        return;
    };
    reasons.degraded(
        code::OUTPUT_BUFFER,
        format!(
            "{} wait in {address} to be sent here, and it will cut the connection off: the way between cannot carry what is asked for",
            megabytes(output.waiting),
        ),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_megabytes_are_much() {
        for (waiting, wanted) in [(MUCH - 1, &[][..]), (MUCH, &[code::OUTPUT_BUFFER])] {
            let mut found = Reasons::default();
            let output = Output {
                waiting,
                total: waiting,
            };
            reasons(Some(output), "a:1", &mut found);
            assert_eq!(found.codes(), wanted);
        }
    }
}
