//! What the application has its say in, with the type of its session taken off.
//!
//! The builder knows the session's type; below it one gateway serves all, so that lanes
//! are compiled once and a binding can hand in sessions of its own kind.

use std::{
    any::{Any, TypeId},
    pin::Pin,
    sync::Arc,
};

use bytes::Bytes;

use super::{
    client::Handle,
    ended::Ended,
    request::Request,
    verdict::{Accept, Denied, Reject, Wish},
};

/// A session of whatever type the application uses.
pub(super) type Session = Arc<dyn Any + Send + Sync>;

pub(super) type Answer<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What a client said, outside the gateway's own protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// A text message, or the JSON text of a `message` in the JSON protocol.
    Text(String),
    /// A binary message.
    Binary(Bytes),
}

pub(super) struct Hooks {
    /// The type of the sessions that they expect.
    pub(super) session: TypeId,
    pub(super) authorize: AuthorizeHook,
    pub(super) opened: Option<OpenedHook>,
    pub(super) wish: Option<WishHook>,
    pub(super) message: Option<MessageHook>,
    pub(super) ended: Option<EndedHook>,
}

pub(super) type Admitted = Result<Accept<Session>, Reject>;
pub(super) type Granted = Result<Wish, Denied>;

type AuthorizeHook = Box<dyn Fn(Request) -> Answer<Admitted> + Send + Sync>;
type OpenedHook = Box<dyn Fn(&Handle, &Session) + Send + Sync>;
type MessageHook = Box<dyn Fn(&Handle, &Session, Message) + Send + Sync>;
type EndedHook = Box<dyn Fn(&Handle, &Session, Ended) + Send + Sync>;
type WishHook = Box<dyn Fn(Handle, Session, Wish) -> Answer<Granted> + Send + Sync>;
