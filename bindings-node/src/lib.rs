//! The native half of the npm package `distributary`.
//!
//! JavaScript validates and names, Rust decides and delivers: `../lib` is the public API
//! and holds no logic that the engine has, this crate holds no API. What crosses the
//! border is flat (numbers, strings, buffers, typed arrays) and crosses in batches.
//!
//! Invariants:
//! - A panic never reaches Node: every exported function catches it and throws, and every task
//!   for Node's pool rejects.
//! - Nothing here calls JavaScript while the engine is at work; JavaScript is rung, and
//!   pulls.

mod bell;
mod desk;
mod error;
mod events;
mod filters;
mod function;
mod gateway;
mod health;
mod hub;
mod lane;
mod matcher;
mod memory;
mod migration;
mod names;
mod options;
mod parcel;
mod publisher;
mod redis;
mod stats;
mod waits;
