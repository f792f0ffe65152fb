// SPDX-License-Identifier: BSD-3-Clause
//! Bindings of `deepcoadd_core::linalg`.

use crate::array;
use crate::error::PyRes;
use deepcoadd_core::linalg::{self, Fit, Method, NormalSums};
use ndarray::Array2;
use numpy::{IntoPyArray, PyArray1, PyArray2};
use pyo3::prelude::*;

/// Solution, covariance, diagnostic, rank, threshold.
type Parts<'py> = (
    Bound<'py, PyArray1<f64>>,
    Bound<'py, PyArray2<f64>>,
    Bound<'py, PyArray1<f64>>,
    usize,
    f64,
);

type Planes<'py> = Bound<'py, PyArray2<f64>>;

fn parts(py: Python<'_>, fit: Fit) -> Parts<'_> {
    let p = fit.solution.len();
    let covariance = Array2::from_shape_fn((p, p), |(i, j)| fit.covariance[i * p + j]);
    (
        fit.solution.into_pyarray(py),
        covariance.into_pyarray(py),
        fit.diagnostic.into_pyarray(py),
        fit.rank,
        fit.threshold,
    )
}

/// Least squares from a design (n, p) and data (n, 1).
#[pyfunction]
#[pyo3(signature = (design, data, *, method, threshold))]
pub fn least_squares<'py>(
    py: Python<'py>,
    design: &Bound<'py, PyAny>,
    data: &Bound<'py, PyAny>,
    method: &str,
    threshold: Option<f64>,
) -> PyRes<Parts<'py>> {
    let method = Method::parse(method)?;
    let (design, p) = numbers(design, "design")?;
    let (data, _) = numbers(data, "data")?;
    let fit = py.detach(|| linalg::least_squares(&design, &data, p, method, threshold))?;
    Ok(parts(py, fit))
}

/// Least squares from the normal matrix (p, p) and the right side (p, 1).
#[pyfunction]
#[pyo3(signature = (fisher, rhs, *, method, threshold))]
pub fn normal_equations<'py>(
    py: Python<'py>,
    fisher: &Bound<'py, PyAny>,
    rhs: &Bound<'py, PyAny>,
    method: &str,
    threshold: Option<f64>,
) -> PyRes<Parts<'py>> {
    let method = Method::parse(method)?;
    let (fisher, _) = numbers(fisher, "fisher")?;
    let (rhs, _) = numbers(rhs, "rhs")?;
    let fit = py.detach(|| linalg::normal_equations(&fisher, &rhs, method, threshold))?;
    Ok(parts(py, fit))
}

/// Squares and logarithms (priors, strengths) of data with sums (p, p) and (p, 1).
#[pyfunction]
#[pyo3(signature = (matrix, vector, square, variances, strengths, *, least_share))]
pub fn evidence<'py>(
    py: Python<'py>,
    matrix: &Bound<'py, PyAny>,
    vector: &Bound<'py, PyAny>,
    square: f64,
    variances: &Bound<'py, PyAny>,
    strengths: Vec<f64>,
    least_share: f64,
) -> PyRes<(Planes<'py>, Planes<'py>)> {
    let (matrix, _) = numbers(matrix, "matrix")?;
    let (vector, _) = numbers(vector, "vector")?;
    let (variances, p) = numbers(variances, "variances")?;
    let sums = NormalSums {
        matrix: &matrix,
        vector: &vector,
        square,
    };
    let found = py.detach(|| linalg::evidence(sums, &variances, &strengths, least_share))?;
    let shape = (variances.len() / p.max(1), strengths.len());
    let plane = |values: Vec<f64>| {
        Array2::from_shape_fn(shape, |(i, j)| values[i * shape.1 + j]).into_pyarray(py)
    };
    Ok((plane(found.squares), plane(found.logs)))
}

/// Numbers of an array by rows, and its number of columns.
fn numbers(value: &Bound<'_, PyAny>, argument: &'static str) -> PyRes<(Vec<f64>, usize)> {
    let array = array::read::<f64>(value, argument)?;
    let view = array.as_array();
    Ok((view.iter().copied().collect(), view.ncols()))
}
