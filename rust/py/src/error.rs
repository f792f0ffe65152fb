// SPDX-License-Identifier: BSD-3-Clause
//! Errors of the core as the exceptions of `deepcoadd.errors`.

use pyo3::PyErr;

mod classes {
    pyo3::import_exception!(deepcoadd.errors, OptionError);
    pyo3::import_exception!(deepcoadd.errors, ShapeError);
}

/// Newtype, because neither error is of this crate.
#[derive(Debug)]
pub struct CoreError(deepcoadd_core::error::Error);

/// Result of a binding.
pub type PyRes<T> = Result<T, CoreError>;

impl From<deepcoadd_core::error::Error> for CoreError {
    fn from(error: deepcoadd_core::error::Error) -> Self {
        Self(error)
    }
}

impl From<CoreError> for PyErr {
    fn from(error: CoreError) -> Self {
        use deepcoadd_core::error::Error;
        let message = error.0.to_string();
        match error.0 {
            Error::Shape { .. } => classes::ShapeError::new_err(message),
            Error::Option { .. } => classes::OptionError::new_err(message),
        }
    }
}
