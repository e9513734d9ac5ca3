//! Waiting until other machines are heard.
//!
//! [`Joined`] is the half of whoever waits, [`Joining`] the backplane's.

use std::{
    any::Any,
    fmt,
    future::Future,
    pin::Pin,
    sync::Weak,
    task::{Context, Poll},
    time::Instant,
};

use super::{awaited::Awaited, interest::Name};
use crate::{hub::core::Core, sync::StdArc};

/// Why a hub does not hear all that it listens to from other machines.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum JoinError {
    /// The backplane's server does not let this hub hear these names. All others are heard;
    /// these are asked for again now and then.
    Refused(Vec<Name>),
    /// The hub was closed before.
    Closed,
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JoinError::Refused(names) => {
                write!(
                    f,
                    "the server does not let this hub hear {} of the names that it listens to",
                    names.len()
                )?;
                if let Some(name) = names.first() {
                    write!(f, ", such as {:?}", name.as_str())?;
                }
                f.write_str(": grant them to its user")
            }
            JoinError::Closed => f.write_str("the hub was closed before other machines were heard"),
        }
    }
}

impl std::error::Error for JoinError {}

/// Ready once all that a hub listened to is heard from other machines, or it is known why
/// it is not: a future, and something that a thread can [`wait`](Joined::wait) for. From
/// [`Hub::joined`](crate::Hub::joined).
#[must_use = "nothing is waited for until this is awaited"]
pub struct Joined(Awaited<Result<(), JoinError>>);

impl Joined {
    pub(crate) fn ask(core: &StdArc<Core>) -> Self {
        let (joining, joined) = Joined::pair();
        match &core.backplane {
            None => joining.tell(Vec::new()),
            Some(backplane) => backplane.when_joined(joining),
        }
        joined
    }

    pub(crate) fn pair() -> (Joining, Joined) {
        let (teller, awaited) = Awaited::pair(Err(JoinError::Closed));
        let asker: Weak<dyn Any + Send + Sync> = teller.awaited().clone();
        let told = move |refused: Vec<Name>| {
            teller.tell(match refused.is_empty() {
                true => Ok(()),
                false => Err(JoinError::Refused(refused)),
            });
        };
        (Joining::new(asker, told), Joined(awaited))
    }

    /// Blocks the thread until it is so, at most until `deadline`; whether all is heard. Why
    /// it is not says [`outcome`](Joined::outcome).
    pub fn wait(&self, deadline: Instant) -> bool {
        self.0.wait(deadline) == Some(Ok(()))
    }

    /// What came of it, if that is known.
    pub fn outcome(&self) -> Option<Result<(), JoinError>> {
        self.0.outcome()
    }
}

impl Future for Joined {
    type Output = Result<(), JoinError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.poll(cx)
    }
}

impl fmt::Debug for Joined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Joined")
            .field("outcome", &self.0.outcome())
            .finish()
    }
}

/// The backplane's half of a [`Joined`].
#[must_use = "dropping it says that the hub was closed"]
pub struct Joining {
    asker: Weak<dyn Any + Send + Sync>,
    told: Box<dyn FnOnce(Vec<Name>) + Send>,
}

impl Joining {
    /// To be told for as long as the asker is there.
    pub(crate) fn new(
        asker: Weak<dyn Any + Send + Sync>,
        told: impl FnOnce(Vec<Name>) + Send + 'static,
    ) -> Self {
        Joining {
            asker,
            told: Box::new(told),
        }
    }

    /// Says that all is heard, but for these names, which this hub is not allowed to hear.
    pub fn tell(self, refused: Vec<Name>) {
        (self.told)(refused);
    }

    /// Whether somebody waits still. Where this is so no more, it may be dropped at any time:
    /// whoever keeps very many had better look now and then.
    pub fn is_awaited(&self) -> bool {
        self.asker.strong_count() > 0
    }

    /// Who asked, for whoever asks others in turn.
    #[cfg(feature = "redis")]
    pub(crate) fn asker(&self) -> Weak<dyn Any + Send + Sync> {
        Weak::clone(&self.asker)
    }
}

impl fmt::Debug for Joining {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Joining")
            .field("is_awaited", &self.is_awaited())
            .finish_non_exhaustive()
    }
}
