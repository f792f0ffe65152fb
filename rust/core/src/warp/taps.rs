// SPDX-License-Identifier: BSD-3-Clause
//! Taps of separable interpolation kernels at any fraction of a pixel.

use crate::error::{Error, Result};

/// Taps of the widest kernel.
pub const MAX_TAPS: usize = 10;

/// A separable interpolation kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kernel {
    /// Lanczos of an order `n`: `2 n` taps `sinc(t) sinc(t / n)`, with `sinc(t) = sin(pi t)/(pi t)`.
    Lanczos(usize),
    /// Linear between the two next pixels.
    Bilinear,
    /// The next pixel; half-way between two, the one of the lower index.
    Nearest,
}

impl Kernel {
    /// Kernel of a name: lanczos3, lanczos4, lanczos5, bilinear or nearest.
    pub fn from_name(name: &str) -> Result<Self> {
        match name {
            "lanczos2" => Ok(Self::Lanczos(2)),
            "lanczos3" => Ok(Self::Lanczos(3)),
            "lanczos4" => Ok(Self::Lanczos(4)),
            "lanczos5" => Ok(Self::Lanczos(5)),
            "bilinear" => Ok(Self::Bilinear),
            "nearest" => Ok(Self::Nearest),
            _ => Err(Error::option(
                "kernel",
                name,
                "lanczos2 to lanczos5, bilinear or nearest",
            )),
        }
    }

    /// Number of taps along an axis.
    #[must_use]
    pub const fn width(self) -> usize {
        match self {
            Self::Lanczos(order) => 2 * order,
            Self::Bilinear | Self::Nearest => 2,
        }
    }

    /// Index of the tap at the pixel at or below the position.
    #[must_use]
    pub const fn center(self) -> usize {
        self.width() / 2 - 1
    }

    /// Taps at a fraction (0 up to 1) of a pixel above the centre tap; returns their sum.
    ///
    /// Only the first [`width`](Self::width) of `taps` are written. The sum of Lanczos taps is 1
    /// within a per cent; dividing by it keeps a constant image constant.
    #[inline]
    pub fn fill(self, fraction: f64, taps: &mut [f64; MAX_TAPS]) -> f64 {
        match self {
            Self::Lanczos(order) => lanczos(order, fraction, taps),
            Self::Bilinear => {
                taps[0] = 1.0 - fraction;
                taps[1] = fraction;
                1.0
            }
            Self::Nearest => {
                let upper = fraction > 0.5;
                taps[0] = f64::from(!upper);
                taps[1] = f64::from(upper);
                1.0
            }
        }
    }
}

#[inline]
fn lanczos(order: usize, fraction: f64, taps: &mut [f64; MAX_TAPS]) -> f64 {
    let n = order as f64;
    // sin(pi t) of the taps differs in sign only.
    let sine = sin_pi(fraction);
    let mut sum = 0.0;
    for (i, tap) in taps.iter_mut().enumerate().take(2 * order) {
        let steps = i as f64 - (n - 1.0);
        let t = steps - fraction;
        // So close to the middle the tap is 1 to the last bit, and t squared may vanish.
        *tap = if t.abs() < 1e-9 {
            1.0
        } else {
            let sign = if (i + order).is_multiple_of(2) {
                1.0
            } else {
                -1.0
            };
            let square = std::f64::consts::PI * std::f64::consts::PI * t * t;
            n * sign * sine * sin_pi(t / n) / square
        };
        sum += *tap;
    }
    sum
}

/// sin(pi x) for |x| <= 1.5, to 1e-16; the same bits on every machine.
#[inline]
fn sin_pi(x: f64) -> f64 {
    let whole = x.round();
    let y = std::f64::consts::PI * (x - whole);
    let z = y * y;
    // Taylor series; the next term is below 3e-17 for |y| <= pi / 2.
    let mut sum = 0.0;
    for k in [22.0, 20.0, 18.0, 16.0, 14.0, 12.0, 10.0, 8.0, 6.0, 4.0, 2.0] {
        sum = (1.0 + sum) * (-z / (k * (k + 1.0)));
    }
    let sine = y * (1.0 + sum);
    if whole as i32 % 2 == 0 { sine } else { -sine }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sine_agrees_with_the_library() {
        for i in -1500..=1500 {
            let x = f64::from(i) / 1000.0;
            let want = (std::f64::consts::PI * x).sin();
            assert!((sin_pi(x) - want).abs() < 5e-16, "{x}");
        }
    }

    #[test]
    fn taps_are_the_documented_ones() {
        let sinc = |t: f64| {
            let x = std::f64::consts::PI * t;
            if t == 0.0 { 1.0 } else { x.sin() / x }
        };
        for order in 2..=5 {
            let kernel = Kernel::Lanczos(order);
            assert_eq!((kernel.width(), kernel.center()), (2 * order, order - 1));
            for i in 0..=20 {
                let fraction = f64::from(i) / 20.0;
                let mut taps = [0.0; MAX_TAPS];
                let sum = kernel.fill(fraction, &mut taps);
                let mut want_sum = 0.0;
                for (k, tap) in taps.iter().enumerate().take(2 * order) {
                    let t = k as f64 - (order as f64 - 1.0) - fraction;
                    let want = sinc(t) * sinc(t / order as f64);
                    assert!((tap - want).abs() < 1e-15, "{order} {fraction} {k}");
                    want_sum += want;
                }
                assert!((sum - want_sum).abs() < 1e-14);
                assert!((sum - 1.0).abs() < 0.12, "{order} {fraction} {sum}");
            }
        }
    }

    #[test]
    fn whole_pixels_are_exact() {
        for name in [
            "lanczos2", "lanczos3", "lanczos4", "lanczos5", "bilinear", "nearest",
        ] {
            let kernel = Kernel::from_name(name).expect("a known name");
            let mut taps = [9.0; MAX_TAPS];
            assert_eq!(kernel.fill(0.0, &mut taps), 1.0);
            for (i, tap) in taps.iter().enumerate().take(kernel.width()) {
                assert_eq!(*tap, f64::from(i == kernel.center()), "{name} {i}");
            }
        }
        for fraction in [
            5e-324,
            1e-200,
            1e-160,
            1e-30,
            1e-10,
            1.0 - f64::EPSILON,
            1.0,
        ] {
            let mut taps = [9.0; MAX_TAPS];
            let sum = Kernel::Lanczos(3).fill(fraction, &mut taps);
            assert!((sum - 1.0).abs() < 1e-9, "{fraction} {taps:?}");
        }
        let mut taps = [0.0; MAX_TAPS];
        Kernel::Nearest.fill(0.5, &mut taps);
        assert_eq!(taps[..2], [1.0, 0.0]);
        Kernel::Bilinear.fill(0.25, &mut taps);
        assert_eq!(taps[..2], [0.75, 0.25]);
        let error = Kernel::from_name("lanczos9").expect_err("no such kernel");
        assert!(error.to_string().contains("lanczos9"));
    }
}
