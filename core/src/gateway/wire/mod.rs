//! What the bytes on a connection mean.

pub(super) mod decode;
pub(super) mod json;
