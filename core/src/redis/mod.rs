//! Redis and Valkey as the backplane (feature `redis`).

#[allow(dead_code)]
mod wire;
