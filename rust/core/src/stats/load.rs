// SPDX-License-Identifier: BSD-3-Clause
//! Groups of pixels side by side, and what is known of their samples.
//!
//! The samples of a group stand in consecutive rows of [`LANES`] pixels, one row an image. A
//! rejected sample is +infinity, so that it sorts to the end and fails every comparison with a
//! half-width.
//!
//! Some images at a time are loaded along a strip of a row: many streams of memory at once, which
//! often lie a power of two apart, drive each other out of the caches. What is known of a pixel
//! waits in a cache for the next images.
//!
//! Choices are made of bits or of numbers already loaded: a choice between two elements may be
//! compiled to one between their addresses, pixel by pixel.

use super::finish::{Finish, complete_sums, finish_group};
use super::lanes::{mask_of, select};
use super::sums::{INVERSE, ROWS, Recipe, RowWeight, Sums, UNIT, add_rows};
use crate::simd::dispatch;

/// Pixels of a group: one register of f32 and two of f64 at the highest level.
pub(crate) const LANES: usize = 16;

/// One number for each pixel of a group.
pub(crate) type Lanes<T> = [T; LANES];

/// The same where it stands in memory: a register that crosses the lines of the cache is slow.
#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
pub(crate) struct Line<T>(pub Lanes<T>);

/// What is known of the samples of each pixel: the number of good ones, the first, the smallest and
/// the largest (only of samples that are kept); and the OR of their mask words, and of all mask words.
#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
pub(super) struct Survey {
    pub n: Lanes<u32>,
    pub first: Lanes<f32>,
    pub low: Lanes<f32>,
    pub high: Lanes<f32>,
    pub or_mask: Lanes<i32>,
    pub any_mask: Lanes<i32>,
}

impl Survey {
    /// Of no samples.
    pub const EMPTY: Self = Self {
        n: [0; LANES],
        first: [f32::NAN; LANES],
        low: [f32::INFINITY; LANES],
        high: [f32::NEG_INFINITY; LANES],
        or_mask: [0; LANES],
        any_mask: [0; LANES],
    };
}

/// A strip of one image: values, mask words and, where they are needed, variances.
#[derive(Debug, Clone, Copy)]
pub(super) struct Source<'a> {
    pub x: &'a [f32],
    pub words: &'a [i32],
    pub v: &'a [f32],
}

/// Where a strip is loaded to.
#[derive(Debug)]
pub(super) struct Target<'a> {
    /// One element a group, of any content.
    pub survey: &'a mut [Survey],
    pub sums: &'a mut [Sums],
    /// Lines from one group to the next.
    pub rows: usize,
    /// One line an image in each group.
    pub samples: &'a mut [Line<f32>],
    pub variances: &'a mut [Line<f32>],
    /// Means are written at once; other statistics need the kept samples first.
    pub finish: Option<Finish<'a>>,
}

/// Images that are loaded at a time.
const TOGETHER: usize = 6;

/// Samples of a group: values, mask words, variances.
type Group<'a, const K: usize> = (
    [&'a Lanes<f32>; K],
    [&'a Lanes<i32>; K],
    [&'a Lanes<f32>; K],
);

/// Admits `K` samples of each pixel of a group, with `NEW` the first ones.
#[inline(always)]
fn admit_group<const WEIGHT: u8, const RANGE: bool, const NEW: bool, const K: usize>(
    (x, words, v): Group<K>,
    bad_bits: i32,
    survey: &mut Survey,
    kept: &mut [Line<f32>; K],
) {
    for l in 0..LANES {
        let (mut n, mut first) = (0, f32::NAN);
        let (mut low, mut high) = (f32::INFINITY, f32::NEG_INFINITY);
        let (mut or, mut any) = (0, 0);
        if !NEW {
            (n, first) = (survey.n[l], survey.first[l]);
            (low, high) = (survey.low[l], survey.high[l]);
            (or, any) = (survey.or_mask[l], survey.any_mask[l]);
        }
        for j in 0..K {
            let (value, word) = (x[j][l], words[j][l]);
            let mut good = mask_of(value.abs() <= f32::MAX) & mask_of(word & bad_bits == 0);
            if WEIGHT == INVERSE {
                good &= mask_of(v[j][l] > 0.0) & mask_of(v[j][l] <= f32::MAX);
            }
            let x = select(good, value, f32::INFINITY);
            first = select(good & mask_of(n == 0), x, first);
            n += good & 1;
            if RANGE {
                let y = select(good, value, f32::NEG_INFINITY);
                low = if x < low { x } else { low };
                high = if y > high { y } else { high };
            }
            or |= word & good as i32;
            any |= word;
            kept[j].0[l] = x;
        }
        (survey.n[l], survey.first[l]) = (n, first);
        if RANGE {
            (survey.low[l], survey.high[l]) = (low, high);
        }
        (survey.or_mask[l], survey.any_mask[l]) = (or, any);
    }
}

/// Admits and sums the samples of group `g` in images `k` and the next `K`.
#[inline(always)]
fn take_group<
    const WEIGHT: u8,
    const V: bool,
    const S: bool,
    const KEEP: bool,
    const NEW: bool,
    const K: usize,
>(
    samples: Group<K>,
    weights: &[RowWeight; K],
    (k, g, bad_bits): (usize, usize, i32),
    (target, last): (&mut Target, bool),
) {
    let (survey, sums) = (&mut target.survey[g], &mut target.sums[g]);
    let mut kept = [Line([0.0; LANES]); K];
    admit_group::<WEIGHT, KEEP, NEW, K>(samples, bad_bits, survey, &mut kept);
    let (_, _, variances) = samples;
    let mut v = kept;
    if V || WEIGHT == INVERSE {
        for j in 0..K {
            v[j].0 = *variances[j];
        }
    }
    let unlimited = [f64::MAX; LANES];
    let limits = (&survey.first, &unlimited);
    add_rows::<WEIGHT, V, S, false, NEW, K>((&kept, &v), weights, limits, sums);
    if KEEP {
        let start = g * target.rows + k;
        target.samples[start..start + K].copy_from_slice(&kept);
        if V || WEIGHT == INVERSE {
            target.variances[start..start + K].copy_from_slice(&v);
        }
    } else if last && let Some(finish) = &mut target.finish {
        finish_group::<WEIGHT, V>((survey, sums), g, finish);
    }
}

/// Takes images `k` and the next `K`.
#[inline(always)]
fn take_block<
    const WEIGHT: u8,
    const V: bool,
    const S: bool,
    const KEEP: bool,
    const NEW: bool,
    const K: usize,
>(
    sources: &[Source; K],
    weights: &[RowWeight; K],
    (k, bad_bits): (usize, i32),
    (target, last): (&mut Target, bool),
) {
    let mut x: [&[Lanes<f32>]; K] = [&[]; K];
    let mut words: [&[Lanes<i32>]; K] = [&[]; K];
    // Pixels beyond the end are rejected.
    let (mut x_rest, mut words_rest) = ([[f32::NAN; LANES]; K], [[0; LANES]; K]);
    let (mut v, mut v_rest) = (x, [[1.0; LANES]; K]);
    let width = sources[0].x.len();
    let (groups, rest) = (width / LANES, width % LANES);
    let with_variances = V || WEIGHT == INVERSE;
    for j in 0..K {
        let source = &sources[j];
        let (start, variances) = (
            groups * LANES,
            if with_variances { source.v } else { source.x },
        );
        x[j] = source.x.as_chunks().0;
        words[j] = source.words[..width].as_chunks().0;
        v[j] = variances[..width].as_chunks().0;
        x_rest[j][..rest].copy_from_slice(&source.x[start..]);
        words_rest[j][..rest].copy_from_slice(&source.words[start..width]);
        v_rest[j][..rest].copy_from_slice(&variances[start..width]);
    }
    for g in 0..groups {
        let mut samples = ([&x[0][g]; K], [&words[0][g]; K], [&v[0][g]; K]);
        for j in 0..K {
            (samples.0[j], samples.1[j], samples.2[j]) = (&x[j][g], &words[j][g], &v[j][g]);
        }
        take_group::<WEIGHT, V, S, KEEP, NEW, K>(
            samples,
            weights,
            (k, g, bad_bits),
            (target, last),
        );
    }
    if rest > 0 {
        let mut samples = ([&x_rest[0]; K], [&words_rest[0]; K], [&v_rest[0]; K]);
        for j in 0..K {
            (samples.0[j], samples.1[j], samples.2[j]) = (&x_rest[j], &words_rest[j], &v_rest[j]);
        }
        take_group::<WEIGHT, V, S, KEEP, NEW, K>(
            samples,
            weights,
            (k, groups, bad_bits),
            (target, last),
        );
    }
}

#[inline(always)]
fn take_body<const WEIGHT: u8, const V: bool, const S: bool, const KEEP: bool>(
    sources: &[Source],
    weights: &[RowWeight],
    bad_bits: i32,
    mut target: Target,
) {
    let (blocks, rest) = sources.as_chunks::<TOGETHER>();
    let (block_weights, rest_weights) = weights[..sources.len()].as_chunks::<TOGETHER>();
    let mut k = 0;
    for b in 0..blocks.len() {
        let (block, weights, place) = (&blocks[b], &block_weights[b], (k, bad_bits));
        let target = (&mut target, k + TOGETHER == sources.len());
        if k == 0 {
            take_block::<WEIGHT, V, S, KEEP, true, TOGETHER>(block, weights, place, target);
        } else {
            take_block::<WEIGHT, V, S, KEEP, false, TOGETHER>(block, weights, place, target);
        }
        k += TOGETHER;
    }
    // Two at a time, sums are fetched and put back half as often.
    let (pairs, rest) = rest.as_chunks::<2>();
    let (pair_weights, rest_weights) = rest_weights.as_chunks::<2>();
    for b in 0..pairs.len() {
        let (block, weights, place) = (&pairs[b], &pair_weights[b], (k, bad_bits));
        let target = (&mut target, k + 2 == sources.len());
        if k == 0 {
            take_block::<WEIGHT, V, S, KEEP, true, 2>(block, weights, place, target);
        } else {
            take_block::<WEIGHT, V, S, KEEP, false, 2>(block, weights, place, target);
        }
        k += 2;
    }
    for b in 0..rest.len() {
        let (block, weights, place) = ([rest[b]], [rest_weights[b]], (k, bad_bits));
        let target = (&mut target, k + 1 == sources.len());
        if k == 0 {
            take_block::<WEIGHT, V, S, KEEP, true, 1>(&block, &weights, place, target);
        } else {
            take_block::<WEIGHT, V, S, KEEP, false, 1>(&block, &weights, place, target);
        }
        k += 1;
    }
    if KEEP {
        for g in 0..target.sums.len() {
            complete_sums::<WEIGHT>(&target.survey[g], &mut target.sums[g]);
        }
    }
}

macro_rules! take_kernel {
    ($name:ident, $weight:ident, $variances:literal, $scatter:literal, $keep:literal) => {
        dispatch! {
            fn $name(sources: &[Source], weights: &[RowWeight], bad_bits: i32, target: Target)
            = take_body::<$weight, $variances, $scatter, $keep>;
        }
    };
}
take_kernel!(mean_unit, UNIT, false, true, false);
take_kernel!(mean_unit_variances, UNIT, true, false, false);
take_kernel!(mean_rows, ROWS, false, true, false);
take_kernel!(mean_rows_variances, ROWS, true, false, false);
take_kernel!(mean_inverse, INVERSE, false, true, false);
take_kernel!(mean_inverse_variances, INVERSE, true, false, false);
take_kernel!(keep_unit, UNIT, false, true, true);
take_kernel!(keep_unit_variances, UNIT, true, true, true);
take_kernel!(keep_rows, ROWS, false, true, true);
take_kernel!(keep_rows_variances, ROWS, true, true, true);
take_kernel!(keep_inverse, INVERSE, false, true, true);
take_kernel!(keep_inverse_variances, INVERSE, true, true, true);

/// Loads a strip: admits samples that are finite, have none of the bad bits and, where they weigh
/// one over their variance, a variance that is finite and positive; surveys and sums them and, to
/// `keep` them, writes them one line an image, the rejected ones and those beyond the end as
/// +infinity. Squares are summed only if they are kept or input variances are not summed.
pub(super) fn take(
    sources: &[Source],
    recipe: &Recipe,
    (bad_bits, keep): (i32, bool),
    target: Target,
) {
    let kernel = match (recipe.inverse, recipe.unit, recipe.variances, keep) {
        (true, _, false, false) => mean_inverse,
        (true, _, true, false) => mean_inverse_variances,
        (false, true, false, false) => mean_unit,
        (false, true, true, false) => mean_unit_variances,
        (false, false, false, false) => mean_rows,
        (false, false, true, false) => mean_rows_variances,
        (true, _, false, true) => keep_inverse,
        (true, _, true, true) => keep_inverse_variances,
        (false, true, false, true) => keep_unit,
        (false, true, true, true) => keep_unit_variances,
        (false, false, false, true) => keep_rows,
        (false, false, true, true) => keep_rows_variances,
    };
    kernel(sources, &recipe.weights, bad_bits, target);
}

/// Copies the samples of pixel `l` of a group to pixel `j` of another. Not dispatched: gathers and
/// scatters of the higher levels take longer than one element after the other.
pub(super) fn move_lane(from: &[Line<f32>], l: usize, to: &mut [Line<f32>], j: usize) {
    let rows = from.len();
    let to = &mut to[..rows];
    let (l, j) = (l % LANES, j % LANES);
    for k in 0..rows {
        to[k].0[j] = from[k].0[l];
    }
}
