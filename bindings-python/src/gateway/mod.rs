//! The gateway as Python drives it.
//!
//! Its sockets live on threads of the core's; Python is asked who may come in and is told
//! what clients say, and never runs for a delivery. What it is called for waits on a
//! [`board`] until a side has time: the event loop for coroutine functions, threads for
//! plain ones. Its answers, and what it wants of single clients, are plain calls.
//! `python/distributary/gateway/` is the other half.
//!
//! The way of a connection: the core asks `authorize` in a task ([`hooks`]), the question
//! waits under a number ([`questions`]), a side takes the call out ([`calls`]) and answers
//! with a [`verdict`].
//!
//! # Invariants
//! - Threads of the core's and the runtime's never enter the interpreter: an end of the
//!   process waits for none of them, and a busy interpreter holds none of them up.
//! - In the child of a fork nothing of the parent's gateway is used or taken apart.

mod bell;
mod board;
mod calls;
mod client;
mod failure;
mod hooks;
mod operation;
mod questions;
mod room;
mod runtime;
mod session;
mod settings;
mod stats;
mod verdict;
mod wanted;

use std::{
    future::Future,
    net::SocketAddr,
    sync::{Arc, mpsc},
    time::Duration,
};

use distributary::gateway::{Denied, Gateway as CoreGateway};
use parking_lot::Mutex;
use pyo3::{PyTraverseError, PyVisit, exceptions::PyOSError, prelude::*, types::PyList};
use tokio::task::JoinHandle;

pub(crate) use self::{bell::Bell, client::GatewayClient};

use self::{
    board::{Board, Side},
    calls::Writer,
    failure::Failure,
    hooks::Switchboard,
    operation::{Operation, Waits},
    questions::Questions,
    session::Sessions,
    settings::{Plan, Settings, seconds},
    verdict::{Grant, Refusal},
    wanted::Wanted,
};
use crate::{errors::closed, fork::Native, hub::Hub};

/// What becomes of a start that did not come to its end.
const GIVEN_UP: &str = "the gateway was closed before it had started";

/// How long a blocked thread goes without a look at signals.
const SIGNALS: Duration = Duration::from_millis(100);

/// A gateway, from before it starts until it is closed.
#[pyclass(frozen, module = "distributary._native")]
pub(crate) struct Gateway {
    inner: Native<Inner>,
    make: Py<PyAny>,
}

struct Inner {
    switchboard: Switchboard,
    sessions: Arc<Sessions>,
    /// Until it starts.
    plan: Mutex<Option<Plan>>,
    running: Arc<Mutex<Running>>,
}

/// What there is of a gateway that was started.
#[derive(Default)]
struct Running {
    starting: Option<JoinHandle<()>>,
    gateway: Option<Arc<CoreGateway>>,
    /// They hold the gateway too, until they are over or ended.
    drains: Vec<JoinHandle<()>>,
    /// Nothing is started any more.
    is_over: bool,
}

impl Gateway {
    fn inner(&self) -> PyResult<&Inner> {
        self.inner.get().ok_or_else(|| closed("forked"))
    }
}

#[pymethods]
impl Gateway {
    /// A gateway that has not started. `make` makes an object of a native client.
    #[new]
    fn new(hub: &Hub, settings: Settings, make: Py<PyAny>) -> PyResult<Self> {
        let hub = hub.hub()?;
        let board = Board::new(settings.room(), settings.authorizes(), settings.listens())?;
        let switchboard = Switchboard {
            board,
            admissions: Questions::new(settings.authorizes()),
            wishes: settings.grants().map(Questions::new),
        };
        let sessions = Sessions::new(&switchboard.board);
        let (to_clients, to_messages) = (settings.to_clients(), settings.to_messages());
        let builder = switchboard.connect(settings.builder(hub), to_clients, to_messages);
        let plan = Plan {
            hub: hub.clone(),
            builder,
            addresses: settings.into_addresses(),
        };
        let inner = Inner {
            switchboard,
            sessions,
            plan: Mutex::new(Some(plan)),
            running: Arc::default(),
        };
        Ok(Gateway {
            inner: Native::new(inner),
            make,
        })
    }

    /// What wakes a side: the event loop's, or that of the threads.
    fn bell(&self, of_loop: bool) -> PyResult<Bell> {
        let board = &self.inner()?.switchboard.board;
        Ok(Bell::new(board.ring(Side::of(of_loop))))
    }

    /// Starts. With a number the operation is told to the event loop; without, this blocks.
    fn start(&self, py: Python<'_>, operation: Option<u64>) -> PyResult<()> {
        let inner = self.inner()?;
        let plan = inner.plan.lock().take();
        let plan = plan.ok_or_else(|| closed("failed"))?;
        let running = Arc::clone(&inner.running);
        let keep = |running: &mut Running, task| running.starting = Some(task);
        inner.run(
            py,
            operation,
            Err(Failure::system(GIVEN_UP)),
            keep,
            async move |_| {
                let gateway = Arc::new(plan.start().await?);
                let mut running = running.lock();
                // Dropped after the lock, if it was given up meanwhile.
                match running.is_over {
                    true => drop(running),
                    false => running.gateway = Some(gateway),
                }
                Ok(())
            },
        )
    }

    /// Sends everybody away, spread over so many seconds.
    fn drain(&self, py: Python<'_>, operation: Option<u64>, over: f64) -> PyResult<()> {
        let inner = self.inner()?;
        let gateway = inner.running.lock().gateway.clone();
        let gateway = gateway.ok_or_else(|| closed("failed"))?;
        let keep = |running: &mut Running, task| {
            running.drains.retain(|drain| !drain.is_finished());
            running.drains.push(task);
        };
        // Closed meanwhile, there is nobody left either.
        inner.run(py, operation, Ok(()), keep, async move |_| {
            gateway.drain(seconds(over)).await;
            Ok(())
        })
    }

    /// Ends it, whatever it is doing: when its threads have ended, and everything has been
    /// told about everybody.
    fn close(&self, py: Python<'_>, operation: Option<u64>) -> PyResult<()> {
        let inner = self.inner()?;
        let plan = inner.plan.lock().take();
        drop(plan);
        let running = Arc::clone(&inner.running);
        inner.run(
            py,
            operation,
            Ok(()),
            |_, _| {},
            async move |board| {
                let starting = running.lock().starting.take();
                if let Some(starting) = starting {
                    let _ = starting.await;
                }
                let (gateway, drains) = running.lock().give_up();
                for drain in drains {
                    drain.abort();
                    let _ = drain.await;
                }
                if let Some(gateway) = gateway.and_then(Arc::into_inner) {
                    gateway.close().await;
                }
                board.empty().await;
                Ok(())
            },
        )
    }

    /// There is nobody any more on a side, and nothing is asked or told there.
    fn hang_up(&self, of_loop: bool) {
        if let Some(inner) = self.inner.get() {
            inner.switchboard.hang_up(Side::of(of_loop));
        }
    }

    /// Lets go of everything, and waits for nothing.
    fn abandon(&self) {
        if let Some(inner) = self.inner.get() {
            inner.abandon();
        }
    }

    /// What there is to do, at most so many calls; and whether there is more.
    fn take<'py>(
        &self,
        py: Python<'py>,
        of_loop: bool,
        most: usize,
    ) -> PyResult<(Bound<'py, PyList>, bool)> {
        let inner = self.inner()?;
        let side = Side::of(of_loop);
        let (calls, more) = inner.switchboard.board.take(side, most);
        let writer = Writer {
            side,
            switchboard: &inner.switchboard,
            make: self.make.bind(py),
            into: PyList::empty(py),
        };
        for call in calls {
            writer.write(call)?;
        }
        Ok((writer.into, more))
    }

    /// What a side took about a client is done: the next may be taken.
    fn told(&self, of_loop: bool, client: u64) -> PyResult<()> {
        let board = &self.inner()?.switchboard.board;
        board.told(Side::of(of_loop), client);
        Ok(())
    }

    /// Lets a client in. False when it is not there any more.
    fn accept(&self, question: u64, session: Option<Py<PyAny>>, grant: Grant) -> PyResult<bool> {
        let inner = self.inner()?;
        let accept = grant.accept(inner.sessions.keep(session))?;
        Ok(inner.switchboard.admissions.answer(question, Ok(accept)))
    }

    /// Whether a client still waits for this answer.
    fn is_asked(&self, question: u64) -> PyResult<bool> {
        let admissions = &self.inner()?.switchboard.admissions;
        Ok(admissions.look(question, |_| ()).is_some())
    }

    /// Turns a client away. False when it is not there any more.
    fn reject(&self, question: u64, refusal: Refusal) -> PyResult<bool> {
        let reject = refusal.reject()?;
        let admissions = &self.inner()?.switchboard.admissions;
        Ok(admissions.answer(question, Err(reject)))
    }

    /// Grants a wish, or what is given in its place. False when nobody waits for it.
    #[pyo3(signature = (question, instead))]
    fn grant(&self, question: u64, instead: Option<Wanted>) -> PyResult<bool> {
        let Some(wishes) = &self.inner()?.switchboard.wishes else {
            return Ok(false);
        };
        let Some(wished) = wishes.look(question, |(_, wish)| wish.clone()) else {
            return Ok(false);
        };
        let granted = match instead {
            Some(instead) => instead.instead_of(wished)?,
            None => wished,
        };
        Ok(wishes.answer(question, Ok(granted)))
    }

    /// Denies a wish, for this reason. False when nobody waits for it.
    fn deny(&self, question: u64, reason: String) -> PyResult<bool> {
        let wishes = &self.inner()?.switchboard.wishes;
        let denied = Err(Denied::new(reason));
        Ok(wishes
            .as_ref()
            .is_some_and(|it| it.answer(question, denied)))
    }

    /// Where clients connect, while it runs.
    #[getter]
    fn address(&self) -> PyResult<Option<(String, u16)>> {
        let gateway = &self.inner()?.running.lock().gateway;
        Ok(gateway.as_ref().and_then(|it| it.address()).map(pair))
    }

    /// Where metrics are.
    #[getter]
    fn admin_address(&self) -> PyResult<Option<(String, u16)>> {
        let gateway = &self.inner()?.running.lock().gateway;
        Ok(gateway.as_ref().and_then(|it| it.admin_address()).map(pair))
    }

    /// All counters; nothing when it does not run.
    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let stats = self.inner()?.stats();
        let stats = stats.map(|it| stats::stats(py, &it)).transpose()?;
        Ok(stats.map(Bound::into_any))
    }

    /// The same, as Prometheus reads them.
    fn prometheus(&self) -> PyResult<Option<String>> {
        Ok(self.inner()?.stats().map(|it| it.prometheus()))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.make)?;
        match self.inner.get() {
            Some(inner) => {
                inner.switchboard.board.traverse(&visit)?;
                inner.sessions.traverse(&visit)
            }
            None => Ok(()),
        }
    }

    fn __clear__(&self) {
        if let Some(inner) = self.inner.get() {
            inner.abandon();
            inner.switchboard.board.clear();
            inner.sessions.clear();
        }
    }
}

impl Drop for Gateway {
    /// It was forgotten without being closed. What runs is ended, and not waited for.
    fn drop(&mut self) {
        if let Some(inner) = self.inner.get() {
            inner.abandon();
        }
    }
}

impl Inner {
    /// Does something on the runtime that Python waits for: by a number on its event loop,
    /// or else here. If it is broken off, that is what becomes of it.
    fn run<F>(
        &self,
        py: Python<'_>,
        operation: Option<u64>,
        broken_off: Result<(), Failure>,
        keep: impl FnOnce(&mut Running, JoinHandle<()>),
        work: impl FnOnce(Arc<Board>) -> F,
    ) -> PyResult<()>
    where
        F: Future<Output = Result<(), Failure>> + Send + 'static,
    {
        let runtime = runtime::runtime().map_err(PyOSError::new_err)?;
        let board = &self.switchboard.board;
        let (told, end) = mpsc::channel();
        let waits = match operation {
            Some(number) => Waits::Loop(Arc::clone(board), number),
            None => Waits::Thread(told),
        };
        let ending = Operation::new(waits, broken_off);
        let work = work(Arc::clone(board));
        let task = runtime.spawn(async move { ending.end(work.await) });
        keep(&mut self.running.lock(), task);
        if operation.is_some() {
            return Ok(());
        }
        let mut end = end;
        loop {
            let told;
            (end, told) = py.detach(move || {
                let told = end.recv_timeout(SIGNALS);
                (end, told)
            });
            match told {
                Err(mpsc::RecvTimeoutError::Timeout) => py.check_signals()?,
                Ok(Some(failure)) => return Err(failure.into_error()),
                Ok(None) | Err(mpsc::RecvTimeoutError::Disconnected) => return Ok(()),
            }
        }
    }

    fn stats(&self) -> Option<distributary::gateway::GatewayStats> {
        self.running.lock().gateway.as_ref().map(|it| it.stats())
    }

    fn abandon(&self) {
        self.switchboard.hang_up(Side::Loop);
        self.switchboard.hang_up(Side::Threads);
        let plan = self.plan.lock().take();
        let (gateway, drains) = self.running.lock().give_up();
        for drain in drains {
            drain.abort();
        }
        drop((plan, gateway));
    }
}

impl Running {
    /// What is to be ended; nothing begins any more.
    fn give_up(&mut self) -> (Option<Arc<CoreGateway>>, Vec<JoinHandle<()>>) {
        self.is_over = true;
        (self.gateway.take(), std::mem::take(&mut self.drains))
    }
}

fn pair(address: SocketAddr) -> (String, u16) {
    (address.ip().to_string(), address.port())
}
