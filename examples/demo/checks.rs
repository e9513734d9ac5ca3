//! Whether what the sinks counted is what should have come, worked out without the
//! hub: each wish against each event, by name and by [`Filter::matches_json`].

use std::{
    collections::HashSet,
    thread,
    time::{Duration, Instant},
};

use distributary::{Filter, Stats};

use super::{
    Failure,
    churn::Joined,
    crowd::{Crowd, Wish},
    events::Entry,
    filters,
    lanes::{BUSY, Books, IDLE, STREAM, Seat},
    rng::Rng,
    text::count,
};

/// How long filters are tried one by one; all of them would take minutes.
const PATIENCE: Duration = Duration::from_secs(3);

/// One question, and whether it came out well.
pub(crate) struct Check {
    pub(crate) what: String,
    /// What is wrong, if something is.
    pub(crate) wrong: Option<String>,
}

impl Check {
    pub(crate) fn equal(what: impl Into<String>, counted: u64, expected: u64) -> Self {
        let wrong = (counted != expected)
            .then(|| format!("{} counted, {} expected", count(counted), count(expected)));
        Check {
            what: what.into(),
            wrong,
        }
    }
}

/// What a run has left behind.
pub(crate) struct Evidence<'a> {
    pub(crate) entries: &'a [Entry],
    pub(crate) crowd: &'a Crowd,
    pub(crate) books: &'a Books,
    /// The hub's counters before the lanes ended.
    pub(crate) stats: &'a Stats,
    /// Subscriptions reached while the stream went out, as the hub reported.
    pub(crate) reached: u64,
    /// Followers who never left.
    pub(crate) stayed: &'a [Seat],
    /// Who joined while the large event went out.
    pub(crate) joined: &'a [Joined],
    /// How often the large event went out.
    pub(crate) large: u64,
}

impl Evidence<'_> {
    pub(crate) fn examine(&self, rng: &mut Rng) -> Result<Vec<Check>, Failure> {
        let (books, stats) = (self.books, self.stats);
        let told = books.received(STREAM) + books.missed(STREAM);
        let all = |count: &dyn Fn(usize) -> u64| [STREAM, IDLE, BUSY].map(count).iter().sum();
        Ok(vec![
            self.expected(rng)?,
            Check::equal(
                "stream: sinks were told what publishing reported",
                told,
                self.reached,
            ),
            Check::equal(
                "idle: nothing came",
                books.received(IDLE) + books.missed(IDLE),
                0,
            ),
            self.stayed(),
            self.joined(),
            Check::equal("nothing came after a disconnect", books.after_leaving(), 0),
            Check::equal("writes to closed sinks", stats.closed_writes, 0),
            Check::equal("connections that the hub closed", books.closed(), 0),
            Check::equal(
                "the hub's count of deliveries",
                stats.delivered,
                all(&|stage| books.received(stage)),
            ),
            Check::equal(
                "the hub's count of what was missed",
                stats.missed,
                all(&|stage| books.missed(stage)),
            ),
            Check::equal(
                "subscriptions alive at the end",
                stats.subscriptions,
                self.crowd.members.len() as u64,
            ),
        ])
    }

    /// Everybody without a filter, and as many filters as there is time for.
    fn expected(&self, rng: &mut Rng) -> Result<Check, Failure> {
        let wishes = &self.crowd.wishes;
        let (mut filtered, mut plain): (Vec<_>, Vec<_>) =
            (0..wishes.len()).partition(|wish| wishes[*wish].filter.is_some());
        let mut expected = vec![None; wishes.len()];
        let names: HashSet<_> = self.entries.iter().map(|entry| &entry.topic).collect();
        // Most wait for topics that do not occur.
        plain.retain(|wish| {
            let occurs = names
                .iter()
                .any(|topic| wishes[*wish].names[0] == topic.as_str());
            if !occurs {
                expected[*wish] = Some(0);
            }
            occurs
        });
        for wish in plain {
            expected[wish] = Some(admitted(&wishes[wish], self.entries)?);
        }
        for last in (1..filtered.len()).rev() {
            filtered.swap(last, rng.below(last + 1));
        }
        let halves: Vec<&[usize]> = filtered.chunks(filtered.len().div_ceil(2).max(1)).collect();
        let deadline = Instant::now() + PATIENCE;
        let tried = thread::scope(|scope| {
            let threads = halves.into_iter().map(|half| {
                scope.spawn(move || {
                    let mut tried = Vec::new();
                    for wish in half {
                        if !tried.is_empty() && Instant::now() > deadline {
                            break;
                        }
                        tried.push((*wish, admitted(&wishes[*wish], self.entries)?));
                    }
                    Ok::<_, Failure>(tried)
                })
            });
            let threads: Vec<_> = threads.collect();
            let mut tried = Vec::new();
            for thread in threads {
                tried.extend(thread.join().map_err(|_| "a checking thread panicked")??);
            }
            Ok::<_, Failure>(tried)
        })?;
        for (wish, events) in &tried {
            expected[*wish] = Some(*events);
        }

        let (mut subscriptions, mut wrong) = (0, None);
        for (number, wish) in self.crowd.members.iter().enumerate() {
            let Some(expected) = expected[*wish as usize] else {
                continue;
            };
            subscriptions += 1;
            let told = self.books.of(number).told(STREAM);
            if told != expected && wrong.is_none() {
                let asks = &wishes[*wish as usize].selector;
                wrong = Some(format!("{told} came for {asks:?}, {expected} expected"));
            }
        }
        let what = format!(
            "stream: {} subscriptions, {} filters among them, tried without the hub",
            count(subscriptions),
            count(tried.len() as u64),
        );
        Ok(Check { what, wrong })
    }

    /// Who was there all the time got every large event.
    fn stayed(&self) -> Check {
        let told = |seat: &Seat| self.books.of(seat.number).told(BUSY);
        let short = self.stayed.iter().find(|seat| told(seat) != self.large);
        let what = format!(
            "busy: {} who stayed got all {}",
            count(self.stayed.len() as u64),
            count(self.large)
        );
        let wrong = short.map(|seat| format!("connection {} got {}", seat.number, told(seat)));
        Check { what, wrong }
    }

    /// Who joined got everything from then on, and nothing from before.
    fn joined(&self) -> Check {
        let told = |joined: &Joined| self.books.of(joined.seat.number).told(BUSY);
        let off = self.joined.iter().find(|joined| {
            let (least, most) = (
                self.large - joined.all_after,
                self.large - joined.not_before,
            );
            !(least..=most).contains(&told(joined))
        });
        let what = format!(
            "busy: {} who joined got all from then on",
            count(self.joined.len() as u64)
        );
        let wrong = off.map(|joined| {
            let number = joined.seat.number;
            let (in_after, got) = (joined.all_after, told(joined));
            format!(
                "connection {number}, in after {in_after} of {}, got {got}",
                self.large
            )
        });
        Check { what, wrong }
    }
}

/// How many of the events a wish admits.
fn admitted(wish: &Wish, entries: &[Entry]) -> Result<u64, Failure> {
    let mut admitted = 0;
    for entry in entries {
        if filters::covers(&wish.names, entry.topic.as_str())? {
            let matches = |filter: &Filter| filter.matches_json(&entry.payload) == Ok(true);
            admitted += u64::from(wish.filter.as_ref().is_none_or(matches));
        }
    }
    Ok(admitted)
}

#[cfg(test)]
mod tests {
    use super::super::{filters::Source, lanes::Lanes};
    use super::*;
    use bytes::Bytes;
    use distributary::{Hub, Topic};

    /// The names of the checks that came out badly.
    fn wrong(evidence: &Evidence<'_>) -> Vec<String> {
        let checks = evidence.examine(&mut Rng::new(1)).unwrap().into_iter();
        let wrong = checks.filter(|check| check.wrong.is_some());
        wrong.map(|check| check.what).collect()
    }

    #[test]
    fn a_good_run_is_well_and_any_other_number_is_found() {
        let topic = Topic::new("recentchange:enwiki").unwrap();
        let entry = |bot: bool| Entry {
            topic: topic.clone(),
            payload: Bytes::from(format!(
                r#"{{"wiki": "enwiki", "bot": {bot}, "namespace": 0}}"#
            )),
        };
        let mut entries = vec![entry(false), entry(true), entry(false)];
        let mut rng = Rng::new(1);
        let source = Source::new(&entries).unwrap();
        let crowd = Crowd::draw(&entries, &topic, 20, &source, &mut rng).unwrap();
        let hub = Hub::new();
        let lanes = Lanes::start(&hub, crowd.members.len()).unwrap();
        let join = |(number, wish): (usize, &u32)| {
            let selector = crowd.wishes[*wish as usize].selector.clone();
            lanes.entrance().join(number, selector).unwrap()
        };
        let seats: Vec<Seat> = crowd.members.iter().enumerate().map(join).collect();
        let publish = |entry: &Entry| hub.publish(&entry.topic, entry.payload.clone()).unwrap();
        let reached = entries
            .iter()
            .map(|entry| publish(entry).subscriptions)
            .sum();
        lanes.settle().unwrap();
        lanes.enter(BUSY);
        publish(&entries[0]);
        lanes.settle().unwrap();
        let stats = hub.stats();
        let books = lanes.stop().unwrap();
        let joined: Vec<Joined> = seats[..3]
            .iter()
            .map(|seat| Joined {
                seat: *seat,
                not_before: 0,
                all_after: 0,
            })
            .collect();
        let mut evidence = Evidence {
            entries: &entries,
            crowd: &crowd,
            books: &books,
            stats: &stats,
            reached,
            stayed: &seats[..20],
            joined: &joined,
            large: 1,
        };
        assert_eq!(wrong(&evidence), [""; 0]);

        evidence.reached += 1;
        assert_eq!(wrong(&evidence).len(), 1);
        evidence.reached -= 1;
        evidence.large = 2;
        assert_eq!(wrong(&evidence).len(), 2, "who stayed, who joined");
        evidence.large = 1;
        let mut other = stats.clone();
        other.closed_writes = 1;
        other.delivered -= 1;
        evidence.stats = &other;
        assert_eq!(wrong(&evidence).len(), 2);

        entries.push(entry(false));
        let evidence = Evidence {
            entries: &entries,
            crowd: &crowd,
            books: &books,
            stats: &stats,
            reached,
            stayed: &[],
            joined: &[],
            large: 1,
        };
        let wrong = wrong(&evidence);
        assert!(
            matches!(&wrong[..], [what] if what.contains("without the hub")),
            "{wrong:?}"
        );
    }
}
