//! Topics and patterns as they come over the border: checked by JavaScript for their types,
//! and here for their meaning.

use distributary::{Names, Selector};

use crate::error::{Result, pattern_error, selector_error};

/// Topics and patterns, so that what is wrong with one shows before anything is done.
pub(crate) fn names(topics: &[String], patterns: &[String]) -> Result<Names> {
    let names = Names::new().topics(topics);
    names
        .and_then(|names| names.patterns(patterns))
        .map_err(|cause| pattern_error(cause.name(), cause.cause().clone()))
}

/// Topics and patterns, not none of both.
pub(crate) fn selector(topics: &[String], patterns: &[String]) -> Result<Selector> {
    names(topics, patterns)?.try_into().map_err(selector_error)
}
