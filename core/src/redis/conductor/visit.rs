//! A connection beside those of the links: to a node for one question, to a sentinel for as
//! long as it is attended.

use std::{rc::Rc, time::Duration};

use tokio::time::timeout;

use super::{Conductor, greeting};
use crate::redis::{
    arrival::Stamp,
    socket::{Listener, Push, Session, dial},
    target::Server,
};

/// How long connecting and greeting may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// The connection; it ends with whoever holds this.
pub(super) struct Visit(pub(super) Session);

impl Drop for Visit {
    fn drop(&mut self) {
        self.0.close("it is not needed any more");
    }
}

impl Conductor {
    /// Connects, once the process may make an attempt.
    pub(super) async fn visit(self: &Rc<Self>, at: &Server) -> Result<Visit, String> {
        let attempt = self.may_attempt().await;
        let settings = &self.common.settings;
        self.common.figures.attempts.add(1);
        let reached = async {
            let stream = dial(at, settings.tls.as_ref(), PATIENCE).await?;
            let visit = Visit(Session::start(stream, Deaf));
            let credentials = settings.target.credentials.as_ref();
            greeting::hello(&visit.0, credentials, &self.client_name())
                .await
                .map_err(|unfit| unfit.to_string())?;
            Ok(visit)
        };
        let visit = timeout(PATIENCE, reached)
            .await
            .unwrap_or_else(|_| Err("it took too long".to_owned()))?;
        attempt.succeeded();
        self.common.figures.connections.add(1);
        Ok(visit)
    }
}

/// For connections that listen to nothing.
struct Deaf;

impl Listener for Deaf {
    fn push(&mut self, _push: Push<'_>, _now: Stamp) {}
}
