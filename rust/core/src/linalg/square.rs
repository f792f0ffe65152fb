// SPDX-License-Identifier: BSD-3-Clause
//! Square systems.

use crate::error::{Error, Result};
use faer::linalg::solvers::Solve;

/// Solves `matrix x = b` for every column b of `columns` by LU with partial pivoting.
///
/// `matrix` holds n x n numbers by rows, `columns` m columns of n numbers one after the other; the
/// solutions replace them. A singular matrix is an error.
pub fn solve_square(matrix: &[f64], columns: &mut [f64], n: usize) -> Result<()> {
    let a = faer::Mat::from_fn(n, n, |i, j| matrix[i * n + j]);
    let lu = a.partial_piv_lu();
    for column in columns.chunks_exact_mut(n) {
        let x = lu.solve(faer::Col::from_fn(n, |i| column[i]));
        for (i, value) in column.iter_mut().enumerate() {
            *value = x[i];
        }
    }
    if columns.iter().all(|x| x.is_finite()) {
        Ok(())
    } else {
        Err(Error::option("matrix", "a singular one", "regular"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_by_two() {
        let mut columns = [5.0, 10.0, 1.0, 0.0];
        solve_square(&[2.0, 1.0, 1.0, 3.0], &mut columns, 2).expect("regular");
        for (got, want) in columns.iter().zip([1.0, 3.0, 0.6, -0.2]) {
            assert!((got - want).abs() < 1e-15, "{columns:?}");
        }
        assert!(solve_square(&[1.0, 1.0, 1.0, 1.0], &mut [1.0, 2.0], 2).is_err());
    }
}
