//! Reads over which a connection broke, and what to do about them.
//!
//! A server ends a connection whose replies take more room than it allows, and asking for
//! the same again ends the next one. So what stands behind a place is weighed before it is
//! asked for again: by a script, whose answer is small. What is light is read in pages that
//! fit; what is heavy is read by itself, and passed over once that broke connections too.
//!
//! | the read | next |
//! |---|---|
//! | broke nothing | a page |
//! | was in a pipeline that broke | its entries are weighed |
//! | was weighed, and its entries are light | a page of as many as fit |
//! | was weighed, and its first entry is heavy | that one, alone on the connection |
//! | broke two connections alone, and its entry is huge | that one is passed over |
//!
//! # Invariants
//!
//! - Only an entry that was weighed as huge, and broke connections by itself, is passed
//!   over: connections that break for other reasons cost no events.
//! - A read that is answered is no suspect any more, and one that is not asked for any more
//!   is forgotten.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use smol_str::SmolStr;

use crate::redis::{
    inbox::Read,
    log::{keys, repair::Ask},
    socket::{Commands, Reply},
};

/// Entries that fit into so much are read together, in bytes; a first one that does not, alone.
const FITS: usize = 256 << 10;
/// What no server needs to refuse is never passed over, in bytes.
const HUGE: usize = 1 << 20;
/// Connections that an entry may break by itself.
const BREAKS: u32 = 2;
/// How long a suspect is kept that nobody asks for.
const KEPT: Duration = Duration::from_secs(60);

/// How many entries after a number fit, and which is the first and what it weighs. One that
/// does not fit is looked at once, by itself.
const WEIGH: &str = "\
local id,count,total,first,weight=ARGV[1],0,0,'',0 \
while count<tonumber(ARGV[2]) do \
local entry=redis.call('XRANGE',KEYS[1],'('..id,'+','COUNT',1)[1] \
if not entry then break end \
id=entry[1] \
for _,part in ipairs(entry[2]) do total=total+#part end \
if first=='' then first=id weight=total end \
if total>tonumber(ARGV[3]) then break end \
count=count+1 \
end \
return {count,first,weight}";

/// What stands behind a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Weight {
    /// So many entries fit.
    fitting: usize,
    /// The number of the first, if there is one.
    first: Option<u64>,
    /// What the first weighs, in bytes.
    pub(super) bytes: usize,
}

impl Weight {
    /// Reads what [`ask`] is answered.
    pub(super) fn of(reply: &Reply) -> Weight {
        let Reply::List(parts) = reply else {
            return Weight::default();
        };
        let [fitting, first, bytes] = &parts[..] else {
            return Weight::default();
        };
        let size = |reply: &Reply| reply.as_int().and_then(|size| usize::try_from(size).ok());
        let number = |id: &str| id.split('-').next()?.parse().ok();
        Weight {
            fitting: size(fitting).unwrap_or(0),
            first: first.as_str().and_then(number),
            bytes: size(bytes).unwrap_or(0),
        }
    }

    /// The number of the first, if connections may break over it.
    pub(super) fn oversized(&self) -> Option<u64> {
        self.first.filter(|_| self.bytes > HUGE)
    }
}

/// What to do for a read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// A page of so many entries at most.
    Page(usize),
    /// See what is there.
    Weigh,
    /// One entry, with nothing beside it.
    Alone,
    /// See whether it is still there, and leave it out.
    PassOver,
}

#[derive(Debug)]
struct Suspect {
    weight: Option<Weight>,
    breaks: u32,
    /// When a connection broke over it last.
    at: Instant,
}

/// A topic, and the place in its log; none where the newest entries are asked for.
type Key = (SmolStr, Option<u64>);

/// The reads that connections broke over.
#[derive(Debug, Default)]
pub(super) struct Suspects(BTreeMap<Key, Suspect>);

impl Suspects {
    /// What to do for a read that may bring a page of so many entries.
    pub(super) fn step(&self, read: &Read, page: usize) -> Step {
        let Some(suspect) = self.0.get(&key(read)) else {
            return Step::Page(page);
        };
        match (suspect.weight, read.ask) {
            // Given up, it begins anew from the log's other end.
            (_, Ask::Newest) if suspect.breaks >= BREAKS => Step::PassOver,
            (_, Ask::Newest) => Step::Alone,
            (None, _) => Step::Weigh,
            (Some(weight), _) if weight.bytes <= FITS => Step::Page(weight.fitting.clamp(1, page)),
            (Some(weight), _) if weight.oversized().is_some() && suspect.breaks >= BREAKS => {
                Step::PassOver
            }
            (Some(_), _) => Step::Alone,
        }
    }

    /// The connection broke before the step was answered.
    pub(super) fn broke(&mut self, read: &Read, step: Step, now: Instant) {
        let suspect = self.0.entry(key(read)).or_insert(Suspect {
            weight: None,
            breaks: 0,
            at: now,
        });
        suspect.at = now;
        match step {
            Step::Alone => suspect.breaks += 1,
            Step::Page(_) => suspect.weight = None,
            Step::Weigh | Step::PassOver => {}
        }
    }

    /// What is behind the place of a read was weighed.
    pub(super) fn weighed(&mut self, read: &Read, weight: Weight) {
        if let Some(suspect) = self.0.get_mut(&key(read)) {
            suspect.weight = Some(weight);
        }
    }

    /// It was answered.
    pub(super) fn cleared(&mut self, read: &Read) {
        // Most reads break nothing.
        if !self.0.is_empty() {
            self.0.remove(&key(read));
        }
    }

    /// Forgets what nobody asked for in a while.
    pub(super) fn sweep(&mut self, now: Instant) {
        self.0
            .retain(|_, suspect| now.saturating_duration_since(suspect.at) < KEPT);
    }
}

fn key(read: &Read) -> Key {
    (read.topic.clone(), after(read.ask))
}

/// The place behind which a read looks.
fn after(ask: Ask) -> Option<u64> {
    match ask {
        Ask::Head { after } | Ask::Page { after } => Some(after),
        Ask::Newest => None,
    }
}

/// Asks what the entries weigh that a read would bring; [`Weight::of`] reads the reply.
pub(super) fn ask(commands: &mut Commands, read: &Read, page: usize) {
    let log = keys::log(&read.topic);
    let from = format!("{}-0", after(read.ask).unwrap_or(0));
    let (page, fits) = (page.to_string(), FITS.to_string());
    commands.command(&[
        b"EVAL",
        WEIGH.as_bytes(),
        b"1",
        log.as_bytes(),
        from.as_bytes(),
        page.as_bytes(),
        fits.as_bytes(),
    ]);
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: usize = 128;

    fn read(ask: Ask) -> Read {
        Read {
            topic: "t".into(),
            ticket: 1,
            ask,
        }
    }

    fn weight(fitting: usize, bytes: usize) -> Weight {
        Weight {
            fitting,
            first: Some(8),
            bytes,
        }
    }

    /// Breaks a connection at each step. What the steps were.
    fn breaking(suspects: &mut Suspects, read: &Read, weight: Weight, steps: usize) -> Vec<Step> {
        let now = Instant::now();
        let all = (0..steps).map(|_| {
            let step = suspects.step(read, PAGE);
            match step {
                Step::Weigh => suspects.weighed(read, weight),
                step => suspects.broke(read, step, now),
            }
            step
        });
        all.collect()
    }

    #[test]
    fn only_what_is_huge_and_broke_connections_alone_is_passed_over() {
        let read = read(Ask::Head { after: 7 });
        let mut suspects = Suspects::default();
        let steps = breaking(&mut suspects, &read, weight(0, HUGE + 1), 5);
        let alone = [Step::Page(PAGE), Step::Weigh, Step::Alone, Step::Alone];
        assert_eq!(steps[..4], alone);
        assert_eq!(steps[4], Step::PassOver);
        // Not large enough for that: it is asked for again, for as long as it takes.
        let mut suspects = Suspects::default();
        let steps = breaking(&mut suspects, &read, weight(0, HUGE), 40);
        assert_eq!(steps[..4], alone);
        assert_eq!(steps[4..], [Step::Alone; 36]);
    }

    /// One entry is missing, and connections are killed whenever it is read.
    #[test]
    fn what_is_light_is_never_passed_over() {
        let read = read(Ask::Page { after: 7 });
        let mut suspects = Suspects::default();
        for weight in [weight(1, 100), Weight::default()] {
            let steps = breaking(&mut suspects, &read, weight, 40);
            assert!(!steps.contains(&Step::PassOver) && !steps.contains(&Step::Alone));
        }
        suspects.weighed(&read, weight(3, 1_000));
        assert_eq!(suspects.step(&read, PAGE), Step::Page(3));
        suspects.cleared(&read);
        assert_eq!(suspects.step(&read, PAGE), Step::Page(PAGE));
    }

    #[test]
    fn a_place_further_on_is_no_suspect_and_the_old_one_is_forgotten() {
        let now = Instant::now();
        let mut suspects = Suspects::default();
        let (head, page) = (read(Ask::Head { after: 7 }), read(Ask::Page { after: 7 }));
        suspects.broke(&head, Step::Page(PAGE), now);
        assert_eq!(suspects.step(&page, PAGE), Step::Weigh);
        let further = read(Ask::Page { after: 8 });
        assert_eq!(suspects.step(&further, PAGE), Step::Page(PAGE));
        suspects.sweep(now);
        assert_eq!(suspects.step(&page, PAGE), Step::Weigh);
        suspects.sweep(now + KEPT);
        assert_eq!(suspects.step(&page, PAGE), Step::Page(PAGE));
    }

    #[test]
    fn the_newest_are_given_up_for_the_whole_log() {
        let mut suspects = Suspects::default();
        let steps = breaking(&mut suspects, &read(Ask::Newest), Weight::default(), 4);
        let expected = [Step::Page(PAGE), Step::Alone, Step::Alone, Step::PassOver];
        assert_eq!(steps, expected);
    }

    #[test]
    fn weights_are_read_and_nonsense_weighs_nothing() {
        let text = |text: &'static str| Reply::Text(bytes::Bytes::from_static(text.as_bytes()));
        let reply = Reply::List(vec![text("0"), text("8-0"), text("2097152")]);
        assert_eq!(Weight::of(&reply), weight(0, 2 << 20));
        assert_eq!(Weight::of(&reply).oversized(), Some(8));
        for nonsense in [Reply::Nil, Reply::List(vec![Reply::Nil; 3])] {
            assert_eq!(Weight::of(&nonsense), Weight::default());
        }
    }
}
