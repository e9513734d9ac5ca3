//! How those who drain are told that there is something to drain.
//!
//! A lane has one [`Post`]: a queue of its groups that have something new, and a
//! [`Bell`] that is rung at most once between two looks at that queue. Wakers of
//! subscriptions that pull go through [`Calls`] instead. Both leave the publisher's
//! locks before anything foreign runs.

mod bell;
#[cfg(all(test, loom))]
pub(crate) mod loom_tests;
mod post;

use std::panic::{AssertUnwindSafe, catch_unwind};

pub(crate) use bell::Bell;
pub(crate) use post::Post;

use crate::{feed::Wakers, sync::Arc};

/// Runs what a user handed in, and keeps a panic of it away from everybody else.
/// True when it returned.
pub(crate) fn contained(call: impl FnOnce()) -> bool {
    catch_unwind(AssertUnwindSafe(call)).is_ok()
}

/// Whom a publisher has to call once it holds no lock any more.
#[derive(Default)]
pub(crate) struct Calls {
    bells: Vec<Arc<Post>>,
    wakers: Wakers,
}

impl Calls {
    /// Remembers a lane that slept when work was posted.
    pub(crate) fn ring(&mut self, post: &Arc<Post>) {
        self.bells.push(Arc::clone(post));
    }

    pub(crate) fn wakers(&mut self) -> &mut Wakers {
        &mut self.wakers
    }

    /// Takes over who would have been called by another.
    #[cfg(not(loom))]
    pub(crate) fn take_over(&mut self, other: &mut Calls) {
        self.bells.append(&mut other.bells);
        self.wakers.extend(other.wakers.drain(..));
    }

    /// Calls everybody. A waker or bell that panics stops nobody else.
    pub(crate) fn make(&mut self) {
        for post in self.bells.drain(..) {
            post.ring();
        }
        wake_all(&mut self.wakers);
    }
}

/// Wakes and drops a batch of wakers.
pub(crate) fn wake_all(wakers: &mut Wakers) {
    for waker in wakers.drain(..) {
        contained(|| waker.wake());
    }
}
