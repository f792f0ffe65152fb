// SPDX-License-Identifier: BSD-3-Clause
//! Samples of rectangles of an image, copied row by row and counted on the way.

// Plain loops are what `dispatch` compiles for each level.
#![allow(clippy::needless_range_loop)]

use super::lanes::{mask_of, select};
use crate::simd::dispatch;

/// Samples side by side.
pub(super) const LANES: usize = 16;
/// Sets are filled up to a multiple of this many samples.
pub(super) const CHUNK: usize = 4 * LANES;

/// Counts of each lane by themselves.
#[derive(Debug, Clone, Copy)]
struct Counts {
    n: [u32; LANES],
    low: [f32; LANES],
    high: [f32; LANES],
    or_mask: [i32; LANES],
    any_mask: [i32; LANES],
}

impl Counts {
    const EMPTY: Self = Self {
        n: [0; LANES],
        low: [f32::INFINITY; LANES],
        high: [f32::NEG_INFINITY; LANES],
        or_mask: [0; LANES],
        any_mask: [0; LANES],
    };
}

/// Samples of a part of an image, with +infinity for each rejected one. Its memory may be used
/// again for the next part.
#[derive(Debug, Clone)]
pub(crate) struct Set {
    /// Samples so far, and room for those to come.
    kept: Vec<f32>,
    size: usize,
    counts: Counts,
}

impl Default for Set {
    fn default() -> Self {
        Self {
            kept: Vec::new(),
            size: 0,
            counts: Counts::EMPTY,
        }
    }
}

impl Set {
    /// Empties the set and makes room for some samples.
    pub fn clear(&mut self, room: usize) {
        (self.size, self.counts) = (0, Counts::EMPTY);
        // A last group of lanes may be written beyond the last sample.
        let length = room.next_multiple_of(CHUNK) + LANES;
        if self.kept.len() < length {
            self.kept.resize(length, f32::INFINITY);
        }
    }

    /// Ends the filling: what is left of the last chunk becomes +infinity.
    pub fn close(&mut self) {
        let end = self.size.next_multiple_of(CHUNK);
        self.kept[self.size..end].fill(f32::INFINITY);
    }

    /// Samples in whole chunks; +infinity where one was rejected, and after the last.
    pub fn kept(&self) -> &[f32] {
        &self.kept[..self.size.next_multiple_of(CHUNK)]
    }

    /// Samples, rejected ones included.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Good samples.
    pub fn n(&self) -> usize {
        let mut n = 0;
        for l in 0..LANES {
            n += self.counts.n[l] as usize;
        }
        n
    }

    /// Smallest and largest good sample; +-infinity if there is none.
    pub fn extremes(&self) -> (f32, f32) {
        let (mut low, mut high) = (f32::INFINITY, f32::NEG_INFINITY);
        for l in 0..LANES {
            let (x, y) = (self.counts.low[l], self.counts.high[l]);
            low = if x < low { x } else { low };
            high = if y > high { y } else { high };
        }
        (low, high)
    }

    /// OR of the mask words of the good samples, and of all.
    pub fn masks(&self) -> (i32, i32) {
        let or = |lanes: &[i32]| lanes.iter().fold(0, |a, b| a | b);
        (or(&self.counts.or_mask), or(&self.counts.any_mask))
    }
}

#[inline(always)]
fn admit(
    values: &[f32; LANES],
    words: &[i32; LANES],
    bad_bits: i32,
    kept: &mut [f32; LANES],
    counts: &mut Counts,
) {
    for l in 0..LANES {
        let (value, word) = (values[l], words[l]);
        let good = mask_of(value.abs() <= f32::MAX) & mask_of(word & bad_bits == 0);
        let x = select(good, value, f32::INFINITY);
        let y = select(good, value, f32::NEG_INFINITY);
        kept[l] = x;
        let (low, high) = (counts.low[l], counts.high[l]);
        counts.n[l] += good & 1;
        counts.low[l] = if x < low { x } else { low };
        counts.high[l] = if y > high { y } else { high };
        counts.or_mask[l] |= word & good as i32;
        counts.any_mask[l] |= word;
    }
}

#[inline(always)]
fn admit_part(values: &[f32], words: &[i32], bad_bits: i32, set: &mut Set) {
    let mut counts = set.counts;
    let (groups, rest) = values.as_chunks::<LANES>();
    let (word_groups, word_rest) = words.as_chunks::<LANES>();
    let end = set.size + (groups.len() + 1) * LANES;
    let (room, _) = set.kept[set.size..end].as_chunks_mut::<LANES>();
    for k in 0..groups.len() {
        admit(
            &groups[k],
            &word_groups[k],
            bad_bits,
            &mut room[k],
            &mut counts,
        );
    }
    if !rest.is_empty() {
        let (mut last, mut last_words) = ([f32::INFINITY; LANES], [0; LANES]);
        for l in 0..rest.len() {
            (last[l], last_words[l]) = (rest[l], word_rest[l]);
        }
        let room = &mut room[groups.len()];
        admit(&last, &last_words, bad_bits, room, &mut counts);
    }
    set.size += values.len();
    set.counts = counts;
}

#[inline(always)]
fn admit_row_body(
    values: &[f32],
    words: &[i32],
    bad_bits: i32,
    columns: &[(usize, usize)],
    sets: &mut [Set],
) {
    for k in 0..columns.len() {
        let (start, end) = columns[k];
        let (values, words) = (&values[start..end], &words[start..end]);
        admit_part(values, words, bad_bits, &mut sets[k]);
    }
}

dispatch! {
    /// Adds to each set those samples of a row that are in its columns (start, end).
    pub(super) fn admit_row(
        values: &[f32],
        words: &[i32],
        bad_bits: i32,
        columns: &[(usize, usize)],
        sets: &mut [Set],
    ) = admit_row_body;
}
