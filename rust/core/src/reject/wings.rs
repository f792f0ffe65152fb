// SPDX-License-Identifier: BSD-3-Clause
//! Wings of stars whose middle is missing: blurs of a template with a hole do not tell there what
//! the seeing does, the slope of the wing does.

use super::cell::Epoch;
use super::flags::good;
use super::plane::{Shape, dilate, neighbours};

/// Pixels beyond the hole, in sigma of the widest PSF.
const REACH: f64 = 2.5;
/// Brightness of a wing, in noise of a pixel, from which its slope is known.
const SLOPED: f32 = 5.0;
/// Largest distance from a star, in sigma of the PSF, that a slope is taken for.
const FARTHEST: f64 = 5.0;
/// Factor for stars that are no Gaussians, and for a mean that a visit itself takes part in.
const SAFE: f64 = 2.0;

/// What the lower median shows of the sky, without the seeing differences.
pub(super) struct Low<'a> {
    pub shape: Shape,
    pub values: &'a [f32],
    /// Number of visits that can be used at a pixel.
    pub n_good: &'a [f32],
    /// Median noise of a pixel of a visit.
    pub noise: f32,
}

/// One pixel of a wing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Wing {
    /// Its place in the list of sources.
    pub place: usize,
    /// Brightness in the visit that shows the second highest value.
    light: f64,
    /// Squared distance from the star [pixel], by the slope.
    square: f64,
    /// Squared sigma of its PSF.
    variance: f64,
    /// Mean over the visits of their brightness, in units of its own.
    mean: f64,
}

impl Low<'_> {
    /// Pixels near stars that end where no visit sees anything, or, brighter than `bright` noises,
    /// where some do not.
    pub fn near_holes(&self, bright: f64, epochs: &[Epoch]) -> Vec<bool> {
        let (least, some) = (SLOPED * self.noise, bright as f32 * self.noise);
        let ends = |p: usize| {
            let (light, n) = (self.values[p], self.n_good[p]);
            let mut found = false;
            if light > least && n > 0.0 {
                neighbours(p, self.shape, |q| {
                    let other = self.n_good[q];
                    found |= other == 0.0 || light > some && other != n;
                });
            }
            found
        };
        let ends: Vec<bool> = (0..self.values.len()).map(ends).collect();
        let widest = epochs.iter().map(|e| e.sigma).fold(0.0, f64::max);
        dilate(&ends, self.shape, (REACH * widest + 0.5) as usize, true)
    }

    /// The wings among the pixels of a list: where `near` a hole or at the `rim` of the sky.
    pub fn wings(
        &self,
        list: &[u32],
        (near, rim): (&[bool], &[bool]),
        epochs: &[Epoch],
    ) -> Vec<Wing> {
        let mut visits = Vec::with_capacity(epochs.len());
        let mut wings = Vec::new();
        for (place, &p) in list.iter().enumerate() {
            let p = p as usize;
            if !(near[p] || rim[p]) {
                continue;
            }
            let light = second_brightest(p, epochs, &mut visits);
            let rank = visits.len().saturating_sub(2);
            let Some(&(_, sigma)) = visits.get(rank).filter(|_| light > SLOPED * self.noise) else {
                continue;
            };
            let variance = sigma * sigma;
            let widths: Vec<f64> = visits.iter().map(|visit| visit.1).collect();
            let slope = self.slope(p, variance, |q| second_brightest(q, epochs, &mut visits));
            let distance = (variance * slope).min(FARTHEST * sigma);
            let mut wing = Wing {
                place,
                light: f64::from(light),
                square: distance * distance,
                variance,
                mean: 0.0,
            };
            let all: f64 = widths.iter().map(|&sigma| wing.ratio(sigma)).sum();
            wing.mean = all / widths.len() as f64;
            wings.push(wing);
        }
        wings
    }

    /// By which share the light falls from pixel to pixel; infinite where that is not known.
    fn slope(&self, p: usize, variance: f64, mut light: impl FnMut(usize) -> f32) -> f64 {
        let Shape { ny, nx } = self.shape;
        let (y, x) = (p / nx, p % nx);
        let along_y = [(y > 0).then(|| p - nx), (y + 1 < ny).then(|| p + nx)];
        let along_x = [(x > 0).then(|| p - 1), (x + 1 < nx).then(|| p + 1)];
        let here = light(p);
        // Logarithm of the ratio to a neighbour that the same visits see.
        let mut fall = |q: Option<usize>| {
            let there = light(q.filter(|&q| self.n_good[q] == self.n_good[p])?);
            (there > self.noise).then(|| f64::from(there / here).ln())
        };
        let mut sum = 0.0;
        for [before, after] in [along_y, along_x] {
            let share = match (fall(before), fall(after)) {
                (Some(a), Some(b)) => 0.5 * (a - b),
                // Half a pixel nearer to the star, or farther from it.
                (Some(one), None) | (None, Some(one)) => one.abs() + 0.5 / variance,
                (None, None) => f64::INFINITY,
            };
            sum += share * share;
        }
        sum.sqrt()
    }
}

/// Second highest value of the visits that can be used at a pixel, as they are; 0 of none. One artifact
/// does not change it. Leaves their values and widths in `visits`.
fn second_brightest(p: usize, epochs: &[Epoch], visits: &mut Vec<(f32, f64)>) -> f32 {
    visits.clear();
    let left = epochs.iter().filter(|e| good(e.state[p]));
    visits.extend(left.map(|e| (e.y[p], e.sigma)));
    visits.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let rank = visits.len().saturating_sub(2);
    visits.get(rank).map_or(0.0, |visit| visit.0)
}

impl Wing {
    /// Brightness in a visit of PSF `sigma`: a Gaussian star has
    /// `flux / (2 pi sigma^2) exp(-distance^2 / (2 sigma^2))`.
    fn ratio(&self, sigma: f64) -> f64 {
        let own = sigma * sigma;
        let exponent = 0.5 * self.square * (1.0 / self.variance - 1.0 / own);
        self.variance / own * exponent.exp()
    }

    /// How much a visit of PSF `sigma` may differ from the mean.
    pub fn tolerance(&self, sigma: f64) -> f32 {
        (SAFE * self.light * (self.ratio(sigma) - self.mean).abs()) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::super::flags::GOOD;
    use super::*;

    const SHAPE: Shape = Shape { ny: 41, nx: 43 };

    fn star(p: usize, sigma: f64) -> f64 {
        let (y, x) = ((p / 43) as f64 - 20.0, (p % 43) as f64 - 21.0);
        1e6 / (sigma * sigma) * (-0.5 * (y * y + x * x) / (sigma * sigma)).exp()
    }

    fn epoch(sigma: f64) -> Epoch {
        Epoch {
            y: (0..SHAPE.area()).map(|p| star(p, sigma) as f32).collect(),
            v: Vec::new(),
            state: vec![GOOD; SHAPE.area()],
            shift: Vec::new(),
            sigma,
            weight: 1.0,
        }
    }

    #[test]
    fn a_wing_tells_the_star_of_another_seeing() {
        let epochs = [1.6, 2.0, 2.5].map(epoch);
        let (values, n_good): (Vec<f32>, Vec<f32>) = (0..SHAPE.area())
            .map(|p| {
                let here = star(p, 2.0);
                (here as f32, if here > 3e4 { 0.0 } else { 3.0 })
            })
            .unzip();
        let low = Low {
            shape: SHAPE,
            values: &values,
            n_good: &n_good,
            noise: 1.0,
        };
        let near = low.near_holes(300.0, &epochs);
        let list: Vec<u32> = (0..SHAPE.area() as u32)
            .filter(|&p| n_good[p as usize] > 0.0)
            .collect();
        let wings = low.wings(&list, (&near, &near), &epochs);
        assert!(wings.len() > 100);
        for wing in &wings {
            let p = list[wing.place] as usize;
            let mean = [1.6, 2.0, 2.5]
                .map(|sigma| star(p, sigma))
                .iter()
                .sum::<f64>()
                / 3.0;
            for sigma in [1.6, 2.0, 2.5] {
                let real = (star(p, sigma) - mean).abs() as f32;
                let got = wing.tolerance(sigma);
                // Exact slopes make it 2; those from one side of the hole, more or less.
                assert!(got > 1.5 * real, "{p} {sigma} {got} {real}");
            }
        }
    }

    #[test]
    fn a_hit_of_the_sharper_of_two_visits_makes_no_wing_of_it() {
        let mut epochs = [1.6, 2.5].map(epoch);
        let (hit, values) = (20 * 43 + 31, epochs[0].y.clone());
        epochs[0].y[hit] += 5e5;
        let n_good = vec![2.0; SHAPE.area()];
        let low = Low {
            shape: SHAPE,
            values: &values,
            n_good: &n_good,
            noise: 1.0,
        };
        let near = vec![true; SHAPE.area()];
        let wings = low.wings(&[hit as u32], (&near, &near), &epochs);
        assert!(wings[0].tolerance(1.6) < 0.1 * 5e5, "{wings:?}");
    }

    #[test]
    fn a_star_without_a_hole_has_no_wings() {
        let epochs = [2.0, 2.0].map(epoch);
        let values: Vec<f32> = (0..SHAPE.area()).map(|p| star(p, 2.0) as f32).collect();
        let n_good = vec![2.0; SHAPE.area()];
        let low = Low {
            shape: SHAPE,
            values: &values,
            n_good: &n_good,
            noise: 1.0,
        };
        assert!(low.near_holes(300.0, &epochs).iter().all(|&near| !near));
    }
}
