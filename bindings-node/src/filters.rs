//! Filters as JavaScript holds them: compiled once, handed to other native calls by reference.
//!
//! A filter comes as text and its variables as the text of a JSON object, for that is the one form in which whatever
//! a JavaScript value holds (integers beyond the doubles too) arrives as it was. Texts repeat: an application has a
//! few filters that it binds for each subscriber. What they were compiled to is therefore kept, in a table that all
//! event loops of the process share.
//!
//! Invariant: the table never holds more than twice [`KEPT`] texts, nor more than twice [`KEPT_BYTES`] of them. The
//! texts that are in use stay; those of one subscriber each pass through.

use std::collections::HashMap;
use std::mem;
use std::sync::{LazyLock, Mutex, PoisonError};

use distributary::{Filter, Matcher, Template, Variables};
use napi::bindgen_prelude::Either;
use napi_derive::napi;

use crate::error::{Code, Result, error};

/// A compiled filter.
#[napi]
pub struct NativeFilter {
    filter: Filter,
}

/// A compiled filter whose variables have no values yet.
#[napi]
pub struct NativeTemplate {
    template: Template,
}

impl NativeFilter {
    /// The filter itself.
    pub(crate) fn filter(&self) -> &Filter {
        &self.filter
    }
}

#[napi]
impl NativeFilter {
    /// Whether it admits an event with this payload. What is no JSON object meets only the filter that asks for nothing.
    #[napi(catch_unwind)]
    pub fn matches(&self, payload: &[u8]) -> bool {
        self.filter.matches_json(payload).unwrap_or(false)
    }

    /// The same of a payload that is a string.
    #[napi(catch_unwind)]
    pub fn matches_text(&self, payload: String) -> bool {
        self.matches(payload.as_bytes())
    }

    /// The fields that it names.
    #[napi(catch_unwind)]
    pub fn fields(&self) -> Vec<String> {
        let mut matcher = Matcher::new();
        matcher.insert(self.filter.clone());
        matcher
            .paths()
            .map(|path| path.as_str().to_owned())
            .collect()
    }

    /// Whether it asks for nothing.
    #[napi(getter, catch_unwind)]
    pub fn is_all(&self) -> bool {
        self.filter.is_all()
    }

    /// Whether events find it by look-ups alone.
    #[napi(getter, catch_unwind)]
    pub fn is_indexed(&self) -> bool {
        self.filter.is_indexed()
    }

    /// How events find it, in words.
    #[napi(catch_unwind)]
    pub fn explain(&self) -> String {
        self.filter.explain().to_string()
    }

    /// Whether two filters mean the same, as far as their form tells.
    #[napi(catch_unwind)]
    pub fn equals(&self, other: &NativeFilter) -> bool {
        self.filter == other.filter
    }
}

#[napi]
impl NativeTemplate {
    /// Compiles a text, or finds it compiled: a filter, or the template of one if it has variables.
    #[napi(catch_unwind)]
    pub fn compile(text: String) -> Result<Either<NativeFilter, NativeTemplate>> {
        Ok(match TEMPLATES.compile(text)? {
            Compiled::Filter(filter) => Either::A(NativeFilter { filter }),
            Compiled::Template(template) => Either::B(NativeTemplate { template }),
        })
    }

    /// The names of the variables, each once, in alphabetical order.
    #[napi(getter, catch_unwind)]
    pub fn variables(&self) -> Vec<&str> {
        self.template.variables()
    }

    /// The filter with the values of a JSON object.
    #[napi(catch_unwind)]
    pub fn bind(&self, variables: String) -> Result<NativeFilter> {
        let values: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(&variables).map_err(|cause| error(Code::BadVariable, cause))?;
        let filter = self
            .template
            .bind(&Variables::from(&values))
            .map_err(|cause| error(Code::BadVariable, cause))?;
        Ok(NativeFilter { filter })
    }
}

/// What a text is compiled to. Cheap to clone.
#[derive(Clone)]
enum Compiled {
    /// It has no variables.
    Filter(Filter),
    Template(Template),
}

impl Compiled {
    fn new(text: &str) -> Result<Compiled> {
        let template = Template::parse(text).map_err(|cause| error(Code::BadFilter, cause))?;
        if !template.variables().is_empty() {
            return Ok(Compiled::Template(template));
        }
        template
            .bind(&Variables::new())
            .map(Compiled::Filter)
            .map_err(|cause| error(Code::BadFilter, cause))
    }
}

static TEMPLATES: LazyLock<Templates> = LazyLock::new(Templates::default);

/// How many texts a generation holds.
const KEPT: usize = 512;

/// How many bytes of text a generation holds.
const KEPT_BYTES: usize = 1 << 20;

/// Compiled texts, in two generations: when the young one is full it becomes the old one, and what the old one held is
/// forgotten, unless it was asked for meanwhile.
#[derive(Default)]
struct Templates(Mutex<Generations>);

#[derive(Default)]
struct Generations {
    young: HashMap<String, Compiled>,
    young_bytes: usize,
    old: HashMap<String, Compiled>,
}

impl Templates {
    fn compile(&self, text: String) -> Result<Compiled> {
        if let Some(compiled) = self.with(|generations| generations.find(&text)) {
            return Ok(compiled);
        }
        // Outside of the lock: a text may be long, and other loops wait.
        let compiled = Compiled::new(&text)?;
        let forgotten = self.with(|generations| generations.keep(text, compiled.clone()));
        drop(forgotten);
        Ok(compiled)
    }

    fn with<T>(&self, work: impl FnOnce(&mut Generations) -> T) -> T {
        // Whatever panicked here left both tables whole.
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
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
    fn keep(&mut self, text: String, compiled: Compiled) -> HashMap<String, Compiled> {
        let mut forgotten = HashMap::new();
        if self.young.len() >= KEPT || self.young_bytes + text.len() > KEPT_BYTES {
            forgotten = mem::replace(&mut self.old, mem::take(&mut self.young));
            self.young_bytes = 0;
        }
        self.young_bytes += text.len();
        if let Some((known, _)) = self.young.remove_entry(&text) {
            self.young_bytes -= known.len();
        }
        self.young.insert(text, compiled);
        forgotten
    }
}
