// SPDX-License-Identifier: BSD-3-Clause
//! Bindings of `deepcoadd_core::warp`.

use crate::array;
use crate::error::PyRes;
use deepcoadd_core::warp::{Affine, Kernel, resample};
use pyo3::prelude::*;

/// Interpolates `source` (float64) at `inverse(column, row)` for each pixel of `out` (float64).
#[pyfunction]
pub fn resample_affine(
    py: Python<'_>,
    source: &Bound<'_, PyAny>,
    inverse: [f64; 6],
    kernel: &str,
    pad: usize,
    out: &Bound<'_, PyAny>,
) -> PyRes<()> {
    let source = array::read::<f64>(source, "source")?;
    let mut out = array::write::<f64>(out, "out")?;
    let kernel = Kernel::from_name(kernel)?;
    let (source, out) = (source.as_array(), out.as_array_mut());
    Ok(py.detach(|| resample(source, &Affine(inverse), kernel, pad, out))?)
}

/// (width, index of the centre tap) of a kernel.
#[pyfunction]
pub fn kernel_size(kernel: &str) -> PyRes<(usize, usize)> {
    let kernel = Kernel::from_name(kernel)?;
    Ok((kernel.width(), kernel.center()))
}
