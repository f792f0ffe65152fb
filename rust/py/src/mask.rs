// SPDX-License-Identifier: BSD-3-Clause
//! Bindings of `deepcoadd_core::mask`.

use crate::array;
use crate::error::PyRes;
use deepcoadd_core::mask;
use pyo3::prelude::*;

/// `(word | set_bits) & ~clear_bits` in place.
#[pyfunction]
pub fn set_and_clear(
    py: Python<'_>,
    mask: &Bound<'_, PyAny>,
    set_bits: i32,
    clear_bits: i32,
) -> PyRes<()> {
    let mut plane = array::write::<i32>(mask, "mask")?;
    let view = plane.as_array_mut();
    py.detach(|| mask::set_and_clear(view, set_bits, clear_bits));
    Ok(())
}

/// `word | set_bits` in place where the word has any of `any_bits`.
#[pyfunction]
pub fn set_where(
    py: Python<'_>,
    mask: &Bound<'_, PyAny>,
    any_bits: i32,
    set_bits: i32,
) -> PyRes<()> {
    let mut plane = array::write::<i32>(mask, "mask")?;
    let view = plane.as_array_mut();
    py.detach(|| mask::set_where(view, any_bits, set_bits));
    Ok(())
}

/// Adds 1 to `count` (uint32) where the mask has none of `bad_bits` and the image is finite.
#[pyfunction]
pub fn count_unmasked(
    py: Python<'_>,
    mask: &Bound<'_, PyAny>,
    image: Option<&Bound<'_, PyAny>>,
    bad_bits: i32,
    count: &Bound<'_, PyAny>,
) -> PyRes<()> {
    let plane = array::read::<i32>(mask, "mask")?;
    let image = array::read_option::<f32>(image, "image")?;
    let mut count = array::write::<u32>(count, "count")?;
    let (view, image, count) = (
        plane.as_array(),
        array::view_option(image.as_ref()),
        count.as_array_mut(),
    );
    Ok(py.detach(|| mask::count_unmasked(view, image, bad_bits, count))?)
}

/// Number of words that have any of `bits`.
#[pyfunction]
pub fn count_set(py: Python<'_>, mask: &Bound<'_, PyAny>, bits: i32) -> PyRes<usize> {
    let plane = array::read::<i32>(mask, "mask")?;
    let view = plane.as_array();
    Ok(py.detach(|| mask::count_set(view, bits)))
}
