// SPDX-License-Identifier: BSD-3-Clause
//! How well priors of many strengths explain data.

use super::least_squares::matrix;
use crate::error::{Error, Result};
use crate::par;
use faer::Side;

/// Sums over data y of unit variance with a design X, to which a prior of the factors is added.
#[derive(Debug, Clone, Copy)]
pub struct NormalSums<'a> {
    /// `Xᵀ X`, p x p by rows.
    pub matrix: &'a [f64],
    /// `Xᵀ y`, p numbers.
    pub vector: &'a [f64],
    /// `yᵀ y`.
    pub square: f64,
}

/// For each prior and strength, priors first: `yᵀ C⁻¹ y`, and `log det C`.
#[derive(Debug, Clone, PartialEq)]
pub struct Evidence {
    /// The squares.
    pub squares: Vec<f64>,
    /// The logarithms of the determinants.
    pub logs: Vec<f64>,
}

/// Compares priors under which the covariance of the data is `C = 1 + s X diag(v) Xᵀ`.
///
/// `variances` holds the p numbers v of one prior after the other, none negative, `strengths` the
/// numbers s. With the eigenvalues e and vectors U of `√v Xᵀ X √v`, and `z = Uᵀ √v Xᵀ y`, the square
/// is `yᵀy - Σ s z² / (1 + s e)` and the logarithm `Σ log(1 + s e)`: one factorisation serves all
/// strengths. Terms whose variance is below `least_share` of the largest of their prior are left
/// out. Priors are shared among threads.
pub fn evidence(
    sums: NormalSums,
    variances: &[f64],
    strengths: &[f64],
    least_share: f64,
) -> Result<Evidence> {
    let p = sums.vector.len();
    if p == 0 || sums.matrix.len() != p * p || !variances.len().is_multiple_of(p) {
        let got = format!("{} and {} numbers", sums.matrix.len(), variances.len());
        return Err(Error::shape("matrix", got, "(p, p), and (n, p) variances"));
    }
    if !variances.iter().all(|v| v.is_finite() && *v >= 0.0) {
        return Err(Error::option("variances", "one that is not", "0 or more"));
    }
    let priors: Vec<&[f64]> = variances.chunks_exact(p).collect();
    let mut found = Evidence {
        squares: Vec::with_capacity(priors.len() * strengths.len()),
        logs: Vec::with_capacity(priors.len() * strengths.len()),
    };
    for one in par::map(priors, |prior| {
        of_prior(sums, prior, strengths, least_share)
    }) {
        let one = one?;
        found.squares.extend(one.squares);
        found.logs.extend(one.logs);
    }
    Ok(found)
}

fn of_prior(
    sums: NormalSums,
    variances: &[f64],
    strengths: &[f64],
    least_share: f64,
) -> Result<Evidence> {
    let p = variances.len();
    let least = least_share * variances.iter().copied().fold(0.0, f64::max);
    let kept: Vec<usize> = (0..p).filter(|&k| variances[k] > least).collect();
    let n = kept.len();
    let mut found = Evidence {
        squares: vec![sums.square; strengths.len()],
        logs: vec![0.0; strengths.len()],
    };
    if n == 0 {
        return Ok(found);
    }
    let root: Vec<f64> = kept.iter().map(|&k| variances[k].sqrt()).collect();
    let mut inner = vec![0.0; n * n];
    for (row, (&i, left)) in inner.chunks_exact_mut(n).zip(kept.iter().zip(&root)) {
        for (value, (&j, right)) in row.iter_mut().zip(kept.iter().zip(&root)) {
            *value = left * sums.matrix[i * p + j] * right;
        }
    }
    let eigen = matrix(&inner, n)
        .self_adjoint_eigen(Side::Lower)
        .map_err(|_| Error::option("matrix", "one without eigenvalues", "finite"))?;
    let values: Vec<f64> = (0..n).map(|k| eigen.S()[k].max(0.0)).collect();
    let along: Vec<f64> = (0..n)
        .map(|k| {
            let terms = kept.iter().zip(&root).enumerate();
            let z = terms.fold(0.0, |z, (i, (&j, root))| {
                z + eigen.U()[(i, k)] * root * sums.vector[j]
            });
            z * z
        })
        .collect();
    for (t, &strength) in strengths.iter().enumerate() {
        for (value, square) in values.iter().zip(&along) {
            let grown = 1.0 + strength * value;
            found.squares[t] -= strength * square / grown;
            found.logs[t] += grown.ln();
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two data and one term x: C = 1 + s v x xᵀ, whose inverse and determinant are known.
    #[test]
    fn one_term() {
        let (x, y, v, s) = ([2.0, 1.0], [3.0, -1.0], 0.5, 4.0);
        let (xx, xy, yy) = (5.0, x[0] * y[0] + x[1] * y[1], 10.0);
        let sums = NormalSums {
            matrix: &[xx],
            vector: &[xy],
            square: yy,
        };
        let found = evidence(sums, &[v], &[s, 0.0], 0.0).expect("valid");
        let grown: f64 = 1.0 + s * v * xx;
        assert!((found.squares[0] - (yy - s * v * xy * xy / grown)).abs() < 1e-14);
        assert!((found.logs[0] - grown.ln()).abs() < 1e-15);
        assert_eq!((found.squares[1], found.logs[1]), (yy, 0.0));
    }

    #[test]
    fn weak_terms_are_left_out() {
        let (matrix, vector) = ([2.0, 0.5, 0.5, 3.0], [1.0, 2.0]);
        let sums = NormalSums {
            matrix: &matrix,
            vector: &vector,
            square: 9.0,
        };
        let both = evidence(sums, &[1.0, 1e-9, 1.0, 0.0], &[2.0], 1e-6).expect("valid");
        assert_eq!(both.squares[0], both.squares[1]);
        assert!((both.squares[0] - (9.0 - 2.0 / 5.0)).abs() < 1e-14);
        // Nothing is expected of any term.
        let none = evidence(sums, &[0.0, 0.0], &[2.0], 1e-6).expect("valid");
        assert_eq!((none.squares[0], none.logs[0]), (9.0, 0.0));
    }

    #[test]
    fn wrong_requests() {
        let sums = NormalSums {
            matrix: &[1.0],
            vector: &[1.0],
            square: 1.0,
        };
        assert!(evidence(sums, &[-1.0], &[1.0], 0.0).is_err());
        assert!(evidence(sums, &[f64::NAN], &[1.0], 0.0).is_err());
        let wide = NormalSums {
            matrix: &[1.0, 2.0],
            vector: &[1.0],
            square: 1.0,
        };
        assert!(evidence(wide, &[1.0], &[1.0], 0.0).is_err());
    }
}
