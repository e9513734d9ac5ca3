//! A connected client, as Python's half holds it. It outlives the connection, and then does
//! nothing.

use std::collections::HashMap;

use distributary::{
    Bytes,
    gateway::{Client as CoreClient, CloseCode, Message, SubscriptionId},
};
use parking_lot::Mutex;
use pyo3::prelude::*;

use super::{session::Session, wanted::Wanted};
use crate::{
    errors::{Kind, closed, error},
    fork::Native,
};

/// What the native half knows of one client.
#[pyclass(frozen, weakref, module = "distributary._native")]
pub(crate) struct GatewayClient {
    number: u64,
    client: Native<CoreClient<Session>>,
    /// What the application subscribed it to while it was there.
    made: Mutex<Made>,
}

#[derive(Default)]
struct Made {
    latest: u32,
    subscriptions: HashMap<u32, SubscriptionId>,
}

impl GatewayClient {
    pub(super) fn new(number: u64, client: CoreClient<Session>) -> Self {
        GatewayClient {
            number,
            client: Native::new(client),
            made: Mutex::default(),
        }
    }

    fn client(&self) -> PyResult<&CoreClient<Session>> {
        self.client.get().ok_or_else(|| closed("forked"))
    }
}

#[pymethods]
impl GatewayClient {
    /// Names it among all clients that the gateway ever had.
    #[getter]
    fn number(&self) -> u64 {
        self.number
    }

    /// What `authorize` gave it.
    #[getter]
    fn session(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        Ok(self.client()?.session().object(py))
    }

    fn send_text(&self, text: String) -> PyResult<()> {
        self.client()?.send(Message::Text(text));
        Ok(())
    }

    fn send_bytes(&self, bytes: &[u8]) -> PyResult<()> {
        let bytes = Bytes::copy_from_slice(bytes);
        self.client()?.send(Message::Binary(bytes));
        Ok(())
    }

    /// Subscribes it to more; the number of that subscription.
    fn subscribe(&self, wanted: Wanted) -> PyResult<u32> {
        let client = self.client()?;
        let subscription = client.subscribe(wanted.selector()?, wanted.options()?);
        let mut made = self.made.lock();
        made.latest = made.latest.wrapping_add(1);
        let number = made.latest;
        made.subscriptions.insert(number, subscription);
        Ok(number)
    }

    /// Ends a subscription that was made so. False when there is none.
    fn unsubscribe(&self, number: u32) -> PyResult<bool> {
        let client = self.client()?;
        let subscription = self.made.lock().subscriptions.remove(&number);
        Ok(match subscription {
            Some(subscription) => {
                client.unsubscribe(subscription);
                true
            }
            None => false,
        })
    }

    fn close(&self, code: u16, reason: String) -> PyResult<()> {
        let code = CloseCode::new(code).ok_or_else(|| {
            error(
                Kind::Option,
                format_args!("code: 1000, or from 3000 to 4999, not {code}"),
            )
        })?;
        self.client()?.close_with(code, reason);
        Ok(())
    }

    fn turn_away(&self, reason: String) -> PyResult<()> {
        self.client()?.turn_away(reason);
        Ok(())
    }
}
