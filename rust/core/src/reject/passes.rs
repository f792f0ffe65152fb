// SPDX-License-Identifier: BSD-3-Clause
//! The passes over the visits of a cell: each finds sources, seeing differences and artifacts anew
//! from what the one before has left.

use super::cell::{Cell, Epoch};
use super::compare::{Found, Memory, Visit};
use super::flags::{good, kept};
use super::plane::{Shape, dilate, median, neighbours, stride};
use super::reference::{Pixels, against_mean, against_median, odd_pixels};
use super::seeing::{Sample, Terms, bound_shares, described, fit, terms};
use super::sky::surface;
use super::smooth::{Outside, gauss};
use super::stack::{Layer, Places, Stack, stack};
use super::tolerance::{Scene, Sources, indices, median_variance};
use super::wings::{Low, Wing};
use crate::error::Result;
use crate::par;
use crate::stats::quantile;
use std::f64::consts::FRAC_PI_2;

/// Steps by which sources are widened.
const GROWTH: usize = 3;
/// Pixels around the cell's outer edges, in sigma of the widest PSF.
const RIM: f64 = 2.5;
/// Pixels that faint light reaches beyond bright light of a source, in sigma of the PSF.
const WING: f64 = 4.0;
/// How much the peak of a star exceeds its neighbours at most.
const PEAK: f32 = 1.5;
/// A pixel takes part in the fit of the seeing if the template exceeds its noise by this factor,
const FIT_SIGNIFICANCE: f32 = 2.0;
/// and the noise of a visit by this.
const FIT_BRIGHTNESS: f32 = 0.3;
/// A tenth of normal deviates lies below minus this.
const TENTH: f64 = 1.2816;
/// One of the ranks of a stack, and by how much it lies below the mean, in noise of one visit.
type LowRank = fn(u32) -> (usize, f32);

/// Sky level that all visits share: by the tenth part of the pixels with the least light, which
/// even a crowded field has, and what noise does to these.
fn common_level(stacked: &Stack) -> f32 {
    let (mut values, mut noises) = (Vec::new(), Vec::new());
    for p in (0..stacked.n.len()).step_by(stride(stacked.n.len())) {
        let n = f64::from(stacked.n[p]);
        if n > 0.0 {
            let loss = if n > 2.0 { FRAC_PI_2 } else { 1.0 };
            values.push(f64::from(stacked.median(p)));
            noises.push((loss * stacked.noise[p]).sqrt() / n);
        }
    }
    if values.is_empty() {
        return 0.0;
    }
    (quantile(&mut values, 0.1) + TENTH * median(&mut noises)) as f32
}

/// Noise of the difference of a visit of this weight from the mean of the others; its own if there
/// are none.
fn noise_against_others(weight: f64, all: f64) -> f64 {
    let others = all - weight;
    let variance = 1.0 / weight;
    let more = if others > 1e-9 * all {
        1.0 / others
    } else {
        0.0
    };
    (variance + more).sqrt()
}

/// What is the same for all visits: scene, sources, mean seeing difference, wings.
type Common<'a> = (&'a Scene<'a>, &'a Sources, &'a [f32], &'a [Wing]);

/// The lower median of n visits: light that less than half of them see does not lift it.
fn lower_median(n: u32) -> (usize, f32) {
    // Of two, the lower one is all there is against an artifact: it is not corrected.
    let even = n > 2 && n.is_multiple_of(2);
    (1, if even { 1.2 / n as f32 } else { 0.0 })
}

/// The same, but of five visits and fewer a rank that light in three of them does not lift: a slow
/// body is in three at a time.
fn unlit_rank(n: u32) -> (usize, f32) {
    match n {
        3 => (0, 0.846),
        4 => (0, 1.029),
        5 => (0, 0.495),
        _ => lower_median(n),
    }
}

impl Cell {
    /// One pass: sources and seeing differences from what is left, then new flags. Returns the
    /// number of pixels of visits whose flag is another than before.
    pub fn pass(&mut self) -> Result<u64> {
        if self.epochs.is_empty() || self.shape.area() == 0 {
            return Ok(0);
        }
        if self.passes == 0 {
            self.prepare();
        }
        let first = self.passes == 0;
        let mut stacked = self.stack_all(first);
        if first {
            self.rim = self.ends_of_the_template(&stacked.n_good);
            self.n_good.clone_from(&stacked.n_good);
        }
        let template = self.template(&stacked, first);
        let mut low = self.low(&stacked, lower_median);
        let core = self.core(&self.low(&stacked, unlit_rank), &stacked)?;
        let inside = dilate(&core, self.shape, GROWTH, false);
        let before = std::mem::take(&mut self.list);
        let list = indices(&inside);
        self.list.clone_from(&list);
        let near = self.near_holes(&low);
        self.fit_seeing(&template, (&core, &near), &stacked.weight)?;
        let mut template = template;
        if first {
            // Again, from a template of one seeing.
            self.restack(&mut stacked, &list, true);
            template = (0..template.len()).map(|p| stacked.median(p)).collect();
            low = self.low(&stacked, lower_median);
            self.fit_seeing(&template, (&core, &near), &stacked.weight)?;
        }
        self.restore(&mut stacked, &before, &inside, first);
        self.restack(&mut stacked, &list, first);
        let changed = self.judge(&stacked, &template, (&low, &near), inside, first)?;
        self.passes += 1;
        Ok(changed)
    }

    /// Weights, noise, widths; takes the sky offsets out.
    fn prepare(&mut self) {
        let mut noises = Vec::new();
        for epoch in &mut self.epochs {
            let variance = median_variance(&epoch.v, &epoch.state).unwrap_or(1.0);
            epoch.weight = 1.0 / variance;
            noises.push(variance.sqrt());
        }
        self.noise = median(&mut noises) as f32;
        let mut sigmas: Vec<f64> = self.epochs.iter().map(|e| e.sigma).collect();
        self.sigma = median(&mut sigmas);
        let weights: f64 = self.epochs.iter().map(|e| e.weight).sum();
        let squares = self.epochs.iter().map(|e| e.weight * e.sigma * e.sigma);
        self.variance_t = squares.sum::<f64>() / weights;
        let stacked = self.stack_all(true);
        let shape = self.shape;
        let (mesh, most) = (self.options.mesh, self.options.mesh_most);
        let level = common_level(&stacked);
        par::map(self.epochs.iter_mut().collect(), |epoch: &mut Epoch| {
            let differences: Vec<f32> = epoch
                .y
                .iter()
                .enumerate()
                .map(|(p, y)| y - stacked.median(p))
                .collect();
            let usable = |p: usize| good(epoch.state[p]) && stacked.n[p] > 1.5;
            let most = most * noise_against_others(epoch.weight, weights);
            let sky = surface(&differences, usable, shape, mesh, most);
            for ((y, &state), sky) in epoch.y.iter_mut().zip(&epoch.state).zip(sky) {
                *y -= if good(state) { sky + level } else { 0.0 };
            }
        });
    }

    /// Mean variance of a pixel of a visit.
    fn usual_variance(&self) -> f64 {
        let all: f64 = self.epochs.iter().map(|e| 1.0 / e.weight).sum();
        all / self.epochs.len() as f64
    }

    /// Stack of all pixels; without the seeing differences of the last pass at its sources.
    fn stack_all(&self, plain: bool) -> Stack {
        let mut all = stack(&self.layers(), Places::All(self.shape.area()), plain);
        self.restack(&mut all, &self.list, plain);
        all
    }

    /// Stacks the sources again, with the seeing differences of now.
    fn restack(&self, stacked: &mut Stack, list: &[u32], plain: bool) {
        if !list.is_empty() {
            stacked.put(list, &stack(&self.layers(), Places::List(list), plain));
        }
    }

    /// Stacks those pixels again, as they are, that were in a source before and are in none now.
    fn restore(&self, stacked: &mut Stack, before: &[u32], inside: &[bool], plain: bool) {
        let left: Vec<u32> = before
            .iter()
            .copied()
            .filter(|&p| !inside[p as usize])
            .collect();
        let nothing = vec![0.0; left.len()];
        let layers: Vec<Layer> = self
            .layers()
            .into_iter()
            .map(|layer| Layer {
                shift: &nothing,
                ..layer
            })
            .collect();
        if !left.is_empty() {
            stacked.put(&left, &stack(&layers, Places::List(&left), plain));
        }
    }

    /// Rims of the box, and of pixels that no visit sees.
    fn ends_of_the_template(&self, n_good: &[f32]) -> Vec<bool> {
        let widest = self.epochs.iter().map(|e| e.sigma).fold(0.0, f64::max);
        let reach = (RIM * widest + 0.5) as usize;
        let unseen: Vec<bool> = n_good.iter().map(|&n| n < 0.5).collect();
        let mut rim = dilate(&unseen, self.shape, reach, true);
        let Shape { ny, nx } = self.shape;
        for (p, flag) in rim.iter_mut().enumerate() {
            let (y, x) = (p / nx, p % nx);
            let near = [y, ny - 1 - y, x, nx - 1 - x];
            *flag |= near
                .iter()
                .zip(&self.ends)
                .any(|(&d, &end)| end && d < reach);
        }
        rim
    }

    /// Median at first, then the weighted mean; the lowest value where all are flagged.
    fn template(&self, stacked: &Stack, first: bool) -> Vec<f32> {
        let at = |p: usize| {
            if first {
                stacked.median(p)
            } else if stacked.n[p] > 0.5 {
                (stacked.sum[p] / stacked.weight[p]) as f32
            } else if stacked.n_good[p] > 0.5 {
                stacked.lowest[0][p]
            } else {
                0.0
            }
        };
        (0..self.shape.area()).map(at).collect()
    }

    /// A low rank of the visits without its bias.
    fn low(&self, stacked: &Stack, rank: LowRank) -> Vec<f32> {
        let at = |p: usize| {
            let n = stacked.n[p];
            if n < 0.5 {
                return 0.0;
            }
            let one = (f64::from(n) / stacked.weight[p]).sqrt() as f32;
            let (rank, bias) = rank(n as u32);
            stacked.ranks[rank][p] + bias * one
        };
        let mut low: Vec<f32> = (0..self.shape.area()).map(at).collect();
        // A cosmic ray where one visit alone sees the sky is no star if its neighbours say so.
        let mut held = Vec::new();
        for p in (0..low.len()).filter(|&p| stacked.n_good[p] == 1.0) {
            let mut most = f32::NEG_INFINITY;
            neighbours(p, self.shape, |q| {
                most = most.max(if stacked.n_good[q] > 1.5 {
                    low[q]
                } else {
                    most
                });
            });
            let limit = PEAK * most.max(0.0) + self.noise;
            if most > f32::NEG_INFINITY && low[p] > limit {
                held.push((p, limit));
            }
        }
        for (p, limit) in held {
            low[p] = limit;
        }
        low
    }

    /// What the lower median tells of wings.
    fn low_sky<'a>(&'a self, low: &'a [f32]) -> Low<'a> {
        Low {
            shape: self.shape,
            values: low,
            n_good: &self.n_good,
            noise: self.noise,
        }
    }

    /// Pixels near bright stars whose middle is missing.
    fn near_holes(&self, low: &[f32]) -> Vec<bool> {
        let bright = self.options.bright;
        self.low_sky(low).near_holes(bright, &self.epochs)
    }

    /// Pixels where the smoothed sky is significant, near those where it is bright: what is fainter
    /// than light that stays does not differ by more than that. Where light of several visits
    /// meets, the low rank lies above the sky by what its bias was taken for.
    fn core(&self, low: &[f32], stacked: &Stack) -> Result<Vec<bool>> {
        let smooth = gauss(low, self.shape, self.sigma, Outside::Nearest)?;
        let spread = (4.0 * std::f64::consts::PI).sqrt() * self.sigma;
        let limit = self.options.source / spread;
        let best = self.epochs.iter().map(|e| e.weight).fold(0.0, f64::max);
        let least = self.options.amplitude / best.sqrt();
        let bright = |p: usize| f64::from(smooth[p]) > least;
        let bright: Vec<bool> = (0..low.len()).map(bright).collect();
        let near = dilate(
            &bright,
            self.shape,
            (WING * self.sigma + 0.5) as usize,
            true,
        );
        let is_source = |p: usize| {
            let weight = stacked.weight[p];
            near[p] && weight > 0.0 && f64::from(smooth[p]) > limit / weight.sqrt()
        };
        Ok((0..low.len()).map(is_source).collect())
    }

    /// Fits the seeing difference of each visit, and keeps it at the sources.
    /// A template with a hole is no measure of it: nothing is known `near` one.
    fn fit_seeing(
        &mut self,
        template: &[f32],
        (core, near): (&[bool], &[bool]),
        weight: &[f64],
    ) -> Result<()> {
        let list = &self.list;
        let shapes: Vec<Terms> = terms(template, self.shape, list)?;
        let least = FIT_BRIGHTNESS * self.noise;
        let used: Vec<usize> = (0..list.len())
            .filter(|&k| {
                let p = list[k] as usize;
                let noise = (1.0 / weight[p]).sqrt() as f32;
                core[p] && !near[p] && template[p] > least && template[p] > FIT_SIGNIFICANCE * noise
            })
            .collect();
        par::map(self.epochs.iter_mut().collect(), |epoch: &mut Epoch| {
            let kept_ones = used
                .iter()
                .filter(|&&k| kept(epoch.state[list[k] as usize]));
            let samples: Vec<Sample> = kept_ones
                .map(|&k| {
                    let p = list[k] as usize;
                    Sample {
                        terms: shapes[k],
                        difference: epoch.y[p] - template[p],
                        variance: epoch.v[p],
                        flux: template[p],
                    }
                })
                .filter(Sample::is_likely)
                .collect();
            let found = fit(&samples);
            let shift = |(terms, &p): (&Terms, &u32)| {
                if near[p as usize] {
                    0.0
                } else {
                    described(&found, terms)
                }
            };
            epoch.shift = shapes.iter().zip(list).map(shift).collect();
        });
        Ok(())
    }

    /// Weighted mean over the visits of the seeing differences, at the sources.
    fn mean_shift(&self) -> Vec<f32> {
        let mut sums = vec![(0.0, 0.0); self.list.len()];
        for epoch in &self.epochs {
            for ((sum, &p), &shift) in sums.iter_mut().zip(&self.list).zip(&epoch.shift) {
                if good(epoch.state[p as usize]) {
                    sum.0 += epoch.weight * f64::from(shift);
                    sum.1 += epoch.weight;
                }
            }
        }
        let mean = |(sum, weight): (f64, f64)| if weight > 0.0 { sum / weight } else { 0.0 };
        sums.into_iter().map(|sum| mean(sum) as f32).collect()
    }

    /// New flags of all visits; returns how many changed.
    fn judge(
        &mut self,
        stacked: &Stack,
        template: &[f32],
        (low, near): (&[f32], &[bool]),
        inside: Vec<bool>,
        first: bool,
    ) -> Result<u64> {
        let scene = Scene {
            shape: self.shape,
            template,
            low,
            noise: self.noise,
            sigma: self.sigma,
            rim: &self.rim,
            n_good: &self.n_good,
            n_visits: self.epochs.len(),
            near_holes: near,
        };
        let mut sources = Sources::new(inside, &scene, &self.options)?;
        sources.measure_ranges(&scene, &self.layers(), &self.options);
        let odd = if first {
            Vec::new()
        } else {
            odd_pixels(stacked, (self.options.odd, self.usual_variance()))
        };
        let wings = self
            .low_sky(low)
            .wings(&self.list, (near, &self.rim), &self.epochs);
        let mean = self.mean_shift();
        let found: Result<Vec<Found>> = par::map(self.epochs.iter().collect(), |epoch: &Epoch| {
            self.compare(
                epoch,
                stacked,
                (&scene, &sources, &mean, &wings),
                if first { None } else { Some(&odd) },
            )
        })
        .into_iter()
        .collect();
        Ok(self.settle(stacked, found?))
    }

    /// New flags of one visit. Without `odd` it is compared with the median of the others.
    fn compare(
        &self,
        epoch: &Epoch,
        stacked: &Stack,
        (scene, sources, mean, wings): Common,
        odd: Option<&Vec<u32>>,
    ) -> Result<Found> {
        let mut memory = self
            .memory
            .lock()
            .map_or_else(|_| None, |mut all| all.pop());
        let memory = memory.get_or_insert_default();
        memory.mean.resize(epoch.y.len(), 0.0);
        memory.cover.resize(epoch.y.len(), 0.0);
        let mut y = std::mem::take(&mut memory.y);
        y.clone_from(&epoch.y);
        for (&p, shift) in sources.list.iter().zip(&epoch.shift) {
            y[p as usize] -= shift;
        }
        let pixels = Pixels {
            y: &y,
            v: &epoch.v,
            state: &epoch.state,
            weight: epoch.weight,
        };
        match odd {
            None => against_median(&pixels, stacked, &mut memory.residual),
            Some(odd) => {
                let odd = (&odd[..], self.usual_variance());
                against_mean(&pixels, stacked, odd, &mut memory.residual);
            }
        }
        let tolerance = self.tolerance(epoch, memory, (scene, sources, mean, wings));
        let visit = Visit {
            shape: self.shape,
            sources,
            tolerance: &tolerance,
            y: &y,
            v: &epoch.v,
            lowest: [&stacked.lowest[0], &stacked.lowest[1]],
            n_good: &stacked.n_good,
            sigma: epoch.sigma,
            worth: self.worth(epoch),
        };
        let found = visit.find(memory, &self.options);
        memory.y = y;
        if let Ok(mut all) = self.memory.lock() {
            all.push(std::mem::take(memory));
        }
        found
    }

    /// How much brighter than in one of equal visits light must be, in units of the noise of this
    /// one, to cost the coadd what leaving it out does: a visit of share p of all weights leaves
    /// p / (1 - p) more variance behind, light of A noises in it adds p A^2.
    fn worth(&self, epoch: &Epoch) -> f64 {
        let all: f64 = self.epochs.iter().map(|e| e.weight).sum();
        let (others, equal) = (all - epoch.weight, 1.0 - 1.0 / self.epochs.len() as f64);
        if others > 0.0 {
            (equal * all / others).sqrt()
        } else {
            1.0
        }
    }

    /// Tolerance of one visit at the sources.
    fn tolerance(
        &self,
        epoch: &Epoch,
        memory: &mut Memory,
        (scene, sources, mean, wings): Common,
    ) -> Vec<f32> {
        let options = &self.options;
        let residual = &memory.residual;
        let share = sources.share(&residual.value, &residual.noise, scene, options);
        let shares = bound_shares(epoch.sigma, self.variance_t);
        let plane = &mut memory.cover;
        let seeing = sources.seeing(&shares, (&epoch.shift, mean), self.shape, plane);
        let (by_seeing, by_spread) = (
            options.seeing_tolerance as f32,
            options.spread_tolerance as f32,
        );
        let at = |k: usize| {
            let noise = epoch.v[sources.list[k] as usize].sqrt();
            let spread = (sources.range[k] - 3.0 * noise).max(0.0);
            share * sources.change[k] + by_seeing * seeing[k] + by_spread * spread + sources.rim[k]
        };
        let mut tolerance: Vec<f32> = (0..sources.list.len()).map(at).collect();
        for wing in wings {
            tolerance[wing.place] += by_seeing * wing.tolerance(epoch.sigma);
        }
        tolerance
    }
}
