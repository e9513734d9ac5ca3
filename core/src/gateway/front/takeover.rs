//! Connections that another server has brought up to their handshake: axum, or anything
//! else on hyper.
//!
//! The application has authorised the client in its own handler. The gateway checks the
//! handshake and makes the answer, that server writes it, and then the socket is taken
//! out of it and goes to a lane like any other. What is no plain TCP socket (TLS, above
//! all) cannot be a lane's: [`bridge`] copies for it.

use std::{
    any::{Any, TypeId},
    fmt, io,
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::Instant,
};

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::{rt::TokioIo, server::conn::auto};
use tokio::net::TcpStream;

use super::{
    Connected, Entry, Front, Inner, bridge, door::Seat, handshake::Asked, http::resume,
    refused::Refused, tickets::Ticket,
};
use crate::gateway::{
    Gateway,
    lanes::{Speech, Stream},
    request::{Request, Transport},
    verdict::{Accept, Reject},
    wire::json,
};

impl Gateway {
    /// Takes a WebSocket over from a server of the application's own, on hyper or axum,
    /// whose handler has authorised the client. Returns the answer, for the handler to
    /// return; once it has been written the connection is the gateway's.
    ///
    /// ```no_run
    /// use distributary::gateway::{Accept, Gateway};
    /// # type Body = String;
    ///
    /// fn handler(gateway: &Gateway, mut request: http::Request<Body>) -> http::Response<Body> {
    ///     let answer = gateway.upgrade(&mut request, Accept::new(()));
    ///     answer.unwrap_or_else(|error| error.response())
    /// }
    /// ```
    ///
    /// Limits of connections, their rate and memory hold; those of an address do not,
    /// for that server sees the addresses. The subscriptions are in force once the socket
    /// has been handed over, a moment after that server has written the answer: a client
    /// that must not miss what is published in between resumes from a position. Server-Sent
    /// Events cannot be taken over. A connection that is not plain TCP is served through a
    /// task that copies.
    ///
    /// # Errors
    /// When the request is no handshake, the server cannot give the connection away, or
    /// the gateway takes nobody more.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn upgrade<S, B, R>(
        &self,
        request: &mut http::Request<B>,
        accept: Accept<S>,
    ) -> Result<Response<R>, UpgradeError>
    where
        S: Any + Send + Sync,
        R: Default,
    {
        if !self.front.keeps::<S>() {
            return Err(UpgradeError::Session);
        }
        self.front.take_over(request, Entry::from(accept))
    }

    /// As [`upgrade`](Self::upgrade), for a client that shows a valid
    /// [ticket](Accept::ticket): it comes back as who it was and need not be authorised
    /// anew. `None` when it shows none: ask who it is.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn readmit<B, R>(
        &self,
        request: &mut http::Request<B>,
    ) -> Option<Result<Response<R>, UpgradeError>>
    where
        R: Default,
    {
        let entry = self.front.inner.returning(&url_of(request))?;
        Some(self.front.take_over(request, entry))
    }

    /// Takes over a connection on which a WebSocket has been opened already: the answer
    /// has been written, `read_ahead` is what was read behind the request, and
    /// `protocol` the subprotocol that was agreed on. With `distributary.v1.json` it is
    /// the gateway's own.
    ///
    /// # Errors
    /// When the gateway takes nobody more. The connection comes back with the error.
    pub fn adopt<S>(
        &self,
        stream: TcpStream,
        read_ahead: impl Into<Bytes>,
        protocol: Option<&str>,
        accept: Accept<S>,
    ) -> Result<(), AdoptError>
    where
        S: Any + Send + Sync,
    {
        if !self.front.keeps::<S>() {
            return Err(AdoptError::Session(stream));
        }
        let inner = &self.front.inner;
        let seat = match inner.join() {
            Ok(seat) => seat,
            Err(why) => return Err(AdoptError::Refused(why, stream)),
        };
        let stream = Stream::Tcp(stream.into_std().map_err(AdoptError::System)?);
        let speech = match protocol {
            Some(json::NAME) if inner.shared.json => Speech::Json,
            _ => Speech::Plain,
        };
        let connected = Connected {
            stream,
            head: Bytes::new(),
            read_ahead: read_ahead.into(),
            speech,
            resume: None,
        };
        inner.place(connected, Entry::from(accept), seat);
        Ok(())
    }
}

impl<S: Any + Send + Sync> From<Accept<S>> for Entry {
    fn from(accept: Accept<S>) -> Self {
        Entry {
            grant: Arc::new(accept.grant),
            session: Arc::new(accept.session),
            held: None,
        }
    }
}

impl Front {
    /// Whether sessions of this type are what the hooks expect.
    fn keeps<S: Any>(&self) -> bool {
        self.inner.shared.hooks.session == TypeId::of::<S>()
    }

    fn take_over<B, R: Default>(
        &self,
        request: &mut http::Request<B>,
        entry: Entry,
    ) -> Result<Response<R>, UpgradeError> {
        let inner = &self.inner;
        let unfit = |(why, reject)| {
            inner.shared.meters.front.refused(why);
            UpgradeError::Unfit(reject)
        };
        let asked = Asked::read(request.method(), request.version(), request.headers());
        let asked = asked.map_err(unfit)?;
        if asked.transport() != Transport::WebSocket {
            let reject = Reject::with(StatusCode::BAD_REQUEST);
            let reject = reject.body("only WebSockets can be taken over");
            return Err(unfit((Refused::BadRequest, reject)));
        }
        if request.extensions().get::<OnUpgrade>().is_none() {
            return Err(UpgradeError::Kept);
        }
        let seat = inner
            .join()
            .map_err(|why| UpgradeError::Refused(why, inner.door.answer(why)))?;
        let (speech, protocol) = asked.speech(&entry.grant, inner.shared.json);
        let mut response = Response::new(R::default());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        *response.headers_mut() = asked.answer(protocol, &entry.grant);
        let resume = resume(&url_of(request));
        let (inner, upgraded) = (Arc::clone(inner), hyper::upgrade::on(request));
        tokio::spawn(async move {
            // Not when the client went before the answer was written; then all that was
            // counted is counted out here.
            let Ok(upgraded) = upgraded.await else {
                inner.shared.meters.front.refused(Refused::Broken);
                return;
            };
            let (stream, read_ahead, bridged) = match plain(upgraded) {
                Ok((stream, read_ahead)) => match stream.into_std() {
                    Ok(stream) => (Stream::Tcp(stream), read_ahead, None),
                    Err(_) => return,
                },
                Err(other) => match bridge::pair() {
                    Ok((near, far)) => (Stream::Pipe(near), Bytes::new(), Some((other, far))),
                    Err(_) => return,
                },
            };
            let connected = Connected {
                stream,
                // The other server has written the answer.
                head: Bytes::new(),
                read_ahead,
                speech,
                resume,
            };
            inner.place(connected, entry, seat);
            if let Some((stream, far)) = bridged {
                let limits = inner.shared.limits.clone();
                drop(inner);
                bridge::run(TokioIo::new(stream), far, &limits).await;
            }
        });
        Ok(response)
    }
}

impl Inner {
    /// Counts in a connection that has its handshake behind it.
    fn join(&self) -> Result<Seat, Refused> {
        let seat = self.door.join();
        seat.inspect_err(|why| self.shared.meters.front.refused(*why))
    }

    /// Who a client was that shows a valid ticket.
    pub(super) fn returning(&self, request: &Request) -> Option<Entry> {
        let ticket = Ticket::parse(&request.query_value("ticket")?)?;
        let (held, grant, session) = self.tickets.show(ticket, Instant::now())?;
        let returned = &self.shared.meters.front.returned;
        returned.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Some(Entry {
            grant,
            session,
            held: Some(held),
        })
    }
}

/// A request as far as its URL goes.
fn url_of<B>(request: &http::Request<B>) -> Request {
    Request {
        uri: request.uri().clone(),
        headers: HeaderMap::new(),
        address: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        transport: Transport::WebSocket,
    }
}

/// The socket below, if it is one of plain TCP, and what was read ahead of it. hyper
/// itself and its server that finds out the version wrap it in different types.
fn plain(upgraded: Upgraded) -> Result<(TcpStream, Bytes), Upgraded> {
    match upgraded.downcast::<TokioIo<TcpStream>>() {
        Ok(parts) => Ok((parts.io.into_inner(), parts.read_buf)),
        Err(upgraded) => {
            let parts = auto::upgrade::downcast::<TokioIo<TcpStream>>(upgraded)?;
            Ok((parts.io.into_inner(), parts.read_buf))
        }
    }
}

/// Why a connection is not taken over from another server.
#[derive(Debug)]
#[non_exhaustive]
pub enum UpgradeError {
    /// The request is no handshake of a WebSocket.
    Unfit(Reject),
    /// The gateway takes nobody more at the moment.
    Refused(Refused, Reject),
    /// The server keeps its connection: it speaks HTTP/2, serves connections without
    /// upgrades, or something has taken the request's `OnUpgrade` already.
    Kept,
    /// The session is of another type than the gateway's hooks expect.
    Session,
}

impl UpgradeError {
    /// The answer to the client, for the handler to return.
    pub fn response<R: Default>(&self) -> Response<R> {
        let mut response = Response::new(R::default());
        match self {
            UpgradeError::Unfit(reject) | UpgradeError::Refused(_, reject) => {
                *response.status_mut() = reject.status;
                *response.headers_mut() = (*reject.headers).clone();
            }
            UpgradeError::Kept | UpgradeError::Session => {
                *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            }
        }
        response
    }
}

impl fmt::Display for UpgradeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UpgradeError::Unfit(reject) => f.write_str(&String::from_utf8_lossy(&reject.body)),
            UpgradeError::Refused(why, _) => why.fmt(f),
            UpgradeError::Kept => f.write_str(
                "the server does not give its connection away: serve HTTP/1.1 with upgrades",
            ),
            UpgradeError::Session => f.write_str(OTHER_SESSION),
        }
    }
}

impl std::error::Error for UpgradeError {}

/// Why a connection is not adopted. It comes back, unless it is broken.
#[derive(Debug)]
#[non_exhaustive]
pub enum AdoptError {
    /// The gateway takes nobody more at the moment.
    Refused(Refused, TcpStream),
    /// The session is of another type than the gateway's hooks expect.
    Session(TcpStream),
    /// The runtime did not let go of the connection.
    System(io::Error),
}

impl fmt::Display for AdoptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AdoptError::Refused(why, _) => why.fmt(f),
            AdoptError::Session(_) => f.write_str(OTHER_SESSION),
            AdoptError::System(error) => {
                write!(f, "the runtime does not let go of the connection: {error}")
            }
        }
    }
}

const OTHER_SESSION: &str = "the session is of another type than the gateway's hooks expect: \
                             give the type that `authorize` or `session` of the builder names";

impl std::error::Error for AdoptError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            AdoptError::System(error) => Some(error),
            _ => None,
        }
    }
}
