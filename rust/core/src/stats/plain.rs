// SPDX-License-Identifier: BSD-3-Clause
//! Statistics of one unweighted `f32` image, however large, without one struct a sample.
//!
//! The image is copied once with +infinity for every rejected sample, cut into blocks of rows of
//! `LANES` samples. Sums run down the lanes, then over the lanes, then over the blocks, always in
//! the same order, so that threads do not change a bit.

use super::clip::Passes;
use super::lanes::{add_unit, admit, admit_finite, bin, or_words, survey};
use super::props::{ErrorMode, Options, Property};
use super::sample::Summary;
use super::select::{between, position};
use super::single::ImageInput;
use super::weighted::Moments;
use crate::par;
use ndarray::ArrayView2;
use std::ops::Range;

/// Samples side by side in a sum.
const LANES: usize = 64;
/// Samples whose bins are looked up together, a multiple of `LANES`.
const TOGETHER: usize = 16 * LANES;
/// Samples of a block.
const BLOCK: usize = 1024 * LANES;

/// Whether this path can answer.
pub(super) fn can(input: &ImageInput<f32>, options: &Options) -> bool {
    let rows = input.values.strides()[1] == 1 || input.values.ncols() == 1;
    let mask = |m: &ArrayView2<i32>| m.strides()[1] == 1 || m.ncols() == 1;
    rows && input.mask.as_ref().is_none_or(mask)
        && input.weights.is_none()
        && !input.inverse_variance
        && options.error_mode == ErrorMode::Scatter
        && options.nan_safe
        && options.thresholds.is_empty()
        && !options.mask_from_kept
}

/// The samples, and what is counted while they are copied.
struct Copied {
    /// Whole rows of `LANES`, filled up with +infinity.
    kept: Vec<f32>,
    n: usize,
    or_mask: i32,
    any_mask: i32,
    low: f32,
    high: f32,
}

/// Counts of one block of rows.
struct Counts {
    n: usize,
    or_mask: i32,
    any_mask: i32,
    low: f32,
    high: f32,
}

/// Values and mask words of some rows.
fn read_rows(
    input: &ImageInput<f32>,
    rows: Range<usize>,
    bad_bits: i32,
    kept: &mut [f32],
) -> Counts {
    let width = input.values.ncols();
    let mut lanes = LaneCounts::default();
    if width >= 4 * LANES {
        for (y, line) in rows.zip(kept.chunks_mut(width)) {
            let values = input.values.row(y);
            let words = input.mask.as_ref().map(|mask| mask.row(y));
            let words = words.as_ref().map(|row| row.to_slice().unwrap_or_default());
            lanes.add(values.to_slice().unwrap_or_default(), words, bad_bits, line);
        }
        return lanes.sum();
    }
    // Short rows are put together first.
    let mut values = Vec::with_capacity(kept.len());
    let mut words = Vec::with_capacity(kept.len());
    for y in rows {
        values.extend_from_slice(input.values.row(y).to_slice().unwrap_or_default());
        if let Some(mask) = &input.mask {
            words.extend_from_slice(mask.row(y).to_slice().unwrap_or_default());
        }
    }
    let words = input.mask.as_ref().map(|_| &words[..]);
    lanes.add(&values, words, bad_bits, kept);
    lanes.sum()
}

fn copy(input: &ImageInput<f32>, bad_bits: i32) -> Copied {
    let (height, width) = input.values.dim();
    let size = input.values.len();
    // Zeros come from the system without being written.
    let mut kept = vec![0.0; size.next_multiple_of(LANES)];
    kept[size..].fill(f32::INFINITY);
    let rows_at_once = (BLOCK / width).max(1);
    let jobs: Vec<_> = kept[..size]
        .chunks_mut(rows_at_once * width)
        .enumerate()
        .collect();
    let counts = par::map(jobs, |(block, lines)| {
        let start = block * rows_at_once;
        let rows = start..height.min(start + rows_at_once);
        read_rows(input, rows, bad_bits, lines)
    });
    let mut all = Copied {
        kept,
        n: 0,
        or_mask: 0,
        any_mask: 0,
        low: f32::INFINITY,
        high: f32::NEG_INFINITY,
    };
    for block in counts {
        all.n += block.n;
        all.or_mask |= block.or_mask;
        all.any_mask |= block.any_mask;
        (all.low, all.high) = (all.low.min(block.low), all.high.max(block.high));
    }
    all
}

struct LaneCounts {
    n: [u32; LANES],
    first: [f32; LANES],
    low: [f32; LANES],
    high: [f32; LANES],
    any_mask: [i32; LANES],
    or_mask: [i32; LANES],
}

impl Default for LaneCounts {
    fn default() -> Self {
        Self {
            n: [0; LANES],
            first: [f32::NAN; LANES],
            low: [f32::INFINITY; LANES],
            high: [f32::NEG_INFINITY; LANES],
            any_mask: [0; LANES],
            or_mask: [0; LANES],
        }
    }
}

impl LaneCounts {
    fn add(&mut self, values: &[f32], words: Option<&[i32]>, bad_bits: i32, kept: &mut [f32]) {
        for (i, kept) in kept.chunks_mut(LANES).enumerate() {
            let w = kept.len();
            let values = &values[i * LANES..i * LANES + w];
            match words {
                Some(words) => {
                    let words = &words[i * LANES..i * LANES + w];
                    admit(values, words, bad_bits, kept);
                    or_words(words, kept, &mut self.any_mask[..w], &mut self.or_mask[..w]);
                }
                None => admit_finite(values, kept),
            }
            let (n, first) = (&mut self.n[..w], &mut self.first[..w]);
            survey(kept, n, first, &mut self.low[..w], &mut self.high[..w]);
        }
    }

    fn sum(&self) -> Counts {
        Counts {
            n: self.n.iter().map(|&n| n as usize).sum(),
            or_mask: self.or_mask.iter().fold(0, |or, word| or | word),
            any_mask: self.any_mask.iter().fold(0, |or, word| or | word),
            low: self.low.iter().copied().fold(f32::INFINITY, f32::min),
            high: self.high.iter().copied().fold(f32::NEG_INFINITY, f32::max),
        }
    }
}

/// Moments of the samples with |x - shift| <= `half_width` (at most `f64::MAX`).
fn moments(kept: &[f32], shift: f64, half_width: f64) -> Moments {
    let blocks: Vec<&[f32]> = kept.chunks(BLOCK).collect();
    let sums = par::map(blocks, |block| {
        let (centre, limit) = ([shift; LANES], [half_width; LANES]);
        let (mut n, mut s1, mut s2) = ([0.0; LANES], [0.0; LANES], [0.0; LANES]);
        add_unit(block, (&centre, &limit), &mut n, &mut s1, &mut s2);
        let total = |lanes: [f64; LANES]| lanes.iter().fold(0.0, |a, b| a + b);
        (total(n), total(s1), total(s2))
    });
    let (n, s1, s2) = sums
        .into_iter()
        .fold((0.0, 0.0, 0.0), |a, b| (a.0 + b.0, a.1 + b.1, a.2 + b.2));
    Moments {
        n,
        shift,
        s0: n,
        s00: n,
        s1,
        s2,
        sv: f64::NAN,
    }
}

/// Some hundred good samples spread over the image, in order of size.
fn spread(kept: &[f32]) -> Vec<f32> {
    // Few, for they must be sorted: one in sixteen of a small image.
    let step = (kept.len() / 512).max(16) | 1;
    let mut some: Vec<f32> = kept
        .iter()
        .copied()
        .step_by(step)
        .filter(|x| x.is_finite())
        .collect();
    if some.is_empty() {
        some.extend(kept.iter().copied().find(|x| x.is_finite()));
    }
    some.sort_unstable_by(f32::total_cmp);
    some
}

/// Equal steps between two samples; a larger sample never falls into a lower bin.
struct Bins {
    start: f32,
    scale: f32,
    /// A power of two.
    count: usize,
}

impl Bins {
    /// Bins over the middle 96 % of the samples; the first and last hold what lies beyond. As many
    /// as are worth being added up.
    fn new(some: &[f32], size: usize) -> Self {
        let count = (size / 4).next_power_of_two().clamp(64, 2048);
        let (low, high) = (
            some[some.len() / 50],
            some[some.len() - 1 - some.len() / 50],
        );
        let scale = (count - 2) as f32 / (high - low);
        Self {
            start: low,
            scale: if scale.is_finite() { scale } else { 0.0 },
            count,
        }
    }

    /// Samples up to the end of each bin.
    fn cumulate(&self, kept: &[f32]) -> Vec<usize> {
        let blocks: Vec<&[f32]> = kept.chunks(16 * BLOCK).collect();
        let counts = par::map(blocks, |block| {
            // Four tables in turn, because counting twice in one place must wait.
            let mut tables = vec![[0_u32; 4]; self.count];
            let mut places = [0_u32; TOGETHER];
            for row in block.chunks(TOGETHER) {
                let places = &mut places[..row.len()];
                bin(row, self.start, self.scale, self.count as u32 - 1, places);
                for four in places.chunks_exact(4) {
                    for i in 0..4 {
                        tables[four[i] as usize & (self.count - 1)][i] += 1;
                    }
                }
            }
            tables
        });
        let mut total = 0;
        let sum = |bin: usize| {
            counts
                .iter()
                .flat_map(|t| t[bin])
                .map(|n| n as usize)
                .sum::<usize>()
        };
        let cumulated = (0..self.count).map(|bin| {
            total += sum(bin);
            total
        });
        cumulated.collect()
    }

    /// The samples in the bins that are wanted.
    fn members(&self, kept: &[f32], wanted: &[bool]) -> Vec<f32> {
        let wanted: Vec<usize> = wanted.iter().map(|&w| usize::from(w)).collect();
        let blocks: Vec<&[f32]> = kept.chunks(BLOCK).collect();
        let parts = par::map(blocks, |block| {
            let (mut part, mut places) = (Vec::new(), [0_u32; TOGETHER]);
            let mut found = [0.0; TOGETHER + 1];
            for row in block.chunks(TOGETHER) {
                let places = &mut places[..row.len()];
                bin(row, self.start, self.scale, self.count as u32 - 1, places);
                let mut n = 0;
                // Writes every sample and moves on behind those wanted: no branch to mispredict.
                for (&x, &place) in row.iter().zip(places.iter()) {
                    found[n % (TOGETHER + 1)] = x;
                    n += wanted[place as usize & (self.count - 1)];
                }
                part.extend_from_slice(&found[..n]);
            }
            part
        });
        parts.concat()
    }
}

/// The order statistics of some ranks, ascending, each below the number of good samples.
fn order_statistics(kept: &[f32], some: &[f32], ranks: &[usize]) -> Vec<f32> {
    let bins = Bins::new(some, kept.len());
    let ends = bins.cumulate(kept);
    let bin_of = |rank: usize| ends.partition_point(|&end| end <= rank);
    let mut wanted = vec![false; bins.count];
    for &rank in ranks {
        wanted[bin_of(rank)] = true;
    }
    let mut found = bins.members(kept, &wanted);
    found.sort_unstable_by(f32::total_cmp);
    // Rank among those found: less the samples of the bins below that were left out.
    let left_out = |bin: usize| {
        let below = (0..bin).filter(|&b| !wanted[b]);
        below
            .map(|b| ends[b] - if b == 0 { 0 } else { ends[b - 1] })
            .sum::<usize>()
    };
    ranks
        .iter()
        .map(|&rank| found[rank - left_out(bin_of(rank))])
        .collect()
}

/// Quartiles of an image, whatever its samples are; `n` of them are good.
pub(super) fn quartiles_of(input: &ImageInput<f32>, bad_bits: i32, n: usize) -> [f64; 3] {
    let copied = copy(input, bad_bits);
    quartiles(&copied.kept, &spread(&copied.kept), n)
}

fn quartiles(kept: &[f32], some: &[f32], n: usize) -> [f64; 3] {
    let places = [0.25, 0.5, 0.75].map(|fraction| position(fraction, n));
    let ranks: Vec<usize> = places
        .iter()
        .flat_map(|&(i, _)| [i, (i + 1).min(n - 1)])
        .collect();
    let found = order_statistics(kept, some, &ranks);
    let value = |i: usize| {
        between(
            f64::from(found[2 * i]),
            f64::from(found[2 * i + 1]),
            places[i].1,
        )
    };
    [value(0), value(1), value(2)]
}

/// Statistics of an image for which [`can`] holds.
pub(super) fn statistics(
    input: &ImageInput<f32>,
    property: Property,
    options: &Options,
) -> Summary {
    let copied = copy(input, options.bad_bits);
    let (kept, n) = (&copied.kept, copied.n);
    let some = spread(kept);
    let shift = some.iter().map(|&x| f64::from(x)).sum::<f64>() / some.len() as f64;
    let unclipped = || moments(kept, shift, f64::MAX);
    let mut all = Moments::counted(n as f64);
    let mut known = n == 0;
    if !known && property.needs_moments() {
        (all, known) = (unclipped(), true);
    }
    let (mut median, mut iqr) = (f64::NAN, f64::NAN);
    if n > 0 && property.needs_quantiles() {
        let [low, middle, high] = quartiles(kept, &some, n);
        (median, iqr) = (middle, high - low);
    }
    let clipped = property.needs_clipping().then(|| {
        let mut passes = Passes::new((median, iqr), options);
        for _ in 0..options.n_iter {
            if !passes.advance(all.n, options) {
                break;
            }
            let pass = moments(kept, passes.centre, passes.half_width);
            if pass.n == all.n && !known {
                (all, known) = (unclipped(), true);
            }
            passes.take(pass, &all);
        }
        passes.result(&all, (median, iqr), options, options.truncation())
    });
    let extreme = |x: f32| if n == 0 { f64::NAN } else { f64::from(x) };
    Summary {
        n_point: n,
        n_masked: input.values.len() - n,
        or_mask: copied.or_mask,
        any_mask: copied.any_mask,
        error_mode: options.error_mode,
        moments: all,
        median,
        iqr,
        clipped,
        min: extreme(copied.low),
        max: extreme(copied.high),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted_quartiles(samples: &[f32]) -> [f64; 3] {
        let mut good: Vec<f32> = samples.iter().copied().filter(|x| x.is_finite()).collect();
        good.sort_unstable_by(f32::total_cmp);
        [0.25, 0.5, 0.75].map(|fraction| {
            let (i, share) = position(fraction, good.len());
            let next = good[(i + 1).min(good.len() - 1)];
            between(f64::from(good[i]), f64::from(next), share)
        })
    }

    #[test]
    fn quartiles_by_bins_are_those_of_the_sorted_samples() {
        let wave = |i: u32| (f64::from(i) * 0.7).sin() as f32;
        let shapes: [fn(u32, f32) -> f32; 6] = [
            |_, w| w,
            |_, _| 5.0,
            |i, _| (i % 3) as f32,
            |i, w| if i % 7 == 0 { 1e30 } else { w },
            |i, w| if i % 5 == 0 { f32::INFINITY } else { w.round() },
            |i, w| if i % 2 == 0 { -1e-38 } else { w * 1e-38 },
        ];
        for (s, shape) in shapes.iter().enumerate() {
            for n in [1, 2, 3, 5, 255, 4097, 70_000] {
                let mut samples: Vec<f32> = (0..n).map(|i| shape(i + 1, wave(i))).collect();
                samples.resize((n as usize).next_multiple_of(LANES), f32::INFINITY);
                let good = samples.iter().filter(|x| x.is_finite()).count();
                let got = quartiles(&samples, &spread(&samples), good);
                assert_eq!(got, sorted_quartiles(&samples), "shape {s}, {n} samples");
            }
        }
    }
}
