//! The publishing of bytes and of texts, as functions of their own: see [`crate::function`].
//!
//! They take topic and payload, and give 0 if nobody wanted the event and nothing is to be said of it; otherwise what became of
//! it has been written down, as by the other calls that publish. The topic is `undefined` where it is that of the call before,
//! which most publishers publish to: reading a string costs as much as finding the topic.

use std::cell::RefCell;
use std::ptr;
use std::rc::Rc;
use std::sync::Arc;

use distributary::{Bytes, Publication};
use napi::bindgen_prelude::{Float64Array, Object};
use napi::sys::{self, Status, napi_callback_info, napi_env, napi_value};
use napi::{Env, JsValue};

use crate::error::Result;
use crate::function::{Call, check, function, with_data};
use crate::hub::Shared;

struct Publisher {
    hub: Arc<Shared>,
    state: RefCell<State>,
}

struct State {
    /// The topic of the call before.
    topic: String,
    out: Float64Array,
}

/// An object with the functions `bytes` and `text`.
pub(crate) fn publisher<'env>(
    env: &'env Env,
    hub: Arc<Shared>,
    out: Float64Array,
) -> napi::Result<Object<'env>> {
    let object = Object::new(env)?;
    let state = State {
        topic: String::new(),
        out,
    };
    let publisher = Rc::new(Publisher {
        hub,
        state: RefCell::new(state),
    });
    for (name, call) in [(c"bytes", bytes as Call), (c"text", text)] {
        // SAFETY: `env` is the environment whose call this is, both values are of that call, and both functions take a
        // `Publisher`.
        unsafe {
            let function = function(env.raw(), call, Rc::clone(&publisher))?;
            check(sys::napi_set_named_property(
                env.raw(),
                object.raw(),
                name.as_ptr(),
                function,
            ))?;
        }
    }
    Ok(object)
}

/// Publishes a Uint8Array.
unsafe extern "C" fn bytes(env: napi_env, info: napi_callback_info) -> napi_value {
    // SAFETY: Node calls this with the arguments of a call, and the function was made with a `Publisher`.
    unsafe { call(env, info, copied) }
}

/// Publishes a string.
unsafe extern "C" fn text(env: napi_env, info: napi_callback_info) -> napi_value {
    // SAFETY: as above.
    unsafe {
        call(env, info, |env, value| {
            let mut text = String::new();
            read_string(env, value, &mut text);
            Bytes::from(text)
        })
    }
}

/// # Safety
/// As of [`with_data`], for a `Publisher`; and `read` takes the payload.
unsafe fn call(
    env: napi_env,
    info: napi_callback_info,
    read: unsafe fn(napi_env, napi_value) -> Bytes,
) -> napi_value {
    let mut result = ptr::null_mut();
    // SAFETY: as this function's.
    unsafe {
        let published = with_data::<Publisher, 2, _>(env, info, |publisher, arguments| {
            let [topic, payload] = *arguments else {
                return Ok(false);
            };
            let state = &mut *publisher.state.borrow_mut();
            // What is no string, `undefined`, leaves the topic as it is.
            read_string(env, topic, &mut state.topic);
            publisher.publish(state, read(env, payload))
        });
        match published {
            Some(Ok(written)) => {
                sys::napi_create_int32(env, i32::from(written), &raw mut result);
            }
            Some(Err(error)) => throw(env, error.status.as_ref(), &error.reason),
            None => throw(
                env,
                "ERR_INTERNAL",
                "the hub failed inside; this is a bug of distributary",
            ),
        }
    }
    result
}

impl Publisher {
    /// Whether something was written down.
    fn publish(&self, state: &mut State, payload: Bytes) -> Result<bool> {
        let publication = Publication::new(state.topic.as_str(), payload);
        let outcome = self.hub.publish(publication)?;
        if outcome.is_nothing() {
            return Ok(false);
        }
        // SAFETY: lib/hub.js made the array for this alone, and JavaScript does not run before this returns.
        outcome.write(unsafe { state.out.as_mut() });
        Ok(true)
    }
}

/// A copy of a Uint8Array's bytes.
///
/// # Safety
/// `value` is one, of a call that is going on in `env`.
unsafe fn copied(env: napi_env, value: napi_value) -> Bytes {
    let (mut data, mut len) = (ptr::null_mut(), 0);
    // SAFETY: the bytes are JavaScript's, which does not run before they are copied.
    unsafe {
        let status = sys::napi_get_buffer_info(env, value, &raw mut data, &raw mut len);
        if status != Status::napi_ok || data.is_null() {
            return Bytes::new();
        }
        Bytes::from(std::slice::from_raw_parts(data.cast::<u8>(), len).to_vec())
    }
}

/// Reads a string into `text`, unless it is none.
///
/// # Safety
/// `value` is a value of a call that is going on in `env`.
unsafe fn read_string(env: napi_env, value: napi_value, text: &mut String) {
    let mut len = 0;
    // SAFETY: without a buffer the callee tells the length, and with one it writes no more than the room that it is given.
    unsafe {
        let status = sys::napi_get_value_string_utf8(env, value, ptr::null_mut(), 0, &raw mut len);
        if status != Status::napi_ok {
            return;
        }
        let mut bytes = std::mem::take(text).into_bytes();
        bytes.clear();
        // And a zero at the end.
        bytes.resize(len + 1, 0);
        let data = bytes.as_mut_ptr().cast();
        sys::napi_get_value_string_utf8(env, value, data, len + 1, &raw mut len);
        bytes.truncate(len);
        *text = String::from_utf8(bytes).unwrap_or_default();
    }
}

/// # Safety
/// `env` is the environment of a call that is going on.
unsafe fn throw(env: napi_env, code: &str, reason: &str) {
    let text = |text: &str| {
        let mut value = ptr::null_mut();
        // SAFETY: the text is as long as is said.
        unsafe {
            sys::napi_create_string_utf8(
                env,
                text.as_ptr().cast(),
                text.len() as isize,
                &raw mut value,
            );
        }
        value
    };
    let mut error = ptr::null_mut();
    // SAFETY: all values are of the call.
    unsafe {
        sys::napi_create_error(env, text(code), text(reason), &raw mut error);
        sys::napi_throw(env, error);
    }
}
