// SPDX-License-Identifier: BSD-3-Clause
//! Values for the cells of a grid that have none.

use super::curve::{Curve, Edge, Style};
use crate::error::{Error, Result};
use ndarray::{Array2, ArrayView2, Axis};

/// Largest change of a cell, as a share of the range of the data, that is still rounding.
const PRECISION: f64 = 1e-12;

/// Fills cells by curves through the good ones: along the rows that have good cells, then, where
/// cells are still NaN, along the columns. Where cells are too few for the style a simpler one
/// stands in.
pub fn fill_along_lines(
    values: ArrayView2<f64>,
    bad: ArrayView2<bool>,
    style: Style,
) -> Result<Array2<f64>> {
    check(values, bad)?;
    let mut out = values.to_owned();
    for (value, &bad) in out.iter_mut().zip(bad) {
        if bad {
            *value = f64::NAN;
        }
    }
    for axis in [Axis(0), Axis(1)] {
        let missing = out.mapv(f64::is_nan);
        for (mut line, missing) in out.axis_iter_mut(axis).zip(missing.axis_iter(axis)) {
            let good = || (0..line.len()).filter(|&i| !missing[i]);
            let x: Vec<f64> = good().map(|i| i as f64).collect();
            let y: Vec<f64> = good().map(|i| line[i]).collect();
            let Some(style) = style.for_points(x.len(), true) else {
                continue;
            };
            let curve = Curve::new(style, Edge::QUADRATIC, &x, &y)?;
            for i in 0..line.len() {
                if missing[i] {
                    line[i] = curve.at(i as f64);
                }
            }
        }
    }
    Ok(out)
}

/// Fills cells with the smoothest surface that meets the good ones: every filled cell is the mean
/// of its neighbours along the axes, so none leaves the range of the good ones. Cells that are bad
/// or NaN are filled; without any good cell all are NaN.
pub fn inpaint(values: ArrayView2<f64>, bad: ArrayView2<bool>) -> Result<Array2<f64>> {
    check(values, bad)?;
    let missing = |y: usize, x: usize| bad[(y, x)] || values[(y, x)].is_nan();
    let (ny, nx) = values.dim();
    let (mut sum, mut n) = (0.0, 0.0);
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    let mut cells = Vec::new();
    let mut number = Array2::from_elem((ny, nx), usize::MAX);
    for y in 0..ny {
        for x in 0..nx {
            if missing(y, x) {
                number[(y, x)] = cells.len();
                cells.push((y, x));
            } else {
                let value = values[(y, x)];
                (sum, n) = (sum + value, n + 1.0);
                (low, high) = (low.min(value), high.max(value));
            }
        }
    }
    let mut out = values.to_owned();
    if n == 0.0 {
        out.fill(f64::NAN);
        return Ok(out);
    }
    // Unknowns are distances from the mean; laplace(u) = right.
    let mean = sum / n;
    let mut right = vec![0.0; cells.len()];
    let mut links: Vec<([usize; 4], usize, f64)> = Vec::with_capacity(cells.len());
    for (k, &(y, x)) in cells.iter().enumerate() {
        let (mut others, mut linked, mut degree) = ([0; 4], 0, 0.0);
        for (v, u) in neighbours((y, x), (ny, nx)) {
            degree += 1.0;
            if number[(v, u)] == usize::MAX {
                right[k] += values[(v, u)] - mean;
            } else {
                others[linked] = number[(v, u)];
                linked += 1;
            }
        }
        links.push((others, linked, degree));
    }
    let found = conjugate_gradients(&links, &right, PRECISION * (high - low));
    for (&(y, x), u) in cells.iter().zip(found) {
        out[(y, x)] = (mean + u).clamp(low, high);
    }
    Ok(out)
}

fn check(values: ArrayView2<f64>, bad: ArrayView2<bool>) -> Result<()> {
    if values.dim() == bad.dim() {
        return Ok(());
    }
    let allowed = format!("{:?} like the values", values.dim());
    Err(Error::shape("bad", format!("{:?}", bad.dim()), allowed))
}

fn neighbours((y, x): (usize, usize), (ny, nx): (usize, usize)) -> Vec<(usize, usize)> {
    let mut out = Vec::with_capacity(4);
    if y > 0 {
        out.push((y - 1, x));
    }
    if x > 0 {
        out.push((y, x - 1));
    }
    if x + 1 < nx {
        out.push((y, x + 1));
    }
    if y + 1 < ny {
        out.push((y + 1, x));
    }
    out
}

/// Solves degree u - sum over links of u = right, a positive definite system.
fn conjugate_gradients(links: &[([usize; 4], usize, f64)], right: &[f64], small: f64) -> Vec<f64> {
    let n = right.len();
    let mut u = vec![0.0; n];
    let mut residual = right.to_vec();
    let mut step = residual.clone();
    let mut square: f64 = residual.iter().map(|r| r * r).sum();
    // In exact arithmetic n steps suffice.
    for _ in 0..2 * n {
        if residual.iter().all(|r| r.abs() <= small) {
            break;
        }
        let image: Vec<f64> = links
            .iter()
            .zip(&step)
            .map(|((others, linked, degree), s)| {
                degree * s - others[..*linked].iter().map(|&k| step[k]).sum::<f64>()
            })
            .collect();
        let alpha = square / step.iter().zip(&image).map(|(s, i)| s * i).sum::<f64>();
        for k in 0..n {
            u[k] += alpha * step[k];
            residual[k] -= alpha * image[k];
        }
        let next: f64 = residual.iter().map(|r| r * r).sum();
        for (s, r) in step.iter_mut().zip(&residual) {
            *s = r + next / square * *s;
        }
        square = next;
    }
    u
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::arr2;

    const N: f64 = f64::NAN;

    #[test]
    fn lines_go_on_and_columns_follow() {
        let values = arr2(&[[1.0, N, 3.0], [N, N, N], [5.0, 6.0, 9.0]]);
        let bad = Array2::from_elem((3, 3), false);
        let got = fill_along_lines(values.view(), bad.view(), Style::Linear).expect("valid");
        assert_eq!(
            got,
            arr2(&[[1.0, 2.0, 3.0], [3.0, 4.0, 6.0], [5.0, 6.0, 9.0]])
        );
        let none = Array2::from_elem((2, 2), N);
        let bad = Array2::from_elem((2, 2), false);
        let got = fill_along_lines(none.view(), bad.view(), Style::Akima).expect("valid");
        assert!(got.iter().all(|v| v.is_nan()));
    }

    #[test]
    fn filled_cells_are_means_of_their_neighbours() {
        let truth = Array2::from_shape_fn((12, 9), |(y, x)| ((y * 7 + x * 13) % 11) as f64);
        let bad = Array2::from_shape_fn((12, 9), |(y, x)| (y + 2 * x) % 3 != 0 || y > 8);
        let got = inpaint(truth.view(), bad.view()).expect("valid");
        for ((y, x), &value) in got.indexed_iter() {
            if bad[(y, x)] {
                let around = neighbours((y, x), (12, 9));
                let mean = around.iter().map(|&at| got[at]).sum::<f64>() / around.len() as f64;
                assert!((value - mean).abs() < 1e-9, "{y} {x}");
                assert!((0.0..=10.0).contains(&value));
            } else {
                assert_eq!(value, truth[(y, x)]);
            }
        }
    }

    #[test]
    fn one_good_cell_or_none() {
        let mut values = Array2::from_elem((3, 4), N);
        let bad = Array2::from_elem((3, 4), false);
        assert!(
            inpaint(values.view(), bad.view())
                .expect("valid")
                .iter()
                .all(|v| v.is_nan())
        );
        values[(1, 2)] = 7.0;
        assert_eq!(
            inpaint(values.view(), bad.view()).expect("valid"),
            Array2::from_elem((3, 4), 7.0)
        );
        assert!(inpaint(values.view(), Array2::from_elem((3, 3), true).view()).is_err());
    }
}
