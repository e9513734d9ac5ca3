//! What the bytes on a connection mean.

pub(super) mod decode;
pub(super) mod encoder;
pub(super) mod frame;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
pub(super) mod json;
pub(super) mod sse;
