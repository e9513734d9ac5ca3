//! The hub as JavaScript holds it.

use distributary::{Hub, PublishError};
use napi_derive::napi;

use crate::error::{Code, Result, error};

/// One engine of this process, or a share in it.
#[napi]
pub struct NativeHub {
    hub: Hub,
}

impl NativeHub {
    /// The engine itself.
    pub(crate) fn hub(&self) -> &Hub {
        &self.hub
    }
}

#[napi]
impl NativeHub {
    /// A hub with the defaults of the engine.
    #[napi(constructor, catch_unwind)]
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        NativeHub { hub: Hub::new() }
    }

    /// Publishes; how many subscriptions it reached.
    #[napi(catch_unwind)]
    pub fn publish(&self, topic: String, payload: &[u8]) -> Result<u32> {
        let payload = payload.to_vec();
        match self.hub.publish(topic, payload) {
            Ok(delivery) => Ok(delivery.subscriptions as u32),
            Err(cause @ PublishError::Topic(_)) => Err(error(Code::BadTopic, cause)),
            Err(cause) => Err(error(Code::BadTopic, cause)),
        }
    }
}
