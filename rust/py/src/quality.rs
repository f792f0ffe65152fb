// SPDX-License-Identifier: BSD-3-Clause
//! Bindings of `deepcoadd_core::quality`.

use crate::array;
use crate::error::PyRes;
use crate::stats::PyOptions;
use deepcoadd_core::quality;
use pyo3::prelude::*;

/// Numbers of finite pixels, of those without a bad bit, and of known variances.
#[pyfunction]
pub fn count(
    py: Python<'_>,
    image_bits: &Bound<'_, PyAny>,
    swapped: bool,
    mask: &Bound<'_, PyAny>,
    variance: &Bound<'_, PyAny>,
    bad_bits: i32,
) -> PyRes<(u64, u64, u64)> {
    let image = array::read::<u32>(image_bits, "image_bits")?;
    let mask = array::read::<i32>(mask, "mask")?;
    let variance = array::read::<f32>(variance, "variance")?;
    let views = (image.as_array(), mask.as_array(), variance.as_array());
    let found = py.detach(|| quality::count(views.0, swapped, views.1, views.2, bad_bits))?;
    Ok((found.finite, found.good, found.known))
}

/// What [`count`] counts in native planes, and the clipped mean of the good variances.
#[pyfunction]
pub fn measure(
    py: Python<'_>,
    image_bits: &Bound<'_, PyAny>,
    mask: &Bound<'_, PyAny>,
    variance: &Bound<'_, PyAny>,
    options: &PyOptions,
) -> PyRes<((u64, u64, u64), f64)> {
    let image = array::read::<u32>(image_bits, "image_bits")?;
    let mask = array::read::<i32>(mask, "mask")?;
    let variance = array::read::<f32>(variance, "variance")?;
    let views = (image.as_array(), mask.as_array(), variance.as_array());
    let (found, mean) = py.detach(|| quality::measure(views.0, views.1, views.2, &options.0))?;
    Ok(((found.finite, found.good, found.known), mean))
}

/// Turns the byte order of int32 words in place; returns their OR.
#[pyfunction]
pub fn swap_words(py: Python<'_>, words: &Bound<'_, PyAny>) -> PyRes<i32> {
    let mut words = array::write::<i32>(words, "words")?;
    let view = words.as_array_mut();
    Ok(py.detach(|| quality::swap_words(view)))
}
