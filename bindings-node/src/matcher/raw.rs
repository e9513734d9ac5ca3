//! The questions as functions of their own: see [`crate::function`]. The conversions of napi-rs cost ten times what a question does.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::rc::Rc;

use napi::bindgen_prelude::Object;
use napi::sys::{self, Status, napi_callback_info, napi_env, napi_value};
use napi::{Env, JsValue};

use super::desk::{Desk, Strings};
use crate::function::{Call, check, function, with_data};

/// How many strings one call takes as arguments.
const ARGUMENTS: usize = 4;

/// The functions, each under its name, in a new object.
pub(super) fn questions<'env>(env: &'env Env, desk: &Rc<Desk>) -> napi::Result<Object<'env>> {
    let object = Object::new(env)?;
    for (name, call) in [
        (c"fields", fields as Call),
        (c"strings", strings),
        (c"shown", shown),
        (c"text", text),
        (c"bytes", bytes),
        (c"unreadable", unreadable),
    ] {
        // SAFETY: `env` is the environment whose call this is, and both values are of that call.
        unsafe {
            let function = function(env.raw(), call, Rc::clone(desk))?;
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

/// Who wants the values on the desk. The arguments are the strings among them, as far as `strings` did not take them.
unsafe extern "C" fn fields(env: napi_env, info: napi_callback_info) -> napi_value {
    // SAFETY: Node calls this with the arguments of a call, as all functions here.
    unsafe {
        answer::<ARGUMENTS>(env, info, |desk, arguments| {
            take_strings(env, desk, arguments);
            desk.ask_fields()
        })
    }
}

/// Takes strings of a question that has more of them than one call takes.
unsafe extern "C" fn strings(env: napi_env, info: napi_callback_info) -> napi_value {
    // SAFETY: as above.
    unsafe {
        answer::<ARGUMENTS>(env, info, |desk, arguments| {
            take_strings(env, desk, arguments);
            0
        })
    }
}

/// Who wants what a JSON text holds that was made of the fields that filters name.
unsafe extern "C" fn shown(env: napi_env, info: napi_callback_info) -> napi_value {
    // SAFETY: as above.
    unsafe { answer_text(env, info, Desk::ask_shown) }
}

/// Who wants what a JSON text holds.
unsafe extern "C" fn text(env: napi_env, info: napi_callback_info) -> napi_value {
    // SAFETY: as above.
    unsafe { answer_text(env, info, Desk::ask_json) }
}

/// # Safety
/// As of [`answer`].
unsafe fn answer_text(
    env: napi_env,
    info: napi_callback_info,
    question: fn(&Desk, &[u8]) -> i32,
) -> napi_value {
    // SAFETY: as this function's.
    unsafe {
        answer::<1>(env, info, |desk, arguments| {
            let mut json = desk.strings.take();
            for &argument in arguments {
                append(env, argument, &mut json);
            }
            let answer = question(desk, &json.bytes);
            json.clear();
            desk.strings.replace(json);
            answer
        })
    }
}

/// Who wants what the JSON text in a buffer holds.
unsafe extern "C" fn bytes(env: napi_env, info: napi_callback_info) -> napi_value {
    // SAFETY: as above. The bytes are JavaScript's, which does not run before this call has ended; nothing in between
    // makes V8 move or free them.
    unsafe {
        answer::<1>(env, info, |desk, arguments| {
            let (mut data, mut len) = (ptr::null_mut(), 0);
            let found = arguments.first().map(|&argument| {
                sys::napi_get_buffer_info(env, argument, &raw mut data, &raw mut len)
            });
            if found != Some(Status::napi_ok) {
                return desk.ask_unreadable();
            }
            if data.is_null() {
                return desk.ask_json(&[]);
            }
            desk.ask_json(std::slice::from_raw_parts(data.cast::<u8>(), len))
        })
    }
}

/// Who wants what cannot be read.
unsafe extern "C" fn unreadable(env: napi_env, info: napi_callback_info) -> napi_value {
    // SAFETY: as above.
    unsafe { answer::<0>(env, info, |desk, _| desk.ask_unreadable()) }
}

/// Runs a question with up to `N` arguments and gives its answer back.
///
/// # Safety
/// `env` and `info` are those of a call of a [`function`].
unsafe fn answer<const N: usize>(
    env: napi_env,
    info: napi_callback_info,
    question: impl FnOnce(&Desk, &[napi_value]) -> i32,
) -> napi_value {
    let ask = |desk: &Desk, arguments: &[napi_value]| {
        let answered = catch_unwind(AssertUnwindSafe(|| question(desk, arguments)));
        if answered.is_err()
            && let Ok(mut strings) = desk.strings.try_borrow_mut()
        {
            // Strings of this question are none of the next one's.
            strings.clear();
        }
        answered.ok()
    };
    let mut result = ptr::null_mut();
    // SAFETY: `env` and `info` are those of a call of a function whose data is a `Desk`.
    unsafe {
        match with_data::<Desk, N, _>(env, info, ask).flatten() {
            Some(answer) => {
                sys::napi_create_int32(env, answer, &raw mut result);
            }
            None => {
                let message = c"the matcher failed inside; this is a bug of distributary";
                sys::napi_throw_error(env, c"ERR_INTERNAL".as_ptr(), message.as_ptr());
            }
        }
    }
    result
}

/// Appends the arguments that are strings of the question.
///
/// # Safety
/// The arguments are values of a call that is going on in `env`.
unsafe fn take_strings(env: napi_env, desk: &Desk, arguments: &[napi_value]) {
    let count = desk.arguments().min(arguments.len());
    if count == 0 {
        return;
    }
    // Reading a string may collect garbage, and what is collected may be a matcher: no borrow is held meanwhile.
    let mut strings = desk.strings.take();
    for &argument in &arguments[..count] {
        // SAFETY: as this function's.
        unsafe { append(env, argument, &mut strings) };
    }
    desk.strings.replace(strings);
}

/// Appends one string as UTF-8; what is not a string is an empty one.
///
/// # Safety
/// `value` is a value of a call that is going on in `env`.
unsafe fn append(env: napi_env, value: napi_value, strings: &mut Strings) {
    /// Room that most strings fit into, so that their length need not be asked for.
    const GUESS: usize = 256;
    /// The callee ends with a zero, and leaves out a character of up to four bytes that does not fit as a whole.
    const SLACK: usize = 5;

    let bytes = &mut strings.bytes;
    let mut room = GUESS.max(bytes.capacity() - bytes.len());
    loop {
        bytes.reserve(room);
        let mut written = 0;
        // SAFETY: `room` bytes are reserved behind the length, and the callee writes at most as many.
        let status = unsafe {
            let end = bytes.as_mut_ptr().add(bytes.len());
            sys::napi_get_value_string_utf8(env, value, end.cast(), room, &raw mut written)
        };
        if status != Status::napi_ok {
            break;
        }
        if written + SLACK <= room {
            // SAFETY: the callee has written them.
            unsafe { bytes.set_len(bytes.len() + written) };
            break;
        }
        let mut len = 0;
        // SAFETY: without a buffer the callee tells the length.
        unsafe {
            sys::napi_get_value_string_utf8(env, value, ptr::null_mut(), 0, &raw mut len);
        }
        room = len + SLACK;
    }
    strings.ends.push(strings.bytes.len());
}
