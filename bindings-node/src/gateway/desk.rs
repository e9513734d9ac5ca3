//! The clients that JavaScript knows, by numbers of its own.
//!
//! Only the event loop's thread comes here. What lanes put into the queue names clients
//! by their ids in the gateway, which are beyond a JavaScript number and are used again;
//! calls about one client come in order, so that an id always means the latest who had it.

use std::collections::HashMap;

use distributary::gateway::{Client, SubscriptionId};

use super::session::Session;

#[derive(Default)]
pub(super) struct Desk {
    latest: i64,
    numbers: HashMap<u64, i64>,
    clients: HashMap<i64, Known>,
}

/// A client that is served.
pub(super) struct Known {
    pub(super) client: Client<Session>,
    latest: u32,
    /// What the application subscribed it to while it was there.
    subscriptions: HashMap<u32, SubscriptionId>,
}

impl Desk {
    pub(super) fn come(&mut self, client: Client<Session>) -> i64 {
        self.latest += 1;
        self.numbers.insert(client.id(), self.latest);
        let known = Known {
            client,
            latest: 0,
            subscriptions: HashMap::new(),
        };
        self.clients.insert(self.latest, known);
        self.latest
    }

    /// The number of the client that has this id now.
    pub(super) fn number(&self, id: u64) -> Option<i64> {
        self.numbers.get(&id).copied()
    }

    pub(super) fn client(&mut self, number: i64) -> Option<&mut Known> {
        self.clients.get_mut(&number)
    }

    /// Forgets a client; its number, and what is to be dropped.
    pub(super) fn go(&mut self, id: u64) -> Option<(i64, Known)> {
        let number = self.numbers.remove(&id)?;
        Some((number, self.clients.remove(&number)?))
    }
}

impl Known {
    pub(super) fn remember(&mut self, subscription: SubscriptionId) -> u32 {
        self.latest = self.latest.wrapping_add(1);
        self.subscriptions.insert(self.latest, subscription);
        self.latest
    }

    pub(super) fn forget(&mut self, number: u32) -> Option<SubscriptionId> {
        self.subscriptions.remove(&number)
    }
}
