// SPDX-License-Identifier: BSD-3-Clause
//! Bindings of `deepcoadd_core::linalg`.

use crate::array;
use crate::error::PyRes;
use deepcoadd_core::linalg::{self, Fit, Method, NormalSums};
use ndarray::{Array2, Array3};
use numpy::{IntoPyArray, PyArray1, PyArray2, PyArray3};
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

/// Normal matrix (p, p), right side (p,) and square of data (n, 1) beside the first terms of (n, p).
#[pyfunction]
pub fn reduced_sums<'py>(
    py: Python<'py>,
    design: &Bound<'py, PyAny>,
    data: &Bound<'py, PyAny>,
    n_free: usize,
) -> PyRes<(Planes<'py>, Bound<'py, PyArray1<f64>>, f64)> {
    let (design, _) = numbers(design, "design")?;
    let (data, _) = numbers(data, "data")?;
    let found = py.detach(|| linalg::reduced_sums(&design, &data, n_free))?;
    let p = found.vector.len();
    let matrix = Array2::from_shape_fn((p, p), |(i, j)| found.matrix[i * p + j]);
    let vector = found.vector.into_pyarray(py);
    Ok((matrix.into_pyarray(py), vector, found.square))
}

/// Normal matrices (m, p, p) of a design (n, p) for rows of weights (m, n).
#[pyfunction]
pub fn normal_matrices<'py>(
    py: Python<'py>,
    design: &Bound<'py, PyAny>,
    weights: &Bound<'py, PyAny>,
) -> PyRes<Bound<'py, PyArray3<f64>>> {
    let (design, p) = numbers(design, "design")?;
    let (weights, _) = numbers(weights, "weights")?;
    let found = py.detach(|| linalg::normal_matrices(&design, p, &weights))?;
    let shape = (found.len() / (p * p).max(1), p, p);
    let all = Array3::from_shape_fn(shape, |(m, i, j)| found[(m * p + i) * p + j]);
    Ok(all.into_pyarray(py))
}

/// Inverse (p, p) of a symmetric positive definite matrix, and its pivots (p,).
#[pyfunction]
pub fn positive_inverse<'py>(
    py: Python<'py>,
    matrix: &Bound<'py, PyAny>,
) -> PyRes<(Planes<'py>, Bound<'py, PyArray1<f64>>)> {
    let (matrix, p) = numbers(matrix, "matrix")?;
    let found = py.detach(|| linalg::positive_inverse(&matrix, p))?;
    let inverse = Array2::from_shape_fn((p, p), |(i, j)| found.matrix[i * p + j]);
    Ok((inverse.into_pyarray(py), found.pivots.into_pyarray(py)))
}

/// Numbers of an array by rows, and its number of columns.
fn numbers(value: &Bound<'_, PyAny>, argument: &'static str) -> PyRes<(Vec<f64>, usize)> {
    let array = array::read::<f64>(value, argument)?;
    let view = array.as_array();
    Ok((view.iter().copied().collect(), view.ncols()))
}
