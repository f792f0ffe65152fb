// SPDX-License-Identifier: BSD-3-Clause
//! What the visits may differ by at sources.

use super::cell::Options;
use super::flags::good;
use super::plane::{Shape, dilate, gradient, max3, neighbours, stride};
use super::seeing::{WIDTHS, blurs};
use super::smooth::{Outside, gauss};
use super::stack::{Layer, trimmed_range};
use crate::error::Result;
use crate::par;
use crate::stats::quantile;

/// Share of the local brightness that nobody calibrates better than.
const FLUX: f32 = 0.02;
/// Brightness, in noise of a pixel, from which the share of a visit is measured.
const MEASURED: f32 = 10.0;
/// Fewest pixels to measure it from.
const FEWEST: usize = 50;
/// Pixels that the rim of saturated stars reaches beyond them.
const REACH: usize = 3;

/// Sources, and what is the same for all visits there. Lists go with `list` unless said.
#[derive(Debug, Default)]
pub(super) struct Sources {
    /// Pixels of the sources, in order.
    pub list: Vec<u32>,
    /// Whether a pixel of the cell is one of them.
    pub inside: Vec<bool>,
    /// How much a small change of PSF or place can do.
    pub change: Vec<f32>,
    /// Tolerance that all visits have: at rims.
    pub rim: Vec<f32>,
    /// Range over the visits, where the source is bright.
    pub range: Vec<f32>,
    /// The list and all neighbours of it.
    pub around: Vec<u32>,
    /// Change by each of the widths; goes with `around`.
    pub blurs: Vec<[f32; WIDTHS.len()]>,
}

/// Pixels of true flags.
pub(super) fn indices(flags: &[bool]) -> Vec<u32> {
    let set = flags.iter().enumerate().filter(|&(_, &f)| f);
    set.map(|(p, _)| p as u32).collect()
}

/// What the tolerances are made from.
pub(super) struct Scene<'a> {
    pub shape: Shape,
    /// Template.
    pub template: &'a [f32],
    /// Lower median.
    pub low: &'a [f32],
    /// Median noise of a pixel of a visit.
    pub noise: f32,
    /// PSF sigma [pixel] of the sources.
    pub sigma: f64,
    /// Pixels where the template ends.
    pub rim: &'a [bool],
    /// Number of visits that can be used at a pixel.
    pub n_good: &'a [f32],
    /// Number of visits.
    pub n_visits: usize,
    /// Pixels whose seeing is not known.
    pub near_holes: &'a [bool],
}

impl Sources {
    /// Sources at `inside`, with what does not need the residuals.
    pub fn new(inside: Vec<bool>, scene: &Scene, options: &Options) -> Result<Self> {
        let shape = scene.shape;
        let list = indices(&inside);
        let bright = max3(scene.low, shape);
        let smooth = gauss(scene.low, shape, scene.sigma, Outside::Nearest)?;
        let (gy, gx) = gradient(scene.low, shape);
        let steep =
            |p: usize| (scene.low[p] - smooth[p]).abs() + (gy[p] * gy[p] + gx[p] * gx[p]).sqrt();
        let change = max3(&(0..inside.len()).map(steep).collect::<Vec<_>>(), shape);
        let at = |p: &u32| change[*p as usize] + FLUX * bright[*p as usize].max(0.0);
        let rim = rim(scene, options);
        let rim_at = |p: &u32| {
            let share = if rim[*p as usize] {
                options.rim_tolerance as f32
            } else {
                0.0
            };
            share * bright[*p as usize].max(0.0)
        };
        let around = indices(&dilate(&inside, shape, 1, true));
        let softened = gauss(scene.template, shape, 1.0, Outside::Nearest)?;
        let planes = blurs(&softened, shape)?;
        let each = |p: &u32| std::array::from_fn(|k| planes[k][*p as usize].abs());
        Ok(Self {
            change: list.iter().map(at).collect(),
            rim: list.iter().map(rim_at).collect(),
            range: vec![0.0; list.len()],
            blurs: around.iter().map(each).collect(),
            around,
            list,
            inside,
        })
    }

    /// Finds the ranges over the visits, whose shifts go with the list.
    pub fn measure_ranges(&mut self, scene: &Scene, layers: &[Layer], options: &Options) {
        let bright = max3(scene.low, scene.shape);
        let least = options.bright_spread as f32 * scene.noise;
        let chosen: Vec<usize> = (0..self.list.len())
            .filter(|&k| bright[self.list[k] as usize] > least)
            .collect();
        let jobs: Vec<&[usize]> = chosen.chunks(1024).collect();
        let ranges = par::map(jobs, |some| {
            let mut values = Vec::with_capacity(layers.len());
            let mut range = |&k: &usize| {
                let p = self.list[k] as usize;
                values.clear();
                let usable = layers.iter().filter(|layer| good(layer.state[p]));
                values.extend(usable.map(|layer| layer.y[p] - layer.shift[k]));
                trimmed_range(&mut values)
            };
            some.iter().map(&mut range).collect::<Vec<f32>>()
        });
        let mut plane = vec![0.0; self.inside.len()];
        for (&k, range) in chosen.iter().zip(ranges.into_iter().flatten()) {
            plane[self.list[k] as usize] = range;
        }
        for (range, &p) in self.range.iter_mut().zip(&self.list) {
            *range = largest(&plane, p, scene.shape);
        }
    }

    /// Largest seeing difference of one visit in the 3 x 3 pixels around each of the list: of the
    /// `shift` of the visit from the `mean` shift, and of the shares of the blurs. `plane` is
    /// memory of the size of the cell.
    pub fn seeing(
        &self,
        shares: &[f32; WIDTHS.len()],
        (shift, mean): (&[f32], &[f32]),
        shape: Shape,
        plane: &mut [f32],
    ) -> Vec<f32> {
        for (&p, blurs) in self.around.iter().zip(&self.blurs) {
            let mut bound = 0.0;
            for k in 0..WIDTHS.len() {
                bound += shares[k] * blurs[k];
            }
            plane[p as usize] = bound;
        }
        for (k, &p) in self.list.iter().enumerate() {
            let here = &mut plane[p as usize];
            *here = here.max((shift[k] - mean[k]).abs());
        }
        self.list
            .iter()
            .map(|&p| largest(plane, p, shape))
            .collect()
    }

    /// Share of `change` that a visit has as tolerance: twice what nine tenths of its residuals at
    /// bright sources stay below.
    pub fn share(&self, residual: &[f32], noise: &[f32], scene: &Scene, options: &Options) -> f32 {
        let least = MEASURED * scene.noise;
        let mut shares = Vec::new();
        for (&p, &change) in self.list.iter().zip(&self.change) {
            let p = p as usize;
            if change > least && noise[p].is_finite() && !scene.near_holes[p] {
                let over = (residual[p].abs() - 2.0 * noise[p]).max(0.0);
                shares.push(f64::from(over / change));
            }
        }
        let (low, high) = options.flux_tolerance;
        if shares.len() <= FEWEST {
            return low as f32;
        }
        (2.0 * quantile(&mut shares, 0.9)).clamp(low, high) as f32
    }
}

/// Where the template ends, and around saturated stars that a visit lacks.
fn rim(scene: &Scene, options: &Options) -> Vec<bool> {
    let least = options.bright as f32 * scene.noise;
    let all = scene.n_visits as f32;
    let lacks = |p: usize| scene.n_good[p] > 0.0 && scene.n_good[p] < all && scene.low[p] > least;
    let stars: Vec<bool> = (0..scene.low.len()).map(lacks).collect();
    let mut rim = dilate(&stars, scene.shape, REACH, true);
    for (flag, &end) in rim.iter_mut().zip(scene.rim) {
        *flag |= end;
    }
    rim
}

/// Largest of the 3 x 3 pixels around one.
fn largest(plane: &[f32], p: u32, shape: Shape) -> f32 {
    let mut most = plane[p as usize];
    neighbours(p as usize, shape, |q| most = most.max(plane[q]));
    most
}

/// Median noise of the pixels that can be used, from a sample of them; `None` of none.
pub(super) fn median_variance(variance: &[f32], state: &[u8]) -> Option<f64> {
    let step = stride(variance.len());
    let pick = |step: usize| -> Vec<f64> {
        let some = (0..variance.len()).step_by(step);
        some.filter(|&p| good(state[p]))
            .map(|p| f64::from(variance[p]))
            .collect()
    };
    let mut sample = pick(step);
    if sample.is_empty() {
        sample = pick(1);
    }
    (!sample.is_empty()).then(|| quantile(&mut sample, 0.5))
}
