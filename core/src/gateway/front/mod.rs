//! From the listening socket to a lane.
//!
//! | step | where |
//! |---|---|
//! | a socket is accepted, in bounded turns | [`listener`] |
//! | it is counted in, or turned away before anything is read | [`door`], [`admission`], [`addresses`], [`bucket`], [`memory`] |
//! | its request is read by hyper, without the runtime's poll if it is there | [`http`], [`socket`] |
//! | what it asks for is checked | [`handshake`], [`forwarded`] |
//! | it shows a ticket, or the application is asked | [`tickets`], [`http`] |
//! | a lane gets the socket and writes the answer, or a refusal is written | [`http`], [`farewell`] |
//!
//! All of it runs on the application's runtime, and none of it after the socket is a
//! lane's. What was counted in is counted out by the drop of the
//! [permit](super::lanes::Permit) that goes with the socket. [`takeover`] enters behind
//! the handshake, with a [`bridge`] where it has to; [`admin`] is a small server of its
//! own.

mod addresses;
mod admin;
mod admission;
mod bridge;
mod bucket;
mod door;
mod farewell;
mod forwarded;
mod handshake;
mod http;
mod listener;
mod memory;
mod refused;
mod socket;
mod takeover;
mod tickets;

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use bytes::Bytes;
use hyper::server::conn::http1;
use tokio::{
    sync::{Notify, Semaphore},
    task::JoinHandle,
};

pub use refused::Refused;
pub use takeover::{AdoptError, UpgradeError};

use self::{
    door::{Door, Seat},
    listener::{Caller, Listener},
    tickets::{Held, Tickets},
};
use super::{
    Shared, StartError,
    hooks::Session,
    lanes::{Arrival, Lanes, Leave, Permit, Speech, Stream},
    limits::Limits,
    verdict::Grant,
};

pub(super) struct Front {
    inner: Arc<Inner>,
    address: Option<SocketAddr>,
    admin_address: Option<SocketAddr>,
    tasks: Vec<JoinHandle<()>>,
}

/// What the tasks of the front share.
struct Inner {
    shared: Arc<Shared>,
    lanes: Arc<Lanes>,
    door: Arc<Door>,
    tickets: Arc<Tickets>,
    http: http1::Builder,
    /// One for each refusal being written.
    farewells: Arc<Semaphore>,
    ending: Ending,
}

impl Front {
    pub(super) async fn start(
        shared: &Arc<Shared>,
        lanes: &Arc<Lanes>,
        address: Option<SocketAddr>,
        admin: Option<SocketAddr>,
    ) -> Result<Self, StartError> {
        let inner = Arc::new(Inner {
            shared: Arc::clone(shared),
            lanes: Arc::clone(lanes),
            door: Arc::new(Door::new(shared)),
            tickets: Arc::default(),
            http: http::settings(),
            farewells: Arc::new(Semaphore::new(farewell::MOST)),
            ending: Ending::default(),
        });
        let mut front = Front {
            inner,
            address: None,
            admin_address: None,
            tasks: Vec::new(),
        };
        // Both are bound before either serves: a start that fails leaves nothing.
        let clients = listen("address", address, &shared.limits)?;
        let admin = listen("admin", admin, &shared.limits)?;
        if let Some((listener, address)) = clients {
            front.address = Some(address);
            let serving = listener.run(Arc::clone(&front.inner), Inner::arrived);
            front.tasks.push(tokio::spawn(serving));
        }
        if let Some((listener, address)) = admin {
            front.admin_address = Some(address);
            let desk = admin::Desk::new();
            let serving = listener.run(Arc::clone(&front.inner), move |inner, caller| {
                desk.arrived(inner, caller.stream);
            });
            front.tasks.push(tokio::spawn(serving));
        }
        Ok(front)
    }

    pub(super) fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    pub(super) fn admin_address(&self) -> Option<SocketAddr> {
        self.admin_address
    }

    /// From now on every newcomer is turned away with a time to come back.
    pub(super) fn refuse_all(&self) {
        self.inner.door.drain();
    }

    /// Stops listening, and breaks off the handshakes that are under way.
    pub(super) fn end(&self) {
        self.refuse_all();
        self.inner.ending.begin();
        self.tasks.iter().for_each(JoinHandle::abort);
    }

    /// Waits until it does not listen any more, once it was ended: whoever comes next can
    /// have the address.
    pub(super) async fn ended(&mut self) {
        for task in self.tasks.drain(..) {
            // Aborted, which is what it says.
            let _ = task.await;
        }
    }
}

/// Listens on what the builder's method of this name was given, if anything. Says where
/// that is: the system may have chosen the port.
fn listen(
    name: &'static str,
    given: Option<SocketAddr>,
    limits: &Limits,
) -> Result<Option<(Listener, SocketAddr)>, StartError> {
    let Some(given) = given else {
        return Ok(None);
    };
    let bound = Listener::bind(given, limits).and_then(|listener| {
        let address = listener.address()?;
        Ok((listener, address))
    });
    let failed = |error| StartError::Address {
        name,
        given: given.to_string(),
        error,
    };
    bound.map(Some).map_err(failed)
}

impl Inner {
    /// Takes a socket from the listener. Never waits.
    fn arrived(self: &Arc<Self>, caller: Caller) {
        let Caller {
            stream,
            address: peer,
            is_last,
        } = caller;
        let meters = &self.shared.meters.front;
        meters.accepted.fetch_add(1, Ordering::Relaxed);
        let address = (self.shared.limits.trusted_proxies == 0).then_some(peer);
        let refused = match self.door.enter(address) {
            Ok(_) if is_last => Refused::Descriptors,
            Ok(seat) => {
                tokio::spawn(http::serve(Arc::clone(self), stream, peer, seat));
                return;
            }
            Err(refused) => refused,
        };
        meters.refused(refused);
        match Arc::clone(&self.farewells).try_acquire_owned() {
            Ok(permit) => {
                let answer = self.door.answer(refused);
                tokio::spawn(async move {
                    // Told or not, it has been turned away.
                    let _ = farewell::refuse(stream, &answer).await;
                    drop(permit);
                });
            }
            Err(_) => {
                meters.unanswered.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Hands a connection to a lane, with what counts it and the ticket that it comes
    /// back with.
    fn place(&self, connected: Connected, entry: Entry, mut seat: Seat) {
        let Entry {
            grant,
            session,
            held,
        } = entry;
        let held = match (held, connected.speech) {
            (None, Speech::Json) => self.tickets.issue(&grant, &session, Instant::now()),
            (held, _) => held,
        };
        let ticket = held.as_ref().map(|held| held.ticket().to_string());
        seat.shaken();
        let permit: Permit = Box::new(Entered { _seat: seat, held });
        self.lanes.place(Arrival {
            stream: connected.stream,
            head: connected.head,
            read_ahead: connected.read_ahead,
            speech: connected.speech,
            grant,
            session,
            resume: connected.resume,
            ticket,
            permit,
        });
    }
}

/// What goes with a connection to its lane.
struct Entered {
    _seat: Seat,
    held: Option<Held>,
}

impl Leave for Entered {
    fn forbid(&mut self) {
        if let Some(held) = self.held.take() {
            held.revoke();
        }
    }
}

/// What a client comes in with.
struct Entry {
    grant: Arc<Grant>,
    session: Session,
    /// The ticket that it showed.
    held: Option<Held>,
}

/// A connection whose handshake is done, but for the answer's head.
struct Connected {
    stream: Stream,
    head: Bytes,
    read_ahead: Bytes,
    speech: Speech,
    resume: Option<String>,
}

/// Whether the gateway has ended, for those who wait for something else.
#[derive(Default)]
struct Ending {
    begun: AtomicBool,
    bell: Notify,
}

impl Ending {
    fn begin(&self) {
        self.begun.store(true, Ordering::SeqCst);
        self.bell.notify_waiters();
    }

    async fn wait(&self) {
        // Listens first and looks then: whoever begins in between is heard.
        let rung = self.bell.notified();
        if !self.begun.load(Ordering::SeqCst) {
            rung.await;
        }
    }
}
