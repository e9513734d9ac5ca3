//! The engine from outside: its promises, and what tries to break them.

mod edges;
mod joined;
mod model;
mod promises;
mod stress;
