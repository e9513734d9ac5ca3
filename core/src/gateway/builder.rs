//! How a gateway is put together.

use std::{
    any::{Any, TypeId},
    fmt,
    future::Future,
    io,
    net::{SocketAddr, ToSocketAddrs},
    sync::Arc,
    time::Duration,
};

use http::uri::PathAndQuery;

use super::{
    Gateway,
    client::Client,
    ended::Ended,
    hooks::{Hooks, Message, Session},
    limits::{LimitError, Limits},
    request::Request,
    verdict::{Accept, Denied, Reject, Wish},
};
use crate::hub::Hub;

/// What a gateway is told before it starts. Made by [`Gateway::builder`].
#[must_use]
pub struct GatewayBuilder<S = ()> {
    pub(super) hub: Hub,
    pub(super) address: Option<SocketAddr>,
    pub(super) admin: Option<SocketAddr>,
    pub(super) paths: Vec<String>,
    pub(super) json: bool,
    pub(super) limits: Limits,
    hooks: Typed<S>,
}

/// The hooks while the type of the session is known.
struct Typed<S> {
    hooks: Hooks,
    of: std::marker::PhantomData<fn() -> S>,
}

impl GatewayBuilder<()> {
    pub(super) fn new(hub: &Hub) -> Self {
        GatewayBuilder {
            hub: hub.clone(),
            address: None,
            admin: None,
            paths: Vec::new(),
            json: true,
            limits: Limits::default(),
            hooks: Typed {
                hooks: Hooks {
                    session: TypeId::of::<()>(),
                    // Nobody has said who may come in.
                    authorize: Box::new(|_| Box::pin(async { Err(Reject::forbidden()) })),
                    opened: None,
                    wish: None,
                    message: None,
                    ended: None,
                },
                of: std::marker::PhantomData,
            },
        }
    }

    /// Who may come in, and what they see. Called for each client that shows no valid
    /// [ticket](Accept::ticket), in a task on the runtime; while it runs, the client
    /// counts as a handshake under way. Without it, everybody is turned away.
    ///
    /// It fixes the type of the session, so it comes before the other hooks. A panic in
    /// it turns the client away with 500.
    pub fn authorize<S, F, Fut>(self, authorize: F) -> GatewayBuilder<S>
    where
        S: Any + Send + Sync,
        F: Fn(Request) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Accept<S>, Reject>> + Send + 'static,
    {
        let authorize = move |request| {
            let answer = authorize(request);
            let erased = async move {
                let accept = answer.await?;
                Ok(Accept {
                    session: Arc::new(accept.session) as Session,
                    grant: accept.grant,
                })
            };
            Box::pin(erased) as std::pin::Pin<Box<dyn Future<Output = _> + Send>>
        };
        let mut builder = self.session();
        builder.hooks.hooks.authorize = Box::new(authorize);
        builder
    }

    /// The type of the session, for a gateway without [`authorize`](Self::authorize):
    /// one that only takes connections over. It comes before the hooks, too.
    pub fn session<S>(self) -> GatewayBuilder<S>
    where
        S: Any + Send + Sync,
    {
        GatewayBuilder {
            hub: self.hub,
            address: self.address,
            admin: self.admin,
            paths: self.paths,
            json: self.json,
            limits: self.limits,
            hooks: Typed {
                hooks: Hooks {
                    session: TypeId::of::<S>(),
                    ..self.hooks.hooks
                },
                of: std::marker::PhantomData,
            },
        }
    }
}

impl<S: Any + Send + Sync> GatewayBuilder<S> {
    /// Where clients connect. Port 0 lets the system choose one. Without it the gateway
    /// listens nowhere and only takes connections over.
    ///
    /// # Errors
    /// When the text is no address.
    pub fn address(mut self, address: impl ToSocketAddrs + fmt::Debug) -> Result<Self, StartError> {
        self.address = Some(first("address", address)?);
        Ok(self)
    }

    /// Where `/metrics` and `/healthz` are answered: a loopback address, unless you know
    /// better. Without it, nowhere.
    ///
    /// # Errors
    /// When the text is no address.
    pub fn admin(mut self, address: impl ToSocketAddrs + fmt::Debug) -> Result<Self, StartError> {
        self.admin = Some(first("admin", address)?);
        Ok(self)
    }

    /// Adds a path that is served; others get 404. Without any, all are. It is compared
    /// with what clients send, which is percent-encoded.
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.paths.push(path.into());
        self
    }

    /// Whether clients that ask for the JSON protocol get it. Default: yes.
    ///
    /// In it every payload is read once, whoever gets it, to see whether it is JSON: on the
    /// thread that sends it first, and the others there wait so long. A mebibyte takes
    /// around a tenth of a millisecond if it is one long text, and 1 to 4 milliseconds if
    /// it is made of small objects and lists.
    pub fn json_protocol(mut self, offered: bool) -> Self {
        self.json = offered;
        self
    }

    /// The limits.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Called once for each connection when it is served and subscribed, before anything
    /// is written to it; [`on_end`](Self::on_end) is its counterpart. On the thread that
    /// serves its socket: it must not block.
    pub fn on_open<F>(mut self, hook: F) -> Self
    where
        F: Fn(&Client<S>) + Send + Sync + 'static,
    {
        self.hooks.hooks.opened = Some(Box::new(move |handle, session| {
            if let Some(client) = Client::new(handle.clone(), Arc::clone(session)) {
                hook(&client);
            }
        }));
        self
    }

    /// May this client of the JSON protocol subscribe to this, beyond what
    /// [`Accept::allow`] lets it? Called in a task on the runtime. Grants what it
    /// returns, which may be narrower than what was wished for. Without it, the answer
    /// is no.
    pub fn on_subscribe<F, Fut>(mut self, hook: F) -> Self
    where
        F: Fn(Client<S>, Wish) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Wish, Denied>> + Send + 'static,
    {
        self.hooks.hooks.wish = Some(Box::new(move |handle, session, wish| {
            match Client::new(handle, session) {
                Some(client) => Box::pin(hook(client, wish)),
                None => unreachable!("sessions are made by `authorize`"),
            }
        }));
        self
    }

    /// What a client says. Called on the thread that serves its socket, in the order in
    /// which it was said: it must not block. Without it, a client of a plain WebSocket
    /// that says anything is closed with code 1003.
    pub fn on_message<F>(mut self, hook: F) -> Self
    where
        F: Fn(&Client<S>, Message) + Send + Sync + 'static,
    {
        self.hooks.hooks.message = Some(Box::new(move |handle, session, message| {
            if let Some(client) = Client::new(handle.clone(), Arc::clone(session)) {
                hook(&client, message);
            }
        }));
        self
    }

    /// Called once for each connection that was served, when it has gone and why. On the
    /// thread that served its socket: it must not block. A client that vanishes between
    /// `authorize` and [`on_open`](Self::on_open) was never served. The client is the one
    /// that `on_open` was given: several that came with one ticket share a session.
    pub fn on_end<F>(mut self, hook: F) -> Self
    where
        F: Fn(&Client<S>, Ended) + Send + Sync + 'static,
    {
        self.hooks.hooks.ended = Some(Box::new(move |handle, session, ended| {
            if let Some(client) = Client::new(handle.clone(), Arc::clone(session)) {
                hook(&client, ended);
            }
        }));
        self
    }

    /// Starts to listen, and the threads that serve sockets. Accepting, handshakes and
    /// the asynchronous hooks run on the tokio runtime that this is called in.
    ///
    /// # Errors
    /// [`StartError`]: a limit admits nothing, no client can ask for a path, an address
    /// is taken, or a thread cannot be started.
    ///
    /// # Panics
    /// Outside a tokio runtime with I/O and time enabled.
    pub async fn start(self) -> Result<Gateway, StartError> {
        if let Some(path) = self.paths.iter().find(|path| !can_be_asked_for(path)) {
            return Err(StartError::Path(path.clone()));
        }
        // Panics where time is not enabled: here, and not in the first handshake.
        drop(tokio::time::sleep(Duration::ZERO));
        let (hooks, hub) = (self.hooks.hooks, self.hub);
        Gateway::start(super::Plan {
            hub,
            hooks,
            address: self.address,
            admin: self.admin,
            paths: self.paths,
            json: self.json,
            limits: self.limits,
        })
        .await
    }
}

/// The address that the builder's method of this name was given.
fn first(
    name: &'static str,
    given: impl ToSocketAddrs + fmt::Debug,
) -> Result<SocketAddr, StartError> {
    let found = given.to_socket_addrs().and_then(|mut found| {
        found.next().ok_or_else(|| {
            let none = "the name has no address";
            io::Error::new(io::ErrorKind::AddrNotAvailable, none)
        })
    });
    found.map_err(|error| StartError::Address {
        name,
        given: format!("{given:?}"),
        error,
    })
}

/// Whether a request can have this path: it stands in a URL as it is, and no query
/// begins in it.
fn can_be_asked_for(path: &str) -> bool {
    let parsed = path.parse::<PathAndQuery>();
    path.starts_with('/') && path.is_ascii() && parsed.is_ok_and(|parsed| parsed.path() == path)
}

impl<S> fmt::Debug for GatewayBuilder<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GatewayBuilder")
            .field("address", &self.address)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// Why a gateway was not started.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// A limit admits nothing.
    Limit(LimitError),
    /// An address cannot be listened on.
    Address {
        /// The method of the builder that it was given to: `address` or `admin`.
        name: &'static str,
        /// What was given, or what it stands for.
        given: String,
        /// What is wrong with it.
        error: io::Error,
    },
    /// No client can ask for this path.
    Path(String),
    /// The system gave no thread, or no poll.
    System(io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Limit(error) => error.fmt(f),
            StartError::Address { name, given, error } => {
                write!(
                    f,
                    "cannot listen on {given}, which was given to `{name}`: {error}; give another \
                     address or port, as in \"127.0.0.1:8080\""
                )
            }
            StartError::Path(path) => {
                write!(
                    f,
                    "no client can ask for the path {path:?}: begin it with '/', write what a URL \
                     cannot hold percent-encoded, and leave '?' and '#' out"
                )
            }
            StartError::System(error) => {
                write!(f, "the system gave no thread or poll for a lane: {error}")
            }
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            StartError::Limit(_) | StartError::Path(_) => None,
            StartError::Address { error, .. } | StartError::System(error) => Some(error),
        }
    }
}

impl From<LimitError> for StartError {
    fn from(error: LimitError) -> Self {
        StartError::Limit(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_that_a_request_can_have() {
        for path in ["/", "/a/b.c", "/%C3%BC", "/*", "/a:b@c;d=e,f+~", "//"] {
            assert!(can_be_asked_for(path), "{path:?}");
        }
        for path in [
            "",
            "stream",
            "*",
            "?",
            "/with space",
            "/q?x=1",
            "/?",
            "/#",
            "/ünï",
            "/\n",
            "/\0",
            "/\x7f",
        ] {
            assert!(!can_be_asked_for(path), "{path:?}");
        }
    }
}
