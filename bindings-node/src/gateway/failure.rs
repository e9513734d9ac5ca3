//! Why an operation failed, as it is told across threads: a code and a text.

use distributary::gateway::StartError;

use crate::error::Code;

/// What becomes an error of JavaScript's when the loop takes it.
pub(super) struct Failure {
    pub(super) code: Code,
    pub(super) reason: String,
}

impl Failure {
    pub(super) fn new(code: Code, reason: impl std::fmt::Display) -> Self {
        Failure {
            code,
            reason: reason.to_string(),
        }
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Address { name, given, error } => {
                let option = match name {
                    "address" => "listen",
                    other => other,
                };
                let reason = format!(
                    "cannot listen on {given}, which was given as `{option}`: {error}; give \
                     another address or port, as in '127.0.0.1:8080'"
                );
                Failure::new(Code::Listen, reason)
            }
            StartError::Limit(_) | StartError::Path(_) => Failure::new(Code::BadOption, error),
            _ => Failure::new(Code::System, error),
        }
    }
}
