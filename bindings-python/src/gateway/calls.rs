//! Calls in the form in which Python takes them: a list of tuples, each beginning with a
//! number that says which it is. `gateway/desk.py` has the same numbers.

use distributary::gateway::{Message, Request, Transport};
use pyo3::{
    IntoPyObjectExt,
    prelude::*,
    types::{PyBytes, PyList, PyString, PyTuple},
};

use super::{
    board::{Call, Known, Side, Tell},
    client::GatewayClient,
    hooks::Switchboard,
};

/// The numbers of the calls, and what follows each.
mod number {
    /// question, is it a WebSocket, address, path, query or None, pairs of headers
    pub(super) const ADMIT: u8 = 0;
    /// question, client, topics, patterns
    pub(super) const GRANT: u8 = 1;
    /// question
    pub(super) const WITHDRAWN: u8 = 2;
    /// operation, exception or None
    pub(super) const DONE: u8 = 3;
    /// number of the client, client
    pub(super) const OPENED: u8 = 4;
    /// number of the client, client, text or bytes
    pub(super) const SAID: u8 = 5;
    /// number of the client, client
    pub(super) const OVERRUN: u8 = 6;
    /// number of the client, client, reason, close code
    pub(super) const ENDED: u8 = 7;
}

/// Writes calls into a list. What they were about and is gone by now is left out.
pub(super) struct Writer<'a, 'py> {
    pub(super) side: Side,
    pub(super) switchboard: &'a Switchboard,
    /// Makes Python's object of a client.
    pub(super) make: &'a Bound<'py, PyAny>,
    pub(super) into: Bound<'py, PyList>,
}

impl<'py> Writer<'_, 'py> {
    pub(super) fn write(&self, call: Call) -> PyResult<()> {
        match call {
            Call::Admit(question) => self.admit(question),
            Call::Grant(question) => self.grant(question),
            Call::Withdrawn(question) => self.append((number::WITHDRAWN, question)),
            Call::Done(operation, failure) => {
                let failure = failure.map(|it| it.into_error().into_value(self.py()));
                self.append((number::DONE, operation, failure))
            }
            Call::Tell(client) => self.tell(client),
            Call::Forget(object) => {
                drop(object.into_bound(self.py()));
                Ok(())
            }
        }
    }

    fn admit(&self, question: u64) -> PyResult<()> {
        // A copy, so that nobody waits for the lock meanwhile.
        let admissions = &self.switchboard.admissions;
        let Some(request) = admissions.look(question, Request::clone) else {
            return Ok(());
        };
        let headers = PyList::empty(self.py());
        for (name, value) in request.headers() {
            headers.append((name.as_str(), latin1(value.as_bytes())))?;
        }
        self.append((
            number::ADMIT,
            question,
            request.transport() == Transport::WebSocket,
            request.address().to_string(),
            request.path(),
            request.query(),
            headers,
        ))
    }

    fn grant(&self, question: u64) -> PyResult<()> {
        let Some(wishes) = &self.switchboard.wishes else {
            return Ok(());
        };
        let named = wishes.look(question, |(client, wish)| {
            let topics = wish.selector.named_topics();
            let patterns = wish.selector.named_patterns();
            let topics: Vec<String> = topics.map(ToString::to_string).collect();
            let patterns: Vec<String> = patterns.map(ToString::to_string).collect();
            (*client, topics, patterns)
        });
        let Some((client, topics, patterns)) = named else {
            return Ok(());
        };
        match self.client(client)? {
            Some(client) => self.append((number::GRANT, question, client, topics, patterns)),
            None => {
                // It has gone, and hears no answer; but who asked for it waits for one.
                let denied = distributary::gateway::Denied::new("the client has gone");
                wishes.answer(question, Err(denied));
                Ok(())
            }
        }
    }

    fn tell(&self, number: u64) -> PyResult<()> {
        let board = &self.switchboard.board;
        let Some(client) = self.client(number)? else {
            return Ok(());
        };
        let Some(tell) = board.next(number) else {
            board.told(self.side, number);
            return Ok(());
        };
        match tell {
            Tell::Opened => self.append((number::OPENED, number, client)),
            Tell::Said(message) => {
                let said = match message {
                    Message::Text(text) => PyString::new(self.py(), &text).into_any(),
                    Message::Binary(bytes) => PyBytes::new(self.py(), &bytes).into_any(),
                };
                self.append((number::SAID, number, client, said))
            }
            Tell::Overrun => self.append((number::OVERRUN, number, client)),
            Tell::Ended(why) => {
                let (reason, code) = (why.name(), why.close_code());
                self.append((number::ENDED, number, client, reason, code))
            }
        }
    }

    /// Python's object of a client, made when it is first asked for.
    fn client(&self, number: u64) -> PyResult<Option<Py<PyAny>>> {
        let board = &self.switchboard.board;
        match board.object(self.py(), number) {
            None => Ok(None),
            Some(Known::Object(object)) => Ok(Some(object)),
            Some(Known::Client(client)) => {
                let made = self.make.call1((GatewayClient::new(number, client),))?;
                Ok(Some(board.keep(self.py(), number, made.unbind())))
            }
        }
    }

    fn append<T>(&self, call: T) -> PyResult<()>
    where
        T: IntoPyObject<'py, Target = PyTuple>,
    {
        self.into.append(call.into_bound_py_any(self.py())?)
    }

    fn py(&self) -> Python<'py> {
        self.into.py()
    }
}

/// A header's value as HTTP has it: bytes, which are shown as characters of Latin-1.
fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|&byte| char::from(byte)).collect()
}
