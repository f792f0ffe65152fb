// SPDX-License-Identifier: BSD-3-Clause
//! Order statistics by counting.
//!
//! A few sorted samples tell about where each order statistic is; counting the samples up to there
//! tells how far that is off, and a narrow interval about a better place holds so few samples that
//! these are compared with each other. Every step narrows an interval whose ends have known ranks, so
//! that the sample decides only how long it takes, never what comes out.

use super::gather::{CHUNK, LANES};
use super::lanes::{mask_of, select};
use crate::simd::{Windows, compact, dispatch, windowed};

/// Order statistics looked for together.
const K: usize = 3;
/// Samples that are compared each with each.
const FEW: usize = 64;
/// Samples whose notes are written before they are read.
const BLOCK: usize = 4096;
/// Sets of more samples are first probed at every `PROBE`th chunk.
const PROBED: usize = 4096;
const PROBE: usize = 8;
/// Attempts that trust the spacing of samples; later ones halve the interval.
const TRUSTING: usize = 5;
/// Samples that a window may hold, at least: one in as many.
const SHARE: usize = 64;

#[inline(always)]
#[allow(clippy::needless_range_loop)] // plain loops are what `dispatch` compiles for each level
fn count_body(kept: &[f32], [a, b, c]: [f32; K]) -> [u32; K] {
    let (mut n, mut m, mut o) = ([0; LANES], [0; LANES], [0; LANES]);
    let (rows, _) = kept.as_chunks::<LANES>();
    for k in 0..rows.len() {
        for l in 0..LANES {
            let x = rows[k][l];
            n[l] += mask_of(x <= a) & 1;
            m[l] += mask_of(x <= b) & 1;
            o[l] += mask_of(x <= c) & 1;
        }
    }
    let mut sums = [0; K];
    for l in 0..LANES {
        sums[0] += n[l];
        sums[1] += m[l];
        sums[2] += o[l];
    }
    sums
}

dispatch! {
    /// Samples up to each of some places.
    fn count(kept: &[f32], places: [f32; K]) -> [u32; K] = count_body;
}

#[inline(always)]
#[allow(clippy::needless_range_loop)] // as above
fn note_body(kept: &[f32], windows: &Windows, notes: &mut [u8]) -> [[u32; K]; 2] {
    let Windows {
        starts: [a0, a1, a2],
        ends: [b0, b1, b2],
        wanted: [w0, w1, w2],
    } = *windows;
    let [mut n0, mut n1, mut n2] = [[0; LANES]; K];
    let [mut m0, mut m1, mut m2] = [[0; LANES]; K];
    let (rows, _) = kept.as_chunks::<LANES>();
    let (notes, _) = notes.as_chunks_mut::<LANES>();
    for k in 0..rows.len().min(notes.len()) {
        for l in 0..LANES {
            let x = rows[k][l];
            let (low0, high0) = (mask_of(x <= a0), mask_of(x <= b0));
            let (low1, high1) = (mask_of(x <= a1), mask_of(x <= b1));
            let (low2, high2) = (mask_of(x <= a2), mask_of(x <= b2));
            (n0[l], m0[l]) = (n0[l] + (low0 & 1), m0[l] + (high0 & 1));
            (n1[l], m1[l]) = (n1[l] + (low1 & 1), m1[l] + (high1 & 1));
            (n2[l], m2[l]) = (n2[l] + (low2 & 1), m2[l] + (high2 & 1));
            let note = (high0 & !low0 & w0) | (high1 & !low1 & w1) | (high2 & !low2 & w2);
            notes[k][l] = note as u8;
        }
    }
    let mut sums = [[0; K]; 2];
    for l in 0..LANES {
        sums[0][0] += n0[l];
        sums[0][1] += n1[l];
        sums[0][2] += n2[l];
        sums[1][0] += m0[l];
        sums[1][1] += m1[l];
        sums[1][2] += m2[l];
    }
    sums
}

dispatch! {
    /// Counts the samples up to the start and up to the end of each window; the notes of those in
    /// a wanted one become 255, those of the others 0.
    fn note(kept: &[f32], windows: &Windows, notes: &mut [u8]) -> [[u32; K]; 2] = note_body;
}

/// For each sample, how many of the first `n` are smaller.
#[inline(always)]
#[allow(clippy::needless_range_loop)] // as above
fn smaller_body(x: &[f32; FEW], n: usize, counts: &mut [u32; FEW]) {
    let mut sums = [0; FEW];
    for i in 0..n {
        let one = x[i];
        for l in 0..FEW {
            sums[l] += mask_of(one < x[l]) & 1;
        }
    }
    *counts = sums;
}

dispatch! {
    /// For each sample, how many of the first `n` are smaller.
    fn smaller(x: &[f32; FEW], n: usize, counts: &mut [u32; FEW]) = smaller_body;
}

#[inline(always)]
#[allow(clippy::needless_range_loop)] // as above
fn ranked_body(x: &[f32; FEW], n: usize, rank: u32) -> [f32; 2] {
    let mut counts = [0; FEW];
    smaller_body(x, n, &mut counts);
    // The largest of those that no more are smaller than.
    let mut found = [f32::NEG_INFINITY; 2];
    for l in 0..FEW {
        for k in 0..2 {
            let within = mask_of(counts[l] <= rank + k as u32);
            let x = select(within, x[l], f32::NEG_INFINITY);
            found[k] = if x > found[k] { x } else { found[k] };
        }
    }
    found
}

dispatch! {
    /// Of `n` samples, with +infinity behind them, that of a rank and the next one.
    fn ranked(x: &[f32; FEW], n: usize, rank: u32) -> [f32; 2] = ranked_body;
}

#[inline(always)]
#[allow(clippy::needless_range_loop)] // as above
fn above_body(kept: &[f32], place: f32) -> f32 {
    let mut least = [f32::INFINITY; LANES];
    let (rows, _) = kept.as_chunks::<LANES>();
    for k in 0..rows.len() {
        for l in 0..LANES {
            let x = rows[k][l];
            let above = select(mask_of(x > place), x, f32::INFINITY);
            least[l] = if above < least[l] { above } else { least[l] };
        }
    }
    let mut least_of_all = f32::INFINITY;
    for l in 0..LANES {
        let x = least[l];
        least_of_all = if x < least_of_all { x } else { least_of_all };
    }
    least_of_all
}

dispatch! {
    /// The smallest sample above a place.
    fn above(kept: &[f32], place: f32) -> f32 = above_body;
}

/// A place and the number of samples up to there.
type Place = (f32, usize);

/// The search for one order statistic, which is above `low` and not above `high`.
#[derive(Debug, Clone, Copy)]
struct Search {
    rank: usize,
    /// Good samples of the set.
    n: usize,
    low: Place,
    high: Place,
    /// Where the order statistic is expected.
    guess: f32,
    /// Distance of neighbours there.
    spacing: f64,
    /// How far off the expectation may be [ranks].
    doubt: f64,
    /// The order statistic and the next one.
    found: Option<(f32, Option<f32>)>,
    /// What was counted last.
    last: Option<Place>,
}

/// A whole number for each value of a sample, in their order; both zeros are 0.
fn key(x: f32) -> i64 {
    let size = i64::from(x.to_bits() & 0x7fff_ffff);
    if x.is_sign_negative() { -size } else { size }
}

fn value(key: i64) -> f32 {
    let size = f32::from_bits(key.unsigned_abs() as u32);
    if key < 0 { -size } else { size }
}

impl Search {
    /// Starts from sorted samples of a set of `n` with the extremes `low` and `high`.
    fn new(rank: usize, n: usize, (low, high): (f32, f32), some: &[f32]) -> Self {
        let share = some.len() as f64 / n as f64;
        let last = some.len().saturating_sub(1);
        let place = (rank as f64 * share) as usize;
        let (place, reach) = (place.min(last), (some.len() / 6).max(1));
        let (a, b) = (place.saturating_sub(reach), (place + reach).min(last));
        let value = |i: usize| some.get(i).copied().unwrap_or(low);
        let width = f64::from(value(b)) - f64::from(value(a));
        Self {
            rank,
            n,
            low: (low.next_down(), 0),
            high: (high, n),
            guess: value(place),
            spacing: width / (b - a).max(1) as f64 * share,
            doubt: 0.0,
            found: None,
            last: None,
        }
    }

    /// Whether the interval holds only one value.
    fn narrow(&self) -> bool {
        self.low.0.next_up() >= self.high.0
    }

    /// Moves the guess by a number of ranks; the way there is known to a share of it, and the
    /// number of samples on it has a Poisson error.
    fn correct(&mut self, from: f32, ranks: f64, uncertain: f64) {
        self.guess = (f64::from(from) + ranks * self.spacing) as f32;
        self.doubt = uncertain * ranks.abs() + 2.5 * ranks.abs().sqrt() + 4.0;
    }

    /// The window to be counted: a place, if its start is its end.
    fn window(&self, attempt: usize) -> (f32, f32) {
        let (low, high) = (self.low.0, self.high.0);
        if self.found.is_some() {
            return (high, high);
        }
        if self.high.1 - self.low.1 <= FEW {
            return (low, high);
        }
        // A place counts faster than a window, and makes the next window narrower.
        let worthwhile = 2.0 * self.doubt <= (FEW - 16).max(self.n / SHARE) as f64;
        let reach = if worthwhile {
            self.doubt * self.spacing
        } else {
            0.0
        };
        let middle = f64::from(self.guess);
        let (start, end) = ((middle - reach) as f32, (middle + reach) as f32);
        if attempt < TRUSTING && start <= end {
            let end = end.clamp(low.next_up(), high.next_down());
            (start.clamp(low, end), end)
        } else {
            let place = value(i64::midpoint(key(low), key(high)));
            (place, place)
        }
    }

    /// Takes in how many samples are up to the start and the end of a window.
    fn narrow_down(&mut self, start: Place, end: Place, uncertain: f64) {
        let before = match self.last {
            Some(last) if start.1 == end.1 => last,
            _ => start,
        };
        if before.1.abs_diff(end.1) >= 8 {
            let ranks = end.1 as f64 - before.1 as f64;
            self.spacing = (f64::from(end.0) - f64::from(before.0)) / ranks;
        }
        let wanted = self.rank as f64 + 0.5;
        for place in [start, end] {
            if place.1 <= self.rank {
                self.low = if place.1 >= self.low.1 {
                    place
                } else {
                    self.low
                };
            } else {
                self.high = if place.1 <= self.high.1 {
                    place
                } else {
                    self.high
                };
            }
        }
        let nearest = if end.1 <= self.rank { end } else { start };
        self.last = Some(nearest);
        self.correct(nearest.0, wanted - nearest.1 as f64, uncertain);
    }
}

/// Memory of a search.
#[derive(Debug, Clone, Default)]
pub(super) struct Desk {
    noted: Vec<f32>,
    inside: Vec<f32>,
}

/// For each of some ranks below `n`, the sample of that rank and the next one (or the last one
/// again).
///
/// `kept` is whole chunks with +infinity for what does not count, `extremes` its smallest and
/// largest sample, `some` are samples in order that should be like the others.
pub(super) fn order_statistics(
    kept: &[f32],
    (n, extremes): (usize, (f32, f32)),
    some: &[f32],
    ranks: [usize; K],
    desk: &mut Desk,
) -> [(f32, f32); K] {
    let mut searches = ranks.map(|rank| Search::new(rank, n, extremes, some));
    let uncertain = 3.5 / (some.len() as f64).sqrt();
    let start = if some.is_empty() { TRUSTING } else { 0 };
    if n > PROBED && start == 0 {
        probe(kept, n, &mut searches, uncertain);
    }
    for attempt in start.. {
        for s in searches
            .iter_mut()
            .filter(|s| s.found.is_none() && s.narrow())
        {
            let next = (s.rank + 1 < s.high.1).then_some(s.high.0);
            s.found = Some((s.high.0, next));
        }
        if searches.iter().all(|s| s.found.is_some()) {
            break;
        }
        try_windows(kept, &mut searches, attempt, uncertain, desk);
    }
    searches.map(|s| match s.found {
        Some((x, Some(next))) => (x, next),
        // The next sample is above the interval, if there is one.
        Some((x, None)) if s.high.1 < n => (x, above(kept, s.high.0)),
        Some((x, None)) => (x, x),
        None => (f32::NAN, f32::NAN),
    })
}

/// Corrects the guesses by counts in some of the chunks.
fn probe(kept: &[f32], n: usize, searches: &mut [Search; K], uncertain: f64) {
    let places = searches.map(|s| s.guess);
    let (mut counts, mut good) = ([0; K], 0);
    for chunk in kept.chunks_exact(CHUNK).step_by(PROBE) {
        let below = count(chunk, places);
        for i in 0..K {
            counts[i] += below[i];
        }
        good += count(chunk, [f32::MAX; K])[0];
    }
    for (s, below) in searches.iter_mut().zip(counts) {
        let below = f64::from(below) / f64::from(good.max(1)) * n as f64;
        s.correct(s.guess, s.rank as f64 + 0.5 - below, uncertain);
        s.doubt = 0.0;
    }
}

/// Counts the samples in one window for each search, and looks at those in it where they are few.
fn try_windows(
    kept: &[f32],
    searches: &mut [Search; K],
    attempt: usize,
    uncertain: f64,
    desk: &mut Desk,
) {
    let mut asked = Windows::default();
    for (i, s) in searches.iter().enumerate() {
        let (start, end) = s.window(attempt);
        (asked.starts[i], asked.ends[i]) = (start, end);
        asked.wanted[i] = mask_of(s.found.is_none() && start < end);
    }
    let ([up_to_starts, up_to_ends], n) = if asked.wanted == [0; K] {
        ([count(kept, asked.ends); 2], 0)
    } else {
        note_all(kept, &asked, &mut desk.noted)
    };
    let whole = n.next_multiple_of(LANES);
    desk.noted[n..whole].fill(f32::INFINITY);
    for (i, s) in searches.iter_mut().enumerate() {
        if s.found.is_some() {
            continue;
        }
        let start = (asked.starts[i], up_to_starts[i] as usize);
        let end = (asked.ends[i], up_to_ends[i] as usize);
        s.narrow_down(start, end, uncertain);
        if asked.wanted[i] != 0 && (start.1..end.1).contains(&s.rank) {
            let mut windows = asked;
            windows.wanted = [0; K];
            windows.wanted[i] = asked.wanted[i];
            let (_, m) = note_all(&desk.noted[..whole], &windows, &mut desk.inside);
            s.found = Some(pick(&mut desk.inside[..m], s.rank - start.1));
        }
    }
}

/// Counts the samples up to the start and up to the end of each window, and moves those in a wanted
/// one to the front of `noted`; returns how many these are, too.
fn note_all(kept: &[f32], windows: &Windows, noted: &mut Vec<f32>) -> ([[u32; K]; 2], usize) {
    if noted.len() < kept.len() {
        noted.resize(kept.len(), 0.0);
    }
    if let Some(found) = windowed(kept, windows, noted) {
        return found;
    }
    let mut notes = [0; BLOCK];
    let (mut sums, mut n) = ([[0; K]; 2], 0);
    for block in kept.chunks(BLOCK) {
        let notes = &mut notes[..block.len()];
        let counts = note(block, windows, notes);
        n += compact(block, notes, &mut noted[n..n + block.len()]);
        for (sums, counts) in sums.iter_mut().zip(counts) {
            for i in 0..K {
                sums[i] += counts[i];
            }
        }
    }
    (sums, n)
}

/// Puts samples without NaN in order.
pub(super) fn sort(samples: &mut [f32]) {
    let n = samples.len();
    if n > FEW {
        samples.sort_unstable_by(f32::total_cmp);
        return;
    }
    let (mut x, mut counts, mut equal) = ([f32::INFINITY; FEW], [0; FEW], [0; FEW]);
    x[..n].copy_from_slice(samples);
    smaller(&x, n, &mut counts);
    for i in 0..n {
        let place = counts[i] as usize;
        samples[place + equal[place]] = x[i];
        equal[place] += 1;
    }
}

/// The sample of a rank among some, and the next one, if there is one.
fn pick(samples: &mut [f32], rank: usize) -> (f32, Option<f32>) {
    let n = samples.len();
    if n > FEW {
        let (_, &mut x, rest) = samples.select_nth_unstable_by(rank, f32::total_cmp);
        let next = rest.iter().copied().fold(f32::INFINITY, f32::min);
        return (x, (rank + 1 < n).then_some(next));
    }
    let mut x = [f32::INFINITY; FEW];
    x[..n].copy_from_slice(samples);
    let [x, next] = ranked(&x, n, rank as u32);
    (x, (rank + 1 < n).then_some(next))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Good samples as they are kept: whole chunks, rejected ones in between.
    fn kept(samples: &[f32]) -> Vec<f32> {
        let mut kept = Vec::new();
        for (i, &x) in samples.iter().enumerate() {
            if i % 13 == 5 {
                kept.push(f32::INFINITY);
            }
            kept.push(x);
        }
        kept.resize(kept.len().next_multiple_of(CHUNK), f32::INFINITY);
        kept
    }

    fn check(samples: &[f32], some: &[f32], ranks: [usize; K]) {
        let mut sorted = samples.to_vec();
        sorted.sort_unstable_by(f32::total_cmp);
        let n = sorted.len();
        let known = (n, (sorted[0], sorted[n - 1]));
        let got = order_statistics(&kept(samples), known, some, ranks, &mut Desk::default());
        // Both zeros are one number here.
        let want = ranks.map(|rank| (sorted[rank], sorted[(rank + 1).min(n - 1)]));
        assert_eq!(
            got,
            want,
            "{n} samples, ranks {ranks:?}, {} sorted",
            some.len()
        );
    }

    /// All about the ranks of the quartiles, with good, bad and no samples to start from.
    fn check_all(samples: &[f32]) {
        let n = samples.len();
        let mut spread: Vec<f32> = samples.iter().copied().step_by(n / 61 + 1).collect();
        spread.sort_unstable_by(f32::total_cmp);
        let lowest = vec![spread[0]; 64];
        for some in [&spread[..], &lowest, &[]] {
            for shift in [0, 1] {
                check(
                    samples,
                    some,
                    [1, 2, 3].map(|i| (i * (n - 1) / 4 + shift).min(n - 1)),
                );
            }
            check(samples, some, [0, n / 2, n - 1]);
        }
    }

    #[test]
    fn samples_of_all_kinds() {
        let wave = |i: usize| (i as f64 * 0.7).sin() as f32;
        let shapes: [fn(usize, f32) -> f32; 9] = [
            |_, w| w,
            |_, _| 5.0,
            |i, _| (i % 3) as f32,
            |i, w| if i % 7 == 0 { 1e30 } else { w },
            |i, w| {
                if i % 5 == 0 {
                    -f32::MAX
                } else {
                    (3.0 * w).round()
                }
            },
            |i, w| if i % 2 == 0 { -1e-38 } else { w * 1e-38 },
            |i, _| if i % 2 == 0 { -0.0 } else { 0.0 },
            |i, _| if i % 2 == 0 { f32::MAX } else { -f32::MAX },
            |i, w| if i % 61 == 0 { 1e3 + w } else { w },
        ];
        for shape in shapes {
            for n in [1, 2, 3, 5, 63, 64, 65, 255, 1024, 4095, 4097, 20_000] {
                let samples: Vec<f32> = (0..n).map(|i| shape(i, wave(i))).collect();
                check_all(&samples);
            }
        }
    }

    proptest! {
        #[test]
        fn any_samples(
            samples in prop::collection::vec(
                prop_oneof![
                    any::<f32>().prop_filter("finite", |x| x.is_finite()),
                    -1.0_f32..1.0,
                    (-3_i8..3).prop_map(f32::from),
                ],
                1..300,
            ),
        ) {
            check_all(&samples);
        }
    }
}
