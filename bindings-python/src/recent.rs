//! Where to stand for a look at the latest events of a topic.
//!
//! A position to resume from, and not the events: whoever subscribes from there reads them
//! and goes on with what is published later, without a gap and without a repetition.

use distributary as engine;
use engine::{Hub, Position, Resume, ResumeErrorKind, SubscribeError, Topic};
use pyo3::prelude::*;

use crate::{
    errors::{Kind, error, subscribe_error},
    hub::Hub as NativeHub,
};

/// The position that has the latest `most` events of a topic behind it, or all that are held
/// when there are fewer. `None` where no history is kept.
#[pyfunction]
pub(crate) fn before_latest(
    hub: &NativeHub,
    topic: &str,
    most: Option<u64>,
) -> PyResult<Option<String>> {
    let topic = Topic::new(topic).map_err(|cause| error(Kind::Topic, cause))?;
    let position = stand(hub.hub()?, &topic, most).map_err(subscribe_error)?;
    Ok(position.map(|position| position.to_string()))
}

fn stand(hub: &Hub, topic: &Topic, most: Option<u64>) -> Result<Option<Position>, SubscribeError> {
    let Some(mut position) = hub.position(topic) else {
        return Ok(None);
    };
    position.offset = most.map_or(0, |most| position.offset.saturating_sub(most));
    // Only the history knows how far back it goes: it says so to who asks for more.
    match hub.subscribe_from(topic.clone(), Resume::at(position)) {
        Ok(_) => Ok(Some(position)),
        Err(SubscribeError::Resume(cause)) => match cause.kind() {
            ResumeErrorKind::TooOld { oldest } => {
                position.offset = oldest - 1;
                Ok(Some(position))
            }
            _ => Err(cause.into()),
        },
        Err(cause) => Err(cause),
    }
}
