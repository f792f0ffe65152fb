// SPDX-License-Identifier: BSD-3-Clause
//! Quantiles of small unsorted sets.

/// Where a quantile lies between two order statistics: (index, share of the next one).
pub(crate) fn position(fraction: f64, n: usize) -> (usize, f64) {
    let t = fraction * (n as f64 - 1.0);
    let index = t.floor();
    (index as usize, t - index)
}

/// Linear interpolation between two order statistics.
#[inline(always)]
pub(crate) fn between(low: f64, high: f64, share: f64) -> f64 {
    // A share of 0 must not turn an infinite or absent neighbour into NaN.
    if share == 0.0 {
        low
    } else {
        (1.0 - share) * low + share * high
    }
}

/// One quantile of the samples, which are reordered. NaN for no sample, or with any NaN in them.
pub(crate) fn quantile(samples: &mut [f64], fraction: f64) -> f64 {
    let n = samples.len();
    let (index, share) = position(fraction, n);
    let (_, &mut low, rest) = samples.select_nth_unstable_by(index, f64::total_cmp);
    let high = rest.iter().copied().fold(f64::INFINITY, f64::min);
    between(low, high, share)
}

/// Median and inter-quartile range, linear ("type 7") definition. NaN for no samples; a sample
/// that is not finite makes both NaN.
pub(crate) fn median_and_iqr(samples: &mut [f64]) -> (f64, f64) {
    let n = samples.len();
    if n == 0 || samples.iter().any(|x| !x.is_finite()) {
        return (f64::NAN, f64::NAN);
    }
    let median = quantile(samples, 0.5);
    let low = quantile(samples, 0.25);
    let high = quantile(samples, 0.75);
    (median, high - low)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_by_hand() {
        let cases: [(&[f64], f64, f64); 5] = [
            (&[1.0, 2.0, 3.0, 2.0], 2.0, 0.5),
            (
                &[9.0, 1.0, 8.0, 2.0, 7.0, 3.0, 6.0, 4.0, 5.0, 0.0],
                4.5,
                4.5,
            ),
            (&[7.0], 7.0, 0.0),
            (&[5.0, 7.0], 6.0, 1.0),
            (&[3.0, 1.0, 2.0], 2.0, 1.0),
        ];
        for (samples, median, iqr) in cases {
            assert_eq!(
                median_and_iqr(&mut samples.to_vec()),
                (median, iqr),
                "{samples:?}"
            );
        }
        assert!(median_and_iqr(&mut []).0.is_nan());
        let (median, iqr) = median_and_iqr(&mut [1.0, f64::INFINITY, 2.0]);
        assert!(median.is_nan() && iqr.is_nan());
    }
}
