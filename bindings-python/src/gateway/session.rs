//! What an application keeps with a client: any Python object.
//!
//! The core holds a number in its place, on threads that know no Python. The object is in a
//! table that the gateway shows to the garbage collector, so that a session which leads back
//! to its gateway keeps neither alive. The last of those that hold the number (a connection,
//! a ticket that is still valid, a client that the application keeps) takes the entry out
//! and hands it back: Python's objects end in Python.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use parking_lot::Mutex;
use pyo3::{PyTraverseError, PyVisit, prelude::*};

use super::board::Board;

pub(super) struct Sessions {
    board: Arc<Board>,
    latest: AtomicU64,
    objects: Mutex<HashMap<u64, Py<PyAny>>>,
}

/// The session of a client; without a number it is `None`.
pub(super) struct Session {
    number: u64,
    table: Option<Arc<Sessions>>,
}

impl Sessions {
    pub(super) fn new(board: &Arc<Board>) -> Arc<Self> {
        Arc::new(Sessions {
            board: Arc::clone(board),
            latest: AtomicU64::new(0),
            objects: Mutex::default(),
        })
    }

    pub(super) fn keep(self: &Arc<Self>, object: Option<Py<PyAny>>) -> Session {
        let Some(object) = object else {
            return Session {
                number: 0,
                table: None,
            };
        };
        let number = self.latest.fetch_add(1, Ordering::Relaxed) + 1;
        self.objects.lock().insert(number, object);
        Session {
            number,
            table: Some(Arc::clone(self)),
        }
    }

    pub(super) fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        // Taken: somebody is in the middle of a change. The collector comes again.
        let Some(objects) = self.objects.try_lock() else {
            return Ok(());
        };
        objects.values().try_for_each(|object| visit.call(object))
    }

    /// Lets go of all.
    pub(super) fn clear(&self) {
        let objects = std::mem::take(&mut *self.objects.lock());
        drop(objects);
    }
}

impl Session {
    pub(super) fn object(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        let objects = self.table.as_ref()?.objects.lock();
        objects.get(&self.number).map(|object| object.clone_ref(py))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let Some(table) = &self.table else { return };
        let object = table.objects.lock().remove(&self.number);
        if let Some(object) = object {
            table.board.forget(object);
        }
    }
}
