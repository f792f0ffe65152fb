// SPDX-License-Identifier: BSD-3-Clause
//! Normal matrices of weighted data, and what is left of them beside free terms.

use super::least_squares::matrix;
use crate::error::{Error, Result};
use crate::par;
use faer::linalg::solvers::DenseSolveCore;
use faer::{Mat, Side};

/// Sums over data y with a design X of p terms.
#[derive(Debug, Clone, PartialEq)]
pub struct Reduced {
    /// `Xᵀ X`, p x p by rows.
    pub matrix: Vec<f64>,
    /// `Xᵀ y`, p numbers.
    pub vector: Vec<f64>,
    /// `yᵀ y`.
    pub square: f64,
}

/// Inverse of a matrix, and what its rank is judged by.
#[derive(Debug, Clone, PartialEq)]
pub struct Inverse {
    /// p x p numbers by rows.
    pub matrix: Vec<f64>,
    /// Squares of the diagonal of the Cholesky factor.
    pub pivots: Vec<f64>,
}

fn by_rows(values: &Mat<f64>) -> Vec<f64> {
    let (n, p) = values.shape();
    (0..n * p).map(|k| values[(k / p, k % p)]).collect()
}

/// Sums of data and design of which the first `n_free` terms were fitted to the data, and to the
/// other terms, by QR, and taken out. `design` holds n x p numbers by rows for n data.
pub fn reduced_sums(design: &[f64], data: &[f64], n_free: usize) -> Result<Reduced> {
    let n = data.len();
    let p = design.len() / n.max(1);
    if p == 0 || design.len() != n * p || n_free > n.min(p) {
        let got = format!("{} numbers for {n} data", design.len());
        let allowed = format!("n x p for n data, n and p at least {n_free}");
        return Err(Error::shape("design", got, allowed));
    }
    let all = matrix(design, p);
    let (free, rest) = all.as_ref().split_at_col(n_free);
    let y = Mat::from_fn(n, 1, |i, _| data[i]);
    let free = free.qr().compute_thin_Q();
    let y = &y - &free * (free.transpose() * &y);
    let rest = rest - &free * (free.transpose() * rest);
    Ok(Reduced {
        matrix: by_rows(&(rest.transpose() * &rest)),
        vector: by_rows(&(rest.transpose() * &y)),
        square: (y.transpose() * &y)[(0, 0)],
    })
}

/// `Xᵀ diag(w) X` for each row w of weights, p x p numbers by rows each. `design` holds the n x p
/// numbers of X by rows, `weights` m x n. The rows of weights are shared among threads.
pub fn normal_matrices(design: &[f64], p: usize, weights: &[f64]) -> Result<Vec<f64>> {
    let n = design.len() / p.max(1);
    if n == 0 || design.len() != n * p || !weights.len().is_multiple_of(n) {
        let got = format!("{} numbers", weights.len());
        return Err(Error::shape("weights", got, format!("m x {n}")));
    }
    let x = matrix(design, p);
    let products = par::map(weights.chunks_exact(n).collect(), |weights: &[f64]| {
        let weighted = Mat::from_fn(n, p, |i, j| weights[i] * design[i * p + j]);
        by_rows(&(x.transpose() * weighted))
    });
    Ok(products.concat())
}

/// Inverse of a symmetric positive definite matrix of p x p numbers; pivots of 0 where it is not.
pub fn positive_inverse(values: &[f64], p: usize) -> Result<Inverse> {
    if p == 0 || values.len() != p * p {
        let got = format!("{} numbers for {p} terms", values.len());
        return Err(Error::shape("matrix", got, "p x p with p > 0"));
    }
    let Ok(factors) = matrix(values, p).llt(Side::Lower) else {
        return Ok(Inverse {
            matrix: vec![0.0; p * p],
            pivots: vec![0.0; p],
        });
    };
    let lower = factors.L();
    Ok(Inverse {
        matrix: by_rows(&factors.inverse()),
        pivots: (0..p).map(|k| lower[(k, k)] * lower[(k, k)]).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(got: &[f64], want: &[f64]) -> bool {
        let near = |(a, b): (&f64, &f64)| (a - b).abs() < 1e-14;
        got.len() == want.len() && got.iter().zip(want).all(near)
    }

    /// A constant is free: sums of deviations from the mean are left.
    #[test]
    fn a_free_constant() {
        let design = [1.0, 1.0, 1.0, 2.0, 1.0, 6.0];
        let found = reduced_sums(&design, &[4.0, 1.0, 1.0], 1).expect("valid");
        assert!(close(&found.matrix, &[14.0]));
        assert!(close(&found.vector, &[-2.0 * 2.0 + 1.0 - 3.0]));
        assert!((found.square - 6.0).abs() < 1e-14);
        assert!(reduced_sums(&design, &[1.0, 2.0], 1).is_ok());
        assert!(reduced_sums(&design, &[1.0; 4], 1).is_err());
        assert!(reduced_sums(&design, &[1.0; 6], 2).is_err());
    }

    #[test]
    fn weighted_normal_matrices() {
        let design = [1.0, 2.0, 3.0, -1.0];
        let found = normal_matrices(&design, 2, &[1.0, 1.0, 2.0, 0.0]).expect("valid");
        assert_eq!(found, [10.0, -1.0, -1.0, 5.0, 2.0, 4.0, 4.0, 8.0]);
        assert!(normal_matrices(&design, 2, &[1.0]).is_err());
    }

    #[test]
    fn inverses_of_positive_matrices() {
        let found = positive_inverse(&[4.0, 2.0, 2.0, 3.0], 2).expect("square");
        assert!(close(&found.matrix, &[0.375, -0.25, -0.25, 0.5]));
        assert!(close(&found.pivots, &[4.0, 2.0]));
        let none = positive_inverse(&[1.0, 2.0, 2.0, 1.0], 2).expect("square");
        assert_eq!(none.pivots, [0.0, 0.0]);
        assert!(positive_inverse(&[1.0, 2.0], 2).is_err());
    }
}
