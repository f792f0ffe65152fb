// SPDX-License-Identifier: BSD-3-Clause
//! What is made of the sums of a group of pixels: means and their errors, and the clipping passes.

// A branch would keep these loops out of the SIMD lanes; an index is all that lanes have.
#![allow(clippy::needless_bitwise_bool, clippy::needless_range_loop)]

use super::clip::{Clipped, Passes, SIGMA_PER_IQR, bounded, correction};
use super::load::{LANES, Lanes, Survey};
use super::props::{ErrorMode, Options};
use super::sums::Sums;
use super::weighted::{Moments, proper};
use crate::simd::dispatch;

/// Value and its squared error, and the sum of the weights it is made of.
#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
pub(super) struct Answer {
    pub value: Lanes<f32>,
    pub variance: Lanes<f32>,
    pub weight: Lanes<f32>,
}

impl Answer {
    /// Of no pixel.
    pub const EMPTY: Self = Self {
        value: [f32::NAN; LANES],
        variance: [f32::NAN; LANES],
        weight: [0.0; LANES],
    };
}

/// Median and inter-quartile range.
#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
pub(super) struct Quartiles {
    pub median: Lanes<f64>,
    pub iqr: Lanes<f64>,
}

impl Quartiles {
    /// Of no samples.
    pub const EMPTY: Self = Self {
        median: [f64::NAN; LANES],
        iqr: [f64::NAN; LANES],
    };
}

/// Modes of the error, see [`ErrorMode`].
pub(super) const SCATTER: u8 = 0;
pub(super) const INPUT_VARIANCE: u8 = 1;
pub(super) const MOSAIC: u8 = 2;

/// Means of a group and their squared errors.
#[inline(always)]
pub(super) fn means_of_group<const MODE: u8>(sums: &Sums, truncation: f64, answer: &mut Answer) {
    let mode = match MODE {
        SCATTER => ErrorMode::Scatter,
        INPUT_VARIANCE => ErrorMode::InputVariance,
        _ => ErrorMode::Mosaic,
    };
    for l in 0..LANES {
        let m = sums.at(l);
        let sample_variance = if MODE == SCATTER {
            m.variance() / correction(m.n, m.n, truncation)
        } else {
            f64::NAN
        };
        answer.value[l] = m.mean() as f32;
        answer.variance[l] = proper(m.mean_variance(mode, sample_variance)) as f32;
        answer.weight[l] = m.s0 as f32;
    }
}

#[inline(always)]
fn means_body<const MODE: u8>(sums: &[Sums], truncation: f64, answers: &mut [Answer]) {
    let groups = answers.len();
    let sums = &sums[..groups];
    for g in 0..groups {
        means_of_group::<MODE>(&sums[g], truncation, &mut answers[g]);
    }
}

macro_rules! means_kernel {
    ($name:ident, $mode:ident) => {
        dispatch! {
            fn $name(sums: &[Sums], truncation: f64, answers: &mut [Answer])
            = means_body::<$mode>;
        }
    };
}
means_kernel!(means_scatter, SCATTER);
means_kernel!(means_input_variance, INPUT_VARIANCE);
means_kernel!(means_mosaic, MOSAIC);

/// Means and their squared errors.
pub(super) fn means(sums: &[Sums], mode: ErrorMode, truncation: f64, answers: &mut [Answer]) {
    let kernel = match mode {
        ErrorMode::Scatter => means_scatter,
        ErrorMode::InputVariance => means_input_variance,
        ErrorMode::Mosaic => means_mosaic,
    };
    kernel(sums, truncation, answers);
}

#[inline(always)]
fn medians_body(sums: &[Sums], quartiles: &[Quartiles], answers: &mut [Answer]) {
    let groups = answers.len();
    let (sums, quartiles) = (&sums[..groups], &quartiles[..groups]);
    for g in 0..groups {
        let (sums, answer) = (&sums[g], &mut answers[g]);
        for l in 0..LANES {
            let m = sums.at(l);
            answer.value[l] = quartiles[g].median[l] as f32;
            answer.variance[l] = (std::f64::consts::FRAC_PI_2 * m.variance() / m.n) as f32;
            answer.weight[l] = m.s0 as f32;
        }
    }
}

dispatch! {
    /// Medians and their squared errors.
    pub(super) fn medians(sums: &[Sums], quartiles: &[Quartiles], answers: &mut [Answer])
    = medians_body;
}

#[inline(always)]
fn losing_body(
    sums: &Sums,
    survey: &Survey,
    quartiles: &Quartiles,
    options: &Options,
    losing: &mut Lanes<u64>,
) {
    let sigma = options.sigma_clip;
    let square = sigma * sigma * (1.0 - 1e-13);
    let once = options.n_iter == 1;
    for l in 0..LANES {
        let m = sums.at(l);
        let (low, high) = (f64::from(survey.low[l]), f64::from(survey.high[l]));
        let h = bounded(sigma * SIGMA_PER_IQR * quartiles.iqr[l]);
        let c = quartiles.median[l];
        let first = ((low - c).abs() <= h) & ((high - c).abs() <= h);
        // |d - s1 / s0| <= sigma * sqrt(variance) without its divisions and its root, and with
        // room for what this order of operations rounds differently.
        let (below, above) = (
            (low - m.shift) * m.s0 - m.s1,
            (high - m.shift) * m.s0 - m.s1,
        );
        let far = if below.abs() > above.abs() {
            below
        } else {
            above
        };
        let far = far * far * (m.s0 * m.s0 - m.s00);
        let scatter = m.s2 * m.s0 * (1.0 - 1e-13) - m.s1 * m.s1;
        let limit = square * scatter * (m.s0 * m.s0);
        // Neither product is trusted where it leaves the range of numbers.
        let later = (far <= limit) & (limit > 1e-290) & (limit < 1e290) | (far == 0.0);
        let keeps = first & (once | later);
        losing[l] = u64::from((m.n > 1.0) & !keeps);
    }
}

dispatch! {
    /// 1 where a pass may leave a sample out: the first one about the median, or a later one about
    /// the mean of all. Once a pass about the mean keeps all, so do those after.
    pub(super) fn losing(
        sums: &Sums,
        survey: &Survey,
        quartiles: &Quartiles,
        options: &Options,
        losing: &mut Lanes<u64>,
    ) = losing_body;
}

/// [`Passes`] of a group; flags are 0 or 1.
#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
pub(super) struct GroupPasses {
    pub centre: Lanes<f64>,
    pub half_width: Lanes<f64>,
    last: Sums,
    last_centre: Lanes<f64>,
    last_half_width: Lanes<f64>,
    known: Lanes<u64>,
    stopped: Lanes<u64>,
    fell_back: Lanes<u64>,
}

impl GroupPasses {
    const EMPTY: Self = Self {
        centre: [f64::NAN; LANES],
        half_width: [f64::NAN; LANES],
        last: Sums::EMPTY,
        last_centre: [f64::NAN; LANES],
        last_half_width: [f64::NAN; LANES],
        known: [0; LANES],
        stopped: [1; LANES],
        fell_back: [0; LANES],
    };

    #[inline(always)]
    fn at(&self, l: usize) -> Passes {
        Passes {
            centre: self.centre[l],
            half_width: self.half_width[l],
            last: self.last.at(l),
            last_interval: (self.last_centre[l], self.last_half_width[l]),
            known: self.known[l] != 0,
            stopped: self.stopped[l] != 0,
            fell_back: self.fell_back[l] != 0,
        }
    }

    #[inline(always)]
    fn put(&mut self, l: usize, passes: &Passes) {
        (self.centre[l], self.half_width[l]) = (passes.centre, passes.half_width);
        self.last.put(l, passes.last);
        (self.last_centre[l], self.last_half_width[l]) = passes.last_interval;
        self.known[l] = u64::from(passes.known);
        self.stopped[l] = u64::from(passes.stopped);
        self.fell_back[l] = u64::from(passes.fell_back);
    }

    /// Passes about to begin.
    pub fn new(quartiles: &Quartiles, options: &Options) -> Self {
        let mut passes = Self::EMPTY;
        for l in 0..LANES {
            let start = (quartiles.median[l], quartiles.iqr[l]);
            passes.put(l, &Passes::new(start, options));
        }
        passes
    }
}

#[inline(always)]
fn advance_body(passes: &mut GroupPasses, all: &Sums, options: &Options) -> bool {
    let mut moved = [0_u64; LANES];
    for l in 0..LANES {
        let mut one = passes.at(l);
        moved[l] = u64::from(one.advance(all.n[l], options));
        passes.put(l, &one);
    }
    let mut any = 0;
    for one in moved {
        any |= one;
    }
    any != 0
}

dispatch! {
    /// [`Passes::advance`]: whether any pixel of the group needs the pass.
    pub(super) fn advance(passes: &mut GroupPasses, all: &Sums, options: &Options) -> bool
    = advance_body;
}

#[inline(always)]
fn take_pass_body(passes: &mut GroupPasses, kept: &Sums, all: &Sums) {
    for l in 0..LANES {
        let mut one = passes.at(l);
        one.take(kept.at(l), &all.at(l));
        passes.put(l, &one);
    }
}

dispatch! {
    /// [`Passes::take`].
    pub(super) fn take_pass(passes: &mut GroupPasses, kept: &Sums, all: &Sums)
    = take_pass_body;
}

/// What clipping came to.
#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
pub(super) struct ClippedGroup {
    pub answer: Answer,
    pub n_clipped: Lanes<u32>,
    pub fell_back: Lanes<u32>,
}

impl ClippedGroup {
    /// Of no pixel.
    pub const EMPTY: Self = Self {
        answer: Answer::EMPTY,
        n_clipped: [0; LANES],
        fell_back: [0; LANES],
    };
}

#[inline(always)]
fn results_body(
    passes: &GroupPasses,
    all: &Sums,
    quartiles: &Quartiles,
    (options, truncation): (&Options, f64),
    clipped: &mut ClippedGroup,
) {
    for l in 0..LANES {
        let all: Moments = all.at(l);
        let start = (quartiles.median[l], quartiles.iqr[l]);
        let got: Clipped = passes.at(l).result(&all, start, options, truncation);
        clipped.answer.value[l] = got.mean as f32;
        clipped.answer.variance[l] = proper(got.mean_variance) as f32;
        clipped.answer.weight[l] = got.weight as f32;
        clipped.n_clipped[l] = (all.n - got.n_kept) as i32 as u32;
        clipped.fell_back[l] = u32::from(got.fell_back);
    }
}

dispatch! {
    /// [`Passes::result`].
    pub(super) fn results(
        passes: &GroupPasses,
        all: &Sums,
        quartiles: &Quartiles,
        how: (&Options, f64),
        clipped: &mut ClippedGroup,
    ) = results_body;
}
