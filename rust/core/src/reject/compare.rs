// SPDX-License-Identifier: BSD-3-Clause
//! Which pixels of one visit are artifacts, from its difference from the others.

use super::cell::Options;
use super::flags::{LOBE, SHARP, SMOOTH};
use super::plane::{Shape, lag_noise, neighbours};
use super::reference::Residual;
use super::smooth::tested_mean;
use super::tolerance::Sources;
use crate::error::Result;
use crate::simd::dispatch;

/// Pixels between which the noise of a visit is measured.
const LAG: usize = 5;
/// By how much the noise may differ from what the variances say.
const NOISE_LIMITS: (f64, f64) = (0.7, 2.0);
/// The same of the smoothed significance, against white noise.
const SMOOTH_LIMITS: (f64, f64) = (0.7, 4.0);
/// Pixels around a lobe in which its peak must be, either way.
const BESIDE: usize = 3;
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
}

impl Visit<'_> {
    /// Flags the artifacts.
    pub fn find(&self, memory: &mut Memory, options: &Options) -> Result<Found> {
        let Memory {
            residual,
            mean,
            cover,
            ..
        } = memory;
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
        for (scale, least) in [
            (self.sigma, options.amplitude),
            (options.extended, options.amplitude_extended),
        ] {
            let least = least as f32 * noise;
            tested_mean(
                (&residual.ratio, &residual.tested),
                self.shape,
                (scale, options.winsor as f32),
                mean,
                cover,
            )?;
            self.find_smooth(residual, mean, (scale, least), options, &mut found.rules);
        }
        Ok(found)
    }

    /// Dark pixels beside sharp light that no other visit shows.
    fn find_lobes(&self, residual: &Residual, options: &Options, found: &mut Found) {
        let (grow, seed) = (options.grow as f32, options.seed as f32);
        for p in beyond(&residual.ratio, grow, -1.0) {
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

    /// Light that is coherent over `scale` pixels: significant, and at least `least` times the
    /// noise of a pixel by its variance, for fainter light costs less than leaving it out.
    fn find_smooth(
        &self,
        residual: &Residual,
        mean: &[f32],
        (scale, least): (f64, f32),
        options: &Options,
        rules: &mut [u8],
    ) {
        let tested = &residual.tested;
        let blank = |p: usize| tested[p] > 0.0 && !self.sources.inside[p] && !mean[p].is_nan();
        let white = 1.0 / (2.0 * scale * std::f64::consts::PI.sqrt());
        let noise = lag_noise(mean, self.shape, (4.0 * scale + 0.5) as usize, blank);
        let noise = if noise.is_finite() {
            noise.clamp(SMOOTH_LIMITS.0 * white, SMOOTH_LIMITS.1 * white)
        } else {
            white
        };
        let limit = (options.soft * noise) as f32;
        flag_bright(mean, (self.v, &residual.noise), (limit, least), rules);
    }
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
    mean: &[f32],
    (v, noise): (&[f32], &[f32]),
    (limit, least): (f32, f32),
    rules: &mut [u8],
) {
    let n = rules.len();
    let (mean, v, noise) = (&mean[..n], &v[..n], &noise[..n]);
    for p in 0..n {
        // Noise is infinite where nothing is tested.
        let bright = mean[p] > least * v[p].sqrt() / noise[p];
        let found = bright & (mean[p] > limit) & (noise[p] < f32::INFINITY);
        rules[p] |= if found { SMOOTH } else { 0 };
    }
}

dispatch! {
    fn flag_bright(
        mean: &[f32],
        planes: (&[f32], &[f32]),
        limits: (f32, f32),
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
