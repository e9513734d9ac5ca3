//! Memory that JavaScript fills and gives away without a copy.
//!
//! It is Rust's from the start: JavaScript sees it through an external ArrayBuffer, and
//! when that is published it is detached, so that nobody can write to it any more. Memory
//! that JavaScript itself has allocated cannot be taken: it goes with its event loop,
//! while events may outlive that.
//!
//! Invariant: while an ArrayBuffer shows a [`Memory`], nobody in Rust reads it; once it is
//! published, no ArrayBuffer shows it.

use std::{
    cell::RefCell,
    collections::HashMap,
    sync::{Arc, Weak},
};

use distributary::Bytes;
use napi::bindgen_prelude::{ArrayBuffer, Env};

/// A piece of memory that lives as long as somebody has it.
struct Memory {
    data: *mut u8,
    length: usize,
}

// SAFETY: it is written to on one thread only, before it is published, and only read after.
unsafe impl Send for Memory {}
// SAFETY: as above.
unsafe impl Sync for Memory {}

impl Memory {
    fn new(length: usize) -> Self {
        let data = Box::into_raw(vec![0; length].into_boxed_slice()).cast();
        Memory { data, length }
    }
}

impl AsRef<[u8]> for Memory {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: made by `new` with this length, and freed by `drop` alone.
        unsafe { std::slice::from_raw_parts(self.data, self.length) }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        let all = std::ptr::slice_from_raw_parts_mut(self.data, self.length);
        // SAFETY: `new` has taken it out of a box of this length.
        drop(unsafe { Box::from_raw(all) });
    }
}

/// Keeps memory for as long as somebody reads its bytes.
struct Held(Arc<Memory>);

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        self.0.as_ref().as_ref()
    }
}

thread_local! {
    /// What this thread's ArrayBuffers show, by address.
    static SHOWN: RefCell<HashMap<usize, Weak<Memory>>> = RefCell::default();
}

/// An ArrayBuffer over so many bytes, all zero, that [`take`] can take. Where the system
/// allows no external memory, it is an ordinary one.
pub(crate) fn allocate<'env>(env: &'env Env, length: usize) -> napi::Result<ArrayBuffer<'env>> {
    let memory = Arc::new(Memory::new(length));
    let address = memory.data.addr();
    SHOWN.with_borrow_mut(|shown| shown.insert(address, Arc::downgrade(&memory)));
    let data = memory.data;
    let forget = move |_: Env, memory: Arc<Memory>| {
        SHOWN.with_borrow_mut(|shown| shown.remove(&address));
        drop(memory);
    };
    // SAFETY: the memory is held until the ArrayBuffer is garbage or detached.
    unsafe { ArrayBuffer::from_external(env, data, length, memory, forget) }
}

/// Takes a stretch of an ArrayBuffer's memory, and detaches it. `None`, and nothing is
/// done, if it is not of [`allocate`].
pub(crate) fn take(
    buffer: ArrayBuffer<'_>,
    offset: usize,
    length: usize,
) -> napi::Result<Option<Bytes>> {
    let address = buffer.as_ptr().addr();
    let memory = SHOWN.with_borrow(|shown| shown.get(&address).and_then(Weak::upgrade));
    let Some(memory) = memory else {
        return Ok(None);
    };
    buffer.detach()?;
    SHOWN.with_borrow_mut(|shown| shown.remove(&address));
    let bytes = Bytes::from_owner(Held(memory));
    let end = offset.saturating_add(length).min(bytes.len());
    Ok(Some(bytes.slice(offset.min(end)..end)))
}
