//! What the bytes on a connection mean.

pub(super) mod decode;
pub(super) mod encoder;
pub(super) mod frame;
pub(super) mod json;
pub(super) mod sse;
