//! What an application answers: let in with this, or turned away.

use std::{fmt, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use crate::{hub::SubscribeOptions, pattern::Pattern, selector::Selector, topic::Topic};

/// How the payloads of events become WebSocket messages where no protocol of the
/// gateway is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Format {
    /// Text where the payload is UTF-8, binary where it is not.
    #[default]
    Auto,
    /// Always binary.
    Binary,
}

/// What becomes of a client that missed events and speaks no protocol in which it could
/// be told: plain WebSockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum OnLag {
    /// It is closed with code 1013, so that it comes back and loads what it needs.
    #[default]
    Close,
    /// It goes on and does not know. What it missed is counted.
    Continue,
}

/// A client is let in: what it sees, and what the application keeps with it.
///
/// ```
/// use distributary::{Selector, gateway::Accept};
///
/// struct User { id: u64 }
///
/// let user = User { id: 42 };
/// let timeline = Selector::topic(format!("timeline.{}", user.id))?;
/// let accept = Accept::new(user).subscribe(timeline).allow("public.*".try_into()?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub struct Accept<S> {
    pub(super) session: S,
    pub(super) grant: Grant,
}

/// What a client may have, whatever its session is.
#[derive(Debug, Clone, Default)]
pub(super) struct Grant {
    pub(super) selectors: Vec<(Selector, SubscribeOptions)>,
    pub(super) allowed: Vec<Pattern>,
    pub(super) protocol: Option<HeaderValue>,
    pub(super) headers: HeaderMap,
    pub(super) format: Format,
    pub(super) on_lag: OnLag,
    pub(super) ticket: Option<Duration>,
}

impl Grant {
    /// Whether a client may subscribe to this without the application being asked.
    pub(super) fn allows(&self, selector: &Selector) -> bool {
        let topic = |topic: &Topic| self.allowed.iter().any(|p| p.matches(topic.as_str()));
        let pattern =
            |pattern: &Pattern| self.allowed.iter().any(|p| p.as_str() == pattern.as_str());
        selector.topics.iter().all(topic) && selector.patterns.iter().all(pattern)
    }
}

impl<S> Accept<S> {
    /// Lets a client in that sees nothing yet. The session is the application's own: it
    /// comes back with every call about this client.
    pub fn new(session: S) -> Self {
        Accept {
            session,
            grant: Grant::default(),
        }
    }

    /// Subscribes the client. Events come once per selector that admits them.
    ///
    /// Each selector has an order, a budget and positions of its own; one selector of
    /// several topics has one order over all of them. A client that comes back misses
    /// nothing either way. Where selectors share a topic, a client of server-sent events,
    /// which has a single position per topic, may get again what one of them had before
    /// the other; in the JSON protocol it comes once.
    pub fn subscribe(self, selector: Selector) -> Self {
        self.subscribe_with(selector, SubscribeOptions::new())
    }

    /// Subscribes the client with a policy, a budget or a position of its own.
    pub fn subscribe_with(mut self, selector: Selector, options: SubscribeOptions) -> Self {
        // Kept for as long as the client is there, and most have one: no room for four.
        if self.grant.selectors.is_empty() {
            self.grant.selectors.reserve_exact(1);
        }
        self.grant.selectors.push((selector, options));
        self
    }

    /// In the JSON protocol, lets the client subscribe by itself to every topic that
    /// this pattern matches, and to this very pattern.
    pub fn allow(mut self, topics: Pattern) -> Self {
        self.grant.allowed.push(topics);
        self
    }

    /// The WebSocket subprotocol that the handshake answers with, for an application
    /// that speaks one of its own. It should be one that the client
    /// [offered](super::Request::protocols).
    pub fn protocol(mut self, name: HeaderValue) -> Self {
        self.grant.protocol = Some(name);
        self
    }

    /// How payloads become messages on plain WebSockets.
    pub fn format(mut self, format: Format) -> Self {
        self.grant.format = format;
        self
    }

    /// What becomes of a plain WebSocket that missed events.
    pub fn on_lag(mut self, on_lag: OnLag) -> Self {
        self.grant.on_lag = on_lag;
        self
    }

    /// Adds a header to the answer.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.grant.headers.append(name, value);
        self
    }

    /// In the JSON protocol, lets the client come back within this time without a call
    /// of `authorize`: it shows the ticket that it was given, and gets the same session
    /// and selectors. A mass reconnect then costs the application nothing.
    ///
    /// The time counts from when its last connection ended, so a client that stays or
    /// comes back in time is never asked about again; what is withdrawn from a user
    /// meanwhile is not noticed. Whoever has the ticket is that client: it belongs over TLS
    /// only. [`Client::close`](super::Client::close) makes it worthless.
    pub fn ticket(mut self, valid: Duration) -> Self {
        self.grant.ticket = Some(valid);
        self
    }
}

impl<S: fmt::Debug> fmt::Debug for Accept<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accept")
            .field("session", &self.session)
            .field("selectors", &self.grant.selectors.len())
            .finish_non_exhaustive()
    }
}

/// A client is turned away.
///
/// ```
/// use std::time::Duration;
/// use distributary::gateway::Reject;
///
/// let no_token = Reject::unauthorized().header("www-authenticate", "Bearer")?;
/// let later = Reject::new(503)?.retry_after(Duration::from_secs(5));
/// # Ok::<(), distributary::gateway::RejectError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Reject {
    pub(super) status: StatusCode,
    /// Boxed, so that a result with a refusal is small.
    pub(super) headers: Box<HeaderMap>,
    pub(super) body: Bytes,
}

impl Reject {
    /// Turned away with this status.
    ///
    /// # Errors
    /// When it is no status of a refusal: 300 to 599.
    pub fn new(status: u16) -> Result<Self, RejectError> {
        match StatusCode::from_u16(status) {
            Ok(code) if (300..600).contains(&status) => Ok(Reject::with(code)),
            _ => Err(RejectError::Status(status)),
        }
    }

    pub(super) fn with(status: StatusCode) -> Self {
        Reject {
            status,
            headers: Box::default(),
            body: Bytes::new(),
        }
    }

    /// 400: this cannot be understood.
    pub fn bad_request() -> Self {
        Reject::with(StatusCode::BAD_REQUEST)
    }

    /// 401: who is this?
    pub fn unauthorized() -> Self {
        Reject::with(StatusCode::UNAUTHORIZED)
    }

    /// 403: not for this one.
    pub fn forbidden() -> Self {
        Reject::with(StatusCode::FORBIDDEN)
    }

    /// Adds a header.
    ///
    /// # Errors
    /// When the name or the value is not one.
    pub fn header(mut self, name: &str, value: &str) -> Result<Self, RejectError> {
        let header = (|| {
            let name = HeaderName::try_from(name).ok()?;
            Some((name, HeaderValue::try_from(value).ok()?))
        })();
        let (name, value) = header.ok_or_else(|| RejectError::Header(name.to_owned()))?;
        self.headers.append(name, value);
        Ok(self)
    }

    /// When to come back, in whole seconds, rounded up.
    pub fn retry_after(mut self, wait: Duration) -> Self {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        self.headers.insert(header::RETRY_AFTER, seconds.into());
        self
    }

    /// A text for people, sent as `text/plain`.
    pub fn body(mut self, text: impl Into<String>) -> Self {
        self.body = Bytes::from(text.into());
        self
    }
}

/// What was given is no refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RejectError {
    /// Not a status of a refusal.
    Status(u16),
    /// Not a header.
    Header(String),
}

impl fmt::Display for RejectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RejectError::Status(status) => write!(
                f,
                "{status} turns nobody away: give a status from 300 to 599"
            ),
            RejectError::Header(name) => write!(
                f,
                "{name:?} with this value is not a header: names are tokens, values visible ASCII"
            ),
        }
    }
}

impl std::error::Error for RejectError {}

/// What a client of the JSON protocol wishes to subscribe to.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Wish {
    /// The selector: topics, patterns and a filter.
    pub selector: Selector,
    /// Policy, budget and positions, as far as the client named any.
    pub options: SubscribeOptions,
}

/// A wish that is not granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    pub(super) message: String,
}

impl Denied {
    /// Not granted, for this reason, which the client is told.
    pub fn new(message: impl Into<String>) -> Self {
        Denied {
            message: message.into(),
        }
    }
}
