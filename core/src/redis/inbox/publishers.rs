//! How far each publisher of a topic has been heard, by its own numbers.
//!
//! # Invariants
//!
//! - Each publisher's serials are handed on ascending, each at most once; what is passed
//!   over is counted once.
//! - Bounded: of more publishers than [`MOST`] those are forgotten that were silent the
//!   longest. One that was forgotten begins anew, with whatever it says next.

/// Publishers that are remembered per topic.
const MOST: usize = 1_024;

/// The publishers of one topic, by id.
#[derive(Debug, Default)]
pub(super) struct Publishers {
    known: Vec<Known>,
    /// Events that were told as lost when nobody knew whose they were.
    unclaimed: u64,
}

#[derive(Debug)]
struct Known {
    id: u64,
    serial: u64,
    heard: u32,
    /// Its next jump may be part of what is unclaimed.
    unsettled: bool,
}

/// What a serial means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Serial {
    /// It is to be handed on, and so many of the same publisher before it are lost.
    New { missed: u64 },
    /// It was handed on already, or told as lost.
    Seen,
}

impl Publishers {
    /// An event of a publisher, at a second.
    pub(super) fn heard(&mut self, id: u64, serial: u64, second: u32) -> Serial {
        let at = match self.known.binary_search_by_key(&id, |known| known.id) {
            Ok(at) => at,
            Err(at) => {
                let known = Known {
                    id,
                    serial,
                    heard: second,
                    unsettled: false,
                };
                self.known.insert(at, known);
                if self.known.len() > MOST {
                    self.forget_oldest();
                }
                return Serial::New { missed: 0 };
            }
        };
        let known = &mut self.known[at];
        known.heard = second;
        if serial <= known.serial {
            return Serial::Seen;
        }
        let mut missed = serial - known.serial - 1;
        known.serial = serial;
        if known.unsettled {
            known.unsettled = false;
            let claimed = missed.min(self.unclaimed);
            self.unclaimed -= claimed;
            missed -= claimed;
        }
        Serial::New { missed }
    }

    /// Whether a publisher is known that had not come so far.
    pub(super) fn is_ahead(&self, id: u64, serial: u64) -> bool {
        let at = self.known.binary_search_by_key(&id, |known| known.id);
        at.is_ok_and(|at| self.known[at].serial < serial)
    }

    /// Whether anything of this publisher is known.
    pub(super) fn knows(&self, id: u64) -> bool {
        self.known
            .binary_search_by_key(&id, |known| known.id)
            .is_ok()
    }

    /// So many events have been told as lost, of whichever publishers: the jumps that they
    /// explain are not told again.
    pub(super) fn told(&mut self, lost: u64) {
        self.unclaimed = self.unclaimed.saturating_add(lost);
        for known in &mut self.known {
            known.unsettled = true;
        }
    }

    /// Forgets who was silent since before a second.
    pub(super) fn forget_before(&mut self, second: u32) {
        self.known.retain(|known| known.heard >= second);
        if self.known.is_empty() {
            *self = Publishers::default();
        }
    }

    /// Nobody could be heard until this second: their silence begins now.
    pub(super) fn excuse(&mut self, second: u32) {
        for known in &mut self.known {
            known.heard = second;
        }
    }

    /// Whether nobody is known.
    pub(super) fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    fn forget_oldest(&mut self) {
        let mut heard: Vec<u32> = self.known.iter().map(|known| known.heard).collect();
        let (_, oldest, _) = heard.select_nth_unstable(MOST / 8);
        let oldest = *oldest;
        let mut most = MOST / 8;
        self.known.retain(|known| {
            let goes = known.heard <= oldest && most > 0;
            most -= usize::from(goes);
            !goes
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEXT: Serial = Serial::New { missed: 0 };

    #[test]
    fn each_serial_once_and_each_hole_with_its_size() {
        let mut publishers = Publishers::default();
        assert_eq!(publishers.heard(7, 5, 0), NEXT);
        assert_eq!(publishers.heard(8, 1, 0), NEXT);
        assert_eq!(publishers.heard(7, 6, 0), NEXT);
        assert_eq!(publishers.heard(7, 6, 0), Serial::Seen);
        assert_eq!(publishers.heard(7, 2, 0), Serial::Seen);
        assert_eq!(publishers.heard(7, 10, 0), Serial::New { missed: 3 });
        assert_eq!(publishers.heard(8, 2, 0), NEXT);
    }

    #[test]
    fn what_was_told_is_not_told_again() {
        let mut publishers = Publishers::default();
        publishers.heard(7, 1, 0);
        publishers.heard(8, 1, 0);
        publishers.told(5);
        assert_eq!(publishers.heard(7, 5, 0), NEXT);
        // Two of them were among the five, one more is missing.
        assert_eq!(publishers.heard(8, 5, 0), Serial::New { missed: 1 });
        assert_eq!(publishers.heard(7, 7, 0), Serial::New { missed: 1 });
    }

    #[test]
    fn the_silent_are_forgotten() {
        let mut publishers = Publishers::default();
        for id in 0..2_000 {
            publishers.heard(id, 1, id as u32);
            assert!(publishers.known.len() <= MOST);
        }
        assert!(publishers.knows(1_999) && publishers.knows(1_200) && !publishers.knows(0));
        let mut excused = Publishers::default();
        excused.heard(7, 1, 0);
        excused.excuse(9);
        excused.forget_before(9);
        assert!(excused.knows(7));
        publishers.forget_before(1_999);
        assert!(publishers.knows(1_999) && !publishers.knows(1_998));
        publishers.forget_before(u32::MAX);
        assert!(publishers.is_empty());
    }
}
