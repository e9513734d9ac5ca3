//! Redis and Valkey as the backplane (feature `redis`).

#[allow(dead_code)]
mod arrival;
#[allow(dead_code, unused_imports)]
mod socket;
#[allow(dead_code, unused_imports)]
mod topology;
