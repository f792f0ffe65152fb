// SPDX-License-Identifier: BSD-3-Clause
//! Checks of dtype, shape and stride at the border; views for the core.

use crate::error::{CoreError, PyRes};
use deepcoadd_core::error::Error;
use ndarray::{ArrayView2, ArrayViewMut2};
use numpy::{
    Element, PyArray2, PyArrayMethods, PyReadonlyArray2, PyReadwriteArray2, PyUntypedArrayMethods,
};
use pyo3::prelude::*;
use pyo3::types::PyString;

fn describe(value: &Bound<'_, PyAny>) -> String {
    let part = |name| value.getattr(name).and_then(|v| v.str()).ok();
    let text = |s: Option<Bound<'_, PyString>>| s.map_or_else(|| "?".into(), |s| s.to_string());
    if let Some(dtype) = part("dtype") {
        return format!(
            "an array of dtype {dtype} and shape {}",
            text(part("shape"))
        );
    }
    format!("an object of type {}", text(value.get_type().name().ok()))
}

fn array<'a, 'py, T: Element>(
    value: &'a Bound<'py, PyAny>,
    argument: &'static str,
) -> PyRes<&'a Bound<'py, PyArray2<T>>> {
    let array = value.cast::<PyArray2<T>>().map_err(|_| {
        let dtype = T::get_dtype(value.py());
        Error::option(
            argument,
            describe(value),
            format!("a 2-D array of dtype {dtype}"),
        )
    })?;
    // A view whose rows do not start at multiples of the element size has no Rust counterpart.
    let item = size_of::<T>() as isize;
    if !array.is_empty() && array.strides().iter().any(|s| s % item != 0) {
        return Err(Error::shape(argument, "unaligned rows", "aligned to the dtype").into());
    }
    Ok(array)
}

/// Borrows an array for reading.
pub fn read<'py, T: Element>(
    value: &Bound<'py, PyAny>,
    argument: &'static str,
) -> PyRes<PyReadonlyArray2<'py, T>> {
    let borrowed = array::<T>(value, argument)?.try_readonly();
    borrowed.map_err(|_| shared(argument))
}

/// Borrows an array for reading, if there is one.
pub fn read_option<'py, T: Element>(
    value: Option<&Bound<'py, PyAny>>,
    argument: &'static str,
) -> PyRes<Option<PyReadonlyArray2<'py, T>>> {
    value.map(|v| read(v, argument)).transpose()
}

/// Borrows every array of a list for reading.
pub fn read_list<'py, T: Element>(
    values: &[Bound<'py, PyAny>],
    argument: &'static str,
) -> PyRes<Vec<PyReadonlyArray2<'py, T>>> {
    values.iter().map(|v| read(v, argument)).collect()
}

/// Borrows an array for writing.
pub fn write<'py, T: Element>(
    value: &Bound<'py, PyAny>,
    argument: &'static str,
) -> PyRes<PyReadwriteArray2<'py, T>> {
    let borrowed = array::<T>(value, argument)?.try_readwrite();
    borrowed.map_err(|_| shared(argument))
}

/// Borrows an array for writing, if there is one.
pub fn write_option<'py, T: Element>(
    value: Option<&Bound<'py, PyAny>>,
    argument: &'static str,
) -> PyRes<Option<PyReadwriteArray2<'py, T>>> {
    value.map(|v| write(v, argument)).transpose()
}

fn shared(argument: &'static str) -> CoreError {
    let got = "an array that is read-only or in use as another argument or in another thread";
    Error::option(argument, got, "free for this call").into()
}

/// Views of a list of borrowed arrays.
pub fn views<'a, T: Element>(arrays: &'a [PyReadonlyArray2<'_, T>]) -> Vec<ArrayView2<'a, T>> {
    arrays.iter().map(|a| a.as_array()).collect()
}

/// View of a borrowed array, if there is one.
pub fn view_option<'a, T: Element>(
    array: Option<&'a PyReadonlyArray2<'_, T>>,
) -> Option<ArrayView2<'a, T>> {
    array.map(|a| a.as_array())
}

/// Mutable view of a borrowed array, if there is one.
pub fn view_option_mut<'a, T: Element>(
    array: Option<&'a mut PyReadwriteArray2<'_, T>>,
) -> Option<ArrayViewMut2<'a, T>> {
    array.map(|a| a.as_array_mut())
}
