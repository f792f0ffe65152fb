// SPDX-License-Identifier: BSD-3-Clause
//! How a visit differs from the template at sources: by width and place of its PSF, and by flux.

use super::plane::{Shape, gradient};
use super::smooth::{Outside, gauss};
use crate::error::Result;
use crate::linalg::solve_square;
use crate::par;
use crate::simd::dispatch;

/// Gaussian widths [pixel] by which the template is blurred.
pub(super) const WIDTHS: [f64; 4] = [0.8, 1.4, 2.2, 3.5];

/// Terms: the widths, shifts along y and x, flux.
pub(super) const TERMS: usize = WIDTHS.len() + 3;

/// Values of the terms at one pixel.
pub(super) type Terms = [f32; TERMS];

/// Pixels that a fit needs.
const FEWEST: usize = 30;
/// Largest difference of a source, in units of its brightness, and of noise beyond that.
const MOST: f32 = 3.0;
const SCATTER: f32 = 5.0;
/// Rounds of reweighting.
const ROUNDS: usize = 4;
/// What the shapes cannot describe, as a share of the flux.
const FLOOR: f64 = 0.1;
/// Squared residual, in units of the floor, at which the weight falls to a quarter.
const SCALE: f64 = 9.0;
/// Part of the diagonal that is added to it.
const RIDGE: f64 = 1e-6;

const LANES: usize = 8;
const PAIRS: usize = TERMS * (TERMS + 1) / 2;

/// The plane smoothed by each of [`WIDTHS`], less the plane.
pub(super) fn blurs(plane: &[f32], shape: Shape) -> Result<Vec<Vec<f32>>> {
    let blurred = par::map(WIDTHS.to_vec(), |width| {
        let mut out = gauss(plane, shape, width, Outside::Nearest)?;
        for (to, &from) in out.iter_mut().zip(plane) {
            *to -= from;
        }
        Ok(out)
    });
    blurred.into_iter().collect()
}

/// The terms at the pixels of a list.
pub(super) fn terms(template: &[f32], shape: Shape, list: &[u32]) -> Result<Vec<Terms>> {
    let mut planes = blurs(template, shape)?;
    let (gy, gx) = gradient(template, shape);
    planes.extend([gy, gx, template.to_vec()]);
    Ok(list
        .iter()
        .map(|&p| std::array::from_fn(|k| planes[k][p as usize]))
        .collect())
}

/// One pixel of a fit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample {
    pub terms: Terms,
    /// Visit minus template.
    pub difference: f32,
    /// Variance of the visit.
    pub variance: f32,
    /// Template.
    pub flux: f32,
}

impl Sample {
    /// Whether a source can differ by as much: an artifact on faint sources would decide a fit that
    /// no bright one holds.
    pub fn is_likely(&self) -> bool {
        self.difference.abs() < MOST * self.flux + SCATTER * self.variance.sqrt()
    }
}

/// Sums of the normal equations, each in lanes.
struct Sums {
    products: [[f64; LANES]; PAIRS],
    right: [[f64; LANES]; TERMS],
}

#[inline(always)]
#[allow(clippy::needless_range_loop)] // several arrays side by side
fn add_samples_body(samples: &[Sample; LANES], guess: &[f64; TERMS], first: bool, to: &mut Sums) {
    let mut columns = [[0.0; LANES]; TERMS];
    let (mut d, mut w) = ([0.0; LANES], [0.0; LANES]);
    for l in 0..LANES {
        for k in 0..TERMS {
            columns[k][l] = f64::from(samples[l].terms[k]);
        }
        d[l] = f64::from(samples[l].difference);
        let floor = FLOOR * f64::from(samples[l].flux);
        w[l] = f64::from(samples[l].variance) + floor * floor;
    }
    let mut residual = d;
    for k in 0..TERMS {
        for l in 0..LANES {
            residual[l] -= guess[k] * columns[k][l];
        }
    }
    for l in 0..LANES {
        let floor = w[l];
        let q = 1.0 + residual[l] * residual[l] / floor / SCALE;
        w[l] = if first {
            1.0 / floor
        } else {
            1.0 / (floor * q * q)
        };
        // Lanes beyond the last pixel carry an infinite variance.
        w[l] = if floor < f64::INFINITY { w[l] } else { 0.0 };
    }
    let mut pair = 0;
    for i in 0..TERMS {
        let mut weighted = [0.0; LANES];
        for l in 0..LANES {
            weighted[l] = w[l] * columns[i][l];
            to.right[i][l] += weighted[l] * d[l];
        }
        for j in 0..=i {
            for l in 0..LANES {
                to.products[pair][l] += weighted[l] * columns[j][l];
            }
            pair += 1;
        }
    }
}

dispatch! {
    fn add_samples(samples: &[Sample; LANES], guess: &[f64; TERMS], first: bool, to: &mut Sums)
    = add_samples_body;
}

const NOTHING: Sample = Sample {
    terms: [0.0; TERMS],
    difference: 0.0,
    variance: f32::INFINITY,
    flux: 0.0,
};

/// Coefficients of the terms by least squares, reweighted so that artifacts do not count; zeros
/// where there are too few pixels or they do not tell.
pub(super) fn fit(samples: &[Sample]) -> [f64; TERMS] {
    let mut guess = [0.0; TERMS];
    if samples.len() < FEWEST {
        return guess;
    }
    for round in 0..ROUNDS {
        let mut sums = Sums {
            products: [[0.0; LANES]; PAIRS],
            right: [[0.0; LANES]; TERMS],
        };
        let (chunks, rest) = samples.as_chunks::<LANES>();
        for chunk in chunks {
            add_samples(chunk, &guess, round == 0, &mut sums);
        }
        let mut last = [NOTHING; LANES];
        last[..rest.len()].copy_from_slice(rest);
        add_samples(&last, &guess, round == 0, &mut sums);
        match solved(&sums) {
            Some(next) => guess = next,
            None => return [0.0; TERMS],
        }
    }
    guess
}

/// Solution of the normal equations, scaled to a diagonal of 1 and a little ridge.
fn solved(sums: &Sums) -> Option<[f64; TERMS]> {
    let total = |lanes: &[f64; LANES]| lanes.iter().sum::<f64>();
    let product = |i: usize, j: usize| {
        let (i, j) = (i.max(j), i.min(j));
        total(&sums.products[i * (i + 1) / 2 + j])
    };
    let scale: [f64; TERMS] = std::array::from_fn(|i| product(i, i).max(1e-30).sqrt());
    let mut matrix = [0.0; TERMS * TERMS];
    for (index, value) in matrix.iter_mut().enumerate() {
        let (i, j) = (index / TERMS, index % TERMS);
        *value = product(i, j) / (scale[i] * scale[j]) + if i == j { RIDGE } else { 0.0 };
    }
    let mut right: [f64; TERMS] = std::array::from_fn(|i| total(&sums.right[i]) / scale[i]);
    solve_square(&matrix, &mut right, TERMS).ok()?;
    Some(std::array::from_fn(|i| right[i] / scale[i]))
}

/// The difference that the coefficients describe, at one pixel.
pub(super) fn described(coefficients: &[f64; TERMS], terms: &Terms) -> f32 {
    let mut sum = 0.0;
    for k in 0..TERMS {
        sum += coefficients[k] * f64::from(terms[k]);
    }
    sum as f32
}

/// How far a Gaussian PSF of `sigma` lets a visit lie from a template whose PSF has the variance
/// `variance_t`: shares of the |blurs|, linear in the squared width between those of [`WIDTHS`].
pub(super) fn bound_shares(sigma: f64, variance_t: f64) -> [f32; WIDTHS.len()] {
    let u = (sigma * sigma - variance_t).abs();
    // A sharper visit differs more than a broader one by the same u: exact at the peak of a
    // Gaussian. The template was blurred by 1 pixel against its noise, which the 1.5 makes up.
    let gain = 1.5 * ((2.0 * variance_t - sigma * sigma) / (sigma * sigma)).max(1.0);
    let mut shares = [0.0; WIDTHS.len()];
    let mut low = 0.0;
    for (k, width) in WIDTHS.iter().enumerate() {
        let high = width * width;
        if u <= high || k + 1 == WIDTHS.len() {
            let share = ((u - low) / (high - low)).min(1.0);
            shares[k] = (gain * share) as f32;
            if k > 0 {
                shares[k - 1] = (gain * (1.0 - share)) as f32;
            }
            break;
        }
        low = high;
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    fn star(shape: Shape, sigma: f64, flux: f64) -> Vec<f32> {
        let at = |p: usize| {
            let (y, x) = ((p / shape.nx) as f64 - 30.0, (p % shape.nx) as f64 - 32.0);
            let norm = flux / (2.0 * std::f64::consts::PI * sigma * sigma);
            (norm * (-0.5 * (y * y + x * x) / (sigma * sigma)).exp()) as f32
        };
        (0..shape.area()).map(at).collect()
    }

    #[test]
    fn a_fit_takes_seeing_and_flux_out_and_leaves_an_artifact() {
        let shape = Shape { ny: 61, nx: 65 };
        let (template, sharper) = (star(shape, 2.0, 1e5), star(shape, 1.8, 1.02e5));
        let near = |p: usize| {
            let (y, x) = (p / 65, p % 65);
            y.abs_diff(30) < 7 && x.abs_diff(32) < 7
        };
        let list: Vec<u32> = (0..shape.area() as u32)
            .filter(|&p| near(p as usize))
            .collect();
        let terms = terms(&template, shape, &list).expect("valid");
        let hit = list.len() / 3;
        let samples: Vec<Sample> = list
            .iter()
            .zip(&terms)
            .enumerate()
            .map(|(k, (&p, &terms))| Sample {
                terms,
                difference: sharper[p as usize] - template[p as usize]
                    + if k == hit { 5e4 } else { 0.0 },
                variance: 1.0,
                flux: template[p as usize],
            })
            .collect();
        let found = fit(&samples);
        let largest = |f: &dyn Fn(&Sample) -> f32| {
            let some = samples.iter().enumerate().filter(|&(k, _)| k != hit);
            some.map(|(_, s)| f(s).abs()).fold(0.0, f32::max)
        };
        let before = largest(&|s| s.difference);
        let after = largest(&|s| s.difference - described(&found, &s.terms));
        assert!(before > 900.0 && after < 0.1 * before, "{before} {after}");
        assert_eq!(fit(&samples[..20]), [0.0; TERMS]);
        let blank = [Sample {
            variance: 1.0,
            ..NOTHING
        }; 40];
        assert!(fit(&blank).iter().all(|c| c.abs() < 1e-9));
    }

    #[test]
    fn a_trail_on_faint_sources_is_not_likely() {
        let sample = |difference: f32, flux| Sample {
            difference,
            variance: 1.0,
            flux,
            ..NOTHING
        };
        assert!(sample(250.0, 100.0).is_likely() && sample(-90.0, 100.0).is_likely());
        assert!(!sample(50.0, 1.0).is_likely() && sample(6.0, 1.0).is_likely());
    }

    #[test]
    fn bounds_cover_what_gaussian_seeing_does_at_a_peak() {
        let shape = Shape { ny: 61, nx: 65 };
        let template = star(shape, 2.0, 1e5);
        let softened = gauss(&template, shape, 1.0, Outside::Nearest).expect("valid");
        let blurs = blurs(&softened, shape).expect("valid");
        for sigma in [1.5, 1.9, 2.0, 2.3, 2.8] {
            let shares = bound_shares(sigma, 4.0);
            let p = 30 * 65 + 32;
            let bound: f32 = (0..4).map(|k| shares[k] * blurs[k][p].abs()).sum();
            let real = (star(shape, sigma, 1e5)[p] - template[p]).abs();
            assert!(
                bound >= 0.9 * real && bound <= 2.5 * real + 1.0,
                "{sigma} {bound} {real}"
            );
        }
        assert_eq!(bound_shares(2.0, 4.0), [0.0; 4]);
    }
}
