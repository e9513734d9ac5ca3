//! What clients send.

use std::{io, ops::ControlFlow, sync::Arc};

use bytes::Bytes;
use smallvec::smallvec;

use super::{
    command::{SocketId, Speech},
    connection::Stage,
    shard::Shard,
    stream::Transport,
};
use crate::gateway::{
    ended::Ended,
    hooks::Message,
    wire::{
        decode::Incoming,
        frame::{self, Frame, Opcode},
        json::{self, Asked},
    },
};

impl<T: Transport> Shard<T> {
    /// Reads a socket once; what is left is read after the others have had their turn.
    pub(super) fn read(&mut self, place: u32) {
        let now = self.berths.now;
        let mut buffer = std::mem::take(&mut self.buffer);
        let read = match self.berths.at(place) {
            Some(connection) if connection.is_heard() => connection.transport.receive(&mut buffer),
            _ => Err(io::ErrorKind::WouldBlock.into()),
        };
        match read {
            Ok(0) => self.read_to_the_end(place),
            Ok(n) => {
                self.intake = self.intake.saturating_sub(n);
                if let Some(connection) = self.berths.at(place) {
                    connection.heard = now;
                    connection.pinged = None;
                    if let Stage::Closing { left, .. } = &mut connection.stage {
                        *left = left.saturating_sub(n);
                    }
                }
                self.take_in(place, &mut buffer[..n]);
                let leaving = self.berths.at(place).is_some_and(|it| it.leaving);
                if n == buffer.len() || leaving {
                    self.read_again(place);
                }
            }
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock => {
                    // Whatever it was that the poll told, it was not the end.
                    if let Some(connection) = self.berths.at(place) {
                        connection.leaving = false;
                    }
                }
                io::ErrorKind::Interrupted => self.read_again(place),
                _ => self.end(place, Ended::Broken, None),
            },
        }
        self.buffer = buffer;
    }

    fn read_to_the_end(&mut self, place: u32) {
        let Some(connection) = self.berths.at(place) else {
            return;
        };
        let ended = match connection.speech {
            Speech::Sse => Ended::Left,
            _ if connection.decoder.is_between_messages() => Ended::Left,
            _ => Ended::Broken,
        };
        self.gone(place, ended);
    }

    /// Takes in what a client has sent.
    pub(super) fn take_in(&mut self, place: u32, bytes: &mut [u8]) {
        let Some(connection) = self.berths.at(place) else {
            return;
        };
        if connection.speech == Speech::Sse {
            // It has nothing more to say.
            return;
        }
        let most = self.shared.limits.max_message;
        let generation = self.berths.generation(place);
        let Some(connection) = self.berths.at(place) else {
            return;
        };
        // A thousand pings in one read are answered by one write.
        connection.corked = true;
        let mut decoder = std::mem::take(&mut connection.decoder);
        let fed = decoder.feed(bytes, most, &mut |incoming| {
            self.incoming(place, incoming);
            match self.berths.find(place, generation) {
                Some(_) => ControlFlow::Continue(()),
                None => ControlFlow::Break(()),
            }
        });
        let Some(connection) = self.berths.find(place, generation) else {
            return;
        };
        connection.decoder = decoder;
        connection.corked = false;
        if let Err(violation) = fed {
            return self.end(place, violation.ended(), Some(violation.to_string()));
        }
        if !connection.outbox.is_empty() || !connection.is_open() {
            self.flush(place);
        }
    }

    fn incoming(&mut self, place: u32, incoming: Incoming<'_>) {
        let Some(connection) = self.berths.at(place) else {
            return;
        };
        if let Stage::Closing { .. } = connection.stage {
            if let Incoming::Close(_) = incoming {
                self.goodbye_answered(place);
            }
            return;
        }
        let speech = connection.speech;
        match incoming {
            Incoming::Ping(payload) => {
                connection
                    .outbox
                    .control(frame::control(Opcode::Pong, payload));
                self.flush(place);
            }
            Incoming::Pong => {}
            Incoming::Close(said) => self.goodbye(place, said.map(|(code, _)| code)),
            Incoming::Text(text) if speech == Speech::Json => self.asked(place, text),
            Incoming::Text(text) => self.message(place, Message::Text(text.to_owned())),
            Incoming::Binary(_) if speech == Speech::Json => {
                let reason = "the JSON protocol is text: send no binary messages";
                self.end(place, Ended::Unwanted, Some(reason.to_owned()));
            }
            Incoming::Binary(bytes) => {
                self.message(place, Message::Binary(Bytes::copy_from_slice(bytes)));
            }
        }
    }

    /// A message of the JSON protocol.
    fn asked(&mut self, place: u32, text: &str) {
        self.berths.meters.read_one();
        let most = self.shared.hub.core().default_limits.budget;
        match json::parse(text, most) {
            Ok(Asked::Ping) => self.say(place, json::pong()),
            Ok(Asked::Subscribe { id, wish }) => self.wish(place, id, wish),
            Ok(Asked::Unsubscribe { id }) => self.unwish(place, id),
            Ok(Asked::Message(data)) if self.shared.hooks.message.is_some() => {
                self.hear(place, Message::Text(data));
            }
            Ok(Asked::Message(_)) => {
                let message = "nobody listens to messages here";
                let note = json::error(None, json::Code::Unknown, message);
                self.say(place, note);
            }
            Err(refused) => {
                let note = json::error(refused.id, refused.code, &refused.message);
                self.say(place, note);
            }
        }
    }

    /// A message of a plain WebSocket.
    fn message(&mut self, place: u32, message: Message) {
        self.berths.meters.read_one();
        match self.shared.hooks.message.is_some() {
            true => self.hear(place, message),
            false => self.end(place, Ended::Unwanted, None),
        }
    }

    fn hear(&mut self, place: u32, message: Message) {
        let handle = self.handle(place);
        let Some(connection) = self.berths.at(place) else {
            return;
        };
        let session = Arc::clone(&connection.session);
        let heard = self.ask(|shared| {
            if let Some(hook) = &shared.hooks.message {
                hook(&handle, &session, message);
            }
        });
        if !heard {
            self.end(place, Ended::Panicked, None);
        }
    }

    /// The application has something to say to one client.
    pub(super) fn send(&mut self, id: SocketId, message: Message) {
        let Some(place) = self.place_of(id) else {
            return;
        };
        let fragment = self.shared.limits.fragment;
        let Some(connection) = self.berths.at(place) else {
            return;
        };
        match (connection.speech, message) {
            (Speech::Json, message) => {
                let body = smallvec![json::message(message)];
                self.tell_frame(place, Frame::message(Opcode::Text, body, fragment, None));
            }
            (Speech::Plain, Message::Text(text)) => {
                let body = smallvec![text.into()];
                self.tell_frame(place, Frame::message(Opcode::Text, body, fragment, None));
            }
            (Speech::Plain, Message::Binary(bytes)) => {
                let body = smallvec![bytes];
                self.tell_frame(place, Frame::message(Opcode::Binary, body, fragment, None));
            }
            (Speech::Sse, _) => {}
        }
    }
}
