//! What a gateway is told before it starts. Python has checked types and bounds.

use std::time::Duration;

use distributary::{
    Hub, SliceLimits,
    gateway::{Gateway, GatewayBuilder, Limits},
};
use pyo3::prelude::*;

use super::{
    board::{Listens, Side},
    failure::Failure,
    room::Room,
    session::Session,
};
use crate::errors::Kind;

/// The share of one client in what may wait of all.
const SHARE: f64 = 1.0 / 16.0;

#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(super) struct Settings {
    /// `host:port`.
    address: Option<String>,
    /// `host:port`.
    admin: Option<String>,
    /// Without any, all are served.
    paths: Vec<String>,
    /// Whether the JSON protocol is spoken.
    json: bool,
    /// Where they differ from the defaults.
    limits: GivenLimits,
    /// How many messages of clients may wait.
    backlog: usize,
    /// How many bytes of them.
    backlog_bytes: usize,
    /// The functions that there are; whether they are coroutine functions.
    authorize: bool,
    on_open: Option<bool>,
    on_subscribe: Option<bool>,
    on_message: Option<bool>,
    on_end: Option<bool>,
}

/// The limits; times in seconds. The names are those of [`Limits`].
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct GivenLimits {
    connections: Option<usize>,
    per_second: Option<u32>,
    per_address: Option<usize>,
    per_address_per_second: Option<u32>,
    handshakes: Option<usize>,
    handshake_timeout: Option<f64>,
    trusted_proxies: Option<usize>,
    memory: Option<u64>,
    retry_after: Option<(f64, f64)>,
    lanes: Option<usize>,
    slice_deliveries: Option<usize>,
    slice_time: Option<f64>,
    max_message: Option<usize>,
    max_subscriptions: Option<usize>,
    max_topics: Option<usize>,
    fragment: Option<usize>,
    unsent: Option<u32>,
    ping_every: f64,
    ping_timeout: f64,
    write_timeout: Option<f64>,
    close_timeout: Option<f64>,
}

impl Settings {
    pub(super) fn room(&self) -> Room {
        Room {
            messages: self.backlog,
            bytes: self.backlog_bytes,
            share: SHARE,
        }
    }

    pub(super) fn listens(&self) -> Listens {
        Listens {
            to_opened: self.on_open.map(Side::of),
            to_messages: self.on_message.map(Side::of),
            to_ended: self.on_end.map(Side::of),
        }
    }

    pub(super) fn authorizes(&self) -> Side {
        Side::of(self.authorize)
    }

    pub(super) fn grants(&self) -> Option<Side> {
        self.on_subscribe.map(Side::of)
    }

    /// Whether any function is told about clients.
    pub(super) fn to_clients(&self) -> bool {
        let functions = [
            self.on_open,
            self.on_subscribe,
            self.on_message,
            self.on_end,
        ];
        functions.iter().any(Option::is_some)
    }

    pub(super) fn to_messages(&self) -> bool {
        self.on_message.is_some()
    }

    /// A gateway that knows everything but its hooks and where it listens.
    pub(super) fn builder(&self, hub: &Hub) -> GatewayBuilder {
        let builder = Gateway::builder(hub)
            .json_protocol(self.json)
            .limits(self.limits.limits());
        let paths = self.paths.iter();
        paths.fold(builder, |builder, path| builder.path(path))
    }

    pub(super) fn into_addresses(self) -> Addresses {
        Addresses {
            clients: self.address,
            admin: self.admin,
        }
    }
}

impl GivenLimits {
    fn limits(&self) -> Limits {
        /// Sets what is given.
        macro_rules! set {
            ($limits:ident, $($name:ident),*) => {
                $(if let Some(given) = self.$name {
                    $limits = $limits.$name(given);
                })*
            };
        }
        let mut limits =
            Limits::default().ping(seconds(self.ping_every), seconds(self.ping_timeout));
        set!(
            limits,
            connections,
            per_second,
            per_address,
            per_address_per_second,
            handshakes
        );
        set!(
            limits,
            trusted_proxies,
            memory,
            lanes,
            max_message,
            max_subscriptions,
            max_topics
        );
        set!(limits, fragment, unsent);
        if let Some(most) = self.handshake_timeout {
            limits = limits.handshake_timeout(seconds(most));
        }
        if let Some(most) = self.write_timeout {
            limits = limits.write_timeout(seconds(most));
        }
        if let Some(most) = self.close_timeout {
            limits = limits.close_timeout(seconds(most));
        }
        if let Some((least, most)) = self.retry_after {
            limits = limits.retry_after(seconds(least), seconds(most));
        }
        let mut slice = SliceLimits::default();
        if let Some(deliveries) = self.slice_deliveries {
            slice = slice.deliveries(deliveries);
        }
        if let Some(time) = self.slice_time {
            slice = slice.time(seconds(time));
        }
        limits.slice(slice)
    }
}

/// Where a gateway listens: names that are still to be looked up.
pub(super) struct Addresses {
    clients: Option<String>,
    admin: Option<String>,
}

/// Everything a gateway is started with.
pub(super) struct Plan {
    pub(super) hub: Hub,
    pub(super) builder: GatewayBuilder<Session>,
    pub(super) addresses: Addresses,
}

impl Plan {
    pub(super) async fn start(self) -> Result<Gateway, Failure> {
        let Plan {
            hub,
            builder,
            addresses,
        } = self;
        if hub.is_closed() {
            let text = "the hub is closed: make a new one";
            return Err(Failure::Ours(Kind::Option, text.to_owned()));
        }
        // Looking a name up blocks.
        let looked_up = tokio::task::spawn_blocking(move || {
            let mut builder = builder;
            if let Some(clients) = addresses.clients {
                builder = builder.address(clients)?;
            }
            match addresses.admin {
                Some(admin) => builder.admin(admin),
                None => Ok(builder),
            }
        });
        let builder = looked_up.await.map_err(Failure::system)??;
        Ok(builder.start().await?)
    }
}

/// So many seconds. What no clock can say is taken as for ever.
pub(super) fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}
