// SPDX-License-Identifier: BSD-3-Clause
//! Pixel types of the statistics.

/// `f32` or `f64`.
pub trait Pixel: Copy + Send + Sync + PartialOrd + 'static {
    /// Exact value.
    fn wide(self) -> f64;
    /// Rounded value.
    fn narrow(x: f64) -> Self;
    /// Whether the value is finite as `f32`.
    fn finite(self) -> bool;
}

impl Pixel for f32 {
    #[inline(always)]
    fn wide(self) -> f64 {
        f64::from(self)
    }
    #[inline(always)]
    fn narrow(x: f64) -> Self {
        x as Self
    }
    #[inline(always)]
    fn finite(self) -> bool {
        self.is_finite()
    }
}

impl Pixel for f64 {
    #[inline(always)]
    fn wide(self) -> f64 {
        self
    }
    #[inline(always)]
    fn narrow(x: f64) -> Self {
        x
    }
    #[inline(always)]
    fn finite(self) -> bool {
        (self as f32).is_finite()
    }
}
