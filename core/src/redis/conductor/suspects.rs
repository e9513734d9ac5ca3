//! Reads over which a connection broke, and what to do about them.
//!
//! A server ends a connection whose replies take more room than it allows, and asking for
//! the same again ends the next one. So what stands behind a place is weighed before it is
//! asked for again: by a script, whose answer is small. What is light is read in pages that
//! fit, and what is heavy in `pieces`. The newest entries are not weighed: what they are
//! asked for, where to begin, the whole log tells as well.
//!
//! | the read | next |
//! |---|---|
//! | broke nothing | a page |
//! | the same, and an event larger than the server sends was found lately | its entries are weighed |
//! | was in a pipeline that broke | its entries are weighed |
//! | was weighed, and its entries are light | a page of as many as fit |
//! | was weighed, and its first entry is heavy | that one, in pieces |
//! | wants the newest, and was in a pipeline that broke | the newest one, alone |
//! | wants the newest, and broke two connections alone | the log from its beginning |
//!
//! # Invariants
//!
//! - Nothing is passed over: whatever connections break for, it costs no events.
//! - A read that is answered is no suspect any more, and one that is not asked for any more
//!   is forgotten.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use smol_str::SmolStr;

use super::pieces::PIECE;
use crate::redis::{
    inbox::Read,
    log::{keys, repair::Ask},
    socket::{Commands, Reply},
    watch::megabytes,
};

/// Entries that fit into so much are read together, in bytes.
const FITS: usize = PIECE;
/// A server that does not say how much it lets wait may refuse so much, in bytes: no more than
/// a small part of what it allows unless it was told otherwise.
const HUGE: u64 = 1 << 20;
/// Connections that the newest entry may break by itself.
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
    bytes: u64,
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
            bytes: bytes.as_int().map_or(0, i64::unsigned_abs),
        }
    }

    /// What is to be said of the first to people, should it be more than a server lets wait
    /// that has this limit, or does not tell.
    pub(super) fn oversized(&self, limit: Option<u64>) -> Option<String> {
        let is_too_much = self.bytes >= limit.unwrap_or(HUGE);
        let weight = megabytes(self.bytes);
        (self.first.is_some() && is_too_much).then(|| match limit {
            Some(limit) => format!(
                "with {weight} it is more than the {} that the server lets wait for a listener",
                megabytes(limit)
            ),
            None => format!(
                "this hub was cut off over it, as with {weight} it may be more than the server \
                 lets wait for a listener"
            ),
        })
    }
}

/// Reads how much a server lets wait for a listener, in bytes, from what it answered
/// [`ask_limit`]. None if it does not tell.
pub(super) fn limit_of(reply: &Reply) -> Option<u64> {
    let limits = match reply {
        Reply::Map(pairs) => pairs.first().map(|(_, value)| value)?,
        Reply::List(parts) => parts.get(1)?,
        _ => return None,
    };
    let mut words = limits.as_str()?.split_ascii_whitespace();
    words.find(|word| *word == "pubsub")?;
    let limit = words.next()?.parse().ok()?;
    Some(if limit == 0 { u64::MAX } else { limit })
}

/// What to do for a read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// A page of so many entries at most.
    Page(usize),
    /// See what is there.
    Weigh,
    /// The entry of this number.
    Pieces(u64),
    /// The newest entry, with nothing beside it.
    Alone,
    /// Nothing: the log is read from its beginning.
    Anew,
}

impl Step {
    /// Whether nothing else is to be asked for meanwhile.
    pub(super) fn is_alone(self) -> bool {
        matches!(self, Step::Alone | Step::Pieces(_))
    }
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
    /// What to do for a read that may bring a page of so many entries. Who is `wary` weighs
    /// them first.
    pub(super) fn step(&self, read: &Read, page: usize, wary: bool) -> Step {
        let Some(suspect) = self.0.get(&key(read)) else {
            return match wary && read.ask != Ask::Newest {
                true => Step::Weigh,
                false => Step::Page(page),
            };
        };
        match (suspect.weight, read.ask) {
            (_, Ask::Newest) if suspect.breaks >= BREAKS => Step::Anew,
            (_, Ask::Newest) => Step::Alone,
            (None, _) => Step::Weigh,
            (Some(weight), _) => match weight.first {
                Some(number) if weight.fitting == 0 => Step::Pieces(number),
                _ => Step::Page(weight.fitting.clamp(1, page)),
            },
        }
    }

    /// The connection broke before the step was answered.
    pub(super) fn broke(&mut self, read: &Read, step: Step, now: Instant) {
        let suspect = self.suspect(read, now);
        match step {
            Step::Alone => suspect.breaks += 1,
            Step::Page(_) => suspect.weight = None,
            Step::Weigh | Step::Pieces(_) | Step::Anew => {}
        }
    }

    /// What is behind the place of a read was weighed.
    pub(super) fn weighed(&mut self, read: &Read, weight: Weight, now: Instant) {
        self.suspect(read, now).weight = Some(weight);
    }

    fn suspect(&mut self, read: &Read, now: Instant) -> &mut Suspect {
        let suspect = self.0.entry(key(read)).or_insert(Suspect {
            weight: None,
            breaks: 0,
            at: now,
        });
        suspect.at = now;
        suspect
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

/// Asks how much a server lets wait for a listener. A user may lack the right, and many
/// services forbid it.
pub(super) fn ask_limit(commands: &mut Commands) {
    commands.command(&[b"CONFIG", b"GET", b"client-output-buffer-limit"]);
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

    fn weight(fitting: usize, bytes: u64) -> Weight {
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
            let step = suspects.step(read, PAGE, false);
            match step {
                Step::Weigh => suspects.weighed(read, weight, now),
                step => suspects.broke(read, step, now),
            }
            step
        });
        all.collect()
    }

    #[test]
    fn what_is_heavy_is_read_in_pieces_for_as_long_as_it_takes() {
        let read = read(Ask::Head { after: 7 });
        let mut suspects = Suspects::default();
        let steps = breaking(&mut suspects, &read, weight(0, FITS as u64 + 1), 40);
        assert_eq!(steps[..2], [Step::Page(PAGE), Step::Weigh]);
        assert_eq!(steps[2..], [Step::Pieces(8); 38]);
        // It was read, or is gone: what is behind it is no suspect.
        suspects.cleared(&read);
        assert_eq!(suspects.step(&read, PAGE, false), Step::Page(PAGE));
    }

    /// One entry is missing, and connections are killed whenever it is read.
    #[test]
    fn what_is_light_is_read_in_pages_that_fit() {
        let read = read(Ask::Page { after: 7 });
        let mut suspects = Suspects::default();
        for weight in [weight(1, 100), Weight::default()] {
            let steps = breaking(&mut suspects, &read, weight, 40);
            assert!(steps.iter().all(|step| !step.is_alone()), "{steps:?}");
        }
        suspects.weighed(&read, weight(3, 1_000), Instant::now());
        assert_eq!(suspects.step(&read, PAGE, false), Step::Page(3));
        suspects.cleared(&read);
        assert_eq!(suspects.step(&read, PAGE, false), Step::Page(PAGE));
    }

    /// The next one may be as large as the last.
    #[test]
    fn the_wary_weigh_before_they_read() {
        let read = read(Ask::Page { after: 7 });
        let mut suspects = Suspects::default();
        assert_eq!(suspects.step(&read, PAGE, true), Step::Weigh);
        suspects.weighed(&read, weight(2, 100), Instant::now());
        assert_eq!(suspects.step(&read, PAGE, true), Step::Page(2));
        suspects.weighed(&read, weight(0, HUGE), Instant::now());
        assert_eq!(suspects.step(&read, PAGE, true), Step::Pieces(8));
    }

    #[test]
    fn a_place_further_on_is_no_suspect_and_the_old_one_is_forgotten() {
        let now = Instant::now();
        let mut suspects = Suspects::default();
        let (head, page) = (read(Ask::Head { after: 7 }), read(Ask::Page { after: 7 }));
        suspects.broke(&head, Step::Page(PAGE), now);
        assert_eq!(suspects.step(&page, PAGE, false), Step::Weigh);
        let further = read(Ask::Page { after: 8 });
        assert_eq!(suspects.step(&further, PAGE, false), Step::Page(PAGE));
        suspects.sweep(now);
        assert_eq!(suspects.step(&page, PAGE, false), Step::Weigh);
        suspects.sweep(now + KEPT);
        assert_eq!(suspects.step(&page, PAGE, false), Step::Page(PAGE));
    }

    #[test]
    fn the_newest_are_given_up_for_the_whole_log() {
        let mut suspects = Suspects::default();
        let steps = breaking(&mut suspects, &read(Ask::Newest), Weight::default(), 4);
        let expected = [Step::Page(PAGE), Step::Alone, Step::Alone, Step::Anew];
        assert_eq!(steps, expected);
    }

    fn text(text: &'static str) -> Reply {
        Reply::Text(bytes::Bytes::from_static(text.as_bytes()))
    }

    #[test]
    fn weights_are_read_and_nonsense_weighs_nothing() {
        let reply = Reply::List(vec![text("0"), text("8-0"), text("2097152")]);
        assert_eq!(Weight::of(&reply), weight(0, 2 << 20));
        for nonsense in [Reply::Nil, Reply::List(vec![Reply::Nil; 3])] {
            assert_eq!(Weight::of(&nonsense), Weight::default());
        }
    }

    #[test]
    fn an_entry_is_oversized_by_the_servers_own_limit_or_when_it_is_huge() {
        let limits = "normal 0 0 0 slave 268435456 67108864 60 pubsub 262144 131072 60";
        let limits = [text("client-output-buffer-limit"), text(limits)];
        let list = Reply::List(limits.to_vec());
        let [name, value] = limits;
        let limit = limit_of(&Reply::Map(vec![(name.clone(), value)]));
        assert_eq!(limit, Some(256 << 10));
        assert_eq!(limit_of(&list), limit);
        let none = text("normal 0 0 0 slave 0 0 0 pubsub 0 0 0");
        assert_eq!(limit_of(&Reply::Map(vec![(name, none)])), Some(u64::MAX));
        for nonsense in [
            Reply::Error("NOPERM".into()),
            Reply::Nil,
            Reply::Map(Vec::new()),
            Reply::List(vec![text("x"), text("pubsub")]),
        ] {
            assert_eq!(limit_of(&nonsense), None, "{nonsense:?}");
        }
        let is_said = |bytes, limit| weight(0, bytes).oversized(limit).is_some();
        assert!(is_said(256 << 10, limit) && !is_said(255 << 10, limit));
        assert!(is_said(HUGE, None) && !is_said(HUGE - 1, None));
        assert!(!is_said(1 << 40, Some(u64::MAX)));
        assert_eq!(Weight::default().oversized(Some(0)), None);
    }
}
