// SPDX-License-Identifier: BSD-3-Clause
//! One reading of a stretch of an image: everything its statistics need, lane by lane.

use super::lanes::{mask_of, select};
use crate::simd::dispatch;

/// Samples side by side in a sum.
pub(super) const LANES: usize = 64;
/// Samples read at a time.
pub(super) const CHUNK: usize = 4 * LANES;

/// What is looked for in an image.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// A sample with any of these mask bits is rejected.
    pub bad_bits: i32,
    /// Subtracted from the samples before they are summed.
    pub shift: f32,
    /// Smallest and largest sample that enters the sums.
    pub core: (f32, f32),
    /// All bits: note the good samples outside of the core; 0: do not.
    pub note_tail: u32,
    /// Intervals without their ends.
    pub brackets: [(f32, f32); 3],
    /// For each bracket, all bits: note the samples in it; 0: do not.
    pub note_brackets: [u32; 3],
}

/// Counts and sums, those of each lane by themselves.
#[derive(Debug, Clone)]
pub(super) struct Tally {
    /// Good samples.
    pub n: [u32; LANES],
    /// Those in the core, and sums of d and d^2 of these, d = x - shift.
    pub n_core: [u32; LANES],
    pub s1: [f64; LANES],
    pub s2: [f64; LANES],
    /// Good samples up to the start of each bracket, and below its end.
    pub up_to: [[u32; LANES]; 3],
    pub below: [[u32; LANES]; 3],
    /// Smallest and largest good sample.
    pub low: [f32; LANES],
    pub high: [f32; LANES],
    /// OR of the mask words of the good samples, and of all.
    pub or_mask: [i32; LANES],
    pub any_mask: [i32; LANES],
}

impl Tally {
    /// Of no samples.
    pub const EMPTY: Self = Self {
        n: [0; LANES],
        n_core: [0; LANES],
        s1: [0.0; LANES],
        s2: [0.0; LANES],
        below: [[0; LANES]; 3],
        up_to: [[0; LANES]; 3],
        low: [f32::INFINITY; LANES],
        high: [f32::NEG_INFINITY; LANES],
        or_mask: [0; LANES],
        any_mask: [0; LANES],
    };
}

/// Counts; writes the samples of the core, the others as the shift, to `core`. A separate loop
/// from the sums, because loops go by the width of their widest numbers.
#[inline(always)]
fn count<const BRACKETS: bool>(
    values: &[f32; CHUNK],
    words: &[i32; CHUNK],
    limits: &Limits,
    tally: &mut Tally,
    (core, notes): (&mut [f32; CHUNK], &mut [u8; CHUNK]),
) {
    let Limits {
        bad_bits,
        shift,
        core: (start, end),
        brackets: [(a0, b0), (a1, b1), (a2, b2)],
        ..
    } = *limits;
    let ([note0, note1, note2], note_tail) = (limits.note_brackets, limits.note_tail);
    for l in 0..LANES {
        let (mut n, mut n_core) = (tally.n[l], tally.n_core[l]);
        let (mut low, mut high) = (tally.low[l], tally.high[l]);
        let (mut or, mut any) = (tally.or_mask[l], tally.any_mask[l]);
        let [mut below0, mut below1, mut below2] = [0; 3];
        let [mut up_to0, mut up_to1, mut up_to2] = [0; 3];
        for j in 0..CHUNK / LANES {
            let (value, word) = (values[j * LANES + l], words[j * LANES + l]);
            let good = mask_of(value.abs() <= f32::MAX) & mask_of(word & bad_bits == 0);
            let x = select(good, value, f32::INFINITY);
            let y = select(good, value, f32::NEG_INFINITY);
            let inside = mask_of(x >= start) & mask_of(x <= end);
            core[j * LANES + l] = select(inside, x, shift);
            n += good & 1;
            n_core += inside & 1;
            low = if x < low { x } else { low };
            high = if y > high { y } else { high };
            or |= word & good as i32;
            any |= word;
            if BRACKETS {
                let (to0, under0) = (mask_of(x <= a0), mask_of(x < b0));
                let (to1, under1) = (mask_of(x <= a1), mask_of(x < b1));
                let (to2, under2) = (mask_of(x <= a2), mask_of(x < b2));
                (up_to0, below0) = (up_to0 + (to0 & 1), below0 + (under0 & 1));
                (up_to1, below1) = (up_to1 + (to1 & 1), below1 + (under1 & 1));
                (up_to2, below2) = (up_to2 + (to2 & 1), below2 + (under2 & 1));
                let within = under0 & !to0 & note0 | under1 & !to1 & note1 | under2 & !to2 & note2;
                notes[j * LANES + l] = (within | good & !inside & note_tail) as u8;
            }
        }
        (tally.n[l], tally.n_core[l]) = (n, n_core);
        (tally.low[l], tally.high[l]) = (low, high);
        (tally.or_mask[l], tally.any_mask[l]) = (or, any);
        if BRACKETS {
            tally.below[0][l] += below0;
            tally.below[1][l] += below1;
            tally.below[2][l] += below2;
            tally.up_to[0][l] += up_to0;
            tally.up_to[1][l] += up_to1;
            tally.up_to[2][l] += up_to2;
        }
    }
}

#[inline(always)]
fn add(core: &[f32; CHUNK], shift: f64, s1: &mut [f64; LANES], s2: &mut [f64; LANES]) {
    for l in 0..LANES {
        let (mut a1, mut a2) = (s1[l], s2[l]);
        for j in 0..CHUNK / LANES {
            let d = f64::from(core[j * LANES + l]) - shift;
            a1 += d;
            a2 += d * d;
        }
        (s1[l], s2[l]) = (a1, a2);
    }
}

#[inline(always)]
fn tally_body<const BRACKETS: bool>(
    values: &[f32; CHUNK],
    words: &[i32; CHUNK],
    limits: &Limits,
    tally: &mut Tally,
    notes: &mut [u8; CHUNK],
) {
    let mut core = [0.0; CHUNK];
    count::<BRACKETS>(values, words, limits, tally, (&mut core, notes));
    add(&core, f64::from(limits.shift), &mut tally.s1, &mut tally.s2);
}

dispatch! {
    /// Adds samples to the counts and sums, brackets left out.
    pub(super) fn tally_core(
        values: &[f32; CHUNK],
        words: &[i32; CHUNK],
        limits: &Limits,
        tally: &mut Tally,
        notes: &mut [u8; CHUNK],
    ) = tally_body::<false>;
}
dispatch! {
    /// Adds samples to the counts and sums; the notes of the samples to be noted become 255, those
    /// of the others 0.
    pub(super) fn tally_all(
        values: &[f32; CHUNK],
        words: &[i32; CHUNK],
        limits: &Limits,
        tally: &mut Tally,
        notes: &mut [u8; CHUNK],
    ) = tally_body::<true>;
}
