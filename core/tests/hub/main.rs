//! The engine from outside: its promises, and what tries to break them.

mod model;
mod stress;
