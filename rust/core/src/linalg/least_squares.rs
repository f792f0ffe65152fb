// SPDX-License-Identifier: BSD-3-Clause
//! Least squares by four factorisations, with rank and covariance.

use crate::error::{Error, Result};
use faer::linalg::solvers::SolveLstsq;
use faer::{Mat, MatRef, Side};

/// How a system is solved, and what its rank is judged by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Householder QR of the design with column pivoting, rank by the diagonal of R; where that is
    /// deficient, the singular values take over.
    Qr,
    /// Singular values of the design; shortest solution.
    DirectSvd,
    /// Eigenvalues of the normal matrix; shortest solution.
    NormalEigensystem,
    /// L D Lᵀ of the normal matrix, largest diagonal element first; taken to be of full rank.
    NormalCholesky,
}

impl Method {
    /// The method of a name.
    pub fn parse(name: &str) -> Result<Self> {
        match name {
            "QR" => Ok(Self::Qr),
            "DIRECT_SVD" => Ok(Self::DirectSvd),
            "NORMAL_EIGENSYSTEM" => Ok(Self::NormalEigensystem),
            "NORMAL_CHOLESKY" => Ok(Self::NormalCholesky),
            other => {
                let allowed = "QR, DIRECT_SVD, NORMAL_EIGENSYSTEM or NORMAL_CHOLESKY";
                Err(Error::option("method", other, allowed))
            }
        }
    }

    /// Share of the largest value below which a value counts as 0: that of rounding.
    ///
    /// Values of the design are known to the spacing of f64, those of a normal matrix of p terms to
    /// p times that, and a Cholesky factor is not judged.
    fn threshold(self, p: usize) -> f64 {
        match self {
            Self::DirectSvd => f64::EPSILON,
            Self::Qr | Self::NormalEigensystem => p as f64 * f64::EPSILON,
            Self::NormalCholesky => 0.0,
        }
    }
}

/// Solution of a least-squares problem of p terms.
#[derive(Debug, Clone, PartialEq)]
pub struct Fit {
    /// The p factors.
    pub solution: Vec<f64>,
    /// Their covariance for data of unit variance, p x p by rows: the (pseudo-)inverse of the
    /// normal matrix.
    pub covariance: Vec<f64>,
    /// Values that the rank was judged by: |diagonal of R|, singular values, eigenvalues (all
    /// falling) or D.
    pub diagnostic: Vec<f64>,
    /// Number of terms that are determined.
    pub rank: usize,
    /// Share of the largest value that was counted as 0.
    pub threshold: f64,
}

/// Factors x that make |design x - data| least.
///
/// `design` holds n x p numbers by rows, 0 < p <= n. `threshold` overrules that of the method. All
/// numbers must be finite.
pub fn least_squares(
    design: &[f64],
    data: &[f64],
    p: usize,
    method: Method,
    threshold: Option<f64>,
) -> Result<Fit> {
    let n = data.len();
    if p == 0 || p > n || design.len() != n * p {
        let got = format!("{} numbers for {n} data and {p} terms", design.len());
        return Err(Error::shape("design", got, "n x p with 0 < p <= n"));
    }
    finite(design, "design")?;
    finite(data, "data")?;
    let threshold = checked(threshold, method, p)?;
    match method {
        Method::NormalEigensystem | Method::NormalCholesky => {
            let (fisher, right) = normal_matrix(design, data, p);
            from_normal(&fisher, &right, method, threshold)
        }
        Method::DirectSvd => from_svd(&matrix(design, p), data, threshold),
        Method::Qr => from_qr(&matrix(design, p), data, threshold),
    }
}

/// The same from the normal matrix (p x p by rows) and the right side.
pub fn normal_equations(
    fisher: &[f64],
    right: &[f64],
    method: Method,
    threshold: Option<f64>,
) -> Result<Fit> {
    let p = right.len();
    if p == 0 || fisher.len() != p * p {
        let got = format!("{} numbers for {p} terms", fisher.len());
        return Err(Error::shape("fisher", got, "p x p with p > 0"));
    }
    if matches!(method, Method::DirectSvd | Method::Qr) {
        let allowed = "NORMAL_EIGENSYSTEM or NORMAL_CHOLESKY for normal equations";
        return Err(Error::option("method", format!("{method:?}"), allowed));
    }
    finite(fisher, "fisher")?;
    finite(right, "rhs")?;
    from_normal(fisher, right, method, checked(threshold, method, p)?)
}

fn finite(values: &[f64], argument: &'static str) -> Result<()> {
    match values.iter().find(|v| !v.is_finite()) {
        Some(bad) => Err(Error::option(argument, bad, "finite")),
        None => Ok(()),
    }
}

fn checked(threshold: Option<f64>, method: Method, p: usize) -> Result<f64> {
    let value = threshold.unwrap_or_else(|| method.threshold(p));
    if (0.0..1.0).contains(&value) {
        Ok(value)
    } else {
        Err(Error::option("threshold", value, "at least 0 and below 1"))
    }
}

pub(super) fn matrix(rows: &[f64], p: usize) -> Mat<f64> {
    Mat::from_fn(rows.len() / p, p, |i, j| rows[i * p + j])
}

fn failed<E>(_: E) -> Error {
    Error::option("design", "one whose factorisation fails", "of usual size")
}

/// Normal matrix and right side.
fn normal_matrix(design: &[f64], data: &[f64], p: usize) -> (Vec<f64>, Vec<f64>) {
    let (mut fisher, mut right) = (vec![0.0; p * p], vec![0.0; p]);
    for (row, &value) in design.chunks_exact(p).zip(data) {
        for i in 0..p {
            right[i] += row[i] * value;
            for j in 0..=i {
                fisher[i * p + j] += row[i] * row[j];
            }
        }
    }
    for i in 0..p {
        for j in 0..i {
            fisher[j * p + i] = fisher[i * p + j];
        }
    }
    (fisher, right)
}

/// Number of leading values above the threshold; the values fall.
fn rank(values: &[f64], threshold: f64) -> usize {
    match values.first() {
        Some(&largest) if largest > 0.0 => {
            let low = values
                .iter()
                .position(|&v| v <= 0.0 || v < threshold * largest);
            low.unwrap_or(values.len())
        }
        _ => 0,
    }
}

/// Sum over the first `rank` columns of `v` of `column columnᵀ / value`, by rows.
fn inverse(v: MatRef<'_, f64>, values: &[f64], rank: usize) -> Vec<f64> {
    let p = v.nrows();
    let mut out = vec![0.0; p * p];
    for k in 0..rank {
        for i in 0..p {
            for j in 0..p {
                out[i * p + j] += v[(i, k)] * v[(j, k)] / values[k];
            }
        }
    }
    out
}

fn from_svd(design: &Mat<f64>, data: &[f64], threshold: f64) -> Result<Fit> {
    let svd = design.thin_svd().map_err(failed)?;
    let p = design.ncols();
    let (u, v) = (svd.U(), svd.V());
    let values: Vec<f64> = (0..p).map(|k| svd.S()[k]).collect();
    let rank = rank(&values, threshold);
    let mut solution = vec![0.0; p];
    for k in 0..rank {
        let mut along = 0.0;
        for (i, &value) in data.iter().enumerate() {
            along += u[(i, k)] * value;
        }
        for (j, x) in solution.iter_mut().enumerate() {
            *x += v[(j, k)] * along / values[k];
        }
    }
    let squares: Vec<f64> = values.iter().map(|s| s * s).collect();
    Ok(Fit {
        solution,
        covariance: inverse(v, &squares, rank),
        diagnostic: values,
        rank,
        threshold,
    })
}

fn from_qr(design: &Mat<f64>, data: &[f64], threshold: f64) -> Result<Fit> {
    let qr = design.col_piv_qr();
    let (p, r) = (design.ncols(), qr.thin_R());
    let values: Vec<f64> = (0..p).map(|k| r[(k, k)].abs()).collect();
    if rank(&values, threshold) < p {
        return from_svd(design, data, threshold);
    }
    let right = Mat::from_fn(data.len(), 1, |i, _| data[i]);
    let found = qr.solve_lstsq(&right);
    // Columns of R⁻¹, back in the order of the terms: covariance = R⁻¹ R⁻ᵀ.
    let order = qr.P().arrays().0;
    let mut columns = Mat::zeros(p, p);
    for k in 0..p {
        columns[(order[k], k)] = 1.0 / r[(k, k)];
        for i in (0..k).rev() {
            let mut sum = 0.0;
            for j in i + 1..=k {
                sum += r[(i, j)] * columns[(order[j], k)];
            }
            columns[(order[i], k)] = -sum / r[(i, i)];
        }
    }
    Ok(Fit {
        solution: (0..p).map(|j| found[(j, 0)]).collect(),
        covariance: inverse(columns.as_ref(), &vec![1.0; p], p),
        diagnostic: values,
        rank: p,
        threshold,
    })
}

fn from_normal(fisher: &[f64], right: &[f64], method: Method, threshold: f64) -> Result<Fit> {
    // Squares of finite numbers may still be infinite.
    finite(fisher, "design")?;
    finite(right, "data")?;
    if method == Method::NormalCholesky {
        return Ok(from_cholesky(fisher, right));
    }
    let p = right.len();
    let eigen = matrix(fisher, p)
        .self_adjoint_eigen(Side::Lower)
        .map_err(failed)?;
    // faer sorts them upwards.
    let values: Vec<f64> = (0..p).rev().map(|k| eigen.S()[k]).collect();
    let vectors = Mat::from_fn(p, p, |i, k| eigen.U()[(i, p - 1 - k)]);
    let rank = rank(&values, threshold);
    let mut solution = vec![0.0; p];
    for k in 0..rank {
        let mut along = 0.0;
        for (i, &value) in right.iter().enumerate() {
            along += vectors[(i, k)] * value;
        }
        for (j, x) in solution.iter_mut().enumerate() {
            *x += vectors[(j, k)] * along / values[k];
        }
    }
    Ok(Fit {
        solution,
        covariance: inverse(vectors.as_ref(), &values, rank),
        diagnostic: values,
        rank,
        threshold,
    })
}

/// `fisher = Pᵀ L D Lᵀ P`, where P sorts the diagonal downwards. Terms whose D is 0 become 0.
fn from_cholesky(fisher: &[f64], right: &[f64]) -> Fit {
    let p = right.len();
    let mut order: Vec<usize> = (0..p).collect();
    order.sort_by(|&i, &j| fisher[j * p + j].total_cmp(&fisher[i * p + i]));
    let mut lower = Mat::<f64>::identity(p, p);
    let mut d = vec![0.0; p];
    for k in 0..p {
        for i in k..p {
            let mut value = fisher[order[i] * p + order[k]];
            for j in 0..k {
                value -= lower[(i, j)] * lower[(k, j)] * d[j];
            }
            if i == k {
                d[k] = value;
            } else {
                lower[(i, k)] = over(value, d[k]);
            }
        }
    }
    let solve = |right: &dyn Fn(usize) -> f64| {
        let mut x = vec![0.0; p];
        for i in 0..p {
            let mut value = right(order[i]);
            for (j, before) in x.iter().enumerate().take(i) {
                value -= lower[(i, j)] * before;
            }
            x[i] = value;
        }
        for i in (0..p).rev() {
            let mut value = over(x[i], d[i]);
            for (j, after) in x.iter().enumerate().skip(i + 1) {
                value -= lower[(j, i)] * after;
            }
            x[i] = value;
        }
        let mut sorted = vec![0.0; p];
        for (i, &at) in order.iter().enumerate() {
            sorted[at] = x[i];
        }
        sorted
    };
    let column = |k: usize| solve(&|i: usize| f64::from(u8::from(i == k)));
    Fit {
        solution: solve(&|i: usize| right[i]),
        covariance: (0..p).flat_map(column).collect(),
        diagnostic: d,
        rank: p,
        threshold: 0.0,
    }
}

fn over(value: f64, by: f64) -> f64 {
    if by == 0.0 { 0.0 } else { value / by }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Method; 4] = [
        Method::Qr,
        Method::DirectSvd,
        Method::NormalEigensystem,
        Method::NormalCholesky,
    ];

    #[test]
    fn a_line_through_points() {
        let design = [1.0, 0.0, 1.0, 1.0, 1.0, 2.0, 1.0, 3.0];
        // Normal matrix [[4, 6], [6, 14]] with the inverse [[0.7, -0.3], [-0.3, 0.2]].
        for method in ALL {
            let fit = least_squares(&design, &[1.0, 3.0, 5.0, 7.0], 2, method, None);
            let fit = fit.expect("regular");
            assert_eq!(fit.rank, 2);
            let got = fit.solution.iter().chain(&fit.covariance);
            for (got, want) in got.zip([1.0, 2.0, 0.7, -0.3, -0.3, 0.2]) {
                assert!((got - want).abs() < 1e-14, "{method:?} {fit:?}");
            }
        }
    }

    #[test]
    fn the_shortest_of_many_solutions() {
        let design = [1.0, 1.0, 2.0, 2.0, 3.0, 3.0];
        for method in [Method::Qr, Method::DirectSvd, Method::NormalEigensystem] {
            let fit = least_squares(&design, &[2.0, 4.0, 6.0], 2, method, None).expect("valid");
            assert_eq!(fit.rank, 1, "{method:?}");
            assert!(
                fit.solution.iter().all(|x| (x - 1.0).abs() < 1e-14),
                "{fit:?}"
            );
            assert!(
                fit.covariance
                    .iter()
                    .all(|c| (c - 1.0 / 56.0).abs() < 1e-15)
            );
        }
    }

    #[test]
    fn nothing_but_zeros() {
        for method in ALL {
            let fit = least_squares(&[0.0; 6], &[1.0, 2.0, 3.0], 2, method, None).expect("valid");
            assert_eq!(fit.solution, [0.0, 0.0]);
            let full = method == Method::NormalCholesky;
            assert_eq!(fit.rank, if full { 2 } else { 0 });
        }
    }

    #[test]
    fn wrong_requests() {
        let solve = |design: &[f64], data: &[f64], p| {
            least_squares(design, data, p, Method::Qr, None)
                .expect_err("wrong")
                .to_string()
        };
        assert!(solve(&[1.0, 2.0], &[1.0], 2).contains("0 < p <= n"));
        assert!(solve(&[], &[], 0).contains("0 < p <= n"));
        assert!(solve(&[f64::NAN], &[1.0], 1).contains("design: got NaN"));
        assert!(solve(&[1.0], &[f64::INFINITY], 1).contains("data: got inf"));
        let direct = normal_equations(&[1.0], &[1.0], Method::DirectSvd, None);
        assert!(direct.is_err());
        let share = least_squares(&[1.0], &[1.0], 1, Method::Qr, Some(1.0));
        assert!(share.expect_err("too high").to_string().contains("below 1"));
    }
}
