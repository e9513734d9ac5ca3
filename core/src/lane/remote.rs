//! Commands to a lane from other threads.
//!
//! A command is pushed and the lane is called; nobody waits. The lane carries all of
//! them out before it serves the next slice.

use super::{
    ids::{Ids, MemberId},
    sink::Token,
};
use crate::{
    feed::NO_SLOT,
    hub::{
        core::Core,
        history::Backlog,
        outlet::Outlet,
        subscribe::{SubscribeError, SubscribeOptions},
    },
    selector::{Selector, SelectorError},
    sync::{Arc, AtomicBool, Ordering, Queue, StdArc},
    wake::Post,
};

/// What a lane and those who command it share.
pub(super) struct Shared {
    pub(super) core: StdArc<Core>,
    pub(super) post: Arc<Post>,
    pub(super) ids: Ids,
    controls: Queue<Control>,
    /// Somebody called for what only the owner knows of. The owner may have looked for
    /// it before the call, so it gets another turn before the lane sleeps.
    nudged: AtomicBool,
    /// Cleared when the lane is dropped.
    alive: AtomicBool,
}

pub(super) struct Control {
    pub(super) what: What,
    /// When it was posted, on the hub's clock.
    pub(super) posted: u64,
}

pub(super) enum What {
    Join(Join),
    Leave(MemberId),
    Resume(MemberId),
}

/// A member that is hooked in, and counted as a reader at its cursor, and that no group
/// of the lane has taken in.
pub(super) struct Join {
    pub(super) id: MemberId,
    pub(super) token: Token,
    pub(super) outlet: Arc<Outlet>,
    pub(super) cursor: u64,
    pub(super) backlog: Option<Box<Backlog>>,
    /// Its sink takes nothing until it is resumed.
    pub(super) stalled: bool,
}

impl Shared {
    pub(super) fn new(core: &StdArc<Core>) -> Self {
        Shared {
            core: StdArc::clone(core),
            post: Arc::new(Post::new()),
            ids: Ids::new(),
            controls: Queue::new(),
            nudged: AtomicBool::new(false),
            alive: AtomicBool::new(true),
        }
    }

    /// Hooks a selector in for a member. It is in force from here on.
    pub(super) fn enter(
        &self,
        selector: Selector,
        token: Token,
        options: SubscribeOptions,
    ) -> Result<Join, SubscribeError> {
        let start = |outlet: &Arc<Outlet>| outlet.feed.join();
        let (entered, cursor) = self.core.enter(selector, options, start)?;
        Ok(Join {
            id: self.ids.take(),
            token,
            outlet: entered.outlet,
            cursor,
            backlog: entered.backlog,
            stalled: false,
        })
    }

    /// Posts a command. False when the lane is gone; what was posted is undone then.
    fn post(&self, what: What) -> bool {
        let posted = self.core.clock.now();
        self.controls.push(Control { what, posted });
        if self.alive.load(Ordering::SeqCst) {
            self.call();
            return true;
        }
        self.abandon();
        false
    }

    /// Has the owner turn the lane once more.
    pub(super) fn call(&self) {
        if self.post.call() {
            self.post.ring();
        }
    }

    /// How many commands wait.
    pub(super) fn controls(&self) -> usize {
        self.controls.len()
    }

    pub(super) fn next(&self) -> Option<Control> {
        self.controls.pop()
    }

    fn nudge(&self) {
        self.nudged.store(true, Ordering::SeqCst);
        self.call();
    }

    /// Whether there is something to do before the lane may sleep. A nudge is answered
    /// by this.
    pub(super) fn is_busy(&self) -> bool {
        !self.controls.is_empty() || self.nudged.swap(false, Ordering::SeqCst)
    }

    /// The lane is gone: commands that it has not carried out are undone. Whoever
    /// posts after this does it again.
    pub(super) fn end(&self) {
        self.alive.store(false, Ordering::SeqCst);
        self.abandon();
    }

    fn abandon(&self) {
        while let Some(control) = self.controls.pop() {
            if let What::Join(join) = control.what {
                join.undo();
            }
        }
    }
}

impl Join {
    fn undo(self) {
        let core = StdArc::clone(self.outlet.core());
        core.leave(&self.outlet, self.cursor, NO_SLOT);
    }
}

/// Commands a lane from any thread. Cheap to clone; never waits for the lane.
#[derive(Clone)]
pub struct Remote(pub(super) Arc<Shared>);

impl Remote {
    /// Subscribes for the lane. The subscription is in force when this returns; the
    /// lane takes the member in before its next slice.
    ///
    /// # Errors
    /// As [`Hub::subscribe_with`](crate::Hub::subscribe_with), and
    /// [`SubscribeError::LaneGone`].
    pub fn subscribe<S>(
        &self,
        selector: S,
        token: Token,
        options: SubscribeOptions,
    ) -> Result<MemberId, SubscribeError>
    where
        S: TryInto<Selector>,
        SelectorError: From<S::Error>,
    {
        let selector = selector.try_into().map_err(SelectorError::from)?;
        let join = self.0.enter(selector, token, options)?;
        let id = join.id;
        match self.0.post(What::Join(join)) {
            true => Ok(id),
            false => Err(SubscribeError::LaneGone),
        }
    }

    /// Takes a member out before the lane's next slice, without a word to its sink. A
    /// name that is no member's any more is ignored.
    ///
    /// From the lane's own thread, [`Lane::unsubscribe`](super::Lane::unsubscribe) does
    /// it at once.
    pub fn unsubscribe(&self, member: MemberId) {
        if !self.0.ids.gave(member) {
            return;
        }
        self.0.post(What::Leave(member));
    }

    /// Wakes the lane for something that its owner knows of. The owner looks for it
    /// before each turn: after this call there is one more before the lane sleeps.
    pub fn call(&self) {
        self.0.nudge();
    }

    /// Lets a stalled member go on.
    pub fn resume(&self, member: MemberId) {
        if !self.0.ids.gave(member) {
            return;
        }
        self.0.post(What::Resume(member));
    }
}

impl std::fmt::Debug for Remote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Remote")
            .field("alive", &self.0.alive.load(Ordering::Relaxed))
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::{
        event::Event,
        hub::Hub,
        lane::{Flow, Lane, Sink},
        subscription::CloseReason,
    };

    /// Calls its lane for every delivery, in the middle of a turn.
    struct Caller(Remote);

    impl Sink for Caller {
        fn deliver(&mut self, _: Token, _: &[Event]) -> Flow {
            self.0.call();
            Flow::Taken
        }

        fn lagged(&mut self, _: Token, _: u64) -> Flow {
            Flow::Taken
        }

        fn closed(&mut self, _: Token, _: CloseReason) {}
    }

    #[test]
    fn a_call_that_the_owner_may_have_missed_gives_it_another_turn() {
        let hub = Hub::new();
        let mut lane = Lane::new(&hub);
        let mut sink = Caller(lane.remote());
        lane.subscribe("a", Token(0)).unwrap();
        // After the owner looked for what it knows of, before its turn began.
        lane.remote().call();
        assert!(lane.turn(&mut sink).more);
        assert!(!lane.turn(&mut sink).more);
        // In the middle of the turn.
        hub.publish("a", "").unwrap();
        assert!(lane.turn(&mut sink).more);
        assert!(!lane.turn(&mut sink).more);
    }
}
