//! Runs the examples as people do: as programs of their own, by their exit codes, by
//! what they print, and servers by what they answer.

#[cfg(feature = "gateway")]
mod chat;
#[cfg(feature = "gateway")]
mod client;
#[cfg(feature = "gateway")]
mod demo;
mod engine;
#[cfg(feature = "gateway")]
mod prices;
mod program;
#[cfg(feature = "gateway")]
mod server;
#[cfg(feature = "gateway")]
mod streaming;
