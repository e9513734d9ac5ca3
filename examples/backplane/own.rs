//! Which messages are this process' own, so that they can be kept from being printed.
//!
//! A hub hands its own publishers' payloads to its own subscribers without a copy: the
//! same bytes at the same address are the same publish.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard},
};

use distributary::Bytes;

/// Payloads that were published here and have not been heard here yet. Each is held, so
/// that its address is nobody else's.
#[derive(Default)]
pub(crate) struct Own(Mutex<HashMap<usize, (Bytes, u64)>>);

impl Own {
    /// Before it is published.
    pub(crate) fn publishing(&self, payload: &Bytes) {
        let mut own = self.lock();
        let entry = own.entry(payload.as_ptr() as usize);
        entry.or_insert_with(|| (payload.clone(), 0)).1 += 1;
    }

    /// When it is heard, or when it is known that nobody here hears it. Whether it is one
    /// of ours.
    pub(crate) fn is_heard(&self, payload: &Bytes) -> bool {
        let mut own = self.lock();
        let address = payload.as_ptr() as usize;
        let Some((_, times)) = own.get_mut(&address) else {
            return false;
        };
        *times -= 1;
        if *times == 0 {
            own.remove(&address);
        }
        true
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<usize, (Bytes, u64)>> {
        self.0
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
