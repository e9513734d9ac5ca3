//! Subscriptions that are made and ended while a connection lives: by its client, in the
//! JSON protocol, or by the application.
//!
//! A wish within what was allowed is granted at once. About any other the application
//! is asked in a task, and its answer comes back as a command; until then the wish
//! stands with its connection and can be taken back, though it counts until the
//! application is through with it.

use std::sync::Arc;

use super::{
    arrive::names,
    command::{SocketId, Speech},
    connection::{Member, Wished},
    numbers,
    shard::Shard,
    stream::Transport,
};
use crate::{
    gateway::{ended::Ended, hooks::Granted, verdict::Wish, wire::json},
    lane::MemberId,
};

impl<T: Transport> Shard<T> {
    /// A client of the JSON protocol wishes to subscribe.
    pub(super) fn wish(&mut self, place: u32, number: u32, wish: Wish) {
        let most = self.shared.limits.max_subscriptions;
        let most_names = self.shared.limits.max_topics;
        let Some(connection) = self.berths.at(place) else {
            return;
        };
        let own = |member: &&Member| !numbers::is_of_the_server(member.number);
        let members = connection.members.iter().filter(own);
        let wishes = connection.wishes.iter();
        let (count, named) = members
            .map(|member| member.names)
            .chain(wishes.map(|wished| wished.names))
            .fold((0, names(&wish.selector)), |(count, all), names| {
                (count + 1, all + names)
            });
        if count >= most || named as usize > most_names {
            let message = match count >= most {
                true => format!("{most} subscriptions are all that a client may have: end one"),
                false => format!(
                    "{most_names} topics and patterns are all that a client may follow: end a subscription"
                ),
            };
            let note = json::error(Some(number), json::Code::TooMany, &message);
            return self.say(place, note);
        }
        let known = |n: &u32| *n == number;
        let mut wished = connection.wishes.iter().filter(|wished| !wished.withdrawn);
        if connection
            .members
            .iter()
            .any(|member| known(&member.number))
            || wished.any(|wished| known(&wished.number))
        {
            let message = "this id is in use: choose another, or unsubscribe it first";
            let note = json::error(Some(number), json::Code::BadRequest, message);
            return self.say(place, note);
        }
        if connection.grant.allows(&wish.selector) {
            return self.grant(place, number, wish);
        }
        let shared = Arc::clone(&self.shared);
        let Some(hook) = &shared.hooks.wish else {
            let message = "this may not be subscribed to";
            let note = json::error(Some(number), json::Code::Denied, message);
            return self.say(place, note);
        };
        self.serial = self.serial.wrapping_add(1);
        let serial = self.serial;
        connection.wishes.push(Wished {
            number,
            names: names(&wish.selector),
            serial,
            withdrawn: false,
        });
        let session = Arc::clone(&connection.session);
        let handle = self.handle(place);
        let (id, inbox) = (handle.id, self.inbox.clone());
        let mut answer = None;
        let asked = self.ask(|_| answer = Some(hook(handle, session, wish)));
        let Some(answer) = answer.filter(|_| asked) else {
            return self.end(place, Ended::Panicked, None);
        };
        self.shared
            .runtime
            .spawn(super::answered(answer, id, serial, inbox));
    }

    /// The application has answered a wish.
    pub(super) fn granted(&mut self, id: SocketId, serial: u32, granted: Option<Granted>) {
        let Some(place) = self.place_of(id) else {
            return;
        };
        let Some(connection) = self.berths.at(place) else {
            return;
        };
        let at = connection
            .wishes
            .iter()
            .position(|wished| wished.serial == serial);
        let Some(at) = at else {
            return;
        };
        let Wished {
            number, withdrawn, ..
        } = connection.wishes.swap_remove(at);
        if withdrawn || !connection.is_open() {
            return;
        }
        match granted {
            None => self.end(place, Ended::Panicked, None),
            Some(Ok(wish)) => self.grant(place, number, wish),
            Some(Err(denied)) => {
                let note = json::error(Some(number), json::Code::Denied, &denied.message);
                self.say(place, note);
            }
        }
    }

    fn grant(&mut self, place: u32, number: u32, wish: Wish) {
        let Wish { selector, options } = wish;
        match self.enter(place, number, &selector, options) {
            Ok(begun) => self.say_where_it_begins(place, vec![(number, begun)]),
            Err(error) => {
                let note = json::error(Some(number), json::Code::BadRequest, &error.to_string());
                self.say(place, note);
            }
        }
    }

    /// A client of the JSON protocol ends a subscription: when it is told so, nothing
    /// more of it comes.
    pub(super) fn unwish(&mut self, place: u32, number: u32) {
        let Some(connection) = self.berths.at(place) else {
            return;
        };
        let mut wishes = connection.wishes.iter_mut();
        let wished = wishes.find(|wished| wished.number == number && !wished.withdrawn);
        let known = match wished {
            Some(wished) => {
                wished.withdrawn = true;
                true
            }
            None => self.leave(place, number).is_some(),
        };
        let note = match known {
            true => json::unsubscribed(number),
            false => {
                let message = "there is no subscription of this id";
                json::error(Some(number), json::Code::Unknown, message)
            }
        };
        self.say(place, note);
    }

    /// The application subscribes a client to more.
    pub(super) fn follow(&mut self, id: SocketId, number: u32, wish: Wish) {
        let Some(place) = self.place_of(id) else {
            return;
        };
        let Some(connection) = self.berths.at(place).filter(|it| it.is_open()) else {
            return;
        };
        match connection.speech {
            Speech::Json => return self.grant(place, number, wish),
            // From here on an id has to speak of more than one topic.
            Speech::Sse => _ = connection.marks.get_or_insert_default(),
            Speech::Plain => {}
        }
        match self.enter(place, number, &wish.selector, wish.options) {
            Ok(begun) => self.say_where_it_begins(place, vec![(number, begun)]),
            Err(error) => self.end(place, Ended::Application, Some(error.to_string())),
        }
    }

    /// The application ends a subscription that it made.
    pub(super) fn unfollow(&mut self, id: SocketId, number: u32) {
        let Some(place) = self.place_of(id) else {
            return;
        };
        if self.leave(place, number).is_some()
            && self
                .berths
                .at(place)
                .is_some_and(|it| it.speech == Speech::Json)
        {
            self.say(place, json::unsubscribed(number));
        }
    }

    /// Takes a subscription out of the index.
    fn leave(&mut self, place: u32, number: u32) -> Option<MemberId> {
        let connection = self.berths.at(place)?;
        let mut members = connection.members.iter();
        let at = members.position(|member| member.number == number)?;
        let member = connection.members.swap_remove(at).id;
        if let Some(marks) = &mut connection.marks {
            marks.forget(number);
        }
        self.lane.unsubscribe(member);
        Some(member)
    }
}
