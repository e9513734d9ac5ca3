//! A pattern with variables, compiled once and bound for each subscriber.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::compile::Compiled;
use super::draft::{Choice, Draft, Placeholder};
use super::{BindError, Filter, FilterError, Variables, parse};

/// A pattern in which `{"$var": "name"}` stands in places of scalars. Cheap to clone.
///
/// A list is spread into the alternatives around the variable, `null` is the value `null`, and an object is an error: what clients
/// send never becomes an operator. A variable without a value is an error too, unless it says `"optional": true`; then the
/// condition on its field is as if it had never been written.
///
/// ```
/// use distributary::{Filter, Template, Variables};
///
/// let template = Template::parse(r#"{"document": {"id": [{"$var": "id"}]}}"#)?;
/// let filter = template.bind(&Variables::new().with("id", 42))?;
/// assert_eq!(filter, Filter::parse(r#"{"document": {"id": [42]}}"#)?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Template(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    compiled: Compiled,
    draft: Draft,
    /// The optional variables, by name.
    optional: Box<[Box<str>]>,
}

impl Template {
    /// Compiles a pattern with variables, or without.
    ///
    /// # Errors
    /// Where the pattern is wrong, and how.
    pub fn parse(text: &str) -> Result<Template, FilterError> {
        parse::parse(text).map(Template::new)
    }

    pub(super) fn new(draft: Draft) -> Template {
        let draft = draft.normalized();
        let mut optional = BTreeMap::new();
        visit(&draft, &mut |variable| {
            if variable.is_optional {
                optional.insert(variable.name.clone(), ());
            }
        });
        Template(Arc::new(Parts {
            compiled: Compiled::new(&draft),
            draft,
            optional: optional.into_keys().collect(),
        }))
    }

    /// The filter with these values. Nothing is parsed; unless an optional variable is absent, nothing is compiled either.
    ///
    /// # Errors
    /// A variable without a value, or with one that cannot stand where the variable stands.
    pub fn bind(&self, variables: &Variables) -> Result<Filter, BindError> {
        if self
            .0
            .optional
            .iter()
            .all(|name| variables.find(name).is_some())
        {
            return self.0.compiled.fill(variables);
        }
        let absent = |variable: &Placeholder| {
            variable.is_optional && variables.find(&variable.name).is_none()
        };
        Compiled::new(&self.0.draft.clone().without(&absent).normalized()).fill(variables)
    }

    /// The names of the variables, each once, in alphabetical order.
    #[must_use]
    pub fn variables(&self) -> Vec<&str> {
        let mut names = Vec::new();
        visit(&self.0.draft, &mut |variable| names.push(&*variable.name));
        names.sort_unstable();
        names.dedup();
        names
    }
}

/// Every variable of a draft.
pub(super) fn visit<'d>(draft: &'d Draft, with: &mut impl FnMut(&'d Placeholder)) {
    match draft {
        Draft::All(parts) | Draft::Any(parts) => parts.iter().for_each(|part| visit(part, with)),
        Draft::Not { of, .. } => visit(of, with),
        Draft::Field { alternatives, .. } => alternatives
            .iter()
            .flat_map(Choice::variables)
            .for_each(with),
    }
}
