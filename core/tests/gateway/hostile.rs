//! Those who mean no good, or whose network is worse than none: nothing breaks, nothing
//! is left over, everybody else is served meanwhile, and each ends for its own reason.

mod floods;
mod limits;
mod stalls;
mod vanishing;

use std::time::Duration;

use crate::harness::{Raw, Server};

/// Short enough to wait for, long enough for what is well on a busy machine.
const BRIEF: Duration = Duration::from_millis(400);

/// A well-behaved client beside those of the test: it hears what is published to
/// `well`.
struct Witness(Raw);

impl Witness {
    fn at(server: &Server) -> Self {
        Witness(Raw::open(server.address(), "/?topics=well"))
    }

    /// The rest of the gateway is served.
    #[track_caller]
    fn is_served(&mut self, server: &Server) {
        server.publish("well", "all is well");
        assert_eq!(self.0.text(), "all is well");
    }
}
