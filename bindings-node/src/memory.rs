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
    alloc::{Layout, alloc_zeroed, dealloc},
    cell::RefCell,
    collections::HashMap,
    num::NonZeroUsize,
    ptr::NonNull,
    slice,
    sync::{Arc, Weak},
};

use distributary::Bytes;
use napi::bindgen_prelude::{ArrayBuffer, Env};

/// A piece of memory that lives as long as somebody has it.
struct Memory {
    data: NonNull<u8>,
    layout: Layout,
}

// SAFETY: it is written to on one thread only, before it is published, and only read after.
unsafe impl Send for Memory {}
// SAFETY: as above.
unsafe impl Sync for Memory {}

impl Memory {
    /// So many bytes, all zero. `None` when there are none to be had.
    fn new(length: NonZeroUsize) -> Option<Self> {
        let layout = Layout::array::<u8>(length.get()).ok()?;
        // SAFETY: the layout is not empty.
        let data = NonNull::new(unsafe { alloc_zeroed(layout) })?;
        Some(Memory { data, layout })
    }
}

impl AsRef<[u8]> for Memory {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: made by `new` with this size, and freed by `drop` alone.
        unsafe { slice::from_raw_parts(self.data.as_ptr(), self.layout.size()) }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: `new` has allocated it with this layout.
        unsafe { dealloc(self.data.as_ptr(), self.layout) };
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
/// allows no external memory, it is an ordinary one. `None` when there is no memory.
pub(crate) fn allocate<'env>(
    env: &'env Env,
    length: NonZeroUsize,
) -> napi::Result<Option<ArrayBuffer<'env>>> {
    let Some(memory) = Memory::new(length) else {
        return Ok(None);
    };
    let data = memory.data.as_ptr();
    let address = data.addr();
    let memory = Arc::new(memory);
    SHOWN.with_borrow_mut(|shown| shown.insert(address, Arc::downgrade(&memory)));
    let forget = move |_: Env, memory: Arc<Memory>| {
        // When the thread itself ends, the table may be gone before this.
        let _ = SHOWN.try_with(|shown| forget_shown(shown, address, &memory));
    };
    // SAFETY: the memory is held until the ArrayBuffer is garbage or detached.
    unsafe { ArrayBuffer::from_external(env, data, length.get(), memory, forget) }.map(Some)
}

/// Strikes memory out of the table, unless the address has become another's.
fn forget_shown(
    shown: &RefCell<HashMap<usize, Weak<Memory>>>,
    address: usize,
    memory: &Arc<Memory>,
) {
    let mut shown = shown.borrow_mut();
    let same = shown
        .get(&address)
        .is_some_and(|held| held.as_ptr() == Arc::as_ptr(memory));
    if same {
        shown.remove(&address);
    }
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
