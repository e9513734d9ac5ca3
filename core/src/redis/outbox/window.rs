//! Acknowledged events of logs, for a while: a server that takes over may lack them.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use super::parcel::Parcel;

/// In the order of their acknowledgement, which may differ from that of their serials.
pub(super) struct Window {
    parcels: VecDeque<Parcel>,
    bytes: usize,
    max_bytes: usize,
    max_age: Duration,
}

impl Window {
    pub(super) fn new(max_bytes: usize, max_age: Duration) -> Self {
        Window {
            parcels: VecDeque::new(),
            bytes: 0,
            max_bytes,
            max_age,
        }
    }

    pub(super) fn push(&mut self, parcel: Parcel) {
        self.bytes += parcel.weight();
        self.parcels.push_back(parcel);
        while self.bytes > self.max_bytes && self.pop().is_some() {}
    }

    /// Takes out what somebody asks for.
    pub(super) fn take(&mut self, mut wanted: impl FnMut(&Parcel) -> bool) -> Vec<Parcel> {
        let mut taken = Vec::new();
        for parcel in std::mem::take(&mut self.parcels) {
            if wanted(&parcel) {
                self.bytes -= parcel.weight();
                taken.push(parcel);
            } else {
                self.parcels.push_back(parcel);
            }
        }
        taken
    }

    pub(super) fn expire(&mut self, now: Instant) {
        while self
            .parcels
            .front()
            .is_some_and(|parcel| now >= parcel.at + self.max_age)
        {
            self.pop();
        }
    }

    fn pop(&mut self) -> Option<Parcel> {
        let parcel = self.parcels.pop_front()?;
        self.bytes -= parcel.weight();
        Some(parcel)
    }
}
