// SPDX-License-Identifier: BSD-3-Clause
//! Gaussian smoothing.

use super::separable::{Planes, PlanesMut, separable};
use crate::error::{Error, Result};

/// `width` samples of a Gaussian at whole pixels, the middle one at its centre, of sum 1.
pub fn gaussian_taps(sigma: f64, width: usize) -> Result<Vec<f64>> {
    if !(sigma.is_finite() && sigma > 0.0) {
        return Err(Error::option("sigma", sigma, "finite and > 0"));
    }
    if width.is_multiple_of(2) {
        return Err(Error::option("width", width, "an odd number"));
    }
    let half = (width / 2) as f64;
    let sample = |i| {
        let t = (i as f64 - half) / sigma;
        (-0.5 * t * t).exp()
    };
    let mut taps: Vec<f64> = (0..width).map(sample).collect();
    let sum: f64 = taps.iter().sum();
    for tap in &mut taps {
        *tap /= sum;
    }
    Ok(taps)
}

/// Smooths by a Gaussian on `width` x `width` pixels; see [`separable`].
pub fn gaussian<'a>(
    input: &Planes<'a>,
    sigma: f64,
    width: usize,
    out: PlanesMut<'a>,
) -> Result<()> {
    let taps = gaussian_taps(sigma, width)?;
    separable(input, &taps, &taps, out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_of_a_smoothed_image() {
        // Sum of the squared 2-D kernel; for an endless one it is 1 / (4 pi sigma^2).
        for (sigma, width, want) in [(1.5, 11, 0.035_394), (2.0, 15, 0.019_906)] {
            let taps = gaussian_taps(sigma, width).expect("valid");
            let squares: f64 = taps.iter().map(|t| t * t).sum();
            assert!(
                (squares * squares - want).abs() < 5e-7,
                "{sigma}: {squares}"
            );
            assert!((taps.iter().sum::<f64>() - 1.0).abs() < 1e-15);
        }
    }

    #[test]
    fn wrong_widths_are_named() {
        for (sigma, width, name) in [
            (0.0, 5, "sigma"),
            (f64::NAN, 5, "sigma"),
            (f64::INFINITY, 5, "sigma"),
            (1.0, 4, "width"),
            (1.0, 0, "width"),
        ] {
            let error = gaussian_taps(sigma, width).expect_err("not allowed");
            assert!(error.to_string().starts_with(name), "{error}");
        }
    }
}
