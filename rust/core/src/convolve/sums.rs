// SPDX-License-Identifier: BSD-3-Clause
//! Sums of pixels times taps.
//!
//! Sums are f64 and rounded to f32 once, after both axes. Taps that are the same on both sides of
//! the middle, as those of most kernels, are multiplied by the sum of their two pixels.

use super::sweep::{Filter, MOST, Room};
use crate::simd::{dispatch, prefetch};

/// Columns worked on at a time. Their rows under a kernel of usual size stay in the second cache,
/// and the first one gets each of them once for all rows of sums that are made at a time.
const BLOCK: usize = 1024;

/// Sums that are kept in registers side by side.
const LANES: usize = 64;

/// Two places of one tap.
#[derive(Debug, Clone, Copy)]
struct Pair {
    places: (usize, usize),
    tap: f64,
}

/// Taps of one axis that are not 0, for those must spread no NaN.
#[derive(Debug)]
struct Taps {
    width: usize,
    pairs: Vec<Pair>,
    singles: Vec<(usize, f64)>,
}

impl Taps {
    fn new(taps: &[f64]) -> Self {
        let width = taps.len();
        let mut found = Self {
            width,
            pairs: Vec::new(),
            singles: Vec::new(),
        };
        let mirrored = taps.iter().eq(taps.iter().rev());
        let n_pairs = if mirrored { width / 2 } else { 0 };
        for (place, &tap) in taps.iter().enumerate().filter(|&(_, &tap)| tap != 0.0) {
            if place < n_pairs {
                let places = (place, width - 1 - place);
                found.pairs.push(Pair { places, tap });
            } else if place < width - n_pairs {
                found.singles.push((place, tap));
            }
        }
        found
    }

    /// Pairs and singles, their places in the rows of a ring in which `y` is the first.
    fn turned(&self, y: usize, (rows, stride): (usize, usize), to: &mut Self) {
        let start = |place: usize| (y + place) % rows * stride;
        for (pair, new) in self.pairs.iter().zip(&mut to.pairs) {
            new.places = (start(pair.places.0), start(pair.places.1));
        }
        for (single, new) in self.singles.iter().zip(&mut to.singles) {
            new.0 = start(single.0);
        }
    }
}

#[inline(always)]
fn lanes(source: &[f64], at: usize) -> &[f64; LANES] {
    // A reference to an array needs one check of bounds for all lanes.
    match source.get(at..) {
        Some(rest) => rest.first_chunk().unwrap_or(&[0.0; LANES]),
        None => &[0.0; LANES],
    }
}

#[inline(always)]
fn sums_at(source: &[f64], at: usize, taps: &Taps) -> [f64; LANES] {
    let mut sums = [0.0; LANES];
    for pair in &taps.pairs {
        let left = lanes(source, pair.places.0 + at);
        let right = lanes(source, pair.places.1 + at);
        for i in 0..LANES {
            sums[i] += pair.tap * (left[i] + right[i]);
        }
    }
    for &(place, tap) in &taps.singles {
        let from = lanes(source, place + at);
        for i in 0..LANES {
            sums[i] += tap * from[i];
        }
    }
    sums
}

#[inline(always)]
fn along_body(row: &[f32], next: &[f32], line: &mut [f64], taps: &Taps, out: &mut [f64]) {
    let n = row.len();
    let line = &mut line[..];
    for i in 0..n {
        line[i] = f64::from(row[i]);
    }
    let mut at = 0;
    let (chunks, _) = out.as_chunks_mut::<LANES>();
    for chunk in chunks {
        if at + taps.width > n {
            break;
        }
        prefetch(&next[at..next.len().min(at + LANES)]);
        *chunk = sums_at(line, at, taps);
        at += LANES;
    }
}

#[inline(always)]
fn across_body(ring: &[f64], taps: &[Taps], out: &mut [&mut [f32]]) {
    let columns = if out.is_empty() { 0 } else { out[0].len() };
    let mut at = 0;
    while at < columns {
        for row in &*out {
            prefetch(&row[at..columns.min(at + LANES)]);
        }
        for k in 0..out.len() {
            let sums = sums_at(ring, at, &taps[k]);
            let to = &mut out[k][at..columns];
            if let Some(to) = to.first_chunk_mut::<LANES>() {
                for i in 0..LANES {
                    to[i] = sums[i] as f32;
                }
            } else {
                for i in 0..to.len() {
                    to[i] = sums[i] as f32;
                }
            }
        }
        at += LANES;
    }
}

dispatch! {
    /// Sums along x; asks for the row after this one meanwhile.
    fn along(
        row: &[f32],
        next: &[f32],
        line: &mut [f64],
        taps: &Taps,
        out: &mut [f64],
    ) = along_body;
}
dispatch! {
    /// Sums along y, from rows of sums along x: strip by strip, for all rows of `out`.
    fn across(ring: &[f64], taps: &[Taps], out: &mut [&mut [f32]]) = across_body;
}

/// Sums of pixels times the outer product of two rows of taps.
#[derive(Debug)]
pub(super) struct Sums {
    y: Taps,
    x: Taps,
    line: Room<f64>,
    /// The last rows, summed along x, and the way from one to the next.
    ring: Room<f64>,
    rows: usize,
    stride: usize,
    turned: Vec<Taps>,
}

impl Sums {
    /// For images of at most `columns` columns of sums.
    pub(super) fn new(taps_y: &[f64], taps_x: &[f64], columns: usize) -> Self {
        // An odd number of strips: rows that are a power of two apart share the few places that a
        // cache has for them.
        let stride = (columns.min(BLOCK).div_ceil(LANES) | 1) * LANES;
        let rows = taps_y.len() + Self::ROWS - 1;
        Self {
            y: Taps::new(taps_y),
            x: Taps::new(taps_x),
            line: Room::new(stride + taps_x.len() - 1),
            ring: Room::new(rows * stride),
            rows,
            stride,
            turned: (0..Self::ROWS).map(|_| Taps::new(taps_y)).collect(),
        }
    }
}

impl Filter<f32> for Sums {
    const BLOCK: usize = BLOCK;
    const ROWS: usize = MOST;

    fn size(&self) -> (usize, usize) {
        (self.y.width, self.x.width)
    }

    fn push(&mut self, r: usize, row: &[f32], next: &[f32]) {
        let out = &mut self.ring.get_mut()[r % self.rows * self.stride..][..self.stride];
        along(row, next, self.line.get_mut(), &self.x, out);
    }

    fn emit(&mut self, y: usize, out: &mut [&mut [f32]]) {
        let layout = (self.rows, self.stride);
        for (k, taps) in self.turned.iter_mut().enumerate().take(out.len()) {
            self.y.turned(y + k, layout, taps);
        }
        across(self.ring.get(), &self.turned, out);
    }
}
