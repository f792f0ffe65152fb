// SPDX-License-Identifier: BSD-3-Clause
//! MEAN, MEDIAN and MEANCLIP of `f32` stacks, many pixels at a time.
//!
//! A tile of pixels is gathered, summed and, for quantiles, sorted. Most pixels of a clipped stack
//! lose no sample in any pass: the extremes of the samples tell which, and their moments are
//! already known. The others are collected into a tile of their own, which goes through the passes.

use super::clip::Passes;
use super::lanes::{
    Extremes, Picked, Survey, admit, admit_finite, losing, mark_quartiles, means, median_errors,
    or_words, quartile, reject_unmeasured, reset, survey, take_four,
};
use super::network::Network;
use super::props::{ErrorMode, MaskRules, Options, Property, Weighting};
use super::stack::{Diagnostics, PixelOut, Row, StackInput, lines_at};
use super::sums::{Recipe, RowWeight, Rows, Sums};
use super::weighted::{Moments, proper};

/// Pixels that lose samples which are clipped together.
const HARD: usize = 64;

/// What to compute, and everything that is the same for all pixels.
pub struct Plan<'a, 'o> {
    property: Property,
    options: &'o Options,
    rules: &'o MaskRules<'o>,
    truncation: f64,
    recipe: Recipe,
    /// For groups in which every sample of every pixel is good, and for the others.
    complete: Network,
    partial: Network,
    images: Vec<ndarray::ArrayView2<'a, f32>>,
    masks: Option<Vec<ndarray::ArrayView2<'a, i32>>>,
    variances: Option<Vec<ndarray::ArrayView2<'a, f32>>>,
}

impl<'a, 'o> Plan<'a, 'o> {
    /// A plan, if this kernel can do what is asked; else the general one must.
    pub fn new(
        input: &StackInput<'a, f32>,
        property: Property,
        options: &'o Options,
        rules: &'o MaskRules<'o>,
    ) -> Option<Self> {
        let known = [Property::MEAN, Property::MEDIAN, Property::MEANCLIP].contains(&property);
        if !known || !options.nan_safe || options.mask_from_kept {
            return None;
        }
        // Images of weight 0 are absent.
        let weight = |k: usize| match input.weighting {
            Weighting::PerImage(weights) => weights[k],
            _ => 1.0,
        };
        let used: Vec<usize> = (0..input.images.len())
            .filter(|&k| weight(k) != 0.0)
            .collect();
        let n = used.len();
        if n == 0 || n > usize::from(u16::MAX) {
            return None;
        }
        let inverse = matches!(input.weighting, Weighting::InverseVariance);
        let per_image = matches!(input.weighting, Weighting::PerImage(_));
        let scatter = options.error_mode == ErrorMode::Scatter;
        let variances = !scatter && property != Property::MEDIAN;
        let mosaic = options.error_mode == ErrorMode::Mosaic;
        let row_weight = |k: usize| match (inverse, mosaic) {
            (true, _) => RowWeight {
                w: 1.0,
                wv: if mosaic { 1.0 } else { 0.0 },
            },
            (false, true) => RowWeight {
                w: weight(k),
                wv: weight(k),
            },
            (false, false) => RowWeight {
                w: weight(k),
                wv: weight(k) * weight(k),
            },
        };
        let weights = used.iter().map(|&k| row_weight(k)).collect();
        let recipe = Recipe {
            weights,
            unit: !inverse && !per_image,
            inverse,
            variances,
        };
        let mut wanted = vec![false; n];
        mark_quartiles(n, &mut wanted);
        let needs_variances = inverse || variances;
        Some(Self {
            property,
            options,
            rules,
            truncation: options.truncation(),
            recipe,
            complete: Network::new(n, &wanted),
            partial: Network::new(n, &vec![true; n]),
            images: used.iter().map(|&k| input.images[k]).collect(),
            masks: input
                .masks
                .map(|planes| used.iter().map(|&k| planes[k]).collect()),
            variances: input
                .variances
                .filter(|_| needs_variances)
                .map(|planes| used.iter().map(|&k| planes[k]).collect()),
        })
    }

    /// Pixels of a tile: so many that its samples stay in the first-level cache while they are
    /// sorted; sums alone gain more from long reads.
    fn tile_width(&self) -> usize {
        let samples = if self.property == Property::MEAN {
            32_768
        } else {
            7_680
        };
        (samples / self.images.len() / 32 * 32).clamp(32, 1024)
    }

    /// Computes rows of the outputs.
    pub fn run(&self, rows: &mut [Row<f32>]) -> Diagnostics {
        let mut total = Diagnostics::default();
        let mut work = Work::new(self);
        for row in 0..rows.len() {
            let width = rows[row].image.len();
            let lines = Lines::of(self, rows[row].y);
            let mut x = 0;
            while x < width {
                let tile = Tile {
                    row,
                    x,
                    w: work.width.min(width - x),
                };
                work.gather(self, &lines, &tile);
                work.evaluate(self, rows, &lines, &tile, &mut total);
                x += tile.w;
            }
        }
        work.clip_hard(self, rows, &mut total);
        total
    }
}

/// The inputs of one row.
struct Lines<'a> {
    images: Vec<&'a [f32]>,
    masks: Option<Vec<&'a [i32]>>,
    variances: Option<Vec<&'a [f32]>>,
}

impl<'a> Lines<'a> {
    fn of(plan: &'a Plan<'_, '_>, y: usize) -> Self {
        Self {
            images: lines_at(&plan.images, y),
            masks: plan.masks.as_ref().map(|planes| lines_at(planes, y)),
            variances: plan.variances.as_ref().map(|planes| lines_at(planes, y)),
        }
    }
}

/// Pixels x to x + w of a row.
struct Tile {
    row: usize,
    x: usize,
    w: usize,
}

impl Tile {
    fn of<'a, T>(&self, line: &'a [T]) -> &'a [T] {
        &line[self.x..self.x + self.w]
    }

    fn rows_of<'a, T>(&self, lines: Option<&[&'a [T]]>) -> Vec<&'a [T]> {
        lines
            .unwrap_or_default()
            .iter()
            .map(|line| self.of(line))
            .collect()
    }

    fn of_mut<'a, T>(&self, line: &'a mut [T]) -> &'a mut [T] {
        &mut line[self.x..self.x + self.w]
    }
}

/// A pixel that loses samples: where it is and what is known of it.
#[derive(Clone, Copy)]
struct Hard {
    row: usize,
    x: usize,
    quartiles: (f64, f64),
    all: Moments,
    mask: i32,
}

/// Memory of one thread; vectors have one element a pixel if nothing else is said.
#[derive(Default)]
struct Work {
    width: usize,
    /// One row an image.
    samples: Vec<f32>,
    sorted: Vec<f32>,
    sums: Sums,
    survey: Survey,
    shift: Vec<f64>,
    unlimited: Vec<f64>,
    /// For each threshold the weight of the rejected samples that carry its bit.
    rejected: Vec<Vec<f64>>,
    picked: Picked,
    quartiles: [Vec<f64>; 3],
    value: Vec<f64>,
    variance: Vec<f64>,
    losing: Vec<u32>,
    hard: Vec<Hard>,
    /// One row of `HARD` an image.
    hard_samples: Vec<f32>,
    hard_variances: Vec<f32>,
    hard_sums: Sums,
}

impl Work {
    fn new(plan: &Plan<'_, '_>) -> Self {
        let (width, n) = (plan.tile_width(), plan.images.len());
        let hard = if plan.property == Property::MEANCLIP {
            n * HARD
        } else {
            0
        };
        let hard_variances = if plan.variances.is_some() { hard } else { 0 };
        Self {
            width,
            samples: vec![0.0; n * width],
            sorted: vec![0.0; n * width],
            unlimited: vec![f64::MAX; width],
            picked: Picked {
                low: vec![0.0; width],
                high: vec![0.0; width],
            },
            quartiles: std::array::from_fn(|_| vec![0.0; width]),
            value: vec![0.0; width],
            variance: vec![0.0; width],
            losing: vec![0; width],
            hard: Vec::with_capacity(HARD),
            hard_samples: vec![f32::INFINITY; hard],
            hard_variances: vec![1.0; hard_variances],
            ..Self::default()
        }
    }

    /// Loads the samples of a tile; those rejected become +infinity.
    fn gather(&mut self, plan: &Plan<'_, '_>, lines: &Lines<'_>, tile: &Tile) {
        let w = tile.w;
        self.survey.clear(w);
        let mut k = 0;
        while k < lines.images.len() {
            let rows = match &lines.masks {
                Some(masks) if !plan.recipe.inverse && k + 4 <= masks.len() => {
                    self.take_four(plan, lines, masks, (k, tile));
                    4
                }
                _ => {
                    self.take_one(plan, lines, (k, tile));
                    1
                }
            };
            k += rows;
        }
        self.shift.clear();
        self.shift
            .extend(self.survey.first.iter().map(|&x| f64::from(x)));
        self.weigh_rejected(plan, lines, tile);
    }

    fn take_four(
        &mut self,
        plan: &Plan<'_, '_>,
        lines: &Lines<'_>,
        masks: &[&[i32]],
        (k, tile): (usize, &Tile),
    ) {
        let values = std::array::from_fn(|j| tile.of(lines.images[k + j]));
        let words = std::array::from_fn(|j| tile.of(masks[k + j]));
        let kept = &mut self.samples[k * tile.w..(k + 4) * tile.w];
        take_four(values, words, plan.options.bad_bits, kept, &mut self.survey);
    }

    fn take_one(&mut self, plan: &Plan<'_, '_>, lines: &Lines<'_>, (k, tile): (usize, &Tile)) {
        let w = tile.w;
        let values = tile.of(lines.images[k]);
        let kept = &mut self.samples[k * w..(k + 1) * w];
        let words = lines.masks.as_ref().map(|masks| tile.of(masks[k]));
        match words {
            Some(words) => admit(values, words, plan.options.bad_bits, kept),
            None => admit_finite(values, kept),
        }
        if let (Some(variances), true) = (&lines.variances, plan.recipe.inverse) {
            reject_unmeasured(tile.of(variances[k]), kept);
        }
        let s = &mut self.survey;
        if let Some(words) = words {
            or_words(words, kept, &mut s.any_mask, &mut s.or_mask);
        }
        survey(kept, &mut s.n, &mut s.first, &mut s.low, &mut s.high);
    }

    /// Sums the weights of the rejected samples that carry the bit of a threshold.
    fn weigh_rejected(&mut self, plan: &Plan<'_, '_>, lines: &Lines<'_>, tile: &Tile) {
        let (w, thresholds) = (tile.w, &plan.options.thresholds);
        self.rejected.resize(thresholds.len(), Vec::new());
        for (sums, &(bit, _)) in self.rejected.iter_mut().zip(thresholds) {
            reset(sums, w, 0.0);
            let Some(masks) = &lines.masks else { continue };
            if self.survey.any_mask.iter().all(|word| word >> bit & 1 == 0) {
                continue;
            }
            for (k, mask) in masks.iter().enumerate() {
                for (l, &word) in tile.of(mask).iter().enumerate() {
                    if word >> bit & 1 != 0 && self.samples[k * w + l] == f32::INFINITY {
                        let planes = lines.variances.as_ref();
                        let v = planes.map_or(0.0, |planes| f64::from(planes[k][tile.x + l]));
                        let measured = v.is_finite() && v > 0.0;
                        sums[l] += match (plan.recipe.inverse, measured) {
                            (false, _) => plan.recipe.weights[k].w,
                            (true, true) => 1.0 / v,
                            (true, false) => 0.0,
                        };
                    }
                }
            }
        }
    }

    /// Evaluates the tile that was gathered and writes it; pixels that lose samples to clipping
    /// are written again later.
    fn evaluate(
        &mut self,
        plan: &Plan<'_, '_>,
        rows: &mut [Row<'_, f32>],
        lines: &Lines<'_>,
        tile: &Tile,
        total: &mut Diagnostics,
    ) {
        let w = tile.w;
        self.sums.clear(w);
        let v = tile.rows_of(lines.variances.as_deref());
        let samples = Rows {
            x: &self.samples,
            v: &v,
        };
        if plan.property == Property::MEAN {
            plan.recipe
                .sum_for_mean(samples, &self.shift, &self.survey.n, &mut self.sums);
        } else {
            plan.recipe
                .sum(samples, &self.shift, &self.unlimited[..w], &mut self.sums);
        }
        self.finish_masks(plan);
        if plan.property != Property::MEAN {
            self.sort(plan, w);
        }
        if plan.property == Property::MEDIAN {
            self.value[..w].copy_from_slice(&self.quartiles[1][..w]);
            median_errors(&self.sums, &self.shift, &mut self.variance);
        } else {
            let clips = plan.property == Property::MEANCLIP;
            let how = (
                plan.options.error_mode,
                if clips { plan.truncation } else { 1.0 },
            );
            means(
                &self.sums,
                &self.shift,
                how,
                &mut self.value,
                &mut self.variance,
            );
        }
        total.n_samples += self.survey.n.iter().map(|&n| u64::from(n)).sum::<u64>();
        self.write(&mut rows[tile.row], tile);
        if plan.property == Property::MEANCLIP {
            let [lower, median, upper] = &self.quartiles;
            let extremes = Extremes {
                low: &self.survey.low,
                high: &self.survey.high,
            };
            let quartiles = (&lower[..], &median[..], &upper[..]);
            losing(
                &self.sums,
                &self.shift,
                extremes,
                quartiles,
                plan.options,
                &mut self.losing,
            );
            for l in 0..w {
                if self.losing[l] != 0 {
                    self.set_aside(l, tile, &v);
                    if self.hard.len() == HARD {
                        self.clip_hard(plan, rows, total);
                    }
                }
            }
        }
    }

    /// Quartiles of the tile.
    fn sort(&mut self, plan: &Plan<'_, '_>, w: usize) {
        let n = plan.images.len();
        let complete = self.survey.n.iter().all(|&count| count as usize == n);
        let sorted = &mut self.sorted[..n * w];
        sorted.copy_from_slice(&self.samples[..n * w]);
        let network = if complete {
            &plan.complete
        } else {
            &plan.partial
        };
        network.sort(sorted, w);
        let clips = plan.property == Property::MEANCLIP;
        for (i, out) in (1..).zip(&mut self.quartiles) {
            if i == 2 || clips {
                quartile(sorted, &self.survey.n, i, &mut self.picked, out);
            }
        }
    }

    /// Completes the mask words but for what clipping adds.
    fn finish_masks(&mut self, plan: &Plan<'_, '_>) {
        let count = plan.images.len() as u32;
        for (&(bit, threshold), rejected) in plan.options.thresholds.iter().zip(&self.rejected) {
            for ((word, rejected), kept) in self
                .survey
                .or_mask
                .iter_mut()
                .zip(rejected)
                .zip(&self.sums.s0)
            {
                if rejected / (kept + rejected) > threshold {
                    *word |= 1 << bit;
                }
            }
        }
        for (word, &n) in self.survey.or_mask.iter_mut().zip(&self.survey.n) {
            *word = if n == 0 {
                plan.options.no_data_bits
            } else {
                *word
            };
        }
        for &(from, to) in plan.rules.mask_map {
            for ((word, any), &n) in self
                .survey
                .or_mask
                .iter_mut()
                .zip(&self.survey.any_mask)
                .zip(&self.survey.n)
            {
                *word |= if n < count && any & from != 0 { to } else { 0 };
            }
        }
    }

    /// Writes the pixels of a tile, none of them clipped.
    fn write(&self, row: &mut Row<'_, f32>, tile: &Tile) {
        narrow(tile.of_mut(row.image), &self.value);
        if let Some(plane) = &mut row.variance {
            narrow(tile.of_mut(plane), &self.variance);
        }
        if let Some(plane) = &mut row.weight_sum {
            narrow(tile.of_mut(plane), &self.sums.s0);
        }
        if let Some(plane) = &mut row.mask {
            tile.of_mut(plane).copy_from_slice(&self.survey.or_mask);
        }
        if let Some(plane) = &mut row.n_point {
            tile.of_mut(plane).copy_from_slice(&self.survey.n);
        }
        if let Some(plane) = &mut row.n_clipped {
            tile.of_mut(plane).fill(0);
        }
    }

    /// Copies one pixel into the tile of those that must be clipped.
    fn set_aside(&mut self, l: usize, tile: &Tile, v: &[&[f32]]) {
        let (j, w) = (self.hard.len(), tile.w);
        for k in 0..self.hard_samples.len() / HARD {
            self.hard_samples[k * HARD + j] = self.samples[k * w + l];
        }
        for (hard, row) in self.hard_variances.chunks_exact_mut(HARD).zip(v) {
            hard[j] = row[l];
        }
        let [lower, median, upper] = &self.quartiles;
        self.hard.push(Hard {
            row: tile.row,
            x: tile.x + l,
            quartiles: (median[l], upper[l] - lower[l]),
            all: self.sums.at(l, self.shift[l]),
            mask: self.survey.or_mask[l],
        });
    }

    /// Runs the clipping passes over the pixels set aside and writes them.
    fn clip_hard(
        &mut self,
        plan: &Plan<'_, '_>,
        rows: &mut [Row<'_, f32>],
        total: &mut Diagnostics,
    ) {
        let options = plan.options;
        let mut passes = [Passes::IDLE; HARD];
        for (passes, hard) in passes.iter_mut().zip(&self.hard) {
            *passes = Passes::new(hard.quartiles, options);
        }
        let v: Vec<&[f32]> = self.hard_variances.chunks_exact(HARD).collect();
        let samples = Rows {
            x: &self.hard_samples,
            v: &v,
        };
        for _ in 0..options.n_iter {
            let (mut centre, mut half_width) = ([f64::NAN; HARD], [f64::NAN; HARD]);
            let mut moved = false;
            for (j, hard) in self.hard.iter().enumerate() {
                moved |= passes[j].advance(hard.all.n, options);
                (centre[j], half_width[j]) = (passes[j].centre, passes[j].half_width);
            }
            if !moved {
                break;
            }
            self.hard_sums.clear(HARD);
            plan.recipe
                .sum(samples, &centre, &half_width, &mut self.hard_sums);
            for (j, hard) in self.hard.iter().enumerate() {
                passes[j].take(self.hard_sums.at(j, centre[j]), &hard.all);
            }
        }
        for (passes, hard) in passes.iter().zip(&self.hard) {
            let clipped = passes.result(&hard.all, hard.quartiles, options, plan.truncation);
            let n_clipped = (hard.all.n - clipped.n_kept) as u32;
            total.n_clipped += u64::from(n_clipped);
            total.n_fallback += u64::from(clipped.fell_back);
            let bits = if n_clipped > 0 {
                plan.rules.clipped_bits
            } else {
                0
            };
            let out = PixelOut {
                value: clipped.mean,
                variance: proper(clipped.mean_variance),
                mask: hard.mask | bits,
                n_point: hard.all.n as u32,
                n_clipped,
                weight: clipped.weight,
            };
            rows[hard.row].put(hard.x, &out);
        }
        self.hard.clear();
    }
}

fn narrow(line: &mut [f32], values: &[f64]) {
    for (pixel, &value) in line.iter_mut().zip(values) {
        *pixel = value as f32;
    }
}
