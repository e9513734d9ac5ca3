//! Models of a feed's hand-overs: append, park, join, leave and close.
//!
//! See `wake::loom_tests` for how they are run.

use std::task::{Wake, Waker};

use loom::{sync::Notify, thread};

use super::{Ending, Feed, Limits, NO_SLOT, Read, Shed, SlotId};
use crate::{
    event::{Event, Position, Publication},
    metrics::Gauge,
    sync::{Arc, StdArc},
    topic::Topic,
    wake::{
        Calls, Post,
        loom_tests::{bell, check, sleep},
    },
};

fn feed() -> StdArc<Feed> {
    StdArc::new(Feed::new(Arc::new(Limits::default()), 0))
}

fn event(offset: u64) -> Event {
    let position = Position { epoch: 1, offset };
    let topic = Topic::new("t").unwrap();
    let publication = Publication::new("t", "payload");
    Event::new(
        topic,
        publication.content,
        1,
        position,
        &Arc::new(Gauge::default()),
    )
}

/// Publishes as a hub does, with itself as the one who wakes a crowd.
fn publish(feed: &Feed, events: impl IntoIterator<Item = u64>) {
    for offset in events {
        let (mut calls, mut shed) = (Calls::default(), Shed::default());
        let crowded = feed.append(event(offset), 0, &mut calls, &mut shed);
        calls.make();
        if crowded {
            feed.wake_parked(0, usize::MAX);
        }
    }
}

struct Alarm(Notify);

impl Wake for Alarm {
    fn wake(self: StdArc<Self>) {
        self.0.notify();
    }
}

/// A subscription that blocks.
struct Reader {
    feed: StdArc<Feed>,
    cursor: u64,
    slot: SlotId,
    alarm: StdArc<Alarm>,
}

impl Reader {
    /// The reader that a new feed counts already, or one more.
    fn join(feed: &StdArc<Feed>) -> Self {
        Reader {
            cursor: feed.join(),
            feed: StdArc::clone(feed),
            slot: NO_SLOT,
            alarm: StdArc::new(Alarm(Notify::new())),
        }
    }

    fn try_recv(&mut self) -> Option<u64> {
        match self.feed.read(&mut self.cursor, || 0, &mut Shed::default()) {
            Read::Got(event) => Some(event.position().offset),
            Read::Missed(_) => panic!("nothing is lost here"),
            Read::Nothing => None,
        }
    }

    fn park(&mut self) -> bool {
        let waker = Waker::from(StdArc::clone(&self.alarm));
        self.feed.park(self.cursor, 1, &mut self.slot, &waker)
    }

    /// The next event, or `None` at the end.
    fn recv(&mut self) -> Option<u64> {
        loop {
            if let Some(offset) = self.try_recv() {
                return Some(offset);
            }
            if self.feed.ending() != Ending::Open && !self.feed.has(self.cursor) {
                return None;
            }
            if self.park() {
                self.alarm.0.wait();
            }
        }
    }

    fn leave(self) {
        if !self.feed.exit() {
            self.feed
                .leave(self.cursor, self.slot, &mut Shed::default());
        }
    }
}

#[test]
fn loom_no_append_is_slept_over() {
    check(|| {
        let feed = feed();
        let mut reader = Reader::join(&feed);
        let publisher = thread::spawn(move || publish(&feed, [1, 2]));
        assert_eq!(reader.recv(), Some(1));
        assert_eq!(reader.recv(), Some(2));
        publisher.join().unwrap();
    });
}

#[test]
fn loom_a_crowd_is_woken_to_the_last() {
    check(|| {
        let feed = feed();
        let mut first = Reader::join(&feed);
        assert!(feed.enter());
        let mut second = Reader::join(&feed);
        let other = thread::spawn(move || {
            assert_eq!(second.recv(), Some(1));
            assert_eq!(second.recv(), Some(2));
        });
        let publisher = thread::spawn(move || publish(&feed, [1, 2]));
        assert_eq!(first.recv(), Some(1));
        assert_eq!(first.recv(), Some(2));
        other.join().unwrap();
        publisher.join().unwrap();
    });
}

#[test]
fn loom_what_was_published_before_the_end_is_read_before_the_end() {
    check(|| {
        let feed = feed();
        let mut reader = Reader::join(&feed);
        let closer = thread::spawn(move || {
            publish(&feed, [1]);
            feed.close(Ending::HubClosed);
        });
        assert_eq!(reader.recv(), Some(1));
        assert_eq!(reader.recv(), None);
        closer.join().unwrap();
    });
}

#[test]
fn loom_a_dead_feed_stays_dead_and_a_live_one_loses_nothing() {
    check(|| {
        let feed = feed();
        let leaver = Reader::join(&feed);
        let leaving = thread::spawn(move || leaver.leave());
        let joining = {
            let feed = StdArc::clone(&feed);
            thread::spawn(move || feed.enter().then(|| Reader::join(&feed)))
        };
        publish(&feed, [1]);
        leaving.join().unwrap();
        match joining.join().unwrap() {
            None => {
                assert_eq!(feed.live(), 0);
                assert!(!feed.enter(), "a dead feed came back to life");
            }
            Some(mut joined) => {
                assert_eq!(feed.live(), 1);
                let expected = if joined.cursor == 0 { Some(1) } else { None };
                assert_eq!(joined.try_recv(), expected);
                publish(&feed, [2]);
                assert_eq!(joined.try_recv(), Some(2));
                assert_eq!(feed.with_log(|log, _| log.len()), 0, "held for nobody");
            }
        }
    });
}

#[test]
fn loom_a_place_to_park_is_given_on() {
    check(|| {
        let feed = feed();
        let mut leaver = Reader::join(&feed);
        assert!(feed.enter());
        let mut reader = Reader::join(&feed);
        let leaving = thread::spawn(move || {
            let _ = leaver.park();
            leaver.leave();
        });
        let publisher = thread::spawn(move || publish(&feed, [1]));
        assert_eq!(reader.recv(), Some(1));
        leaving.join().unwrap();
        publisher.join().unwrap();
    });
}

#[test]
fn loom_a_lane_hears_of_every_append() {
    check(|| {
        let feed = feed();
        let post = Arc::new(Post::new());
        let mut cursor = feed.sit(&post, 3);
        let publishers = [1, 2].map(|offset| {
            let feed = StdArc::clone(&feed);
            thread::spawn(move || publish(&feed, [offset]))
        });
        let (notify, bell) = bell();
        post.listen(bell);
        let mut got = 0;
        loop {
            post.wake();
            while let Some(group) = post.next() {
                assert_eq!(group, 3);
                while let Read::Got(run) =
                    feed.look(Some(&post), cursor, 8, 0, &mut Shed::default())
                {
                    got += run.events().len();
                    feed.advance(cursor, run.end(), &mut Shed::default());
                    cursor = run.end();
                }
            }
            if got == 2 {
                break;
            }
            sleep(&post, &notify, || false);
        }
        for publisher in publishers {
            publisher.join().unwrap();
        }
    });
}
