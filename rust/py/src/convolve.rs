// SPDX-License-Identifier: BSD-3-Clause
//! Bindings of `deepcoadd_core::convolve`.

use crate::array;
use crate::error::PyRes;
use deepcoadd_core::convolve::{self, Planes, PlanesMut};
use pyo3::prelude::*;

/// An image, a mask or none, a variance or none.
type Triple<'py> = (
    Bound<'py, PyAny>,
    Option<Bound<'py, PyAny>>,
    Option<Bound<'py, PyAny>>,
);

/// Samples of a Gaussian at whole pixels, of sum 1.
#[pyfunction]
pub fn gaussian_taps(sigma: f64, width: usize) -> PyRes<Vec<f64>> {
    Ok(convolve::gaussian_taps(sigma, width)?)
}

/// Convolves the planes of an image into `out`, by the outer product of two rows of taps.
#[pyfunction]
#[pyo3(signature = (planes, taps_y, taps_x, *, out))]
pub fn separable(
    py: Python<'_>,
    planes: Triple<'_>,
    taps_y: Vec<f64>,
    taps_x: Vec<f64>,
    out: Triple<'_>,
) -> PyRes<()> {
    let image = array::read::<f32>(&planes.0, "image")?;
    let mask = array::read_option::<i32>(planes.1.as_ref(), "mask")?;
    let variance = array::read_option::<f32>(planes.2.as_ref(), "variance")?;
    let mut to_image = array::write::<f32>(&out.0, "out.image")?;
    let mut to_mask = array::write_option::<i32>(out.1.as_ref(), "out.mask")?;
    let mut to_variance = array::write_option::<f32>(out.2.as_ref(), "out.variance")?;
    let input = Planes {
        image: image.as_array(),
        mask: array::view_option(mask.as_ref()),
        variance: array::view_option(variance.as_ref()),
    };
    let output = PlanesMut {
        image: to_image.as_array_mut(),
        mask: array::view_option_mut(to_mask.as_mut()),
        variance: array::view_option_mut(to_variance.as_mut()),
    };
    Ok(py.detach(|| convolve::separable(&input, &taps_y, &taps_x, output))?)
}
