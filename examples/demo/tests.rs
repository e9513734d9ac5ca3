//! The unit tests of the demo's modules. A target of their own, because `cargo test`
//! does not build an example as a program too when it has tests, and the program is
//! what the other tests run.

#![allow(dead_code, reason = "nobody calls the demo's `main` here")]

#[path = "main.rs"]
mod demo;
