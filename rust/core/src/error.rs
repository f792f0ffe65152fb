// SPDX-License-Identifier: BSD-3-Clause
//! The one error type of the crate: every variant names the argument, the value and what is
//! allowed.

/// What can be wrong with a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Array shapes or lengths that do not fit together.
    #[error("{argument}: got {got}, must be {allowed}")]
    Shape {
        /// Name of the argument.
        argument: &'static str,
        /// What was passed.
        got: String,
        /// What would have been accepted.
        allowed: String,
    },
    /// A value outside its range, or two options that exclude each other.
    #[error("{argument}: got {got}, must be {allowed}")]
    Option {
        /// Name of the argument.
        argument: &'static str,
        /// What was passed.
        got: String,
        /// What would have been accepted.
        allowed: String,
    },
}

/// Result with the crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// A [`Error::Shape`].
    pub fn shape(argument: &'static str, got: impl ToString, allowed: impl ToString) -> Self {
        let (got, allowed) = (got.to_string(), allowed.to_string());
        Self::Shape {
            argument,
            got,
            allowed,
        }
    }

    /// A [`Error::Option`].
    pub fn option(argument: &'static str, got: impl ToString, allowed: impl ToString) -> Self {
        let (got, allowed) = (got.to_string(), allowed.to_string());
        Self::Option {
            argument,
            got,
            allowed,
        }
    }
}
