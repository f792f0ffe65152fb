// SPDX-License-Identifier: BSD-3-Clause
//! Bindings of `deepcoadd_core::background`.

use crate::array;
use crate::error::{CoreError, PyRes};
use crate::stats::PyOptions;
use deepcoadd_core::background::{self, Blend, Cell, Curve, Edge, Planes, Rule, Style, Surface};
use deepcoadd_core::error::Error;
use deepcoadd_core::stats::{ImageInput, Property};
use ndarray::Array2;
use numpy::{IntoPyArray, PyArray1, PyArray2, PyReadonlyArray2};
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

/// How a grid of bins is interpolated: style, reduce, edge, `edge_reach`, centres of rows and columns.
#[derive(FromPyObject)]
pub struct Curves {
    style: String,
    reduce: bool,
    edge: String,
    edge_reach: f64,
    centres_y: Vec<f64>,
    centres_x: Vec<f64>,
}

impl Curves {
    fn rule(&self) -> PyRes<Rule> {
        Ok(Rule {
            style: Style::parse(&self.style)?,
            reduce: self.reduce,
            edge: Edge::parse(&self.edge, self.edge_reach)?,
        })
    }

    fn centres(&self) -> (&[f64], &[f64]) {
        (&self.centres_y, &self.centres_x)
    }
}

fn blend(factor: Option<f32>) -> Blend {
    factor.map_or(Blend::Replace, Blend::Add)
}

/// Renders the image that interpolates a grid into `out`, or adds a multiple of it.
#[pyfunction]
#[pyo3(signature = (grid, curves, *, first, factor, out))]
pub fn render(
    py: Python<'_>,
    grid: &Bound<'_, PyAny>,
    curves: Curves,
    first: (f64, f64),
    factor: Option<f32>,
    out: &Bound<'_, PyAny>,
) -> PyRes<()> {
    let rule = curves.rule()?;
    let grid = array::read::<f32>(grid, "grid")?;
    let mut out = array::write::<f32>(out, "out")?;
    let (grid, out) = (grid.as_array(), out.as_array_mut());
    let centres = curves.centres();
    Ok(py.detach(|| background::render(grid, centres, rule, first, blend(factor), out))?)
}

/// Writes a Chebyshev polynomial into `out`, or adds a multiple of it.
#[pyfunction]
#[pyo3(signature = (factors, *, lengths, first, factor, out))]
pub fn chebyshev(
    py: Python<'_>,
    factors: &Bound<'_, PyAny>,
    lengths: (usize, usize),
    first: (f64, f64),
    factor: Option<f32>,
    out: &Bound<'_, PyAny>,
) -> PyRes<()> {
    let factors = array::read::<f64>(factors, "factors")?;
    let mut out = array::write::<f32>(out, "out")?;
    let (factors, out) = (factors.as_array(), out.as_array_mut());
    Ok(py.detach(|| background::chebyshev(factors, lengths, first, blend(factor), out))?)
}

/// Values at some places of the curve through nodes.
#[pyfunction]
#[pyo3(signature = (x, y, at, *, style, edge, edge_reach))]
pub fn interpolate<'py>(
    py: Python<'py>,
    x: Vec<f64>,
    y: Vec<f64>,
    at: Vec<f64>,
    style: &str,
    edge: &str,
    edge_reach: f64,
) -> PyRes<Bound<'py, PyArray1<f64>>> {
    let (style, edge) = (Style::parse(style)?, Edge::parse(edge, edge_reach)?);
    let curve = Curve::new(style, edge, &x, &y)?;
    let values: Vec<f64> = at.into_iter().map(|t| curve.at(t)).collect();
    Ok(values.into_pyarray(py))
}

/// Fills the bad cells of a grid: along lines by curves of a style, or without one as smoothly as
/// possible.
#[pyfunction]
#[pyo3(signature = (values, bad, *, style))]
pub fn fill<'py>(
    py: Python<'py>,
    values: &Bound<'py, PyAny>,
    bad: &Bound<'py, PyAny>,
    style: Option<&str>,
) -> PyRes<Bound<'py, PyArray2<f64>>> {
    let style = style.map(Style::parse).transpose()?;
    let values = array::read::<f64>(values, "values")?;
    let bad = array::read::<bool>(bad, "bad")?;
    let (values, bad) = (values.as_array(), bad.as_array());
    let filled = py.detach(|| match style {
        Some(style) => background::fill_along_lines(values, bad, style),
        None => background::inpaint(values, bad),
    })?;
    Ok(filled.into_pyarray(py))
}

/// Image, mask and variance.
type BinnedPlanes<'py> = (Grid<'py>, Bound<'py, PyArray2<i32>>, Grid<'py>);

/// Means of blocks of pixels.
#[pyfunction]
#[pyo3(signature = (image, mask, variance, *, block, ignore))]
pub fn bin_image<'py>(
    py: Python<'py>,
    image: &Bound<'py, PyAny>,
    mask: &Bound<'py, PyAny>,
    variance: &Bound<'py, PyAny>,
    block: (usize, usize),
    ignore: Option<i32>,
) -> PyRes<BinnedPlanes<'py>> {
    let image = array::read::<f32>(image, "image")?;
    let mask = array::read::<i32>(mask, "mask")?;
    let variance = array::read::<f32>(variance, "variance")?;
    let planes = Planes {
        image: image.as_array(),
        mask: mask.as_array(),
        variance: variance.as_array(),
    };
    let (values, words, squares) = py.detach(|| background::bin_image(planes, block, ignore))?;
    Ok((
        values.into_pyarray(py),
        words.into_pyarray(py),
        squares.into_pyarray(py),
    ))
}

/// Statistics of rectangles `(y0, y1, x0, x1)`: a row of value, squared error, variance and number
/// of pixels for each; with a grid also the background there.
#[pyfunction]
#[pyo3(signature = (image, mask, cells, *, property, options, grid=None, curves=None,
                    same_pixels=true))]
#[allow(clippy::too_many_arguments)] // one image, its cells and keywords
pub fn cell_statistics<'py>(
    py: Python<'py>,
    image: &Bound<'py, PyAny>,
    mask: &Bound<'py, PyAny>,
    cells: Vec<[usize; 4]>,
    property: u32,
    options: &PyOptions,
    grid: Option<&Bound<'py, PyAny>>,
    curves: Option<Curves>,
    same_pixels: bool,
) -> PyRes<Bound<'py, PyArray2<f64>>> {
    let image = array::read::<f32>(image, "image")?;
    let mask = array::read::<i32>(mask, "mask")?;
    let grid = array::read_option::<f32>(grid, "grid")?;
    let input = ImageInput {
        values: image.as_array(),
        mask: Some(mask.as_array()),
        variance: None,
        weights: None,
        inverse_variance: false,
    };
    let cells: Vec<Cell> = cells
        .into_iter()
        .map(|[y0, y1, x0, x1]| Cell {
            y: (y0, y1),
            x: (x0, x1),
        })
        .collect();
    let (property, options) = (Property(property), &options.0);
    let rule = curves.as_ref().map(Curves::rule).transpose()?;
    let grid = grid.as_ref().map(PyReadonlyArray2::as_array);
    let found: Result<Vec<[f64; 5]>, Error> = py.detach(|| {
        let numbers = |c: background::CellStatistics, sky: f64| {
            [c.value, c.square, c.variance, c.n as f64, sky]
        };
        let (Some(grid), Some(curves), Some(rule)) = (grid, &curves, rule) else {
            let found = background::cell_statistics(&input, &cells, property, options)?;
            return Ok(found.into_iter().map(|c| numbers(c, f64::NAN)).collect());
        };
        let n_rows = input.values.nrows();
        let surface = Surface::new(grid, curves.centres(), rule, (0.0, 0.0), n_rows)?;
        let found = background::paired_statistics(
            &input,
            &surface,
            &cells,
            property,
            options,
            same_pixels,
        )?;
        Ok(found.into_iter().map(|(c, sky)| numbers(c, sky)).collect())
    });
    let found = found.map_err(CoreError::from)?;
    let table = Array2::from_shape_fn((found.len(), 5), |(k, i)| found[k][i]);
    Ok(table.into_pyarray(py))
}

/// Masks with the pixels marked that stand out of their cell.
#[pyfunction]
#[pyo3(signature = (images, masks, *, columns, half_width, threshold, grow, most, bit))]
#[allow(clippy::too_many_arguments)] // images, masks and a rule
pub fn flag_outliers<'py>(
    py: Python<'py>,
    images: Vec<Bound<'py, PyAny>>,
    masks: Vec<Bound<'py, PyAny>>,
    columns: Vec<usize>,
    half_width: usize,
    threshold: f64,
    grow: usize,
    most: f64,
    bit: i32,
) -> PyRes<Vec<Bound<'py, PyArray2<i32>>>> {
    let images = array::read_list::<f32>(&images, "images")?;
    let masks = array::read_list::<i32>(&masks, "masks")?;
    let (images, masks) = (array::views(&images), array::views(&masks));
    let rule = background::OutlierRule {
        half_width,
        threshold,
        grow,
        most,
        bit,
    };
    let found = py.detach(|| background::flag_outliers(&images, &masks, &columns, &rule))?;
    let array = |a| PyArray2::from_owned_array(py, a);
    Ok(found.into_iter().map(array).collect())
}
