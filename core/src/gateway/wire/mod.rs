//! What the bytes on a connection mean.

pub(super) mod encoder;
pub(super) mod frame;

pub(super) mod sse;
