//! What a gateway is told before it starts.

use distributary::{
    Hub, SliceLimits,
    gateway::{Gateway, GatewayBuilder, Limits},
};
use napi_derive::napi;

use super::{
    failure::Failure, queue::Room, session::Session, switchboard::Listens, wanted::millis,
};
use crate::error::Code;

/// The share of one client in what may wait of all.
const SHARE: f64 = 1.0 / 16.0;

/// What JavaScript has checked for types and bounds.
#[napi(object, object_to_js = false)]
pub struct NativeSettings {
    /// `host:port`.
    pub listen: String,
    /// `host:port`.
    pub admin: Option<String>,
    /// Without any, all are served.
    pub paths: Vec<String>,
    /// Whether the JSON protocol is spoken.
    pub json: bool,
    /// Where they differ from the defaults.
    pub limits: NativeLimits,
    /// How many messages of clients may wait for the event loop.
    pub backlog_messages: f64,
    /// How many bytes of them.
    pub backlog_bytes: f64,
    /// Whether anybody listens to clients at all.
    pub hears_clients: bool,
    /// Whether there is `onSubscribe`.
    pub hears_wishes: bool,
    /// Whether there is `onMessage`.
    pub hears_messages: bool,
}

/// The limits; times in milliseconds.
#[napi(object, object_to_js = false)]
pub struct NativeLimits {
    /// See [`Limits::connections`].
    pub connections: Option<f64>,
    /// See [`Limits::per_second`].
    pub per_second: Option<f64>,
    /// See [`Limits::per_address`].
    pub per_address: Option<f64>,
    /// See [`Limits::per_address_per_second`].
    pub per_address_per_second: Option<f64>,
    /// See [`Limits::handshakes`].
    pub handshakes: Option<f64>,
    /// See [`Limits::handshake_timeout`].
    pub handshake_timeout: Option<f64>,
    /// See [`Limits::trusted_proxies`].
    pub trusted_proxies: Option<f64>,
    /// See [`Limits::memory`].
    pub memory: Option<f64>,
    /// The earlier time of [`Limits::retry_after`].
    pub retry_after_least: Option<f64>,
    /// The later one.
    pub retry_after_most: Option<f64>,
    /// See [`Limits::lanes`].
    pub lanes: Option<f64>,
    /// See [`SliceLimits::deliveries`].
    pub slice_deliveries: Option<f64>,
    /// See [`SliceLimits::time`].
    pub slice_time: Option<f64>,
    /// See [`Limits::max_message`].
    pub max_message: Option<f64>,
    /// See [`Limits::max_subscriptions`].
    pub max_subscriptions: Option<f64>,
    /// See [`Limits::max_topics`].
    pub max_topics: Option<f64>,
    /// See [`Limits::fragment`].
    pub fragment: Option<f64>,
    /// See [`Limits::unsent`].
    pub unsent: Option<f64>,
    /// How often [`Limits::ping`] pings.
    pub ping_every: Option<f64>,
    /// How long it waits.
    pub ping_timeout: Option<f64>,
    /// See [`Limits::write_timeout`].
    pub write_timeout: Option<f64>,
    /// See [`Limits::close_timeout`].
    pub close_timeout: Option<f64>,
}

impl NativeSettings {
    pub(super) fn room(&self) -> Room {
        Room {
            messages: self.backlog_messages as usize,
            bytes: self.backlog_bytes as usize,
            share: SHARE,
        }
    }

    pub(super) fn listens(&self) -> Listens {
        Listens {
            to_clients: self.hears_clients,
            to_wishes: self.hears_wishes,
            to_messages: self.hears_messages,
        }
    }

    /// A gateway that knows everything but its hooks and where it listens.
    pub(super) fn builder(&self, hub: &Hub) -> GatewayBuilder {
        let builder = Gateway::builder(hub)
            .json_protocol(self.json)
            .limits(self.limits.limits());
        let paths = self.paths.iter();
        paths.fold(builder, |builder, path| builder.path(path))
    }

    pub(super) fn addresses(&self) -> Addresses {
        Addresses {
            listen: self.listen.clone(),
            admin: self.admin.clone(),
        }
    }
}

impl NativeLimits {
    fn limits(&self) -> Limits {
        /// Sets what is given.
        macro_rules! set {
            ($limits:ident, $($name:ident as $number:ty),*) => {
                $(if let Some(given) = self.$name {
                    $limits = $limits.$name(given as $number);
                })*
            };
            ($limits:ident, $($name:ident),*) => {
                $(if let Some(given) = self.$name {
                    $limits = $limits.$name(millis(given));
                })*
            };
        }
        let mut limits = Limits::default();
        set!(
            limits,
            connections as usize,
            per_second as u32,
            per_address as usize
        );
        set!(limits, per_address_per_second as u32, handshakes as usize);
        set!(
            limits,
            trusted_proxies as usize,
            memory as u64,
            lanes as usize
        );
        set!(
            limits,
            max_message as usize,
            max_subscriptions as usize,
            max_topics as usize
        );
        set!(limits, fragment as usize, unsent as u32);
        set!(limits, handshake_timeout, write_timeout, close_timeout);
        if let (Some(least), Some(most)) = (self.retry_after_least, self.retry_after_most) {
            limits = limits.retry_after(millis(least), millis(most));
        }
        if let (Some(every), Some(timeout)) = (self.ping_every, self.ping_timeout) {
            limits = limits.ping(millis(every), millis(timeout));
        }
        let mut slice = SliceLimits::default();
        if let Some(deliveries) = self.slice_deliveries {
            slice = slice.deliveries(deliveries as usize);
        }
        if let Some(time) = self.slice_time {
            slice = slice.time(millis(time));
        }
        limits.slice(slice)
    }
}

/// Where a gateway listens: names that are still to be looked up.
pub(super) struct Addresses {
    listen: String,
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
            return Err(Failure::new(
                Code::Closed,
                "the hub is closed: make a new one",
            ));
        }
        // Looking a name up blocks.
        let looked_up = tokio::task::spawn_blocking(move || {
            let builder = builder.address(addresses.listen)?;
            match addresses.admin {
                Some(admin) => builder.admin(admin),
                None => Ok(builder),
            }
        });
        let builder = looked_up
            .await
            .map_err(|error| Failure::new(Code::System, error))??;
        Ok(builder.start().await?)
    }
}
