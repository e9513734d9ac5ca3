//! One connection after another, as the machine says.
//!
//! The machine decides, this does: each action is a future, and whatever ends first, it,
//! its deadline, or something that the connection's duties have to tell, is the next
//! input. Duties are the tasks that run as long as a connection stands.

use std::{
    cell::{Cell, RefCell},
    future::pending,
    rc::Rc,
    time::{Duration, Instant},
};

use tokio::{
    sync::mpsc,
    task::{AbortHandle, JoinHandle},
    time::sleep_until,
};

use super::{
    Conductor,
    arriving::Ears,
    doubting,
    greeting::{self, Unfit},
    joining::{self, Beside},
    line::Line,
    probing::{self, Probes},
    publishing, watching,
};
use crate::{
    backplane::Condition,
    redis::{
        link::{Action, Input, LONE, Machine, State, Timing},
        names::canary,
        outbox::NOT_ALONE,
        socket::{Session, Stream, dial},
        target::Topology,
        watch::code,
    },
};

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(2);

/// A link to one server.
pub(super) struct Link {
    conductor: Rc<Conductor>,
    line: Rc<Line>,
    /// What duties tell, with the number of their connection.
    told: mpsc::UnboundedSender<(u64, Input)>,
    tidings: RefCell<Option<mpsc::UnboundedReceiver<(u64, Input)>>>,
    connection: Cell<u64>,
    stream: RefCell<Option<Box<dyn Stream>>>,
    probes: RefCell<Option<Rc<Probes>>>,
    canary: Cell<bool>,
    beside: Cell<u64>,
    duties: RefCell<Vec<AbortHandle>>,
    publishing: RefCell<Option<JoinHandle<()>>>,
    /// Why the last attempt or connection ended; none while neither has.
    why: Why,
}

impl Link {
    pub(super) fn new(conductor: Rc<Conductor>, line: Rc<Line>) -> Self {
        let (told, tidings) = mpsc::unbounded_channel();
        Link {
            conductor,
            line,
            told,
            tidings: RefCell::new(Some(tidings)),
            connection: Cell::new(0),
            stream: RefCell::default(),
            probes: RefCell::default(),
            canary: Cell::new(false),
            beside: Cell::new(0),
            duties: RefCell::default(),
            publishing: RefCell::default(),
            why: Why::default(),
        }
    }

    /// Runs until the hub closes.
    pub(super) async fn run(self) {
        let Some(mut tidings) = self.tidings.take() else {
            return;
        };
        if self.line.succeeds {
            let share = self.conductor.spread().max(LONE).mul_f64(fastrand::f64());
            tokio::select! {
                () = tokio::time::sleep(share) => {}
                () = self.line.parting.notified() => return,
            }
        }
        let mut machine = Machine::new(fastrand::u64(..), Timing::default());
        let mut action = self.put(&mut machine, Input::Start);
        while action != Action::Stop {
            let doing = self.perform(action);
            tokio::pin!(doing);
            let mut done = false;
            action = loop {
                let due = machine.due();
                let deadline = due.unwrap_or_else(Instant::now);
                let input = tokio::select! {
                    biased;
                    () = self.line.parting.notified() => Input::Close,
                    Some((connection, tiding)) = tidings.recv() => {
                        if connection != self.connection.get() {
                            continue;
                        }
                        tiding
                    }
                    input = &mut doing, if !done => {
                        done = true;
                        input
                    }
                    () = sleep_until(deadline.into()), if due.is_some() => Input::Due,
                };
                match self.put(&mut machine, input) {
                    Action::Carry => {}
                    next => break next,
                }
            };
        }
        self.let_go("the hub was closed").await;
    }

    /// Tells the machine, and everybody else what has become of the link.
    fn put(&self, machine: &mut Machine, input: Input) -> Action {
        if let Some(hubs) = self.conductor.fleet() {
            machine.fleet(hubs);
        }
        let before = machine.state();
        match input {
            Input::Due if before != State::Backoff => {
                self.why.is(format!("{} took too long", doing(before)));
            }
            Input::Silent => self.why.is("nothing was heard of it any more".into()),
            // Whoever saw the connection fail may be here before the one who knows why.
            Input::Broken | Input::Failed | Input::Refused if self.why.is_unknown() => {
                let session = self.line.session.borrow();
                let ended = session.as_ref().and_then(Session::ended);
                let why = ended.map_or_else(|| format!("{} failed", doing(before)), |end| end.0);
                self.why.is(why);
            }
            _ => {}
        }
        let action = machine.on(input, Instant::now(), &mut self.conductor.budget.lock());
        let after = machine.state();
        let fell = self.line.turn(after);
        if after != before {
            self.report(after);
            self.conductor.turned(&self.line, fell);
        }
        action
    }

    fn report(&self, after: State) {
        let now = Instant::now();
        let mut watch = self.line.watch.borrow_mut();
        match after {
            State::Live => watch.up(now),
            State::Backoff => watch.down(self.why.text(), now),
            _ => return,
        }
        drop(watch);
        self.conductor.assess();
    }

    async fn perform(&self, action: Action) -> Input {
        match action {
            Action::Connect => self.connect().await,
            Action::Greet => self.greet().await,
            Action::Join => self.join().await,
            Action::Audit => self.audit().await,
            Action::CatchUp => {
                self.conductor.whole();
                Input::Done
            }
            Action::Drain => {
                self.part().await;
                Input::Done
            }
            Action::Drop => {
                self.let_go(&self.why.text()).await;
                Input::Done
            }
            Action::Carry | Action::Wait | Action::Stop => pending().await,
        }
    }

    async fn connect(&self) -> Input {
        self.why.forget();
        let settings = &self.conductor.common.settings;
        self.conductor.common.figures.attempts.add(1);
        match dial(&self.line.server, settings.tls.as_ref(), CONNECT).await {
            Ok(stream) => {
                *self.stream.borrow_mut() = Some(stream);
                Input::Done
            }
            Err(why) => {
                self.why.is(why);
                Input::Failed
            }
        }
    }

    async fn greet(&self) -> Input {
        let Some(stream) = self.stream.take() else {
            return Input::Failed;
        };
        let conductor = &self.conductor;
        let settings = &conductor.common.settings;
        let canary = canary(conductor.common.id, self.line.id);
        self.connection.set(self.connection.get() + 1);
        let probes = Rc::new(Probes::new(Rc::clone(&self.line), Instant::now()));
        let ears = Ears {
            conductor: Rc::clone(conductor),
            line: Rc::clone(&self.line),
            probes: Rc::clone(&probes),
            canary: canary.clone(),
            learned: Cell::new(false),
        };
        let session = Session::start(stream, ears);
        *self.line.session.borrow_mut() = Some(session.clone());
        *self.probes.borrow_mut() = Some(probes);
        self.watch_end(&session);
        let name = conductor.client_name();
        let canary = conductor.has_canary(&self.line).then_some(&*canary);
        match greeting::greet(&session, &settings.target, &name, canary).await {
            Ok(greeted) => {
                self.line.lineage.set(greeted.server_id());
                *self.line.denied.borrow_mut() = greeted.denied;
                match greeted.is_clustered && settings.target.topology == Topology::Single {
                    true => {
                        conductor.say(code::CLUSTER_NODE, Condition::Degraded, NOT_ALONE.into())
                    }
                    false => conductor.unsay(code::CLUSTER_NODE),
                }
                conductor.hubs.set(greeted.hubs.or(conductor.hubs.get()));
                self.canary.set(greeted.canary);
                self.beside.set(greeted.beside);
                conductor.common.figures.connections.add(1);
                Input::Done
            }
            Err(Unfit::Refused(why)) => {
                self.why.is(why);
                Input::Refused
            }
            Err(Unfit::Failed(why)) => {
                self.why.is(why);
                Input::Failed
            }
        }
    }

    /// Tells when the connection is no more, and why.
    fn watch_end(&self, session: &Session) {
        let closed = session.closed();
        let tell = self.teller();
        let why = self.why.clone();
        self.duty(async move {
            why.is(closed.await.0);
            tell(Input::Broken);
        });
    }

    async fn join(&self) -> Input {
        let Some(session) = self.line.session.borrow().clone() else {
            return Input::Failed;
        };
        if self.publishing.borrow().is_none() {
            self.line.audited.set(false);
            self.line.ledger.borrow_mut().opened(Instant::now());
            self.begin(&session);
        }
        loop {
            let learned = self.line.learned.notified();
            if self.line.ledger.borrow().is_through() {
                return Input::Done;
            }
            learned.await;
        }
    }

    /// What runs from here on for as long as the connection stands.
    fn begin(&self, session: &Session) {
        let conductor = || Rc::clone(&self.conductor);
        let beside = Beside(self.beside.get());
        self.duty(joining::join(
            conductor(),
            Rc::clone(&self.line),
            session.clone(),
            beside,
            self.teller(),
            self.failer(),
        ));
        if let Some(probes) = self.probes.borrow().clone() {
            if !self.canary.get() {
                probes.plain();
            }
            let canary = canary(self.conductor.common.id, self.line.id);
            self.duty(doubting::doubt(
                conductor(),
                session.clone(),
                Rc::clone(&self.line),
                Rc::clone(&probes),
                canary.clone(),
                self.failer(),
            ));
            self.duty(probing::probe(
                conductor(),
                session.clone(),
                probes,
                canary,
                self.teller(),
            ));
        }
        let fail = self.failer();
        self.duty(watching::look(
            conductor(),
            Rc::clone(&self.line),
            session.clone(),
            move || fail("the server was made a replica"),
        ));
        let publishing = publishing::publish(conductor(), Rc::clone(&self.line), session.clone());
        // It is not a duty: what was answered before the end is settled after it.
        let publishing = tokio::task::spawn_local(publishing);
        let watched = self.watched(publishing);
        *self.publishing.borrow_mut() = Some(tokio::task::spawn_local(watched));
    }

    async fn audit(&self) -> Input {
        loop {
            let learned = self.line.learned.notified();
            if self.line.audited.get() {
                return Input::Done;
            }
            learned.await;
        }
    }

    /// Runs for as long as the connection stands. If it fails us, so has the connection.
    fn duty(&self, duty: impl Future<Output = ()> + 'static) {
        let duty = tokio::task::spawn_local(duty);
        self.duties.borrow_mut().push(duty.abort_handle());
        tokio::task::spawn_local(self.watched(duty));
    }

    /// Ends with a task of the connection that stands. A fault in it is counted, and breaks
    /// the connection.
    fn watched(&self, task: JoinHandle<()>) -> impl Future<Output = ()> + 'static {
        let (conductor, fail) = (Rc::clone(&self.conductor), self.failer());
        async move {
            if task.await.is_err_and(|error| error.is_panic()) {
                conductor.common.figures.panics.add(1);
                fail("a fault of the backplane itself");
            }
        }
    }

    /// For duties of the connection that stands.
    fn teller(&self) -> impl Fn(Input) + 'static {
        let told = self.told.clone();
        let connection = self.connection.get();
        move |input| {
            let _ = told.send((connection, input));
        }
    }

    /// For duties that give the connection up, and say why.
    fn failer(&self) -> impl Fn(&str) + 'static {
        let (tell, why) = (self.teller(), self.why.clone());
        move |text| {
            why.is(text.to_owned());
            tell(Input::Failed);
        }
    }

    /// Lets what is queued go out, while that is possible.
    async fn part(&self) {
        self.line.closing.set(true);
        self.line.filled.notify_one();
        let publishing = self.publishing.take();
        if let Some(publishing) = publishing {
            let _ = publishing.await;
        }
    }

    /// Ends the connection and all that belongs to it.
    async fn let_go(&self, why: &str) {
        self.connection.set(self.connection.get() + 1);
        for duty in self.duties.take() {
            duty.abort();
        }
        if let Some(session) = self.line.session.take() {
            session.close(why);
        }
        self.probes.take();
        let publishing = self.publishing.take();
        if let Some(publishing) = publishing {
            let _ = publishing.await;
        }
        self.conductor.disconnected(&self.line);
    }
}

fn doing(state: State) -> &'static str {
    match state {
        State::Connecting => "connecting",
        State::Handshaking => "the server's greeting",
        State::Joining => "subscribing",
        State::Auditing => "comparing subscriptions",
        State::CatchingUp => "catching up",
        State::Live | State::Degraded => "the connection",
        State::Draining => "letting go of the server",
        _ => "waiting",
    }
}

/// Why an attempt or a connection ended: kept for people, by whoever knew first or best.
#[derive(Clone, Default)]
struct Why(Rc<RefCell<Option<String>>>);

impl Why {
    fn is(&self, why: String) {
        *self.0.borrow_mut() = Some(why);
    }

    fn is_unknown(&self) -> bool {
        self.0.borrow().is_none()
    }

    /// Another attempt begins, and ends for a reason of its own.
    fn forget(&self) {
        self.0.take();
    }

    fn text(&self) -> String {
        self.0.borrow().clone().unwrap_or_default()
    }
}
