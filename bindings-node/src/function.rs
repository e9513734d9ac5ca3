//! Functions of Node-API without the conversions of napi-rs, for the calls that are made for every event: those conversions cost
//! more than what such a call does.
//!
//! Each function owns a count of its data, which its finalizer gives back, so a call never finds the data gone.

use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::rc::Rc;

use napi::sys::{self, Status, napi_callback_info, napi_env, napi_value};

/// What Node calls.
pub(crate) type Call = unsafe extern "C" fn(napi_env, napi_callback_info) -> napi_value;

/// A function that owns a count of its data.
///
/// # Safety
/// `env` is the environment of a call that is going on, and `call` takes its data for a `T`, as [`with_data`] does.
pub(crate) unsafe fn function<T>(
    env: napi_env,
    call: Call,
    data: Rc<T>,
) -> napi::Result<napi_value> {
    let data = Rc::into_raw(data).cast_mut().cast::<c_void>();
    let mut function = ptr::null_mut();
    // SAFETY: the data outlives the function: the finalizer runs after its last call, or not at all if it was not added.
    unsafe {
        let made =
            sys::napi_create_function(env, ptr::null(), 0, Some(call), data, &raw mut function);
        let owned = if made == Status::napi_ok {
            sys::napi_add_finalizer(
                env,
                function,
                data,
                Some(release::<T>),
                ptr::null_mut(),
                ptr::null_mut(),
            )
        } else {
            made
        };
        if owned != Status::napi_ok {
            drop(Rc::from_raw(data.cast::<T>()));
        }
        check(owned)?;
    }
    Ok(function)
}

unsafe extern "C" fn release<T>(_: napi_env, data: *mut c_void, _: *mut c_void) {
    // SAFETY: `data` is what `Rc::into_raw` gave, and a finalizer runs once.
    drop(unsafe { Rc::from_raw(data.cast::<T>()) });
}

/// Runs what a function does with its data and up to `N` arguments. A panic ends here: there is no answer then.
///
/// # Safety
/// `env` and `info` are those of a call of a [`function`] whose data is a `T`.
pub(crate) unsafe fn with_data<T, const N: usize, A>(
    env: napi_env,
    info: napi_callback_info,
    work: impl FnOnce(&T, &[napi_value]) -> A,
) -> Option<A> {
    let mut arguments = [ptr::null_mut(); N];
    let mut count = N;
    let mut data = ptr::null_mut();
    // SAFETY: the callee fills at most `count` places, and says how many arguments there were.
    let (status, data) = unsafe {
        let status = sys::napi_get_cb_info(
            env,
            info,
            &raw mut count,
            arguments.as_mut_ptr(),
            ptr::null_mut(),
            &raw mut data,
        );
        (status, data.cast::<T>().as_ref())
    };
    let data = data.filter(|_| status == Status::napi_ok)?;
    catch_unwind(AssertUnwindSafe(|| work(data, &arguments[..count.min(N)]))).ok()
}

/// A status of Node's as a result.
pub(crate) fn check(status: sys::napi_status) -> napi::Result<()> {
    if status == Status::napi_ok {
        return Ok(());
    }
    let reason = "Node could not make a function".to_owned();
    Err(napi::Error::new(napi::Status::from(status), reason))
}
