//! The thread of a lane: a poll, and a shard that it turns.
//!
//! One round: ask the poll what became ready (without waiting while there is work),
//! read and write those sockets, carry out commands, look after those that are due,
//! serve one slice of the engine. So whatever a client sends waits for one slice at
//! most, however many sockets an event goes to.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use mio::{Events, Poll, Token, Waker};
use tokio::sync::oneshot;

use super::{
    command::{Arrival, Command, Inbox},
    shard::Shard,
    stream::Socket,
};
use crate::{
    gateway::{Shared, ended::Ended, wire::encoder::Encoder},
    lane::Lane,
    wake::contained,
};

/// Sockets told of by one poll.
const READY: usize = 1_024;
/// Polls in one round: the system tells sockets in the order in which they became
/// ready, and a ping may stand behind thousands that are leaving.
const POLLS: usize = 32;
/// Commands carried out in one round; an arrival costs about as much as a delivery.
const COMMANDS: usize = 32;
/// The poll's name for the waker; places of sockets are far below.
const BELL: Token = Token(usize::MAX);

struct Round {
    poll: Poll,
    shard: Shard<Socket>,
    shared: Arc<Shared>,
    inbox: Inbox,
    began: Instant,
    /// Told to end: by when everybody has to be gone, if ever, and who waits for it.
    ending: Option<(Option<Instant>, Vec<oneshot::Sender<()>>)>,
}

/// Starts a lane's thread. Where commands to it are posted.
pub(super) fn start(
    shared: &Arc<Shared>,
    encoder: &Arc<Encoder>,
    number: u16,
) -> io::Result<Inbox> {
    let poll = Poll::new()?;
    let waker = Waker::new(poll.registry(), BELL)?;
    let mut lane = Lane::with_limits(&shared.hub, shared.limits.slice);
    lane.on_ready(move || {
        // A poll that cannot be woken is one that is gone.
        let _ = waker.wake();
    });
    let inbox = Inbox::new(&shared.hub, lane.remote());
    let mut round = Round {
        poll,
        shard: Shard::new(shared, encoder, lane, inbox.clone(), number),
        shared: Arc::clone(shared),
        inbox: inbox.clone(),
        began: Instant::now(),
        ending: None,
    };
    thread::Builder::new()
        .name(format!("distributary-gateway-{number}"))
        .spawn(move || {
            // Nothing in here should panic; if it does, its sockets close, and those who
            // wait for its end are told by their channels.
            let inbox = round.inbox.clone();
            let _ = catch_unwind(AssertUnwindSafe(|| round.run()));
            inbox.end();
            let waiting = round.ending.take();
            // Those who are left are dropped one by one: what each owns may panic.
            let _ = catch_unwind(AssertUnwindSafe(|| round.shard.abandon()));
            let _ = catch_unwind(AssertUnwindSafe(|| drop(round)));
            // Whoever waits for the end sees that no answer will come: now it is true.
            drop(waiting);
        })?;
    Ok(inbox)
}

impl Round {
    fn run(&mut self) {
        let mut events = Events::with_capacity(READY);
        let mut busy = true;
        let mut looked = Instant::now();
        while !self.is_over() {
            let wait = self.patience(busy);
            if !self.listen(&mut events, wait, &mut looked) {
                return;
            }
            self.shard.go_on();
            self.carry_out();
            busy = self.shard.turn() || !self.inbox.is_empty();
        }
    }

    /// Finds out what became ready and sees to it. False when the poll is broken: nobody
    /// could be served.
    fn listen(
        &mut self,
        events: &mut Events,
        mut wait: Option<Duration>,
        looked: &mut Instant,
    ) -> bool {
        for _ in 0..POLLS {
            match self.poll.poll(events, wait) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => return true,
                Err(_) => return false,
            }
            let now = Instant::now();
            if wait == Some(Duration::ZERO) && !events.is_empty() {
                let waited = now.duration_since(*looked).as_nanos() as u64;
                self.shared.meters.read_wait.record(waited);
            }
            *looked = now;
            self.shard
                .tick(now.duration_since(self.began).as_millis() as u64);
            let mut told = 0;
            for event in events.iter() {
                told += 1;
                if event.token() != BELL {
                    let over = event.is_read_closed() || event.is_error();
                    let place = event.token().0 as u32;
                    self.shard
                        .ready(place, event.is_readable(), event.is_writable(), over);
                }
            }
            if told < READY {
                break;
            }
            wait = Some(Duration::ZERO);
        }
        true
    }

    fn patience(&self, busy: bool) -> Option<Duration> {
        if busy {
            return Some(Duration::ZERO);
        }
        let ending = self.ending.as_ref();
        let ending = ending.and_then(|(by, _)| *by);
        let ending = ending.map(|by| by.saturating_duration_since(Instant::now()));
        let due = self.shard.patience().map(Duration::from_millis);
        // A poll takes whole milliseconds: one that is up a little early is up in vain.
        let due = due.map(|due| due.max(Duration::from_millis(1)));
        [ending, due].into_iter().flatten().min()
    }

    fn carry_out(&mut self) {
        let clock = self.shared.hub.core().clock;
        for _ in 0..COMMANDS {
            let Some((posted, command)) = self.inbox.take() else {
                return;
            };
            match command {
                Command::Arrive(arrival) => self.arrive(*arrival),
                Command::End(done) => {
                    let by = Instant::now().checked_add(self.shared.limits.close_timeout);
                    let (_, waiting) = self.ending.get_or_insert((by, Vec::new()));
                    waiting.extend(done);
                    self.shard.end_all(Ended::Closed);
                }
                command => self.shard.command(command),
            }
            let waited = clock.now().saturating_sub(posted);
            self.shared.meters.command_wait.record(waited);
        }
    }

    fn arrive(&mut self, arrival: Arrival) {
        let place = self.shard.reserve();
        let (limits, registry) = (&self.shared.limits, self.poll.registry());
        let mut adopted = None;
        // What is dropped with a connection that has gone is the application's.
        contained(|| {
            let adopt = |stream| Socket::adopt(stream, limits, registry, Token(place as usize));
            adopted = arrival.try_map(adopt).ok();
        });
        match adopted {
            Some(arrival) => {
                self.shard.arrive(place, arrival);
                if self.ending.is_some() {
                    self.shard.end_all(Ended::Closed);
                }
            }
            // It has gone before it arrived.
            None => self.shard.release(place),
        }
    }

    fn is_over(&self) -> bool {
        self.ending.as_ref().is_some_and(|(by, _)| {
            let late = by.is_some_and(|by| Instant::now() >= by);
            late || self.shard.len() == 0 && self.inbox.is_empty()
        })
    }
}
