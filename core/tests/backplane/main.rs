//! The backplane against real servers, which the tests start themselves, hurt and end.

#![cfg(unix)]

mod adapter;
mod cluster;
mod faults;
mod health;
mod histories;
mod hubs;
mod interest;
mod live;
mod machines;
mod migration;
mod publishing;
mod replay;
mod rig;
mod rights;
mod rules;
mod sentinel;
mod traffic;
