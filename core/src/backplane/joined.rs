//! Waiting until other machines are heard.

use std::{
    fmt,
    future::Future,
    pin::Pin,
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
        let (teller, awaited) = Awaited::pair(Err(JoinError::Closed));
        match &core.backplane {
            None => teller.tell(Ok(())),
            Some(backplane) => backplane.when_joined(Box::new(move |refused| {
                teller.tell(match refused.is_empty() {
                    true => Ok(()),
                    false => Err(JoinError::Refused(refused)),
                });
            })),
        }
        Joined(awaited)
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

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
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
