//! What a child process may still touch.
//!
//! Of all threads only the one that forked lives on in the child, so the engine of the parent
//! must not be used there, nor taken apart: its threads are gone, and a lock that one of them
//! held stays locked. Python tells us about each fork; what was made before it belongs to
//! another *generation* and is left where it is.

use std::{
    mem,
    sync::atomic::{AtomicU32, Ordering},
};

use pyo3::pyfunction;

static GENERATION: AtomicU32 = AtomicU32::new(0);

/// Tells that this process is the child of a fork.
#[pyfunction]
pub(crate) fn forked() {
    GENERATION.fetch_add(1, Ordering::Relaxed);
}

/// Counts the forks between the first process and this one.
pub(crate) fn generation() -> u32 {
    GENERATION.load(Ordering::Relaxed)
}

/// What belongs to the process that made it. Dropped in a child, it is forgotten instead.
pub(crate) struct Native<T> {
    value: Option<T>,
    generation: u32,
}

impl<T> Native<T> {
    pub(crate) fn new(value: T) -> Self {
        Native {
            value: Some(value),
            generation: generation(),
        }
    }

    fn is_ours(&self) -> bool {
        self.generation == generation()
    }

    /// The value, unless it is the parent's or has been taken.
    pub(crate) fn get(&self) -> Option<&T> {
        self.value.as_ref().filter(|_| self.is_ours())
    }

    /// The same, to change it.
    pub(crate) fn get_mut(&mut self) -> Option<&mut T> {
        match self.is_ours() {
            true => self.value.as_mut(),
            false => None,
        }
    }

    /// The value, also if it is the parent's: for what no other thread can have held at the
    /// fork.
    pub(crate) fn even_foreign(&self) -> Option<&T> {
        self.value.as_ref()
    }

    /// Takes the value out, unless it is the parent's.
    pub(crate) fn take(&mut self) -> Option<T> {
        match self.is_ours() {
            true => self.value.take(),
            false => None,
        }
    }

    /// Whether it was made before the fork.
    pub(crate) fn is_foreign(&self) -> bool {
        !self.is_ours()
    }
}

impl<T> Drop for Native<T> {
    fn drop(&mut self) {
        if !self.is_ours() {
            mem::forget(self.value.take());
        }
    }
}
