// SPDX-License-Identifier: BSD-3-Clause
//! Bindings of `deepcoadd_core::background`.

use crate::array;
use crate::error::PyRes;
use crate::stats::PyOptions;
use deepcoadd_core::background::{self, Style};
use deepcoadd_core::stats::{ImageInput, Property};
use numpy::PyArray2;
use pyo3::prelude::*;

/// A grid of numbers that Python owns.
type Grid<'py> = Bound<'py, PyArray2<f32>>;

/// Edges of the bins of an axis.
#[pyfunction]
pub fn edges(length: usize, n: usize) -> PyRes<Vec<usize>> {
    Ok(background::edges(length, n)?)
}

/// A property of every bin, and its squared error.
#[pyfunction]
#[pyo3(signature = (image, mask, variance, *, bins, property, options))]
pub fn bin_statistics<'py>(
    py: Python<'py>,
    image: &Bound<'py, PyAny>,
    mask: &Bound<'py, PyAny>,
    variance: &Bound<'py, PyAny>,
    bins: (usize, usize),
    property: u32,
    options: &PyOptions,
) -> PyRes<(Grid<'py>, Grid<'py>)> {
    let image = array::read::<f32>(image, "image")?;
    let mask = array::read::<i32>(mask, "mask")?;
    let variance = array::read::<f32>(variance, "variance")?;
    let input = ImageInput {
        values: image.as_array(),
        mask: Some(mask.as_array()),
        variance: Some(variance.as_array()),
        weights: None,
        inverse_variance: false,
    };
    let property = Property(property & !Property::ERRORS.0);
    let options = &options.0;
    let (values, squares) =
        py.detach(|| background::bin_statistics(&input, bins, property, options))?;
    let array = |a| PyArray2::from_owned_array(py, a);
    Ok((array(values), array(squares)))
}

/// Renders the image that interpolates a grid into `out`.
#[pyfunction]
#[pyo3(signature = (grid, centres_y, centres_x, *, style, reduce, first, out))]
#[allow(clippy::too_many_arguments)] // one grid and keywords
pub fn render(
    py: Python<'_>,
    grid: &Bound<'_, PyAny>,
    centres_y: Vec<f64>,
    centres_x: Vec<f64>,
    style: &str,
    reduce: bool,
    first: (f64, f64),
    out: &Bound<'_, PyAny>,
) -> PyRes<()> {
    let style = Style::parse(style)?;
    let grid = array::read::<f32>(grid, "grid")?;
    let mut out = array::write::<f32>(out, "out")?;
    let (grid, out) = (grid.as_array(), out.as_array_mut());
    let centres = (&centres_y[..], &centres_x[..]);
    Ok(py.detach(|| background::render(grid, centres, style, reduce, first, out))?)
}
