// SPDX-License-Identifier: BSD-3-Clause
//! Weighted moments of a sample set about a shift.

use super::props::ErrorMode;

/// One surviving sample.
#[derive(Debug, Clone, Copy)]
pub struct Point {
    /// Value.
    pub x: f64,
    /// Weight, 1 if unweighted.
    pub w: f64,
    /// Variance, 0 if absent.
    pub v: f64,
}

/// Sums over samples, all in f64 and in the order of the input.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moments {
    pub n: f64,
    pub shift: f64,
    pub s0: f64,
    pub s00: f64,
    pub s1: f64,
    pub s2: f64,
    /// Sum of w^2 v (independent errors) or of w v (mosaic).
    pub sv: f64,
}

impl Moments {
    /// Sums over the points no farther than `half_width` from the shift.
    pub fn of(points: &[Point], shift: f64, half_width: f64, mode: ErrorMode) -> Self {
        let mut m = Self {
            n: 0.0,
            shift,
            s0: 0.0,
            s00: 0.0,
            s1: 0.0,
            s2: 0.0,
            sv: 0.0,
        };
        for p in points {
            let d = p.x - shift;
            if d.abs() <= half_width || half_width == f64::INFINITY {
                m.n += 1.0;
                m.s0 += p.w;
                m.s00 += p.w * p.w;
                let wd = p.w * d;
                m.s1 += wd;
                m.s2 += wd * d;
                m.sv += if mode == ErrorMode::Mosaic {
                    p.w * p.v
                } else {
                    p.w * p.w * p.v
                };
            }
        }
        m
    }

    /// Moments of `n` unweighted samples of which nothing else is known.
    pub fn counted(n: f64) -> Self {
        let unknown = f64::NAN;
        Self {
            n,
            shift: unknown,
            s0: n,
            s00: n,
            s1: unknown,
            s2: unknown,
            sv: unknown,
        }
    }

    /// `a` if the condition holds, else `b`: a choice of numbers, not of places.
    #[inline(always)]
    pub fn choose(condition: bool, a: Self, b: Self) -> Self {
        let pick = |a: f64, b: f64| if condition { a } else { b };
        Self {
            n: pick(a.n, b.n),
            shift: pick(a.shift, b.shift),
            s0: pick(a.s0, b.s0),
            s00: pick(a.s00, b.s00),
            s1: pick(a.s1, b.s1),
            s2: pick(a.s2, b.s2),
            sv: pick(a.sv, b.sv),
        }
    }

    /// Weighted mean; NaN without samples.
    #[inline(always)]
    pub fn mean(&self) -> f64 {
        self.shift + self.s1 / self.s0
    }

    /// Debiased variance, never negative; NaN for fewer than two samples.
    #[inline(always)]
    pub fn variance(&self) -> f64 {
        if self.n < 2.0 {
            return f64::NAN;
        }
        let mean = self.s1 / self.s0;
        let biased = self.s2 / self.s0 - mean * mean;
        let square = self.s0 * self.s0;
        let variance = biased * (square / (square - self.s00));
        if variance < 0.0 { 0.0 } else { variance }
    }

    /// Sum of w x; 0 for no samples.
    pub fn sum(&self) -> f64 {
        if self.n == 0.0 {
            return 0.0;
        }
        self.s1 + self.s0 * self.shift
    }

    /// Squared error of the mean, given the variance of one sample.
    #[inline(always)]
    pub fn mean_variance(&self, mode: ErrorMode, variance: f64) -> f64 {
        match mode {
            ErrorMode::Scatter => variance * self.s00 / (self.s0 * self.s0),
            ErrorMode::InputVariance => self.sv / (self.s0 * self.s0),
            ErrorMode::Mosaic => self.sv / self.s0,
        }
    }
}

/// A squared error; NaN, not negative, where input variances made it so.
#[inline(always)]
pub(crate) fn proper(variance: f64) -> f64 {
    if variance < 0.0 { f64::NAN } else { variance }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weighted_sums_by_hand() {
        let points: Vec<_> = [(1.0, 1.0, 4.0), (3.0, 2.0, 1.0)]
            .map(|(x, w, v)| Point { x, w, v })
            .to_vec();
        let m = Moments::of(&points, 1.0, f64::INFINITY, ErrorMode::InputVariance);
        assert_eq!(
            (m.n, m.s0, m.s00, m.s1, m.s2, m.sv),
            (2.0, 3.0, 5.0, 4.0, 8.0, 8.0)
        );
        assert_eq!(m.mean(), 1.0 + 4.0 / 3.0);
        assert_eq!(m.sum(), 7.0);
        // biased 8/3 - 16/9 = 8/9, times 9/4
        assert!((m.variance() - 2.0).abs() < 1e-15);
        assert_eq!(
            m.mean_variance(ErrorMode::InputVariance, f64::NAN),
            8.0 / 9.0
        );
        let one = Moments::of(&points, 1.0, 0.0, ErrorMode::Mosaic);
        assert_eq!(
            (one.n, one.mean(), one.mean_variance(ErrorMode::Mosaic, 0.0)),
            (1.0, 1.0, 4.0)
        );
        assert!(one.variance().is_nan());
    }
}
