//! Selectors as they come over the border: checked by JavaScript for their types, and
//! here for their meaning.

use std::time::Duration;

use distributary::{Selector, SubscribeOptions};
use napi::bindgen_prelude::ClassInstance;
use napi_derive::napi;

use crate::{
    error::Result, filters::NativeFilter, names::selector, options::NativeSubscribeOptions,
};

/// What is subscribed to, and how it is served.
#[napi(object, object_to_js = false)]
pub struct NativeWanted<'a> {
    /// Exact names.
    pub topics: Vec<String>,
    /// Redis globs.
    pub patterns: Vec<String>,
    /// Compiled, with its variables in it.
    pub filter: Option<ClassInstance<'a, NativeFilter>>,
    /// What differs from the hub's defaults.
    pub options: Option<NativeSubscribeOptions>,
}

impl NativeWanted<'_> {
    pub(super) fn selector(&self) -> Result<Selector> {
        let selector = self.named()?;
        Ok(match &self.filter {
            Some(filter) => selector.filter(filter.filter().clone()),
            None => selector,
        })
    }

    pub(super) fn options(&self) -> Result<SubscribeOptions> {
        match &self.options {
            Some(options) => options.options(),
            None => Ok(SubscribeOptions::new()),
        }
    }

    /// What a client wished for, with what is given here in the place of what it asked.
    pub(super) fn instead_of(&self, wished: &Selector) -> Result<Selector> {
        let mut selector = wished.clone();
        if !(self.topics.is_empty() && self.patterns.is_empty()) {
            selector = self.named()?;
            if let Some(filter) = wished.named_filter() {
                selector = selector.filter(filter.clone());
            }
        }
        if let Some(filter) = &self.filter {
            selector = selector.filter(filter.filter().clone());
        }
        Ok(selector)
    }

    fn named(&self) -> Result<Selector> {
        selector(&self.topics, &self.patterns)
    }
}

/// So many milliseconds. What no clock can say is taken as for ever.
pub(super) fn millis(millis: f64) -> Duration {
    Duration::try_from_secs_f64(millis / 1_000.0).unwrap_or(Duration::MAX)
}
