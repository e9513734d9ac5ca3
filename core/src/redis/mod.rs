//! Redis and Valkey as the backplane (feature `redis`).
