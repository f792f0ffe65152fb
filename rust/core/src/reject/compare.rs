// SPDX-License-Identifier: BSD-3-Clause
//! Which pixels of one visit are artifacts, from its difference from the others.

use super::cell::Options;
use super::flags::{LOBE, SHARP, SMOOTH};
use super::plane::{Shape, lag_noise, neighbours};
use super::reference::Residual;
use super::smooth::{halved, tested_mean};
use super::tolerance::Sources;
use crate::error::Result;
use crate::simd::dispatch;
use std::f64::consts::PI;

/// Pixels between which the noise of a visit is measured.
const LAG: usize = 5;
/// By how much the noise may differ from what the variances say.
const NOISE_LIMITS: (f64, f64) = (0.7, 2.0);
/// The same of the smoothed significance, against white noise.
const SMOOTH_LIMITS: (f64, f64) = (0.7, 4.0);
/// By how much a pixel that is darker than the sky must be more significant than sharp light.
const DARK_MORE: f32 = 1.0;
/// Pixels around a lobe in which its peak must be, either way.
const BESIDE: usize = 3;
/// Light over the wider scale must be this bright at the scale of the PSF, too, in units of what is
/// bright there: beside a trail it is not.
const SUPPORT: f32 = 0.5;

/// What is decided about one visit.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Rules that flag each pixel.
    pub rules: Vec<u8>,
    /// Pixels of deep lobes.
    pub deep: Vec<u32>,
}

/// Planes that are used again from visit to visit, of any content before.
#[derive(Debug, Default)]
pub(super) struct Memory {
    pub residual: Residual,
    /// Values without the seeing difference.
    pub y: Vec<f32>,
    pub mean: Vec<f32>,
    pub cover: Vec<f32>,
    /// Significance and share of tested pixels of squares of 2 x 2 pixels, and mean of the former.
    pub squares: [Vec<f32>; 3],
}

/// One visit and the tolerances of it.
pub(super) struct Visit<'a> {
    pub shape: Shape,
    pub sources: &'a Sources,
    /// Tolerance at the pixels of the sources.
    pub tolerance: &'a [f32],
    /// Values without the seeing difference, and their variances.
    pub y: &'a [f32],
    pub v: &'a [f32],
    /// Lowest and second lowest of all visits.
    pub lowest: [&'a [f32]; 2],
    /// Number of visits that can be used at a pixel.
    pub n_good: &'a [f32],
    /// PSF sigma [pixel].
    pub sigma: f64,
    /// Factor of the least amplitudes.
    pub worth: f64,
}

impl Visit<'_> {
    /// Flags the artifacts.
    pub fn find(&self, memory: &mut Memory, options: &Options) -> Result<Found> {
        let residual = &mut memory.residual;
        let blank = |p: usize| residual.tested[p] > 0.0 && !self.sources.inside[p];
        let noise = lag_noise(&residual.ratio, self.shape, LAG, blank);
        let noise = if noise.is_finite() {
            noise.clamp(NOISE_LIMITS.0, NOISE_LIMITS.1) as f32
        } else {
            1.0
        };
        rescale(&mut residual.ratio, &mut residual.noise, noise);
        for (&p, &tolerance) in self.sources.list.iter().zip(self.tolerance) {
            let p = p as usize;
            let over = (residual.value[p].abs() - tolerance).max(0.0);
            residual.ratio[p] = over.copysign(residual.value[p]) / residual.noise[p];
        }
        let mut found = Found {
            rules: connected(&residual.ratio, self.shape, options),
            deep: Vec::new(),
        };
        self.find_lobes(residual, options, &mut found);
        self.find_smooth(memory, noise, options, &mut found.rules)?;
        Ok(found)
    }

    /// Dark pixels that no other visit shows: beside sharp light, or darker than any sky.
    fn find_lobes(&self, residual: &Residual, options: &Options, found: &mut Found) {
        let (grow, seed) = (options.grow as f32, options.seed as f32);
        for p in beyond(&residual.ratio, grow, -1.0) {
            let least = -(seed + DARK_MORE) * self.v[p].sqrt();
            if !self.sources.inside[p] && self.y[p] < least && residual.ratio[p] < -seed {
                found.rules[p] |= LOBE;
                found.deep.push(p as u32);
                continue;
            }
            // Of two visits the brighter one is the artifact.
            if self.n_good[p] < 2.5 {
                continue;
            }
            let [first, second] = [self.lowest[0][p], self.lowest[1][p]];
            let is_lowest = self.y[p] <= first && second - self.y[p] > grow * residual.noise[p];
            let limit = options.lobe as f32 * self.peak(p, &residual.value, &found.rules);
            if is_lowest && -residual.value[p] < limit {
                found.rules[p] |= LOBE;
                if residual.ratio[p] < -seed {
                    found.deep.push(p as u32);
                }
            }
        }
    }

    /// Largest difference at sharp pixels near a pixel; 0 of none.
    fn peak(&self, p: usize, value: &[f32], rules: &[u8]) -> f32 {
        let (y, x) = (p / self.shape.nx, p % self.shape.nx);
        let mut most = 0.0_f32;
        for v in y.saturating_sub(BESIDE)..=(y + BESIDE).min(self.shape.ny - 1) {
            for u in x.saturating_sub(BESIDE)..=(x + BESIDE).min(self.shape.nx - 1) {
                let q = v * self.shape.nx + u;
                if rules[q] & SHARP != 0 {
                    most = most.max(value[q]);
                }
            }
        }
        most
    }

    /// Light that is coherent over the PSF or over the wider scale: significant, and at least so
    /// many times the noise of a pixel by its variance, for fainter light costs less than leaving
    /// it out.
    fn find_smooth(
        &self,
        memory: &mut Memory,
        noise: f32,
        options: &Options,
        rules: &mut [u8],
    ) -> Result<()> {
        let Memory {
            residual,
            mean,
            cover,
            squares: [square, share, wide],
            ..
        } = memory;
        let (ratio, tested) = (&residual.ratio[..], &residual.tested[..]);
        let (shape, nx, most) = (self.shape, self.shape.nx, options.winsor as f32);
        let blank = |p: usize| tested[p] > 0.0 && !self.sources.inside[p];
        let noise = noise * self.worth as f32;
        let least = options.amplitude as f32 * noise;

        tested_mean((ratio, tested), shape, (self.sigma, most), mean, cover)?;
        let white = 1.0 / (2.0 * self.sigma * PI.sqrt());
        let known = |p: usize| blank(p) && !mean[p].is_nan();
        let limit = options.soft * smooth_noise(mean, shape, self.sigma, white, known);
        let planes = (self.v, &residual.noise[..]);
        flag_bright((mean, mean), planes, (limit as f32, least, 0.0), rules);

        // Squares of 2 x 2 pixels are fine enough for the wider scale; their own variance is 1/4.
        let half = halved((ratio, tested), shape, most, (square, share));
        let scale = 0.5 * (options.extended.powi(2) - 0.25).max(0.25).sqrt();
        wide.resize(half.area(), 0.0);
        tested_mean((square, share), half, (scale, f32::INFINITY), wide, cover)?;
        let white = 1.0 / (4.0 * scale * PI.sqrt());
        let known = |q: usize| {
            let p = 2 * (q / half.nx * nx + q % half.nx);
            share[q] == 1.0 && blank(p) && blank(p + nx + 1) && !wide[q].is_nan()
        };
        let limit = options.soft * smooth_noise(wide, half, scale, white, known);
        let limits = (
            limit as f32,
            options.amplitude_extended as f32 * noise,
            SUPPORT * least,
        );
        let mut line = vec![0.0; nx];
        for (y, rules) in rules.chunks_mut(nx.max(1)).enumerate() {
            doubled(&wide[y / 2 * half.nx..(y / 2 + 1) * half.nx], &mut line);
            let row = y * nx..(y + 1) * nx;
            let planes = (&self.v[row.clone()], &residual.noise[row.clone()]);
            flag_bright((&line, &mean[row]), planes, limits, rules);
        }
        Ok(())
    }
}

/// Noise of a smoothed significance, measured where it is `known`; about `white` without
/// correlations.
fn smooth_noise(
    mean: &[f32],
    shape: Shape,
    scale: f64,
    white: f64,
    known: impl Fn(usize) -> bool,
) -> f64 {
    let noise = lag_noise(mean, shape, (4.0 * scale + 0.5) as usize, known);
    if noise.is_finite() {
        noise.clamp(SMOOTH_LIMITS.0 * white, SMOOTH_LIMITS.1 * white)
    } else {
        white
    }
}

#[inline(always)]
fn doubled_body(values: &[f32], line: &mut [f32]) {
    let (pairs, rest) = line.as_chunks_mut::<2>();
    let values = &values[..pairs.len() + rest.len()];
    for i in 0..pairs.len() {
        pairs[i] = [values[i], values[i]];
    }
    if let (Some(last), Some(&value)) = (rest.first_mut(), values.last()) {
        *last = value;
    }
}

dispatch! {
    /// Each value twice; the last one once if the line is odd.
    fn doubled(values: &[f32], line: &mut [f32]) = doubled_body;
}

#[inline(always)]
fn rescale_body(ratio: &mut [f32], noise: &mut [f32], factor: f32) {
    let n = ratio.len();
    let noise = &mut noise[..n];
    for p in 0..n {
        ratio[p] /= factor;
        noise[p] *= factor;
    }
}

dispatch! {
    fn rescale(ratio: &mut [f32], noise: &mut [f32], factor: f32) = rescale_body;
}

#[inline(always)]
#[allow(clippy::needless_bitwise_bool)] // branches keep loops from being vectorised
fn flag_bright_body(
    (mean, support): (&[f32], &[f32]),
    (v, noise): (&[f32], &[f32]),
    (limit, least, least_support): (f32, f32, f32),
    rules: &mut [u8],
) {
    let n = rules.len();
    let (mean, support, v, noise) = (&mean[..n], &support[..n], &v[..n], &noise[..n]);
    for p in 0..n {
        // Noise is infinite where nothing is tested.
        let unit = v[p].sqrt() / noise[p];
        let bright = (mean[p] > least * unit) & (support[p] > least_support * unit);
        let found = bright & (mean[p] > limit) & (noise[p] < f32::INFINITY);
        rules[p] |= if found { SMOOTH } else { 0 };
    }
}

dispatch! {
    fn flag_bright(
        means: (&[f32], &[f32]),
        planes: (&[f32], &[f32]),
        limits: (f32, f32, f32),
        rules: &mut [u8],
    ) = flag_bright_body;
}

#[inline(always)]
fn any_beyond_body(values: &[f32], limit: f32, sign: f32) -> bool {
    let mut any = false;
    for &value in values {
        any |= value * sign > limit;
    }
    any
}

dispatch! {
    fn any_beyond(values: &[f32], limit: f32, sign: f32) -> bool = any_beyond_body;
}

/// Places of the values that, times the sign, exceed the limit.
fn beyond(values: &[f32], limit: f32, sign: f32) -> Vec<usize> {
    const RUN: usize = 256;
    let mut places = Vec::new();
    for (k, run) in values.chunks(RUN).enumerate() {
        if any_beyond(run, limit, sign) {
            let here = run
                .iter()
                .enumerate()
                .filter(|&(_, value)| value * sign > limit);
            places.extend(here.map(|(l, _)| k * RUN + l));
        }
    }
    places
}

/// Groups of touching pixels (corners included) above `grow` that hold one above `seed`.
fn connected(ratio: &[f32], shape: Shape, options: &Options) -> Vec<u8> {
    let (seed, grow) = (options.seed as f32, options.grow as f32);
    let mut rules = vec![0; ratio.len()];
    let mut open = Vec::new();
    for p in beyond(ratio, seed, 1.0) {
        if rules[p] != 0 {
            continue;
        }
        rules[p] = SHARP;
        open.push(p);
        while let Some(q) = open.pop() {
            neighbours(q, shape, |r| {
                if ratio[r] > grow && rules[r] == 0 {
                    rules[r] = SHARP;
                    open.push(r);
                }
            });
        }
    }
    rules
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: Shape = Shape { ny: 60, nx: 70 };

    fn residual(light: &[(usize, f32)]) -> Residual {
        let mut value = vec![0.0; SHAPE.area()];
        for &(p, x) in light {
            value[p] = x;
        }
        Residual {
            ratio: value.clone(),
            noise: vec![1.0; SHAPE.area()],
            tested: vec![1.0; SHAPE.area()],
            value,
        }
    }

    fn find(residual: Residual, y: &[f32], sources: &Sources, tolerance: &[f32]) -> Found {
        let [zero, flat, three] = [0.0, 1.0, 3.0].map(|x| vec![x; SHAPE.area()]);
        let visit = Visit {
            shape: SHAPE,
            sources,
            tolerance,
            y,
            v: &flat,
            lowest: [y, &zero],
            n_good: &three,
            sigma: 2.0,
            worth: 1.0,
        };
        let mut memory = Memory {
            residual,
            mean: zero.clone(),
            cover: zero.clone(),
            ..Memory::default()
        };
        visit.find(&mut memory, &Options::default()).expect("valid")
    }

    fn no_sources() -> Sources {
        Sources {
            inside: vec![false; SHAPE.area()],
            ..Sources::default()
        }
    }

    fn places(found: &Found, rule: u8) -> Vec<usize> {
        (0..found.rules.len())
            .filter(|&p| found.rules[p] & rule != 0)
            .collect()
    }

    #[test]
    fn sharp_light_grows_over_corners_and_needs_a_seed() {
        let y = vec![1.0; SHAPE.area()];
        // Without noise the measured one is held at 0.7.
        let light = [
            (710, 6.0),
            (781, 2.0),
            (852, 1.8),
            (853, 1.7),
            (1500, 2.9),
            (1501, 2.8),
        ];
        let found = find(residual(&light), &y, &no_sources(), &[]);
        assert_eq!(places(&found, SHARP), [710, 781, 852]);
        assert!(places(&found, LOBE).is_empty());
    }

    #[test]
    fn a_lobe_stands_beside_its_peak() {
        let mut y = vec![1.0; SHAPE.area()];
        (y[712], y[1500]) = (-4.0, -4.0);
        let found = find(
            residual(&[(710, 30.0), (712, -4.0), (1500, -4.0)]),
            &y,
            &no_sources(),
            &[],
        );
        assert_eq!((places(&found, LOBE), found.deep), (vec![712], vec![712]));
    }

    #[test]
    fn light_is_not_negative() {
        let mut y = vec![0.0; SHAPE.area()];
        (y[712], y[900], y[1500]) = (-6.0, -6.0, -4.9);
        let mut sources = no_sources();
        (sources.list, sources.inside[900]) = (vec![900], true);
        let light = [(712, -6.0), (900, -6.0), (1500, -4.9)];
        let found = find(residual(&light), &y, &sources, &[0.0]);
        assert_eq!((places(&found, LOBE), found.deep), (vec![712], vec![712]));
    }

    #[test]
    fn faint_wide_light_is_smooth_and_a_single_pixel_is_not() {
        let y = vec![1.0; SHAPE.area()];
        let disc = |p: &usize| (p / 70).abs_diff(30) < 9 && (p % 70).abs_diff(35) < 9;
        let light: Vec<(usize, f32)> = (0..SHAPE.area()).filter(disc).map(|p| (p, 1.2)).collect();
        let found = find(residual(&light), &y, &no_sources(), &[]);
        let smooth = places(&found, SMOOTH);
        assert!(smooth.len() > 200 && smooth.len() < 420, "{}", smooth.len());
        let found = find(residual(&[(2100, 1e6)]), &y, &no_sources(), &[]);
        assert_eq!(
            (places(&found, SMOOTH).len(), places(&found, SHARP)),
            (0, vec![2100])
        );
        let faint: Vec<(usize, f32)> = light.iter().map(|&(p, _)| (p, 0.4)).collect();
        let found = find(residual(&faint), &y, &no_sources(), &[]);
        assert!(found.rules.iter().all(|&r| r == 0));
    }

    #[test]
    fn a_source_has_its_tolerance() {
        let y = vec![1.0; SHAPE.area()];
        let mut sources = no_sources();
        sources.list = vec![710, 711];
        (sources.inside[710], sources.inside[711]) = (true, true);
        let found = find(
            residual(&[(710, 9.0), (711, 9.0)]),
            &y,
            &sources,
            &[9.5, 1.0],
        );
        assert_eq!(places(&found, SHARP), [711]);
    }
}
