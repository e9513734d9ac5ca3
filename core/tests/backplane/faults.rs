//! Servers and networks that fail, and what must be true of the hubs on them.

mod away;
mod cut;
mod memory;
mod oversized;
mod slow;
