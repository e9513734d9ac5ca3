//! The gateway: a WebSocket and SSE endpoint whose sinks are sockets.
//!
//! Begin with [`Gateway::builder`]; [`protocol`] is for the authors of clients.
//!
//! The way of a connection, in order: `front` accepts it, asks the application
//! (`request`, `verdict`) and hands the socket to one of the `lanes`, the threads that
//! own sockets from then on and read, write, ping and close them. `wire` is what the
//! bytes mean. An event's way ends here: its frame is made once per kind and the same
//! bytes go to every socket.
//!
//! The front runs on the application's tokio runtime. The lanes do not: each is a
//! thread with a poll of its own, because a runtime's queue knows nothing of "control
//! first". With a task per socket, whatever a client sends waits behind the writes to all
//! others; `make bench-gateway` has such a server beside this one.

mod builder;
mod client;
mod ended;
mod front;
mod hooks;
pub(crate) mod lanes;
mod limits;
mod meters;
mod request;
mod tally;
mod verdict;
mod wire;

#[cfg(doc)]
#[doc = include_str!("PROTOCOL.md")]
pub mod protocol {}

use std::{fmt, net::SocketAddr, sync::Arc, time::Duration};

pub use builder::{GatewayBuilder, StartError};
pub use client::{Client, SubscriptionId};
pub use ended::{CloseCode, Ended};
pub use front::{AdoptError, Refused, UpgradeError};
pub use hooks::Message;
pub use limits::{LimitError, Limits};
pub use meters::GatewayStats;
pub use request::{Request, Transport};
#[cfg(feature = "fuzzing")]
pub(crate) use wire::fuzzing;

pub use verdict::{Accept, Denied, Format, OnLag, Reject, RejectError, Wish};

use self::{front::Front, hooks::Hooks, lanes::Lanes, meters::Meters};
use crate::hub::Hub;

/// What a builder has gathered.
struct Plan {
    hub: Hub,
    hooks: Hooks,
    address: Option<SocketAddr>,
    admin: Option<SocketAddr>,
    paths: Vec<String>,
    json: bool,
    limits: Limits,
}

/// What front and lanes share.
struct Shared {
    hub: Hub,
    hooks: Hooks,
    limits: Limits,
    paths: Vec<String>,
    json: bool,
    meters: Arc<Meters>,
    /// Where hooks that are asynchronous run.
    runtime: tokio::runtime::Handle,
}

/// A WebSocket and SSE endpoint that brings a hub's events to sockets.
///
/// ```no_run
/// use distributary::{Hub, Selector, gateway::{Accept, Gateway, Reject}};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let hub = Hub::new();
/// let gateway = Gateway::builder(&hub)
///     .authorize(async |request| match request.query_value("user") {
///         Some(user) => {
///             let own = Selector::topic(format!("user.{user}"));
///             Ok(Accept::new(()).subscribe(own.map_err(|_| Reject::forbidden())?))
///         }
///         None => Err(Reject::unauthorized()),
///     })
///     .address("127.0.0.1:8080")?
///     .start()
///     .await?;
/// hub.publish("user.7", r#"{"hello": "there"}"#)?;
/// # Ok(())
/// # }
/// ```
///
/// When it is dropped it closes as by [`close`](Gateway::close), without waiting.
pub struct Gateway {
    shared: Arc<Shared>,
    lanes: Arc<Lanes>,
    front: Front,
}

impl Gateway {
    /// A gateway for this hub, to be told the rest.
    pub fn builder(hub: &Hub) -> GatewayBuilder {
        GatewayBuilder::new(hub)
    }

    async fn start(plan: Plan) -> Result<Self, StartError> {
        plan.limits.check()?;
        let shared = Arc::new(Shared {
            hub: plan.hub,
            hooks: plan.hooks,
            limits: plan.limits,
            paths: plan.paths,
            json: plan.json,
            meters: Arc::default(),
            runtime: tokio::runtime::Handle::current(),
        });
        let lanes = Arc::new(Lanes::start(&shared).map_err(StartError::System)?);
        let front = Front::start(&shared, &lanes, plan.address, plan.admin).await?;
        Ok(Gateway {
            shared,
            lanes,
            front,
        })
    }

    /// Where clients connect, if it listens.
    pub fn address(&self) -> Option<SocketAddr> {
        self.front.address()
    }

    /// Where metrics and health are asked for, if anywhere.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.front.admin_address()
    }

    /// A snapshot of all counters.
    pub fn stats(&self) -> GatewayStats {
        self.shared.meters.snapshot()
    }

    /// Sends everybody away for a deploy: closes are spread evenly over this time, each
    /// with a hint when to come back; new connections are refused with 503, and
    /// `/healthz` says `draining`. Returns when the last connection has gone, at most a
    /// close timeout later. A second drain can shorten the first, not prolong it.
    pub async fn drain(&self, over: Duration) {
        self.front.refuse_all();
        self.lanes.drain(over.min(limits::LONGEST)).await;
    }

    /// Ends the gateway: no new connections, those that exist are closed with code 1001.
    /// Returns when the threads have ended and the addresses are free.
    pub async fn close(mut self) {
        self.front.end();
        self.front.ended().await;
        self.lanes.close().await;
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.front.end();
        self.lanes.end();
    }
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway")
            .field("address", &self.address())
            .field("open", &self.stats().open)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_start_that_fails_leaves_no_thread() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let hooks = Arc::new(());
        let seen = Arc::clone(&hooks);
        let builder = Gateway::builder(&Hub::new()).authorize(move |_| {
            let _ = &seen;
            async { Ok(Accept::new(())) }
        });
        let started = builder.address(address).unwrap().start().await;
        assert!(matches!(started, Err(StartError::Address { .. })));
        for _ in 0..500 {
            if Arc::strong_count(&hooks) == 1 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("its threads still run");
    }
}
