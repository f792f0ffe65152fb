// SPDX-License-Identifier: BSD-3-Clause
//! Sharp light in pixels that one visit alone sees: there is nothing to compare with but its
//! neighbours.

use super::flags::{ALL_RULES, SHARP, SINGLE, SMOOTH, good};
use super::plane::{Shape, median, neighbours};

/// Pixels of the window, either way.
const HALF: usize = 2;
/// Pixels of the window that must be known.
const FEWEST: usize = 13;
/// The peak of a Gaussian PSF of this sigma stands out of the window's median by
/// `exp(2.25 / sigma^2)`; a little more is allowed.
const PEAK: (f64, f64) = (1.5, 2.5);

/// By how much a pixel may exceed the one that light is followed from: the wings of a star are
/// steeper.
const STEEPEST: f32 = 1.5;
/// The same, more, in noise.
const SCATTER: f32 = 3.0;

/// Follows flagged light into pixels that one visit alone sees (`n_good` 1), as far as they exceed
/// `grow` times their noise: what has left others of its pixels as a trail is one here, too.
pub(super) fn follow_single(
    y: &[f32],
    v: &[f32],
    state: &mut [u8],
    n_good: &[f32],
    grow: f32,
    shape: Shape,
) {
    let is_start = |&p: &usize| state[p] & (SHARP | SMOOTH) != 0 && n_good[p] > 1.5;
    let mut open: Vec<usize> = (0..y.len()).filter(is_start).collect();
    while let Some(p) = open.pop() {
        neighbours(p, shape, |q| {
            let noise = v[q].sqrt();
            let free = good(state[q]) && state[q] & ALL_RULES == 0 && n_good[q] < 1.5;
            let most = STEEPEST * y[p].max(0.0) + SCATTER * noise;
            if free && y[q] > grow * noise && y[q] < most {
                state[q] |= SINGLE;
                open.push(q);
            }
        });
    }
}

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
    fn a_trail_is_followed_and_a_star_is_not() {
        let shape = Shape { ny: 20, nx: 40 };
        let star = |p: usize| {
            let (y, x) = ((p / 40) as f32 - 10.0, (p % 40) as f32 - 30.0);
            3000.0 * (-(y * y + x * x) / (2.0 * 2.0 * 2.0)).exp()
        };
        let mut y: Vec<f32> = (0..shape.area()).map(star).collect();
        let (mut state, mut n_good) = (vec![GOOD; shape.area()], vec![1.0; shape.area()]);
        for x in 0..40 {
            y[10 * 40 + x] += 20.0;
            if x < 8 {
                (state[10 * 40 + x], n_good[10 * 40 + x]) = (GOOD | SHARP, 3.0);
            }
        }
        follow_single(
            &y,
            &vec![1.0; shape.area()],
            &mut state,
            &n_good,
            2.5,
            shape,
        );
        let found = |p: usize| state[p] & SINGLE != 0;
        assert!((8..22).all(|x| found(10 * 40 + x)));
        assert!(!(0..8).any(|x| found(10 * 40 + x)));
        assert!(!(28..33).any(|x| found(10 * 40 + x)));
    }

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
