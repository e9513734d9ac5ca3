//! What replies mean for the events that they answer.

use std::time::Instant;

use super::{
    Outcomes, Settled,
    channels::Channels,
    denial::Denial,
    departures::{Departures, Flight},
    parcel::{Parcel, Trace},
    refusal::{self, Refusal, Trouble},
    window::Window,
};
use crate::{
    backplane::{Acknowledged, ForwardError, ForwardErrorKind},
    redis::{
        log::script::{self, Answer},
        modes::Way,
        socket::Reply,
    },
    topic::Topic,
};

/// Replies to one link, and where it is written to what they mean.
pub(super) struct Settling<'a, L> {
    /// Where the events went out.
    pub(super) link: L,
    pub(super) denial: &'a mut Option<Denial<L>>,
    pub(super) channels: &'a mut Channels<L>,
    pub(super) window: &'a mut Window,
    pub(super) outcomes: &'a mut Outcomes,
    pub(super) settled: &'a mut Settled,
    /// Hears which numbers events got in their logs.
    pub(super) numbered: &'a mut dyn FnMut(&Topic, u64),
}

/// What a `WAIT` has told.
enum Replicas {
    Have,
    Late,
    /// The server's role has changed meanwhile, or it does not know the command.
    Unknown(String),
}

impl<L: Copy + Eq> Settling<'_, L> {
    /// Gives each event of a pipeline its outcome, or back to the link.
    pub(super) fn settle(
        &mut self,
        link: &mut Departures,
        flight: Flight,
        replies: &[Reply],
        now: Instant,
    ) {
        let replicas = flight.waits.then(|| replicas(replies.last()));
        if let Some(replicas) = &replicas {
            link.replicas_answered(!matches!(replicas, Replicas::Late));
        }
        let mut replies = replies.iter();
        for parcel in flight.parcels {
            if parcel.asked {
                replies.next();
            }
            let Some(reply) = replies.next() else {
                // A session answers whole pipelines; with less, nothing is known.
                parcel.unconfirmed(self.outcomes);
                continue;
            };
            match parcel.way {
                Way::Plain | Way::Enveloped => self.live(link, parcel, reply, now),
                Way::Replayed => self.logged(link, parcel, reply, None, now),
                Way::Durable => self.logged(link, parcel, reply, replicas.as_ref(), now),
            }
        }
    }

    fn live(&mut self, link: &mut Departures, mut parcel: Parcel, reply: &Reply, now: Instant) {
        match reply {
            Reply::Error(words) => self.refused(link, parcel, words, now),
            reply => {
                self.succeeded(link, &parcel);
                let heard = reply.as_int().and_then(|int| u64::try_from(int).ok());
                parcel.arrived(heard.unwrap_or(0), None, self.outcomes);
            }
        }
    }

    fn logged(
        &mut self,
        link: &mut Departures,
        mut parcel: Parcel,
        reply: &Reply,
        replicas: Option<&Replicas>,
        now: Instant,
    ) {
        match script::answer(reply) {
            Answer::Kept { number, heard } => {
                self.kept(link, parcel, heard, Some(number), replicas, now);
            }
            Answer::Known { number } => self.kept(link, parcel, 0, number, replicas, now),
            Answer::Behind { serial } => {
                self.channels.behind(parcel.topic(), serial);
                link.lacks(parcel);
            }
            Answer::Unkept { words, .. } => {
                self.channels.gone(&parcel);
                self.short_of_memory(&words);
                self.denied(&parcel, &words, now);
                let error = ForwardError::new(ForwardErrorKind::NotKept).because(words);
                parcel.tell(Err(error), self.outcomes);
            }
            Answer::Refused(words) => self.refused(link, parcel, &words, now),
        }
    }

    fn kept(
        &mut self,
        link: &mut Departures,
        mut parcel: Parcel,
        heard: u64,
        number: Option<u64>,
        replicas: Option<&Replicas>,
        now: Instant,
    ) {
        self.succeeded(link, &parcel);
        self.channels.kept(&parcel);
        if let Some(number) = number {
            (self.numbered)(parcel.topic(), number);
        }
        let outcome = match replicas {
            None | Some(Replicas::Have) => Ok(Acknowledged { heard, number }),
            Some(Replicas::Late) => Err(ForwardError::new(ForwardErrorKind::NotReplicated)),
            Some(Replicas::Unknown(words)) => {
                if let Refusal::Again(trouble) = refusal::classify(words) {
                    self.trouble(trouble);
                    link.pause(now);
                    parcel.trace = Trace::InLog;
                    link.again(parcel);
                    return;
                }
                self.denied(&parcel, words, now);
                Err(ForwardError::new(ForwardErrorKind::NotReplicated).because(words.clone()))
            }
        };
        parcel.tell(outcome, self.outcomes);
        self.window.push(parcel);
    }

    fn refused(&mut self, link: &mut Departures, parcel: Parcel, words: &str, now: Instant) {
        if parcel.way.is_plain() {
            let echo = (parcel.topic().clone(), parcel.event.payload().clone());
            self.settled.refused.push(echo);
        }
        let is_out_of_reach = link.wire.server.alone && refusal::is_about_place(words);
        if !is_out_of_reach && refusal::is_about_place(words) && parcel.way.is_logged() {
            let place = (parcel.topic().clone(), words.to_owned());
            self.settled.places.push(place);
        }
        match refusal::classify(words) {
            Refusal::Script => {
                link.wire.knows_script = false;
                link.again(parcel);
            }
            _ if is_out_of_reach => {
                self.channels.gone(&parcel);
                let why = format!("{}: {words}", refusal::NOT_ALONE);
                let error = ForwardError::new(ForwardErrorKind::Rejected).because(why);
                parcel.failed(error, self.outcomes);
            }
            Refusal::Again(trouble) => {
                self.trouble(trouble);
                link.pause(now);
                link.again(parcel);
            }
            Refusal::Final => {
                self.channels.gone(&parcel);
                self.short_of_memory(words);
                self.denied(&parcel, words, now);
                let error = ForwardError::new(ForwardErrorKind::Rejected).because(words);
                parcel.failed(error, self.outcomes);
            }
        }
    }

    fn succeeded(&mut self, link: &mut Departures, parcel: &Parcel) {
        link.succeeded();
        self.denial
            .take_if(|denial| denial.ends_with(self.link, parcel));
    }

    fn denied(&mut self, parcel: &Parcel, words: &str, now: Instant) {
        if let Some(denial) = Denial::of(self.link, parcel, words, now) {
            *self.denial = Some(denial);
        }
    }

    fn short_of_memory(&mut self, words: &str) {
        if refusal::is_out_of_memory(words) {
            self.trouble(Trouble::OutOfMemory);
        }
    }

    fn trouble(&mut self, trouble: Trouble) {
        let troubles = &mut self.settled.troubles;
        if !troubles.iter().any(|known| known.is_like(&trouble)) {
            troubles.push(trouble);
        }
    }
}

fn replicas(reply: Option<&Reply>) -> Replicas {
    match reply {
        Some(Reply::Int(count)) if *count >= 1 => Replicas::Have,
        Some(Reply::Error(words)) => Replicas::Unknown(words.clone()),
        _ => Replicas::Late,
    }
}
