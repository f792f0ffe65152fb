// SPDX-License-Identifier: BSD-3-Clause
//! OR of the mask words under a kernel.
//!
//! The words under a run of taps are not visited tap by tap. Along x, words are combined with those
//! 1, 2, 4, ... further on. Along y, rows are put into groups of as many as there are taps: any
//! window is the end of one group and the start of the next, so that a row takes part in three
//! combinations however many taps there are (van Herk 1992, Pattern Recognition Letters 13, 517).

use super::sweep::{Filter, Room};
use crate::simd::{dispatch, prefetch};

/// Columns worked on at a time.
const BLOCK: usize = 1024;

#[inline(always)]
fn or_body(a: &[i32], b: &[i32], out: &mut [i32]) {
    let n = out.len();
    let (a, b) = (&a[..n], &b[..n]);
    for i in 0..n {
        out[i] = a[i] | b[i];
    }
}

#[inline(always)]
fn or_into_body(a: &[i32], out: &mut [i32]) {
    let n = out.len();
    let a = &a[..n];
    for i in 0..n {
        out[i] |= a[i];
    }
}

dispatch! {
    fn or(a: &[i32], b: &[i32], out: &mut [i32]) = or_body;
}
dispatch! {
    fn or_into(a: &[i32], out: &mut [i32]) = or_into_body;
}
/// Where the taps of one axis are that are not 0, for those must spread no bits.
#[derive(Debug)]
struct Reach {
    width: usize,
    /// First place and length of each run.
    runs: Vec<(usize, usize)>,
}

impl Reach {
    fn new(taps: &[f64]) -> Self {
        let mut runs: Vec<(usize, usize)> = Vec::new();
        for (place, _) in taps.iter().enumerate().filter(|&(_, &tap)| tap != 0.0) {
            match runs.last_mut() {
                Some((first, len)) if *first + *len == place => *len += 1,
                _ => runs.push((place, 1)),
            }
        }
        Self {
            width: taps.len(),
            runs,
        }
    }
}

/// Windows of rows that slide down.
#[derive(Debug)]
struct Window {
    first: usize,
    len: usize,
    /// OR of each row of the last group with those after it; rows of the group that is begun.
    ends: Vec<i32>,
    /// OR of the rows of the group that is begun.
    start: Vec<i32>,
    /// Place in its group of the last row.
    place: usize,
}

impl Window {
    fn new((first, len): (usize, usize)) -> Self {
        Self {
            first,
            len,
            ends: vec![0; len * BLOCK],
            start: vec![0; BLOCK],
            place: 0,
        }
    }

    /// Takes row `r`; the first one starts anew.
    fn slide(&mut self, r: usize, row: &[i32]) {
        let n = row.len();
        self.place = r % self.len;
        self.ends[self.place * BLOCK..][..n].copy_from_slice(row);
        if self.place == 0 {
            self.start[..n].copy_from_slice(row);
        } else {
            or_into(row, &mut self.start[..n]);
        }
        if self.place + 1 == self.len {
            for one in (0..self.place).rev() {
                let (before, after) = self.ends.split_at_mut((one + 1) * BLOCK);
                or_into(&after[..n], &mut before[one * BLOCK..][..n]);
            }
        }
    }

    /// The bits of the last `len` rows: two rows to combine.
    fn parts(&self) -> (&[i32], &[i32]) {
        let start = &self.start[..];
        if self.place + 1 < self.len {
            // The window begins with the next place, a group further up.
            (start, &self.ends[(self.place + 1) * BLOCK..])
        } else {
            (start, start)
        }
    }
}

/// OR of the words under the taps, of an outer product of two rows, that are not 0.
#[derive(Debug)]
pub(super) struct Spread {
    y: Reach,
    x: Reach,
    line: Room<i32>,
    spare: Room<i32>,
    /// The last rows, combined along x.
    ring: Room<i32>,
    windows: Vec<Window>,
}

impl Spread {
    pub(super) fn new(taps_y: &[f64], taps_x: &[f64]) -> Self {
        let y = Reach::new(taps_y);
        let width = BLOCK + taps_x.len() - 1;
        Self {
            windows: y.runs.iter().map(|&run| Window::new(run)).collect(),
            ring: Room::new(y.width * BLOCK),
            y,
            x: Reach::new(taps_x),
            line: Room::new(width),
            spare: Room::new(width),
        }
    }

    /// Combines the words of a row along x into row `place` of the ring.
    fn along(&mut self, row: &[i32], place: usize) {
        let n = row.len() + 1 - self.x.width;
        let out = &mut self.ring.get_mut()[place * BLOCK..][..n];
        if self.x.runs.is_empty() {
            out.fill(0);
        }
        let (mut from, mut to) = (self.line.get_mut(), self.spare.get_mut());
        for (k, &(first, len)) in self.x.runs.iter().enumerate() {
            let mut words = n + len - 1;
            let row = &row[first..first + words];
            let mut have = 1;
            if len == 1 {
                from[..words].copy_from_slice(row);
            } else {
                words -= 1;
                or(row, &row[1..], &mut from[..words]);
                have = 2;
            }
            while 2 * have <= len {
                words -= have;
                or(from, &from[have..], &mut to[..words]);
                (from, to) = (to, from);
                have *= 2;
            }
            let last = &from[len - have..];
            if k == 0 {
                or(from, last, out);
            } else {
                or_into(from, out);
                or_into(last, out);
            }
        }
    }
}

impl Filter<i32> for Spread {
    const BLOCK: usize = BLOCK;
    // Windows are those of the last row.
    const ROWS: usize = 1;

    fn size(&self) -> (usize, usize) {
        (self.y.width, self.x.width)
    }

    fn push(&mut self, r: usize, row: &[i32], next: &[i32]) {
        prefetch(next);
        let height = self.y.width;
        self.along(row, r % height);
        let n = row.len() + 1 - self.x.width;
        for window in &mut self.windows {
            // The last row of a run, of the kernel that ends with this row.
            let delay = height - window.first - window.len;
            if let Some(last) = r.checked_sub(delay) {
                let row = &self.ring.get()[last % height * BLOCK..][..n];
                window.slide(last, row);
            }
        }
    }

    fn emit(&mut self, _: usize, out: &mut [&mut [i32]]) {
        for row in out {
            if self.windows.is_empty() {
                row.fill(0);
            }
            for (k, (start, end)) in self.windows.iter().map(Window::parts).enumerate() {
                if k == 0 {
                    or(start, end, row);
                } else {
                    or_into(start, row);
                    or_into(end, row);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::sweep::sweep;
    use super::*;
    use ndarray::Array2;

    /// OR over each place of the kernel.
    fn expected(words: &Array2<i32>, y: &[f64], x: &[f64]) -> Array2<i32> {
        let (h, w) = words.dim();
        Array2::from_shape_fn((h + 1 - y.len(), w + 1 - x.len()), |(row, column)| {
            let mut all = 0;
            for (j, _) in y.iter().enumerate().filter(|(_, tap)| **tap != 0.0) {
                for (i, _) in x.iter().enumerate().filter(|(_, tap)| **tap != 0.0) {
                    all |= words[(row + j, column + i)];
                }
            }
            all
        })
    }

    #[test]
    fn words_under_runs_of_taps() {
        // Two blocks of columns; a bit in one word of 40.
        let words = Array2::from_shape_fn((50, BLOCK + 40), |(y, x)| {
            let hash = (y * 7919 + x * 104_729) % 1_000_003;
            i32::from(hash % 40 == 0) << (hash % 13)
        });
        let mut with_gaps = [1.0; 17];
        with_gaps[0] = 0.0;
        with_gaps[5] = 0.0;
        with_gaps[6] = 0.0;
        with_gaps[15] = 0.0;
        let all: [&[f64]; 5] = [&[1.0], &[1.0; 2], &[0.5; 16], &[0.0; 3], &with_gaps];
        for y in all {
            for x in all {
                let want = expected(&words, y, x);
                let mut got = Array2::from_elem(want.dim(), -1);
                sweep(&mut Spread::new(y, x), words.view(), got.view_mut());
                assert_eq!(got, want, "{y:?} {x:?}");
            }
        }
    }
}
