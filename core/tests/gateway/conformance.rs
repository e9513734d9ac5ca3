//! What the standards say, from the wire, as data under `testdata/gateway` that any
//! other implementation can be held to as well.

mod autobahn;
mod frames;
mod handshakes;
mod protocol;
