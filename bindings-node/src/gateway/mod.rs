//! The gateway as JavaScript drives it.
//!
//! Its sockets live on threads of the core's; JavaScript is asked who may come in and is
//! told what clients say, and never runs for a delivery. Calls to JavaScript go through a
//! [`queue`] that the event loop empties when it has time. Its answers, and what it wants
//! of single clients, are plain calls with numbers in them. See `lib/gateway/desk.js` for
//! the other side.
//!
//! The way of a connection: the core asks `authorize` in a task ([`switchboard`]), the
//! question waits under a number ([`questions`]), the loop takes the call out ([`calls`])
//! and answers with a [`grant`].

mod calls;
mod desk;
mod failure;
mod grant;
mod questions;
mod queue;
mod runtime;
mod session;
mod settings;
mod stats;
mod switchboard;
mod wanted;

use std::{
    cell::RefCell,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use distributary::{
    Bytes,
    gateway::{Denied, Gateway, Message, Wish},
};
use napi::{
    Env,
    bindgen_prelude::{Array, Function, Object},
};
use napi_derive::napi;
use tokio::task::JoinHandle;

use self::{
    calls::Writer,
    desk::{Desk, Known},
    failure::Failure,
    grant::{NativeGrant, NativeRefusal},
    queue::{Call, Queue},
    session::Session,
    settings::{NativeSettings, Plan},
    switchboard::{Admitted, Granted, Switchboard},
    wanted::{NativeWanted, millis},
};
use crate::{
    error::{Code, Result, error},
    hub::NativeHub,
};

/// A gateway, from before it starts until it is closed.
#[napi]
pub struct NativeGateway {
    board: Arc<Switchboard>,
    desk: RefCell<Desk>,
    /// Until it starts.
    plan: RefCell<Option<Plan>>,
    running: Arc<Mutex<Running>>,
}

/// What there is of a gateway that was started.
#[derive(Default)]
struct Running {
    starting: Option<JoinHandle<()>>,
    gateway: Option<Arc<Gateway>>,
    /// They hold the gateway too, until they are over or ended.
    drains: Vec<JoinHandle<()>>,
}

#[napi]
impl NativeGateway {
    /// A gateway that has not started. The function is called when there is something to
    /// [`take`](Self::take).
    #[napi(constructor, catch_unwind)]
    pub fn new(
        hub: &NativeHub,
        settings: NativeSettings,
        ring: Function<'_, (), ()>,
    ) -> napi::Result<Self> {
        let bell = ring
            .build_threadsafe_function::<()>()
            .weak::<true>()
            .max_queue_size::<1>()
            .build()?;
        let board = Switchboard::new(Queue::new(settings.room(), bell));
        let builder = board.connect(settings.builder(hub.hub()), settings.listens());
        let addresses = settings.addresses();
        Ok(NativeGateway {
            board,
            desk: RefCell::default(),
            plan: RefCell::new(Some(Plan {
                hub: hub.hub().clone(),
                builder,
                addresses,
            })),
            running: Arc::default(),
        })
    }

    /// Starts. The operation of this number is then done.
    #[napi(catch_unwind)]
    pub fn start(&self, operation: u32) -> Result<()> {
        let plan = self.plan.take().ok_or_else(not_running)?;
        let runtime = runtime::runtime().map_err(|cause| error(Code::System, cause))?;
        let operation = Operation::new(&self.board.queue, operation);
        let running = Arc::clone(&self.running);
        let starting = runtime.spawn(async move {
            match plan.start().await {
                Ok(gateway) => {
                    lock(&running).gateway = Some(Arc::new(gateway));
                    operation.end(None);
                }
                Err(failure) => operation.end(Some(failure)),
            }
        });
        self.running().starting = Some(starting);
        Ok(())
    }

    /// Sends everybody away, spread over so many milliseconds. Then the operation is done.
    #[napi(catch_unwind)]
    pub fn drain(&self, operation: u32, over: f64) -> Result<()> {
        let mut running = self.running();
        let gateway = running.gateway.clone().ok_or_else(not_running)?;
        let runtime = runtime::runtime().map_err(|cause| error(Code::System, cause))?;
        let operation = Operation::new(&self.board.queue, operation);
        running.drains.retain(|drain| !drain.is_finished());
        running.drains.push(runtime.spawn(async move {
            gateway.drain(millis(over)).await;
            operation.end(None);
        }));
        Ok(())
    }

    /// Ends it, whatever it is doing. The operation is done when its threads have ended.
    #[napi(catch_unwind)]
    pub fn close(&self, operation: u32) -> Result<()> {
        let plan = self.plan.take();
        drop(plan);
        let runtime = runtime::runtime().map_err(|cause| error(Code::System, cause))?;
        let operation = Operation::new(&self.board.queue, operation);
        let running = Arc::clone(&self.running);
        runtime.spawn(async move {
            let starting = lock(&running).starting.take();
            if let Some(starting) = starting {
                let _ = starting.await;
            }
            let Running {
                gateway, drains, ..
            } = std::mem::take(&mut *lock(&running));
            for drain in drains {
                drain.abort();
                let _ = drain.await;
            }
            if let Some(gateway) = gateway.and_then(Arc::into_inner) {
                gateway.close().await;
            }
            operation.end(None);
        });
        Ok(())
    }

    /// Lets go of everything: nothing is asked or told any more.
    #[napi(catch_unwind)]
    pub fn release(&self) {
        self.board.hang_up();
        let left = (self.plan.take(), self.desk.take());
        drop(left);
    }

    /// What there is to do, at most so many calls: whether there may be more, and then
    /// the calls.
    #[napi(catch_unwind, ts_return_type = "unknown[]")]
    pub fn take<'env>(&self, env: &'env Env, most: u32) -> napi::Result<Array<'env>> {
        let most = most as usize;
        let calls = self.board.queue.take(most);
        let mut into = env.create_array(0)?;
        into.insert(calls.len() == most)?;
        let mut writer = Writer {
            env,
            board: &self.board,
            desk: &mut self.desk.borrow_mut(),
            into,
        };
        for call in calls {
            writer.write(call)?;
        }
        Ok(writer.into)
    }

    /// Lets a client in. False when it is not there any more, and the number of the
    /// session is not used.
    #[napi(catch_unwind)]
    pub fn accept(
        &self,
        question: i64,
        session: Option<i64>,
        grant: NativeGrant<'_>,
    ) -> Result<bool> {
        let session = Session::new(session, &self.board.queue);
        let answer: Admitted = Ok(grant.accept(session)?);
        Ok(self.board.admissions.answer(question, answer))
    }

    /// Turns a client away. False when it is not there any more.
    #[napi(catch_unwind)]
    pub fn reject(&self, question: i64, refusal: NativeRefusal) -> Result<bool> {
        let answer = Err(refusal.reject()?);
        Ok(self.board.admissions.answer(question, answer))
    }

    /// Grants a wish, or what is given in its place. False when nobody waits for it.
    #[napi(catch_unwind)]
    pub fn grant(&self, question: i64, instead: Option<NativeWanted<'_>>) -> Result<bool> {
        let wished = self.board.wishes.look(question, |(_, wish)| wish.clone());
        let Some(wished) = wished else {
            return Ok(false);
        };
        let granted: Granted = Ok(match instead {
            Some(instead) => narrowed(wished, &instead)?,
            None => wished,
        });
        Ok(self.board.wishes.answer(question, granted))
    }

    /// Denies a wish, for this reason. False when nobody waits for it.
    #[napi(catch_unwind)]
    pub fn deny(&self, question: i64, reason: String) -> bool {
        let denied = Err(Denied::new(reason));
        self.board.wishes.answer(question, denied)
    }

    /// Sends a client a text. False when it has gone.
    #[napi(catch_unwind)]
    pub fn send_text(&self, client: i64, text: String) -> bool {
        self.with(client, |known| known.client.send(Message::Text(text)))
    }

    /// Sends a client bytes. False when it has gone.
    #[napi(catch_unwind)]
    pub fn send_bytes(&self, client: i64, bytes: &[u8]) -> bool {
        self.with(client, |known| {
            let bytes = Bytes::copy_from_slice(bytes);
            known.client.send(Message::Binary(bytes));
        })
    }

    /// Subscribes a client to more; the number of that subscription. 0: it has gone.
    #[napi(catch_unwind)]
    pub fn subscribe(&self, client: i64, wanted: NativeWanted<'_>) -> Result<u32> {
        let (selector, options) = (wanted.selector()?, wanted.options()?);
        let mut number = 0;
        self.with(client, |known| {
            let subscription = known.client.subscribe(selector, options);
            number = known.remember(subscription);
        });
        Ok(number)
    }

    /// Ends a subscription that was made so.
    #[napi(catch_unwind)]
    pub fn unsubscribe(&self, client: i64, number: u32) -> bool {
        let mut known = false;
        self.with(client, |it| {
            if let Some(subscription) = it.forget(number) {
                it.client.unsubscribe(subscription);
                known = true;
            }
        });
        known
    }

    /// Closes a client. False when it has gone.
    #[napi(catch_unwind)]
    pub fn close_client(&self, client: i64, reason: String) -> bool {
        self.with(client, |known| known.client.close(reason))
    }

    /// Closes a client for now. False when it has gone.
    #[napi(catch_unwind)]
    pub fn turn_client_away(&self, client: i64, reason: String) -> bool {
        self.with(client, |known| known.client.turn_away(reason))
    }

    /// Where clients connect, once it has started.
    #[napi(getter, catch_unwind)]
    pub fn address(&self) -> Option<NativeAddress> {
        let gateway = &self.running().gateway;
        gateway.as_ref()?.address().map(NativeAddress::from)
    }

    /// Where metrics are.
    #[napi(getter, catch_unwind)]
    pub fn admin_address(&self) -> Option<NativeAddress> {
        let gateway = &self.running().gateway;
        gateway.as_ref()?.admin_address().map(NativeAddress::from)
    }

    /// All counters; nothing when it does not run.
    #[napi(catch_unwind)]
    pub fn stats<'env>(&self, env: &'env Env) -> napi::Result<Option<Object<'env>>> {
        let stats = self.running().gateway.as_ref().map(|it| it.stats());
        stats.map(|stats| stats::object(env, &stats)).transpose()
    }

    /// Whether there was such a client.
    fn with(&self, client: i64, act: impl FnOnce(&mut Known)) -> bool {
        self.desk.borrow_mut().client(client).map(act).is_some()
    }

    fn running(&self) -> MutexGuard<'_, Running> {
        lock(&self.running)
    }
}

impl Drop for NativeGateway {
    /// The event loop has ended, or it was closed and forgotten. What runs then is ended
    /// without being waited for.
    fn drop(&mut self) {
        self.board.hang_up();
        let running = std::mem::take(&mut *self.running());
        for drain in &running.drains {
            drain.abort();
        }
        drop(running);
    }
}

/// Where something listens, as `net.Server` shows it.
#[napi(object, object_from_js = false)]
pub struct NativeAddress {
    /// The IP address.
    pub address: String,
    /// `IPv4` or `IPv6`.
    pub family: &'static str,
    /// The port.
    pub port: u16,
}

impl From<SocketAddr> for NativeAddress {
    fn from(address: SocketAddr) -> Self {
        NativeAddress {
            address: address.ip().to_string(),
            family: match address {
                SocketAddr::V4(_) => "IPv4",
                SocketAddr::V6(_) => "IPv6",
            },
            port: address.port(),
        }
    }
}

/// Something that JavaScript waits for the end of. It always learns of it.
struct Operation {
    queue: Arc<Queue>,
    number: u32,
    failure: Option<Failure>,
}

impl Operation {
    fn new(queue: &Arc<Queue>, number: u32) -> Self {
        Operation {
            queue: Arc::clone(queue),
            number,
            failure: None,
        }
    }

    fn end(mut self, failure: Option<Failure>) {
        self.failure = failure;
    }
}

impl Drop for Operation {
    fn drop(&mut self) {
        let done = Call::Done(self.number, self.failure.take());
        self.queue.put(done);
    }
}

fn narrowed(wished: Wish, instead: &NativeWanted<'_>) -> Result<Wish> {
    let mut wish = wished;
    wish.selector = instead.instead_of(&wish.selector)?;
    if instead.options.is_some() {
        wish.options = instead.options()?;
    }
    Ok(wish)
}

fn not_running() -> napi::Error<Code> {
    error(Code::Closed, "the gateway does not run")
}

fn lock(running: &Mutex<Running>) -> MutexGuard<'_, Running> {
    // Nothing that is done under it panics half-way.
    running.lock().unwrap_or_else(PoisonError::into_inner)
}
