//! Texts and what they were compiled to.
//!
//! Texts repeat: an application has a few filters that it binds for each subscriber. What they
//! were compiled to is therefore kept, in one table for the process.
//!
//! Invariant: the table never holds more than twice [`KEPT`] texts, nor more than twice
//! [`KEPT_BYTES`] of them. The texts that are in use stay; those of one subscriber each pass
//! through.

use std::{collections::HashMap, mem, sync::LazyLock};

use distributary::{Filter, Template, Variables};
use parking_lot::Mutex;
use pyo3::prelude::*;

use crate::errors::{Kind, error};

/// What a text is compiled to. Cheap to clone.
#[derive(Clone)]
pub(super) enum Compiled {
    /// It has no variables.
    Filter(Filter),
    Template(Template),
}

impl Compiled {
    fn new(text: &str) -> PyResult<Compiled> {
        let template = Template::parse(text).map_err(|cause| error(Kind::Filter, cause))?;
        if !template.variables().is_empty() {
            return Ok(Compiled::Template(template));
        }
        template
            .bind(&Variables::new())
            .map(Compiled::Filter)
            .map_err(|cause| error(Kind::Filter, cause))
    }

    /// Compiles a text, or finds it compiled.
    pub(super) fn of(text: &str) -> PyResult<Compiled> {
        if let Some(compiled) = TABLE.lock().find(text) {
            return Ok(compiled);
        }
        // Outside of the lock: a text may be long, and other threads wait.
        let compiled = Compiled::new(text)?;
        let forgotten = TABLE.lock().keep(text.into(), compiled.clone());
        drop(forgotten);
        Ok(compiled)
    }

    /// Whether a text is right, without keeping it.
    pub(super) fn check(text: &str) -> PyResult<()> {
        Compiled::new(text).map(drop)
    }
}

static TABLE: LazyLock<Mutex<Generations>> = LazyLock::new(Mutex::default);

/// How many texts a generation holds.
const KEPT: usize = 512;

/// How many bytes of text a generation holds.
const KEPT_BYTES: usize = 1 << 20;

/// Two generations: when the young one is full it becomes the old one, and what the old one
/// held is forgotten, unless it was asked for meanwhile.
#[derive(Default)]
struct Generations {
    young: HashMap<Box<str>, Compiled>,
    young_bytes: usize,
    old: HashMap<Box<str>, Compiled>,
}

impl Generations {
    fn find(&mut self, text: &str) -> Option<Compiled> {
        if let Some(compiled) = self.young.get(text) {
            return Some(compiled.clone());
        }
        let (text, compiled) = self.old.remove_entry(text)?;
        drop(self.keep(text, compiled.clone()));
        Some(compiled)
    }

    /// Keeps a text, and gives back what is forgotten for it.
    fn keep(&mut self, text: Box<str>, compiled: Compiled) -> HashMap<Box<str>, Compiled> {
        let mut forgotten = HashMap::new();
        if self.young.len() >= KEPT || self.young_bytes + text.len() > KEPT_BYTES {
            forgotten = mem::replace(&mut self.old, mem::take(&mut self.young));
            self.young_bytes = 0;
        }
        let bytes = text.len();
        if self.young.insert(text, compiled).is_none() {
            self.young_bytes += bytes;
        }
        forgotten
    }
}
