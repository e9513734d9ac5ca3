//! Why an operation failed, as it is told across threads: what becomes an exception when
//! Python takes it.

use distributary::gateway::StartError;
use pyo3::{PyErr, exceptions::PyOSError};

use crate::errors::{Kind, error};

pub(super) enum Failure {
    /// An exception of this package.
    Ours(Kind, String),
    /// The system's.
    System(String),
}

impl Failure {
    pub(super) fn system(cause: impl std::fmt::Display) -> Self {
        Failure::System(cause.to_string())
    }

    pub(super) fn into_error(self) -> PyErr {
        match self {
            Failure::Ours(kind, text) => error(kind, text),
            Failure::System(text) => PyOSError::new_err(text),
        }
    }
}

impl From<StartError> for Failure {
    fn from(cause: StartError) -> Self {
        let text = cause.to_string();
        match cause {
            StartError::Address { .. } => Failure::Ours(Kind::Listen, text),
            StartError::Limit(_) | StartError::Path(_) => Failure::Ours(Kind::Option, text),
            _ => Failure::System(text),
        }
    }
}
