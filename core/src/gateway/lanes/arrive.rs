//! How a connection is taken in, and subscribed.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    berths::token,
    command::{Arrival, Speech},
    connection::{Connection, Member, Stage},
    marks::Stood,
    millis, numbers,
    outbox::Outbox,
    shard::Shard,
    stream::Transport,
};
use crate::{
    event::Position,
    gateway::{
        ended::Ended,
        verdict::{Format, Grant},
        wire::{decode::Decoder, encoder::Kind, json, sse},
    },
    hub::{Resume, SubscribeError, SubscribeOptions},
    selector::Selector,
    topic::Topic,
};

/// What a client is told when its positions do not say where it stood.
const UNKNOWN: &str =
    "the position shown does not cover everything that is followed: load the current state";

/// Where a subscription begins.
pub(super) struct Begun {
    /// In each topic that keeps history: where it was resumed, or now. From there it can
    /// be resumed again.
    pub(super) at: BTreeMap<Topic, Position>,
    /// Why the client may have missed something, and has to be told.
    pub(super) lost: Option<String>,
}

/// In which form a client gets events.
fn kind(speech: Speech, grant: &Grant) -> Kind {
    match (speech, grant.format) {
        (Speech::Json, _) => Kind::Json(0),
        (Speech::Sse, _) => Kind::Sse,
        (Speech::Plain, Format::Auto) => Kind::Auto,
        (Speech::Plain, Format::Binary) => Kind::Binary,
    }
}

/// How many topics and patterns a selector names; there are at most 10,000.
pub(super) fn names(selector: &Selector) -> u32 {
    (selector.topics.len() + selector.patterns.len()) as u32
}

impl<T: Transport> Shard<T> {
    /// Takes a connection in: subscribes it, then answers its request, so that whoever
    /// reads the answer gets every event published from then on.
    pub(in crate::gateway) fn arrive(&mut self, place: u32, arrival: Arrival<T>) {
        let now = self.berths.now;
        let topics =
            |(selector, _): &(Selector, _)| (selector.topics.len(), selector.patterns.len());
        let one_topic =
            matches!(arrival.grant.selectors.as_slice(), [only] if topics(only) == (1, 0));
        let marks = arrival.speech == Speech::Sse && !one_topic;
        self.berths.moor(
            place,
            Connection {
                transport: arrival.stream,
                kind: kind(arrival.speech, &arrival.grant),
                speech: arrival.speech,
                outbox: Outbox::default(),
                decoder: Decoder::default(),
                members: Default::default(),
                wishes: Default::default(),
                marks: marks.then(Box::default),
                grant: Arc::clone(&arrival.grant),
                session: arrival.session,
                stage: Stage::Arriving,
                heard: now,
                progress: now,
                pinged: None,
                armed: u64::MAX,
                stalled: false,
                hungry: false,
                unread: false,
                corked: false,
                doomed: false,
                leaving: false,
                permit: arrival.permit,
            },
        );
        self.arm(
            place,
            now.saturating_add(millis(self.shared.limits.ping_every)),
        );
        let stood = arrival.resume.as_deref().map(Stood::parse);
        let selectors = &arrival.grant.selectors;
        let (mut begun, mut failed) = (Vec::with_capacity(selectors.len()), None);
        for (nth, (selector, options)) in selectors.iter().enumerate() {
            let (number, mut options) = (numbers::of_the_server(nth), options.clone());
            let known = match &stood {
                Some(stood) => stood.apply(selector, &mut options),
                None => true,
            };
            match self.enter(place, number, selector, options) {
                Ok(mut here) => {
                    if !known && here.lost.is_none() {
                        here.lost = Some(UNKNOWN.to_owned());
                    }
                    begun.push((number, here));
                }
                Err(error) => {
                    failed = Some(error);
                    break;
                }
            }
        }
        // Not before: who reads this may publish at once, and expect to get it.
        if !arrival.head.is_empty() {
            self.tell(place, arrival.head);
        }
        let failed = match failed {
            _ if !self.tell_application(place) => Some((Ended::Panicked, None)),
            None => None,
            Some(SubscribeError::Closed) => Some((Ended::Closed, None)),
            Some(error) => Some((Ended::Application, Some(error.to_string()))),
        };
        if let Some((ended, reason)) = failed {
            self.open(place);
            return self.end(place, ended, reason);
        }
        if arrival.speech == Speech::Json {
            let every = millis(self.shared.limits.ping_every);
            let name = numbers::name(selectors);
            let granted = (!selectors.is_empty()).then_some((selectors.len(), &name[..]));
            let ticket = arrival.ticket.as_deref();
            self.say(place, json::welcome(every, granted, ticket));
        }
        self.say_where_it_begins(place, begun);
        self.open(place);
        if !arrival.read_ahead.is_empty() {
            let mut bytes = arrival.read_ahead.to_vec();
            self.take_in(place, &mut bytes);
        }
    }

    /// Writes what a newcomer is told, all at once.
    fn open(&mut self, place: u32) {
        if let Some(connection) = self.berths.at(place)
            && connection.stage == Stage::Arriving
        {
            connection.stage = Stage::Open;
            self.flush(place);
        }
    }

    /// Tells the application that a connection is here. False when it panicked.
    fn tell_application(&mut self, place: u32) -> bool {
        if self.shared.hooks.opened.is_none() {
            return true;
        }
        let handle = self.handle(place);
        let Some(connection) = self.berths.at(place) else {
            return true;
        };
        let session = Arc::clone(&connection.session);
        self.ask(|shared| {
            if let Some(hook) = &shared.hooks.opened {
                hook(&handle, &session);
            }
        })
    }

    /// Subscribes a connection. Where it cannot resume it begins now.
    pub(super) fn enter(
        &mut self,
        place: u32,
        number: u32,
        selector: &Selector,
        mut options: SubscribeOptions,
    ) -> Result<Begun, SubscribeError> {
        // Before it is in force: later it could be beyond an event that the client is
        // still to get.
        let mut at = self.positions(selector);
        let token = token(place, number);
        let lane = &mut self.lane;
        let mut lost = None;
        let mut entered = lane.subscribe_with(selector.clone(), token, options.clone());
        let resume = options.take_resume();
        if let Err(SubscribeError::Resume(error)) = entered {
            lost = Some(error.to_string());
            entered = lane.subscribe_with(selector.clone(), token, options.clone());
        }
        let mut member = entered?;
        let resume = resume.filter(|_| lost.is_none());
        if resume.is_none() && self.positions(selector) != at {
            // Something was published in between, behind what the client will be told
            // and before what it would get.
            let mut from_here = Resume::new();
            for (topic, position) in &at {
                from_here = from_here.topic(topic.clone(), *position);
            }
            let options = options.resume(from_here);
            let exact = self.lane.subscribe_with(selector.clone(), token, options);
            if let Ok(exact) = exact {
                self.lane.unsubscribe(std::mem::replace(&mut member, exact));
            }
        }
        if let Some(connection) = self.berths.at(place) {
            connection.members.push(Member {
                number,
                names: names(selector),
                id: member,
            });
        }
        if let Some(resume) = resume {
            let only = selector.topics.iter().cloned().zip(resume.only);
            at.extend(resume.topics.into_iter().chain(only));
        }
        Ok(Begun { at, lost })
    }

    /// Where the topics of a selector that keep history stand.
    fn positions(&self, selector: &Selector) -> BTreeMap<Topic, Position> {
        let hub = &self.shared.hub;
        let position = |topic: &Topic| Some((topic.clone(), hub.position(topic)?));
        selector.topics.iter().filter_map(position).collect()
    }

    /// Tells a client that it may have missed something.
    pub(super) fn tell_lost(&mut self, place: u32, number: u32, reason: &str) {
        self.berths.meters.told_lag();
        let speech = self.berths.at(place).map(|connection| connection.speech);
        match speech {
            Some(Speech::Json) => self.say(place, json::lagged(number, Err(reason))),
            Some(Speech::Sse) => self.tell(place, sse::lagged(None, Some(reason))),
            Some(Speech::Plain) | None => {}
        }
    }

    /// Gives a client what it can resume from before its first event, and tells it what
    /// it may have missed.
    pub(super) fn say_where_it_begins(&mut self, place: u32, begun: Vec<(u32, Begun)>) {
        let Some(connection) = self.berths.at(place) else {
            return;
        };
        if connection.speech == Speech::Json {
            for (number, Begun { at, lost }) in begun {
                self.say(place, json::subscribed(number, &at));
                if let Some(reason) = lost {
                    self.tell_lost(place, number, &reason);
                }
            }
            return;
        }
        if connection.speech == Speech::Sse {
            let mut all = begun
                .iter()
                .flat_map(|(number, begun)| begun.at.iter().map(move |at| (*number, at)));
            let id = match &mut connection.marks {
                None => all.next().map(|(_, (_, position))| position.to_string()),
                Some(marks) => {
                    for (number, (topic, position)) in all {
                        marks.set(number, topic, *position);
                    }
                    marks.id()
                }
            };
            if let Some(id) = id {
                self.tell(place, sse::id(&id));
            }
        }
        // Whatever it was of: here they have no numbers.
        let mut lost = begun.into_iter().filter_map(|(_, begun)| begun.lost);
        if let Some(reason) = lost.next() {
            self.tell_lost(place, numbers::of_the_server(0), &reason);
        }
    }
}
