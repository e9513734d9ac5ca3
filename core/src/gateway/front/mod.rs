//! From the listening socket to a lane.

use std::{net::SocketAddr, sync::Arc};

use super::{Shared, StartError, lanes::Lanes};

pub(super) struct Front;

impl Front {
    pub(super) async fn start(
        _shared: &Arc<Shared>,
        _lanes: &Arc<Lanes>,
        _address: Option<SocketAddr>,
        _admin: Option<SocketAddr>,
    ) -> Result<Self, StartError> {
        Ok(Front)
    }

    pub(super) fn address(&self) -> Option<SocketAddr> {
        None
    }

    pub(super) fn admin_address(&self) -> Option<SocketAddr> {
        None
    }

    /// From now on every newcomer is turned away with a time to come back.
    pub(super) fn refuse_all(&self) {}

    /// Stops listening.
    pub(super) fn end(&self) {}
}
