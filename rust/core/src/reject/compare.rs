// SPDX-License-Identifier: BSD-3-Clause
//! Which pixels of one visit are artifacts, from its difference from the others.

use super::cell::Options;
use super::flags::{LOBE, SHARP, SMOOTH};
use super::plane::{Outside, Shape, gauss, lag_noise, neighbours};
use super::reference::Residual;
use super::tolerance::Sources;
use crate::error::Result;

/// Pixels between which the noise of a visit is measured.
const LAG: usize = 5;
/// By how much the noise may differ from what the variances say.
const NOISE_LIMITS: (f64, f64) = (0.7, 2.0);
/// The same of the smoothed significance, against white noise.
const SMOOTH_LIMITS: (f64, f64) = (0.7, 4.0);
/// Pixels around a lobe in which its peak must be, either way.
const BESIDE: usize = 3;
/// A smoothed value needs this share of its weights on tested pixels.
const COVERAGE: f32 = 0.3;

/// What is decided about one visit.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Rules that flag each pixel.
    pub rules: Vec<u8>,
    /// Pixels of deep lobes.
    pub deep: Vec<u32>,
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
    pub fn find(&self, mut residual: Residual, options: &Options) -> Result<Found> {
        // Of the variances alone: brightness in units of the noise of the visit.
        let unit: Vec<f32> = self
            .v
            .iter()
            .zip(&residual.noise)
            .map(|(v, n)| v.sqrt() / n)
            .collect();
        let blank = |p: usize| residual.tested[p] > 0.0 && !self.sources.inside[p];
        let noise = lag_noise(&residual.ratio, self.shape, LAG, blank);
        let noise = if noise.is_finite() {
            noise.clamp(NOISE_LIMITS.0, NOISE_LIMITS.1) as f32
        } else {
            1.0
        };
        for (ratio, sigma) in residual.ratio.iter_mut().zip(&mut residual.noise) {
            *ratio /= noise;
            *sigma *= noise;
        }
        for (&p, &tolerance) in self.sources.list.iter().zip(self.tolerance) {
            let p = p as usize;
            let over = (residual.value[p].abs() - tolerance).max(0.0);
            residual.ratio[p] = over.copysign(residual.value[p]) / residual.noise[p];
        }
        let mut found = Found {
            rules: connected(&residual.ratio, self.shape, options),
            deep: Vec::new(),
        };
        self.find_lobes(&residual, options, &mut found);
        for (scale, least) in [
            (self.sigma, options.amplitude),
            (options.extended, options.amplitude_extended),
        ] {
            self.find_smooth(
                &residual,
                scale,
                (&unit, least as f32),
                options,
                &mut found.rules,
            )?;
        }
        Ok(found)
    }

    /// Dark pixels beside sharp light that no other visit shows.
    fn find_lobes(&self, residual: &Residual, options: &Options, found: &mut Found) {
        let (grow, seed) = (options.grow as f32, options.seed as f32);
        for p in 0..self.y.len() {
            let ratio = residual.ratio[p];
            // Of two visits the brighter one is the artifact.
            if !(ratio < -grow && residual.tested[p] > 0.0 && self.n_good[p] > 2.5) {
                continue;
            }
            let [first, second] = [self.lowest[0][p], self.lowest[1][p]];
            let is_lowest = self.y[p] <= first && second - self.y[p] > grow * residual.noise[p];
            let limit = options.lobe as f32 * self.peak(p, &residual.value, &found.rules);
            if is_lowest && -residual.value[p] < limit {
                found.rules[p] |= LOBE;
                if ratio < -seed {
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

    /// Light that is coherent over `scale` pixels: significant, and at least `least` of the noise
    /// of a pixel, for fainter light costs less than leaving it out.
    fn find_smooth(
        &self,
        residual: &Residual,
        scale: f64,
        (unit, least): (&[f32], f32),
        options: &Options,
        rules: &mut [u8],
    ) -> Result<()> {
        let most = options.winsor as f32;
        let held: Vec<f32> = residual
            .ratio
            .iter()
            .map(|z| z.clamp(-most, most))
            .collect();
        let mut mean = gauss(&held, self.shape, scale, Outside::Zero)?;
        let cover = gauss(&residual.tested, self.shape, scale, Outside::Zero)?;
        for (mean, &cover) in mean.iter_mut().zip(&cover) {
            *mean = if cover > COVERAGE { *mean / cover } else { 0.0 };
        }
        let blank =
            |p: usize| residual.tested[p] > 0.0 && !self.sources.inside[p] && cover[p] > COVERAGE;
        let white = 1.0 / (2.0 * scale * std::f64::consts::PI.sqrt());
        let noise = lag_noise(&mean, self.shape, (4.0 * scale + 0.5) as usize, blank);
        let noise = if noise.is_finite() {
            noise.clamp(SMOOTH_LIMITS.0 * white, SMOOTH_LIMITS.1 * white)
        } else {
            white
        };
        let limit = (options.soft * noise) as f32;
        for (p, &value) in mean.iter().enumerate() {
            if value > limit && value > least * unit[p] && residual.tested[p] > 0.0 {
                rules[p] |= SMOOTH;
            }
        }
        Ok(())
    }
}

/// Groups of touching pixels (corners included) above `grow` that hold one above `seed`.
fn connected(ratio: &[f32], shape: Shape, options: &Options) -> Vec<u8> {
    let (seed, grow) = (options.seed as f32, options.grow as f32);
    let mut rules = vec![0; ratio.len()];
    let mut open = Vec::new();
    for p in 0..ratio.len() {
        if !(ratio[p] > seed && rules[p] == 0) {
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
        visit.find(residual, &Options::default()).expect("valid")
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
