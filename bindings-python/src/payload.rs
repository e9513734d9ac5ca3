//! Payloads between Python and the engine.
//!
//! Small ones are copied in, which is cheaper than to keep count. Large `bytes` are shared:
//! the engine holds the publisher's own object, and readers get that same object back. So are
//! objects of a class derived from `bytes`, of any size: they may carry more than their bytes.
//!
//! # Invariants
//! - An address stands in the table exactly as long as an [`Owner`] of the object there lives,
//!   and that keeps the object: an address is never found for what has come to lie there later.
//! - The engine lets go of payloads anywhere, under locks and without the interpreter. To let
//!   go of exact `bytes` runs no code; derived ones, which may run any, are laid aside, and
//!   go once somebody comes who holds nothing: see [`clear`].
//! - After a fork there is another table: whoever held the lock of the old one is gone.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{
        OnceLock,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
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
    /// How many of them are smaller than what is shared for its size.
    small: AtomicUsize,
    aside: Mutex<Vec<PyBackedBytes>>,
    is_aside: AtomicBool,
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
            small: AtomicUsize::new(0),
            aside: Mutex::new(Vec::new()),
            is_aside: AtomicBool::new(false),
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
    /// None once it is laid aside.
    bytes: Option<PyBackedBytes>,
    address: usize,
    derived: bool,
    generation: u32,
}

impl Owner {
    /// Enters the object.
    fn new(object: &Bound<'_, PyBytes>, derived: bool) -> Self {
        let bytes = PyBackedBytes::from(object.clone());
        let owner = Owner {
            address: bytes.as_ptr().addr(),
            derived,
            generation: fork::generation(),
            bytes: Some(bytes),
        };
        let table = Table::of(owner.generation);
        let mut objects = table.objects.lock();
        let entry = objects.get_or_insert_default().entry(owner.address);
        let shared = entry.or_insert_with(|| {
            table.small.fetch_add(owner.is_small(), Ordering::Relaxed);
            Shared {
                object: object.clone().unbind(),
                owners: 0,
            }
        });
        shared.owners += 1;
        owner
    }

    /// 1 if it is not shared for its size.
    fn is_small(&self) -> usize {
        usize::from(self.as_ref().len() < SHARED)
    }
}

impl AsRef<[u8]> for Owner {
    fn as_ref(&self) -> &[u8] {
        self.bytes.as_deref().unwrap_or_default()
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        let table = Table::of(self.generation);
        let foreign = self.generation != fork::generation();
        let objects = match foreign {
            // Whoever held the lock at the fork holds it for ever.
            true => table.objects.try_lock(),
            false => Some(table.objects.lock()),
        };
        let Some(mut objects) = objects else { return };
        let mut last = None;
        if let Some(objects) = &mut *objects
            && let Entry::Occupied(mut entry) = objects.entry(self.address)
        {
            entry.get_mut().owners -= 1;
            if entry.get().owners == 0 {
                last = Some(entry.remove().object);
                table.small.fetch_sub(self.is_small(), Ordering::Relaxed);
            }
        }
        drop(objects);
        // Not the last reference, for the one beside it is still there.
        drop(last);
        if self.derived && !foreign {
            table.aside.lock().extend(self.bytes.take());
            table.is_aside.store(true, Ordering::Release);
        }
    }
}

/// Lets go of what was laid aside. To be called without a lock.
pub(crate) fn clear() {
    let table = Table::of(fork::generation());
    if table.is_aside.load(Ordering::Relaxed) && table.is_aside.swap(false, Ordering::Acquire) {
        let aside = std::mem::take(&mut *table.aside.lock());
        drop(aside);
    }
}

/// The engine's payload of some `bytes`.
pub(crate) fn share(object: &Bound<'_, PyBytes>) -> Bytes {
    clear();
    let bytes = object.as_bytes();
    let derived = !object.is_exact_instance_of::<PyBytes>();
    if bytes.len() < SHARED && !derived {
        return Bytes::copy_from_slice(bytes);
    }
    Bytes::from_owner(Owner::new(object, derived))
}

/// The object that readers get for a payload.
pub(crate) fn object<'py>(py: Python<'py>, payload: &Bytes) -> Bound<'py, PyBytes> {
    let table = Table::of(fork::generation());
    if payload.len() >= SHARED || table.small.load(Ordering::Relaxed) > 0 {
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
