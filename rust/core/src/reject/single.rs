// SPDX-License-Identifier: BSD-3-Clause
//! Sharp light in pixels that one visit alone sees: there is nothing to compare with but its
//! neighbours.

use super::flags::{SINGLE, good};
use super::plane::{Shape, median};

/// Pixels of the window, either way.
const HALF: usize = 2;
/// Pixels of the window that must be known.
const FEWEST: usize = 13;
/// The peak of a Gaussian PSF of this sigma stands out of the window's median by
/// `exp(2.25 / sigma^2)`; a little more is allowed.
const PEAK: (f64, f64) = (1.5, 2.5);

/// Flags pixels that exceed both their noise and what a star's peak does by `seed` sigma, where
/// `n_good` is 1. `sigma` is that of the PSF, pixels.
pub(super) fn find_single(
    y: &[f32],
    v: &[f32],
    state: &mut [u8],
    n_good: &[f32],
    (sigma, seed): (f64, f64),
    shape: Shape,
) {
    let ratio = PEAK.0 * (PEAK.1 / (sigma * sigma)).exp();
    let mut window = Vec::with_capacity((2 * HALF + 1) * (2 * HALF + 1));
    for p in 0..y.len() {
        let limit = seed * f64::from(v[p]).sqrt();
        if !(good(state[p]) && n_good[p] < 1.5 && f64::from(y[p]) > limit) {
            continue;
        }
        window.clear();
        let (row, column) = (p / shape.nx, p % shape.nx);
        for r in row.saturating_sub(HALF)..=(row + HALF).min(shape.ny - 1) {
            for c in column.saturating_sub(HALF)..=(column + HALF).min(shape.nx - 1) {
                let q = r * shape.nx + c;
                if good(state[q]) {
                    window.push(f64::from(y[q]));
                }
            }
        }
        if window.len() >= FEWEST {
            let level = median(&mut window).max(0.0);
            if f64::from(y[p]) - ratio * level > limit {
                state[p] |= SINGLE;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::flags::GOOD;
    use super::*;

    #[test]
    fn a_hit_is_flagged_and_a_star_is_not() {
        let shape = Shape { ny: 20, nx: 40 };
        let star = |p: usize| {
            let (y, x) = ((p / 40) as f32 - 10.0, (p % 40) as f32 - 10.0);
            500.0 * (-(y * y + x * x) / (2.0 * 1.5 * 1.5)).exp()
        };
        let mut y: Vec<f32> = (0..shape.area()).map(star).collect();
        let (hit, shared, corner) = (10 * 40 + 30, 5 * 40 + 30, 39);
        for p in [hit, shared, corner] {
            y[p] = 50.0;
        }
        let mut state = vec![GOOD; shape.area()];
        let mut n_good = vec![1.0; shape.area()];
        n_good[shared] = 2.0;
        let v = vec![1.0; shape.area()];
        find_single(&y, &v, &mut state, &n_good, (1.5, 5.2), shape);
        let flagged: Vec<usize> = (0..shape.area())
            .filter(|&p| state[p] & SINGLE != 0)
            .collect();
        // The window of a corner holds nine pixels, too few.
        assert_eq!(flagged, [hit]);
    }
}
