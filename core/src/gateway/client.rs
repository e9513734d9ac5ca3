//! A connected client, as the application holds it.

use std::{any::Any, fmt, marker::PhantomData, sync::Arc};

use super::{
    ended::{CloseCode, Ended},
    hooks::{Message, Session},
    lanes::{Command, Inbox, SocketId},
    verdict::Wish,
};
use crate::{hub::SubscribeOptions, selector::Selector};

/// A client without the type of its session.
#[derive(Clone)]
pub(super) struct Handle {
    pub(super) id: SocketId,
    pub(super) inbox: Inbox,
}

/// A connected client: what the hooks of an application get, to answer it or to close
/// it. Cheap to clone; outlives the connection, and then does nothing.
pub struct Client<S> {
    handle: Handle,
    session: Session,
    of: PhantomData<fn() -> S>,
}

impl<S: Any + Send + Sync> Client<S> {
    /// `None` when the session is of another type, which a gateway never makes.
    pub(super) fn new(handle: Handle, session: Session) -> Option<Self> {
        session.is::<S>().then_some(Client {
            handle,
            session,
            of: PhantomData,
        })
    }

    /// What the application keeps with this client.
    pub fn session(&self) -> Arc<S> {
        match Arc::clone(&self.session).downcast() {
            Ok(session) => session,
            Err(_) => unreachable!("checked when it was made"),
        }
    }

    /// Names the connection among all of this gateway's that live now.
    pub fn id(&self) -> u64 {
        self.handle.id.to_u64()
    }

    /// Sends a message to this client alone, before any event that waits for it. In the
    /// JSON protocol it becomes a `message`, a text that is JSON as its `data`; a client of
    /// Server-Sent Events gets none.
    ///
    /// It is not an event: nobody keeps it for a client that has gone. One that lets more
    /// than 64 KiB of such messages wait is closed as too slow. Never blocks.
    pub fn send(&self, message: Message) {
        self.handle.post(Command::Send(self.handle.id, message));
    }

    /// Subscribes the client to more, whatever it speaks. Never blocks: it is in force
    /// once the thread that serves the socket has carried it out, before its next slice.
    ///
    /// Where a position cannot be resumed from, it begins now and the client is told. Any
    /// other fault (a filter that the hub does not take, say) closes the connection with
    /// its text as the reason, or in the JSON protocol is told as an `error`.
    pub fn subscribe(&self, selector: Selector, options: SubscribeOptions) -> SubscriptionId {
        let number = self.handle.inbox.number();
        let wish = Box::new(Wish { selector, options });
        let id = self.handle.id;
        self.handle.post(Command::Subscribe(id, number, wish));
        SubscriptionId(number)
    }

    /// Ends a subscription that [`subscribe`](Self::subscribe) made for this client. Never
    /// blocks; one that has ended is ignored.
    pub fn unsubscribe(&self, subscription: SubscriptionId) {
        let id = self.handle.id;
        self.handle.post(Command::Unsubscribe(id, subscription.0));
    }

    /// Closes the connection, with a reason of at most 123 bytes that the client is
    /// told. Its [ticket](super::Accept::ticket) is worthless from then on. Never blocks.
    pub fn close(&self, reason: impl Into<String>) {
        self.close_with(CloseCode::NORMAL, reason);
    }

    /// Closes the connection as [`close`](Self::close) does, with a code that says more than
    /// 1000 to those who know the application.
    pub fn close_with(&self, code: CloseCode, reason: impl Into<String>) {
        let id = self.handle.id;
        let close = Command::Close(id, Ended::Application, Some(code), reason.into());
        self.handle.post(close);
    }

    /// Closes the connection for now, because the application cannot keep up with what
    /// this client says: with code 1013, which tells it to come back later, and a reason as
    /// in [`close`](Self::close). Its ticket stays good. Never blocks.
    pub fn turn_away(&self, reason: impl Into<String>) {
        let id = self.handle.id;
        let close = Command::Close(id, Ended::Overloaded, None, reason.into());
        self.handle.post(close);
    }
}

/// Names a subscription that the application made for a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SubscriptionId(u32);

impl Handle {
    pub(super) fn post(&self, command: Command) {
        self.inbox.post(command);
    }
}

impl<S> Clone for Client<S> {
    fn clone(&self) -> Self {
        Client {
            handle: self.handle.clone(),
            session: Arc::clone(&self.session),
            of: PhantomData,
        }
    }
}

impl<S> fmt::Debug for Client<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("id", &self.handle.id.to_u64())
            .finish_non_exhaustive()
    }
}
