//! What a lane's owner listens to: a task, a thread, a callback or a descriptor.

use std::{fmt, task::Waker, thread::Thread};

use super::contained;
use crate::sync::StdArc;

/// Where a lane's one wake per batch goes.
#[derive(Clone, Default)]
pub(crate) enum Bell {
    /// Nobody listens yet.
    #[default]
    None,
    /// A task that awaits the lane.
    Task(Waker),
    /// A thread that blocks on the lane.
    Thread(Thread),
    /// A callback of an event loop, from whatever thread published.
    Callback(StdArc<dyn Fn() + Send + Sync>),
    /// A descriptor that becomes readable.
    #[cfg(unix)]
    Descriptor(StdArc<std::os::unix::net::UnixStream>),
}

impl Bell {
    pub(crate) fn ring(self) {
        match self {
            Bell::None => {}
            Bell::Task(waker) => {
                contained(|| waker.wake());
            }
            Bell::Thread(thread) => thread.unpark(),
            Bell::Callback(callback) => {
                contained(|| callback());
            }
            #[cfg(unix)]
            Bell::Descriptor(stream) => {
                // Full means that it rings already; closed, that nobody listens.
                let _ = std::io::Write::write(&mut &*stream, &[1]);
            }
        }
    }
}

impl fmt::Debug for Bell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Bell::None => "None",
            Bell::Task(_) => "Task",
            Bell::Thread(_) => "Thread",
            Bell::Callback(_) => "Callback",
            #[cfg(unix)]
            Bell::Descriptor(_) => "Descriptor",
        })
    }
}
