//! What the bytes on a connection mean.
