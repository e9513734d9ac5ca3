//! The gateway from outside: real sockets, real clients, and those who mean no good.

#![cfg(unix)]

mod browser;
mod chaos;
mod clients;
mod conformance;
mod drain;
mod front;
mod granted;
mod harness;
mod hostile;
mod slow;
mod storms;
