//! Calls in the form in which JavaScript takes them: one flat array for a whole batch,
//! each call a number that says which, and then its arguments.

use distributary::gateway::{Message, Request, Transport};
use napi::{
    Env, Result,
    bindgen_prelude::{Array, BufferSlice},
};

use super::{desk::Desk, queue::Call, switchboard::Switchboard};

/// The numbers of the calls, and what follows each. `lib/gateway/desk.js` has the same.
mod number {
    /// question, is it a WebSocket, address, path, query or null, names and values of headers
    pub(super) const ADMIT: u32 = 0;
    /// question, client, topics, patterns
    pub(super) const GRANT: u32 = 1;
    /// question
    pub(super) const WITHDRAWN: u32 = 2;
    /// client, session or null
    pub(super) const OPENED: u32 = 3;
    /// client, text or bytes
    pub(super) const SAID: u32 = 4;
    /// client
    pub(super) const OVERRUN: u32 = 5;
    /// client, reason, close code
    pub(super) const ENDED: u32 = 6;
    /// session
    pub(super) const FORGET: u32 = 7;
    /// operation, code or null, message
    pub(super) const DONE: u32 = 8;
}

/// Writes calls into an array. What they were about and is gone by now is left out.
pub(super) struct Writer<'a, 'env> {
    pub(super) env: &'env Env,
    pub(super) board: &'a Switchboard,
    pub(super) desk: &'a mut Desk,
    pub(super) into: Array<'env>,
}

impl Writer<'_, '_> {
    pub(super) fn write(&mut self, call: Call) -> Result<()> {
        match call {
            Call::Admit(question) => self.admit(question),
            Call::Grant(question) => self.grant(question),
            Call::Withdrawn(question) => {
                self.into.insert(number::WITHDRAWN)?;
                self.into.insert(question)
            }
            Call::Opened(client) => {
                let session = client.session().number();
                let client = self.desk.come(client);
                self.into.insert(number::OPENED)?;
                self.into.insert(client)?;
                self.into.insert(session)
            }
            Call::Said(id, message) => self.said(id, message),
            Call::Overrun(id) => {
                let Some(client) = self.desk.number(id) else {
                    return Ok(());
                };
                self.into.insert(number::OVERRUN)?;
                self.into.insert(client)
            }
            Call::Ended(id, why) => {
                let Some((client, known)) = self.desk.go(id) else {
                    return Ok(());
                };
                // Perhaps the last to hold the session, whose end is a call as well.
                drop(known);
                self.into.insert(number::ENDED)?;
                self.into.insert(client)?;
                self.into.insert(why.name())?;
                self.into.insert(u32::from(why.close_code()))
            }
            Call::Forget(session) => {
                self.into.insert(number::FORGET)?;
                self.into.insert(session)
            }
            Call::Done(operation, failure) => {
                self.into.insert(number::DONE)?;
                self.into.insert(operation)?;
                self.into
                    .insert(failure.as_ref().map(|failure| failure.code.as_ref()))?;
                self.into
                    .insert(failure.as_ref().map(|failure| failure.reason.as_str()))
            }
        }
    }

    fn admit(&mut self, question: i64) -> Result<()> {
        // A copy, so that nobody waits for the lock meanwhile.
        let Some(request) = self.board.admissions.look(question, Request::clone) else {
            return Ok(());
        };
        self.into.insert(number::ADMIT)?;
        self.into.insert(question)?;
        self.into
            .insert(request.transport() == Transport::WebSocket)?;
        self.into.insert(request.address().to_string())?;
        self.into.insert(request.path())?;
        self.into.insert(request.query())?;
        let mut headers = self.env.create_array(0)?;
        for (name, value) in request.headers() {
            headers.insert(name.as_str())?;
            headers.insert(latin1(value.as_bytes()))?;
        }
        self.into.insert(headers)
    }

    fn grant(&mut self, question: i64) -> Result<()> {
        let named = self.board.wishes.look(question, |(id, wish)| {
            let topics = wish.selector.named_topics();
            let patterns = wish.selector.named_patterns();
            let topics: Vec<String> = topics.map(ToString::to_string).collect();
            let patterns: Vec<String> = patterns.map(|it| it.as_str().to_owned()).collect();
            (*id, topics, patterns)
        });
        let Some((id, topics, patterns)) = named else {
            return Ok(());
        };
        let Some(client) = self.desk.number(id) else {
            return Ok(());
        };
        self.into.insert(number::GRANT)?;
        self.into.insert(question)?;
        self.into.insert(client)?;
        self.into.insert(topics)?;
        self.into.insert(patterns)
    }

    fn said(&mut self, id: u64, message: Message) -> Result<()> {
        let Some(client) = self.desk.number(id) else {
            return Ok(());
        };
        self.into.insert(number::SAID)?;
        self.into.insert(client)?;
        match message {
            Message::Text(text) => self.into.insert(text),
            Message::Binary(bytes) => {
                let bytes = BufferSlice::copy_from(self.env, bytes)?;
                self.into.insert(&bytes)
            }
        }
    }
}

/// A header's value as HTTP has it: bytes, which Node shows as characters of Latin-1.
fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|&byte| char::from(byte)).collect()
}
