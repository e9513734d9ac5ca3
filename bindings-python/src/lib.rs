//! The native half of the Python package: types in, types out.
//!
//! Python's half (`python/distributary`) is the public one; it names things, checks what
//! only Python can check, and waits in Python's own ways. What decides, keeps and wakes is
//! the engine.
//!
//! | module | what |
//! |---|---|
//! | [`hub`] | the engine behind a Python object: publish, subscribe, look |
//! | [`subscription`] | a cursor that pulls, and where it waits |
//! | [`lane`] | the sleepers of one event loop |
//! | [`ready`], [`doorbell`] | what publishers see of a lane: who can go on, and what wakes the loop |
//! | [`slice`], [`cache`] | how long a loop's readers may keep it, and the events they share |
//! | [`event`], [`payload`] | what readers see, made once for all of them |
//! | [`filters`], [`options`], [`redis`], [`values`], [`errors`], [`stats`] | what comes in, and what goes out |
//! | [`waiting`] | what is waited for and is no event |
//! | [`migration`] | topics that move to other names and servers |
//! | [`gateway`] | the sockets, and what Python is asked about them |
//! | [`recent`] | where to stand for a look back |
//! | [`fork`] | what a child process may still touch |
//!
//! # Invariants
//! - Nothing here waits for a lock while it holds the interpreter, but for the engine's own,
//!   which nobody holds while he waits for the interpreter.
//! - A wake-up never needs the interpreter: it is a push and, at most, a write of one byte.

use pyo3::prelude::*;

mod cache;
mod doorbell;
mod errors;
mod event;
mod filters;
mod fork;
mod gateway;
mod hub;
mod lane;
mod migration;
mod options;
mod payload;
mod ready;
mod recent;
mod redis;
mod slice;
mod stats;
mod subscription;
mod values;
mod waiting;

/// The module `distributary._native`.
#[pymodule(gil_used = false)]
mod _native {
    #[pymodule_export]
    use crate::{
        event::Event,
        filters::{Filter, Template, Var, check_pattern, check_value},
        fork::forked,
        gateway::{Bell, Gateway, GatewayClient},
        hub::{Delivery, Hub},
        lane::Lane,
        migration::Migration,
        recent::before_latest,
        redis::check_redis,
        subscription::Subscription,
        waiting::Wait,
    };

    use std::sync::atomic::{AtomicUsize, Ordering};

    use pyo3::{exceptions::PyImportError, prelude::*};

    /// Refuses a second interpreter in the process: classes and caches are the first one's.
    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        /// What each interpreter has one of: its `builtins`.
        static FIRST: AtomicUsize = AtomicUsize::new(0);
        let ours = module.py().import("builtins")?.as_ptr().addr();
        let first = FIRST.compare_exchange(0, ours, Ordering::Relaxed, Ordering::Relaxed);
        match first {
            Err(first) if first != ours => Err(PyImportError::new_err(
                "distributary is loaded in another interpreter of this process, and does not support subinterpreters: use it in one of them, or in processes",
            )),
            _ => Ok(()),
        }
    }
}
