//! Payloads between Python and the engine.
//!
//! Small ones are copied in, which is cheaper than to keep count. Large `bytes` are shared:
//! the engine holds the publisher's own object, and readers get that same object back. So are
//! objects of a class derived from `bytes`, of any size: they may carry more than their bytes.
//!
//! Invariant: an entry of the table lives exactly as long as the engine's memory that it
//! names, so an address is never found for what has come to lie there later.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicUsize, Ordering},
};

use distributary::Bytes;
use parking_lot::Mutex;
use pyo3::{prelude::*, pybacked::PyBackedBytes, types::PyBytes};

/// From here on, in bytes, a payload is shared and not copied.
const SHARED: usize = 16 * 1024;

/// The shared objects by the address of their bytes.
static OBJECTS: Mutex<Option<HashMap<usize, Shared>>> = Mutex::new(None);

/// How many of them are smaller than what is shared for its size.
static SMALL: AtomicUsize = AtomicUsize::new(0);

/// A publisher's object, and how many payloads of the engine are its bytes.
struct Shared {
    object: Py<PyBytes>,
    payloads: usize,
}

/// What the engine holds for as long as it needs the bytes.
struct Owner(PyBackedBytes);

impl AsRef<[u8]> for Owner {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        let address = self.0.as_ptr() as usize;
        let last = {
            let mut objects = OBJECTS.lock();
            let objects = objects.get_or_insert_default();
            let others = objects.get_mut(&address).map_or(0, |shared| {
                shared.payloads -= 1;
                shared.payloads
            });
            match others {
                0 => objects.remove(&address),
                _ => None,
            }
        };
        if last.is_some() && self.0.len() < SHARED {
            SMALL.fetch_sub(1, Ordering::Relaxed);
        }
        // Outside of the lock: it may be the last reference.
        drop(last);
    }
}

/// The engine's payload of some `bytes`.
pub(crate) fn share(object: &Bound<'_, PyBytes>) -> Bytes {
    let bytes = object.as_bytes();
    let small = bytes.len() < SHARED;
    if small && object.is_exact_instance_of::<PyBytes>() {
        return Bytes::copy_from_slice(bytes);
    }
    let address = bytes.as_ptr() as usize;
    {
        let mut objects = OBJECTS.lock();
        let objects = objects.get_or_insert_default();
        let shared = objects.entry(address).or_insert_with(|| {
            SMALL.fetch_add(usize::from(small), Ordering::Relaxed);
            Shared {
                object: object.clone().unbind(),
                payloads: 0,
            }
        });
        shared.payloads += 1;
    }
    Bytes::from_owner(Owner(PyBackedBytes::from(object.clone())))
}

/// The object that readers get for a payload.
pub(crate) fn object<'py>(py: Python<'py>, payload: &Bytes) -> Bound<'py, PyBytes> {
    if (payload.len() >= SHARED || SMALL.load(Ordering::Relaxed) > 0)
        && let Some(objects) = OBJECTS.lock().as_ref()
        && let Some(shared) = objects.get(&(payload.as_ptr() as usize))
    {
        return shared.object.bind(py).clone();
    }
    PyBytes::new(py, payload)
}
