//! What stands in the bytes of a message.

pub(crate) mod envelope;
