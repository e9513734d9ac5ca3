//! Selectors as they come over the border: checked by Python for their types, and here for
//! their meaning.

use distributary::{Selector, SubscribeOptions, gateway::Wish};
use pyo3::prelude::*;

use crate::{
    filters::Filter,
    options::{BudgetParts, subscribe_options},
    subscription::selector,
};

/// What is subscribed to, and how it is served.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(super) struct Wanted {
    topics: Vec<String>,
    patterns: Vec<String>,
    filter: Option<Py<Filter>>,
    overflow: Option<String>,
    budget: BudgetParts,
    from: Option<Vec<(Option<String>, String)>>,
}

impl Wanted {
    pub(super) fn selector(&self) -> PyResult<Selector> {
        let selector = selector(&self.topics, &self.patterns)?;
        Ok(self.filtered(selector))
    }

    pub(super) fn options(&self) -> PyResult<SubscribeOptions> {
        subscribe_options(self.overflow.as_deref(), self.budget, self.from.clone())
    }

    /// What a client wished for, with what is given here in the place of what it asked.
    pub(super) fn instead_of(&self, wished: Wish) -> PyResult<Wish> {
        let mut wish = wished;
        if !(self.topics.is_empty() && self.patterns.is_empty()) {
            let mut named = selector(&self.topics, &self.patterns)?;
            if let Some(filter) = wish.selector.named_filter() {
                named = named.filter(filter.clone());
            }
            wish.selector = named;
        }
        wish.selector = self.filtered(wish.selector);
        let says_how = self.overflow.is_some() || self.from.is_some();
        if says_how || self.budget != (None, None, None) {
            wish.options = self.options()?;
        }
        Ok(wish)
    }

    fn filtered(&self, selector: Selector) -> Selector {
        match &self.filter {
            Some(filter) => selector.filter(filter.get().filter().clone()),
            None => selector,
        }
    }
}
