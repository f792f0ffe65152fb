// SPDX-License-Identifier: BSD-3-Clause
//! What becomes of the survey and the sums of a group of pixels: mask words, and means that are
//! written while the last samples are loaded, so that stores and loads share the waiting for memory.

// An index is all that lanes have.
#![allow(clippy::needless_range_loop)]

use super::lanes::mask_of;
use super::load::{LANES, Lanes, Survey};
use super::passes::{Answer, INPUT_VARIANCE, MOSAIC, SCATTER, means_of_group};
use super::props::{ErrorMode, MaskRules, Options};
use super::stack::Row;
use super::sums::{Sums, UNIT};
use crate::simd::dispatch;

/// How mask words are completed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Words<'a> {
    /// Samples of a pixel of which none was rejected.
    pub count: u32,
    pub no_data_bits: i32,
    /// See [`MaskRules::mask_map`].
    pub map: &'a [(i32, i32)],
}

impl<'a> Words<'a> {
    pub fn new(count: usize, options: &Options, rules: &MaskRules<'a>) -> Self {
        Self {
            count: count as u32,
            no_data_bits: options.no_data_bits,
            map: rules.mask_map,
        }
    }

    /// Mask words of a group but for what thresholds and clipping add.
    #[inline(always)]
    fn of_group(self, survey: &Survey) -> Lanes<i32> {
        let mut words = [0; LANES];
        for l in 0..LANES {
            let (nothing, word) = (survey.n[l] == 0, survey.or_mask[l]);
            words[l] = if nothing { self.no_data_bits } else { word };
        }
        for k in 0..self.map.len() {
            let (from, to) = self.map[k];
            for l in 0..LANES {
                let incomplete = mask_of(survey.n[l] < self.count);
                let opened = incomplete & mask_of(survey.any_mask[l] & from != 0);
                words[l] |= to & opened as i32;
            }
        }
        words
    }
}

#[inline(always)]
fn complete_body(words: Words, surveys: &mut [Survey]) {
    for g in 0..surveys.len() {
        surveys[g].or_mask = words.of_group(&surveys[g]);
    }
}

dispatch! {
    /// Makes complete mask words of the OR of those of the good samples.
    pub(super) fn complete(words: Words, surveys: &mut [Survey]) = complete_body;
}

/// Where the means of a strip are written.
#[derive(Debug)]
pub(super) struct Finish<'a> {
    pub words: Words<'a>,
    pub error_mode: ErrorMode,
    /// The strip of the output row.
    pub image: &'a mut [f32],
    pub variance: Option<&'a mut [f32]>,
    pub weight_sum: Option<&'a mut [f32]>,
    pub mask: Option<&'a mut [i32]>,
    pub n_point: Option<&'a mut [u32]>,
}

impl<'a> Finish<'a> {
    /// Writes to pixels x to x + w of a row.
    pub fn new(
        words: Words<'a>,
        error_mode: ErrorMode,
        row: &'a mut Row<'_, f32>,
        (x, w): (usize, usize),
    ) -> Self {
        Self {
            words,
            error_mode,
            image: &mut row.image[x..x + w],
            variance: part_of(row.variance.as_deref_mut(), x, w),
            weight_sum: part_of(row.weight_sum.as_deref_mut(), x, w),
            mask: part_of(row.mask.as_deref_mut(), x, w),
            n_point: part_of(row.n_point.as_deref_mut(), x, w),
        }
    }
}

fn part_of<T>(line: Option<&mut [T]>, x: usize, w: usize) -> Option<&mut [T]> {
    line.map(|line| &mut line[x..x + w])
}

/// Writes group `g` of a strip.
#[inline(always)]
fn put<T: Copy>(numbers: &Lanes<T>, g: usize, line: &mut [T]) {
    let start = g * LANES;
    if line.len() >= start + LANES {
        line[start..start + LANES].copy_from_slice(numbers);
    } else {
        let rest = line.len() - start;
        line[start..].copy_from_slice(&numbers[..rest]);
    }
}

/// Evaluates and writes group `g`, all samples of which have been summed.
#[inline(always)]
pub(super) fn finish_group<const WEIGHT: u8, const V: bool>(
    (survey, sums): (&Survey, &mut Sums),
    g: usize,
    finish: &mut Finish,
) {
    complete_sums::<WEIGHT>(survey, sums);
    let mut answer = Answer::EMPTY;
    match (V, finish.error_mode == ErrorMode::Mosaic) {
        (false, _) => means_of_group::<SCATTER>(sums, 1.0, &mut answer),
        (true, false) => means_of_group::<INPUT_VARIANCE>(sums, 1.0, &mut answer),
        (true, true) => means_of_group::<MOSAIC>(sums, 1.0, &mut answer),
    }
    put(&answer.value, g, finish.image);
    if let Some(line) = &mut finish.variance {
        put(&answer.variance, g, line);
    }
    if let Some(line) = &mut finish.weight_sum {
        put(&answer.weight, g, line);
    }
    if let Some(line) = &mut finish.mask {
        put(&finish.words.of_group(survey), g, line);
    }
    if let Some(line) = &mut finish.n_point {
        put(&survey.n, g, line);
    }
}

/// Completes the sums by what the survey tells.
#[inline(always)]
pub(super) fn complete_sums<const WEIGHT: u8>(survey: &Survey, sums: &mut Sums) {
    for l in 0..LANES {
        // Small and not negative, so the signed conversion (one instruction) will do.
        sums.n[l] = f64::from(survey.n[l] as i32);
        sums.shift[l] = f64::from(survey.first[l]);
    }
    if WEIGHT == UNIT {
        (sums.s0, sums.s00) = (sums.n, sums.n);
    }
}
