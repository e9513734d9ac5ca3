//! Payloads between Python and the engine.
//!
//! Small ones are copied in, which is cheaper than to keep count. Large `bytes` are shared:
//! the engine holds the publisher's own object, and readers get that same object back.
//!
//! Invariant: an entry of the table lives exactly as long as the engine's memory that it
//! names, so an address is never found for what has come to lie there later.

use std::collections::HashMap;

use distributary::Bytes;
use parking_lot::Mutex;
use pyo3::{prelude::*, pybacked::PyBackedBytes, types::PyBytes};

/// From here on, in bytes, a payload is shared and not copied.
const SHARED: usize = 16 * 1024;

/// The shared objects by the address of their bytes.
static OBJECTS: Mutex<Option<HashMap<usize, Py<PyBytes>>>> = Mutex::new(None);

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
        let object = OBJECTS.lock().as_mut().and_then(|it| it.remove(&address));
        // Outside of the lock: it may be the last reference.
        drop(object);
    }
}

/// The engine's payload of some `bytes`.
pub(crate) fn share(object: &Bound<'_, PyBytes>) -> Bytes {
    let bytes = object.as_bytes();
    if bytes.len() < SHARED {
        return Bytes::copy_from_slice(bytes);
    }
    let address = bytes.as_ptr() as usize;
    {
        let mut objects = OBJECTS.lock();
        let objects = objects.get_or_insert_default();
        if objects.contains_key(&address) {
            // Published before and still held: its entry goes with the first of them.
            return Bytes::copy_from_slice(bytes);
        }
        objects.insert(address, object.clone().unbind());
    }
    Bytes::from_owner(Owner(PyBackedBytes::from(object.clone())))
}

/// The object that readers get for a payload.
pub(crate) fn object<'py>(py: Python<'py>, payload: &Bytes) -> Bound<'py, PyBytes> {
    if payload.len() >= SHARED
        && let Some(objects) = OBJECTS.lock().as_ref()
        && let Some(object) = objects.get(&(payload.as_ptr() as usize))
    {
        return object.bind(py).clone();
    }
    PyBytes::new(py, payload)
}
