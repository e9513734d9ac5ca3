//! Payloads between Python and the engine.
//!
//! Small ones are copied in, which is cheaper than to keep count. Large `bytes` are shared:
//! the engine holds the publisher's own object, and readers get that same object back.
//!
//! # Invariants
//! - An address stands in the table exactly as long as an [`Owner`] of the object there lives,
//!   and that keeps the object: an address is never found for what has come to lie there later.
//! - Only exact `bytes` are shared. To let go of one runs no code, so the engine may do so
//!   anywhere, also without the interpreter.
//! - After a fork there is another table: whoever held the lock of the old one is gone.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::OnceLock,
};

use distributary::Bytes;
use parking_lot::Mutex;
use pyo3::{prelude::*, pybacked::PyBackedBytes, types::PyBytes};

use crate::fork;

/// From here on, in bytes, a payload is shared and not copied.
const SHARED: usize = 16 * 1024;

/// The shared objects by the address of their bytes.
struct Table {
    objects: Mutex<Option<HashMap<usize, Shared>>>,
    /// That of the children of this process.
    next: OnceLock<Box<Table>>,
}

struct Shared {
    object: Py<PyBytes>,
    /// For as many publications.
    owners: usize,
}

static FIRST: Table = Table::new();

impl Table {
    const fn new() -> Self {
        Table {
            objects: Mutex::new(None),
            next: OnceLock::new(),
        }
    }

    /// That of a process with so many forks before it.
    fn of(generation: u32) -> &'static Self {
        (0..generation).fold(&FIRST, |table, _| {
            table.next.get_or_init(|| Box::new(Table::new()))
        })
    }
}

/// What the engine holds for as long as it needs the bytes.
struct Owner {
    bytes: PyBackedBytes,
    generation: u32,
}

impl Owner {
    /// Enters the object.
    fn new(object: &Bound<'_, PyBytes>) -> Self {
        let owner = Owner {
            bytes: PyBackedBytes::from(object.clone()),
            generation: fork::generation(),
        };
        let mut objects = Table::of(owner.generation).objects.lock();
        let entry = objects.get_or_insert_default().entry(owner.address());
        let shared = entry.or_insert_with(|| Shared {
            object: object.clone().unbind(),
            owners: 0,
        });
        shared.owners += 1;
        owner
    }

    fn address(&self) -> usize {
        self.bytes.as_ptr().addr()
    }
}

impl AsRef<[u8]> for Owner {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        let table = Table::of(self.generation);
        let objects = match self.generation == fork::generation() {
            true => Some(table.objects.lock()),
            false => table.objects.try_lock(),
        };
        let Some(mut objects) = objects else { return };
        let mut last = None;
        if let Some(objects) = &mut *objects
            && let Entry::Occupied(mut entry) = objects.entry(self.address())
        {
            entry.get_mut().owners -= 1;
            if entry.get().owners == 0 {
                last = Some(entry.remove());
            }
        }
        drop(objects);
        drop(last.map(|shared| shared.object));
    }
}

/// The engine's payload of some `bytes`.
pub(crate) fn share(object: &Bound<'_, PyBytes>) -> Bytes {
    let bytes = object.as_bytes();
    if bytes.len() < SHARED || !object.is_exact_instance_of::<PyBytes>() {
        return Bytes::copy_from_slice(bytes);
    }
    Bytes::from_owner(Owner::new(object))
}

/// The object that readers get for a payload.
pub(crate) fn object<'py>(py: Python<'py>, payload: &Bytes) -> Bound<'py, PyBytes> {
    if payload.len() >= SHARED {
        let table = Table::of(fork::generation());
        let objects = table.objects.lock();
        let found = objects
            .as_ref()
            .and_then(|it| it.get(&payload.as_ptr().addr()));
        if let Some(shared) = found {
            return shared.object.bind(py).clone();
        }
    }
    PyBytes::new(py, payload)
}
