// SPDX-License-Identifier: BSD-3-Clause
//! Statistics of one large unweighted `f32` image in one reading of its pixels.
//!
//! A sorted sample of the pixels tells beforehand, with room for its errors, where the quartiles
//! are and which samples every clipping pass will keep. While the image is read, the samples near
//! the quartiles and those that a pass may leave out are noted and all others only counted and
//! summed, those too that all have the value of a quartile. What was noted makes the result exact;
//! where the sample has misled, the image is read again. Blocks of rows are summed lane by lane and
//! added in order, so that threads do not change a bit.

use super::clip::Passes;
use super::gather::{Set, admit_row};
use super::plain::{gather, quartiles, slice, spread};
use super::props::{Options, Property};
use super::ranks::{Desk, order_statistics};
use super::sample::Summary;
use super::select::{between, position};
use super::single::{Beside, Block, ImageInput};
use super::tails::{ALL, NONE, Parts, collect, interval, moments, sift, summed};
use super::tally::{CHUNK, Limits, Tally, tally_all, tally_core};
use super::weighted::Moments;
use crate::par;
use std::ops::Range;

/// Samples from which on an image is large: the reading costs more than the sample.
const LARGE: usize = 1 << 17;
/// Samples of a block.
const BLOCK: usize = 1 << 16;
/// Whether the image is large enough, and its rows long enough to be read in chunks.
pub(super) fn worthwhile(input: &ImageInput<f32>) -> bool {
    input.values.len() >= LARGE && input.values.ncols() >= CHUNK
}

/// Values and mask words of a row, or of a part of one.
type Line<'a> = (&'a [f32], Option<&'a [i32]>);

fn line<'a>(input: &'a ImageInput<f32>, y: usize) -> Line<'a> {
    // Rows are slices, or this path would not have been chosen.
    let words = input.mask.as_ref().map(|mask| slice(mask.row(y)));
    (slice(input.values.row(y)), words)
}

fn part<'a>((values, words): Line<'a>, columns: &Range<usize>) -> Line<'a> {
    let cut = columns.start..columns.end;
    (&values[cut.clone()], words.map(|words| &words[cut]))
}

/// The image in blocks of whole rows, or of parts of very long ones.
fn blocks((height, width): (usize, usize)) -> Vec<Block> {
    if width > BLOCK {
        let starts = (0..height).flat_map(|y| (0..width).step_by(BLOCK).map(move |x| (y, x)));
        return starts
            .map(|(y, x)| Block {
                rows: y..y + 1,
                columns: x..width.min(x + BLOCK),
            })
            .collect();
    }
    let rows = BLOCK / width;
    (0..height)
        .step_by(rows)
        .map(|y| Block {
            rows: y..height.min(y + rows),
            columns: 0..width,
        })
        .collect()
}

/// What one reading of the image, or of a block, gives; see [`Tally`].
#[derive(Debug, Clone)]
struct Reading {
    n: usize,
    n_core: usize,
    s1: f64,
    s2: f64,
    up_to: [usize; 3],
    below: [usize; 3],
    low: f32,
    high: f32,
    or_mask: i32,
    any_mask: i32,
    /// Noted samples, in the order of the image.
    noted: Vec<f32>,
}

impl Reading {
    fn of(tally: &Tally, noted: Vec<f32>) -> Self {
        let count = |lanes: &[u32]| lanes.iter().map(|&n| n as usize).sum::<usize>();
        let total = |lanes: &[f64]| lanes.iter().fold(0.0, |a, b| a + b);
        let or = |lanes: &[i32]| lanes.iter().fold(0, |a, b| a | b);
        Self {
            n: count(&tally.n),
            n_core: count(&tally.n_core),
            s1: total(&tally.s1),
            s2: total(&tally.s2),
            below: std::array::from_fn(|i| count(&tally.below[i])),
            up_to: std::array::from_fn(|i| count(&tally.up_to[i])),
            low: tally.low.iter().copied().fold(f32::INFINITY, f32::min),
            high: tally.high.iter().copied().fold(f32::NEG_INFINITY, f32::max),
            or_mask: or(&tally.or_mask),
            any_mask: or(&tally.any_mask),
            noted,
        }
    }

    fn add(&mut self, next: Self) {
        self.n += next.n;
        self.n_core += next.n_core;
        self.s1 += next.s1;
        self.s2 += next.s2;
        for i in 0..3 {
            self.below[i] += next.below[i];
            self.up_to[i] += next.up_to[i];
        }
        (self.low, self.high) = (self.low.min(next.low), self.high.max(next.high));
        self.or_mask |= next.or_mask;
        self.any_mask |= next.any_mask;
        self.noted.extend(next.noted);
    }

    /// Moments of the samples in the core.
    fn moments(&self, shift: f32) -> Moments {
        summed(self.n_core as f64, shift, self.s1, self.s2)
    }
}

/// Reads the image; brackets are looked at only if they are wanted.
fn read(
    input: &ImageInput<f32>,
    limits: &Limits,
    brackets: bool,
    beside: Option<Beside>,
) -> Reading {
    let parts = par::map(blocks(input.values.dim()), |block| {
        if let Some(beside) = beside {
            beside(&block);
        }
        read_block(input, &block, limits, brackets)
    });
    let mut all = Reading::of(&Tally::EMPTY, Vec::new());
    for part in parts {
        all.add(part);
    }
    all
}

fn read_block(input: &ImageInput<f32>, block: &Block, limits: &Limits, brackets: bool) -> Reading {
    let mut tally = Tally::EMPTY;
    let (mut notes, mut noted) = ([0; CHUNK], Vec::new());
    let mut take = |values: &[f32; CHUNK], words: &[i32; CHUNK]| {
        if brackets {
            tally_all(values, words, limits, &mut tally, &mut notes);
            collect(values, &notes, &mut noted);
        } else {
            tally_core(values, words, limits, &mut tally, &mut notes);
        }
    };
    let no_words = [0; CHUNK];
    for y in block.rows.clone() {
        let (values, words) = part(line(input, y), &block.columns);
        let (chunks, rest) = values.as_chunks::<CHUNK>();
        let (word_chunks, word_rest) = words.unwrap_or_default().as_chunks::<CHUNK>();
        for (i, chunk) in chunks.iter().enumerate() {
            take(chunk, word_chunks.get(i).unwrap_or(&no_words));
        }
        if !rest.is_empty() {
            let (mut last, mut last_words) = ([f32::INFINITY; CHUNK], no_words);
            last[..rest.len()].copy_from_slice(rest);
            last_words[..word_rest.len()].copy_from_slice(word_rest);
            take(&last, &last_words);
        }
    }
    Reading::of(&tally, noted)
}

/// Samples spread over the image; at least one good one if there is any.
fn sample(input: &ImageInput<f32>, bad_bits: i32) -> Set {
    let (height, width) = input.values.dim();
    let size = height * width;
    let mut step = (size >> 16).max(24) | 1;
    // Not the same columns in each row.
    while width.is_multiple_of(step) {
        step += 2;
    }
    let mut some = Vec::with_capacity(size / step + 1);
    let mut start = 0;
    for y in 0..height {
        let (values, words) = line(input, y);
        let mut x = start;
        while x < width {
            let good = words.is_none_or(|words| words[x] & bad_bits == 0);
            some.push(if good { values[x] } else { f32::NAN });
            x += step;
        }
        start = x - width;
    }
    if !some.iter().any(|x| x.is_finite()) {
        some.extend(first(input, bad_bits));
    }
    let mut set = Set::default();
    set.clear(some.len());
    let (clear, whole) = (vec![0; some.len()], [(0, some.len())]);
    admit_row(&some, &clear, 0, &whole, std::slice::from_mut(&mut set));
    set.close();
    set
}

/// A good sample, if there is one.
fn first(input: &ImageInput<f32>, bad_bits: i32) -> Option<f32> {
    (0..input.values.nrows()).find_map(|y| {
        let (values, words) = line(input, y);
        let good = |&x: &usize| {
            values[x].is_finite() && words.is_none_or(|words| words[x] & bad_bits == 0)
        };
        (0..values.len()).find(good).map(|x| values[x])
    })
}

/// For each quartile an interval that holds it: the ranks of the sample five standard deviations
/// up and down (one image in 600,000 is outside, and is read again).
fn brackets_of(set: &Set, n: usize, some: &[f32], desk: &mut Desk) -> [(f32, f32); 3] {
    let number = n as f64;
    let ranks = [0.25, 0.5, 0.75].map(|fraction: f64| {
        let reach = 5.0 * (fraction * (1.0 - fraction) * number).sqrt() + 2.0;
        (fraction * number - reach, fraction * number + reach)
    });
    let known = (n, set.extremes());
    let starts = ranks.map(|(start, _)| start.max(0.0) as usize);
    let ends = ranks.map(|(_, end)| (end as usize).min(n - 1));
    let low = order_statistics(set.kept(), known, some, starts, desk);
    let high = order_statistics(set.kept(), known, some, ends, desk);
    std::array::from_fn(|i| {
        let (start, end) = ranks[i];
        (
            if start >= 0.0 { low[i].0 } else { ALL.0 },
            if end < number { high[i].0 } else { ALL.1 },
        )
    })
}

/// An interval that every pass is sure to keep, from the passes over the sample: three in a
/// hundred narrower than these.
fn sure_core(set: &Set, n: usize, quartiles: [f64; 3], options: &Options) -> (f32, f32) {
    const SHRUNK: f64 = 0.97;
    let [lower, median, upper] = quartiles;
    let shift = median as f32;
    let all = moments(set.kept(), ALL, shift, None);
    let mut passes = Passes::new((median, upper - lower), options);
    let (mut start, mut end) = (f64::from(ALL.0), f64::from(ALL.1));
    for _ in 0..options.n_iter {
        if !passes.advance(n as f64, options) {
            break;
        }
        let (c, h) = (passes.centre, passes.half_width);
        (start, end) = (start.max(c - SHRUNK * h), end.min(c + SHRUNK * h));
        passes.take(moments(set.kept(), interval(c, h), shift, None), &all);
    }
    if start <= end {
        (start as f32, end as f32)
    } else {
        NONE
    }
}

/// Quartiles of an image, whatever its samples are; `n` of them are good.
fn copied_quartiles(input: &ImageInput<f32>, bad_bits: i32, n: usize) -> [f64; 3] {
    let (height, width) = input.values.dim();
    let mut sets = Vec::new();
    gather(input, 0..height, &[(0, width)], bad_bits, &mut sets);
    quartiles(&sets[0], n, &spread(sets[0].kept()), &mut Desk::default())
}

/// The sample of a rank and the next one, among samples between two values.
fn pair(inside: &mut Vec<f32>, (start, end): (f32, f32), rank: usize) -> (f32, f32) {
    let known = (inside.len(), (start.next_up(), end.next_down()));
    inside.resize(inside.len().next_multiple_of(CHUNK), f32::INFINITY);
    let some = spread(inside);
    let [found, ..] = order_statistics(inside, known, &some, [rank; 3], &mut Desk::default());
    found
}

/// One statistics request.
struct Request<'a, 'i> {
    input: &'a ImageInput<'i, f32>,
    options: &'a Options,
    limits: Limits,
    /// The reading with the limits.
    reading: Reading,
    /// Moments of all good samples; unknown before they are needed.
    all: Option<Moments>,
}

impl Request<'_, '_> {
    /// Moments of the samples between two, read for the purpose.
    fn moments_within(&self, core: (f32, f32)) -> Moments {
        let limits = Limits {
            core,
            ..self.limits
        };
        read(self.input, &limits, false, None).moments(limits.shift)
    }

    fn all(&mut self) -> Moments {
        let all = self
            .all
            .unwrap_or_else(|| self.parts(&[]).all(|core| self.moments_within(core)));
        *self.all.insert(all)
    }

    /// Whether bracket `i` holds a single value, which is not noted.
    fn is_tie(&self, i: usize) -> bool {
        self.limits.note_brackets[i] == 0
    }

    fn quartiles(&self) -> [f64; 3] {
        let n = self.reading.n;
        let mut ends = None;
        let mut quartile = |i: usize| {
            let (index, share) = position(0.25 * (i + 1) as f64, n);
            let next = (index + 1).min(n - 1);
            let (start, end) = self.limits.brackets[i];
            let (before, beyond) = (self.reading.up_to[i], self.reading.below[i]);
            let holds = before <= index && next < beyond;
            if self.is_tie(i) {
                let value = f64::from(end.next_down());
                return holds.then(|| between(value, value, share));
            }
            let mut inside = sift(&self.reading.noted, (start, end), true);
            if holds {
                let (low, high) = pair(&mut inside, (start, end), index - before);
                return Some(between(f64::from(low), f64::from(high), share));
            }
            let low = self.order_statistic(i, index, &mut inside, &mut ends)?;
            let high = self.order_statistic(i, next, &mut inside, &mut ends)?;
            Some(between(f64::from(low), f64::from(high), share))
        };
        match [quartile(0), quartile(1), quartile(2)] {
            [Some(lower), Some(median), Some(upper)] => [lower, median, upper],
            _ => copied_quartiles(self.input, self.options.bad_bits, n),
        }
    }

    /// The sample of a rank, if it is in bracket `i` with the noted samples `inside`. Samples equal
    /// to an end of a bracket are not noted, for they may be many: they are counted in a reading of
    /// their own, `ends`.
    fn order_statistic(
        &self,
        i: usize,
        rank: usize,
        inside: &mut [f32],
        ends: &mut Option<Reading>,
    ) -> Option<f32> {
        let (low, high) = self.limits.brackets[i];
        let (start, end) = (self.reading.up_to[i], self.reading.below[i]);
        if (start..end).contains(&rank) {
            let (_, &mut found, _) = inside.select_nth_unstable_by(rank - start, f32::total_cmp);
            return Some(found);
        }
        let ends = ends.get_or_insert_with(|| {
            let limits = Limits {
                note_tail: 0,
                note_brackets: [0; 3],
                brackets: self
                    .limits
                    .brackets
                    .map(|(low, high)| (low.next_down(), high.next_up())),
                ..self.limits
            };
            read(self.input, &limits, true, None)
        });
        if (ends.up_to[i]..start).contains(&rank) {
            Some(low)
        } else {
            (end..ends.below[i]).contains(&rank).then_some(high)
        }
    }

    /// Runs the passes: the core, and what each keeps of the samples noted outside.
    fn clip(&mut self, quartiles: (f64, f64)) -> Passes {
        let (start, end) = self.limits.core;
        let core = (start.next_down(), end.next_up());
        let sifted;
        let tails = if (0..3).all(|i| self.is_tie(i)) {
            &self.reading.noted
        } else {
            sifted = sift(&self.reading.noted, core, false);
            &sifted
        };
        let mut all = self.all;
        let passes = self
            .parts(tails)
            .clip(quartiles, self.options, &mut all, |core| {
                self.moments_within(core)
            });
        self.all = all;
        passes
    }

    fn parts<'t>(&self, tails: &'t [f32]) -> Parts<'t> {
        Parts {
            n: self.reading.n as f64,
            core: self.limits.core,
            moments: self.reading.moments(self.limits.shift),
            tails,
        }
    }
}

/// Statistics of an image that is [`worthwhile`] and for which [`super::plain::can`] holds. While it
/// is read, every block is handed to `beside` once.
pub(super) fn statistics(
    input: &ImageInput<f32>,
    property: Property,
    options: &Options,
    beside: Option<Beside>,
) -> Summary {
    let bad_bits = options.bad_bits;
    let quantiles = property.needs_quantiles();
    let set = sample(input, bad_bits);
    let (n_some, some) = (set.n(), spread(set.kept()));
    let mut desk = Desk::default();
    let (mut core, mut brackets, mut shift) = (ALL, [NONE; 3], 0.0);
    if let Some(&middle) = some.get(some.len() / 2) {
        shift = middle;
    }
    if quantiles && n_some > 0 {
        brackets = brackets_of(&set, n_some, &some, &mut desk);
        if property.needs_clipping() {
            let quartiles = quartiles(&set, n_some, &some, &mut desk);
            core = sure_core(&set, n_some, quartiles, options);
        }
    }
    // Samples of one value may be many: between its neighbours they are only counted.
    let tied = brackets.map(|(start, end)| start == end);
    let widened = |(start, end): (f32, f32)| {
        if start == end {
            (start.next_down(), end.next_up())
        } else {
            (start, end)
        }
    };
    let limits = Limits {
        bad_bits,
        shift,
        core,
        note_tail: if core.0 <= core.1 { u32::MAX } else { 0 },
        brackets: brackets.map(widened),
        note_brackets: tied.map(|tied| if tied { 0 } else { u32::MAX }),
    };
    let reading = read(input, &limits, quantiles, beside);
    let n = reading.n;
    let mut request = Request {
        input,
        options,
        limits,
        reading,
        all: None,
    };
    let (mut median, mut iqr) = (f64::NAN, f64::NAN);
    if n > 0 && quantiles {
        let [lower, middle, upper] = request.quartiles();
        (median, iqr) = (middle, upper - lower);
    }
    let passes = property
        .needs_clipping()
        .then(|| request.clip((median, iqr)));
    if property.needs_moments() {
        request.all();
    }
    let all = request.all.unwrap_or(Moments::counted(n as f64));
    let reading = &request.reading;
    let extreme = |x: f32| if n == 0 { f64::NAN } else { f64::from(x) };
    Summary {
        n_point: n,
        n_masked: input.values.len() - n,
        or_mask: reading.or_mask,
        any_mask: reading.any_mask,
        error_mode: options.error_mode,
        moments: all,
        median,
        iqr,
        clipped: passes
            .map(|passes| passes.result(&all, (median, iqr), options, options.truncation())),
        min: extreme(reading.low),
        max: extreme(reading.high),
    }
}
