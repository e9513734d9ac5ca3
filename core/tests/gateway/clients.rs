//! Clients that are not ours, each in a real conversation: what they make of our bytes
//! is the judgement.
//!
//! Those in other languages are scripts under `tests/clients`; `make clients` installs
//! what they need. A test whose client is missing fails.

mod curl;
mod scripts;
mod tungstenite;
