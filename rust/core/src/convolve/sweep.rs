// SPDX-License-Identifier: BSD-3-Clause
//! The way of a filter over an image: blocks of columns, and in each of them row by row, along x
//! first. The rows that a kernel covers, filtered along x, stay in the cache.

use crate::simd::prefetch;
use ndarray::{ArrayView2, ArrayViewMut2, s};

/// Rows that are asked for before their turn. Processors do so themselves only within a row.
const AHEAD: usize = 4;

/// Something that takes rows, and gives the combination of the last of them.
pub(super) trait Filter<T> {
    /// Columns worked on at a time, at most.
    const BLOCK: usize;
    /// Rows and columns under the kernel.
    fn size(&self) -> (usize, usize);
    /// Takes row `r` of a block; the first one starts a new block.
    fn push(&mut self, r: usize, row: &[T]);
    /// Writes the combination of the rows from `y` on, of which the last was pushed just now.
    fn emit(&mut self, y: usize, out: &mut [T]);
}

/// Filters `input`, whose rows and columns are those of `out` and the rim that a kernel needs.
pub(super) fn sweep<T, F: Filter<T>>(
    filter: &mut F,
    input: ArrayView2<T>,
    mut out: ArrayViewMut2<T>,
) {
    let (ny, nx) = filter.size();
    for start in (0..out.ncols()).step_by(F::BLOCK) {
        let stop = (start + F::BLOCK).min(out.ncols());
        for (r, row) in input.outer_iter().enumerate() {
            let row = row.to_slice().unwrap_or_default();
            if r + AHEAD < input.nrows() {
                let later = input
                    .slice_move(s![r + AHEAD, ..])
                    .to_slice()
                    .unwrap_or_default();
                prefetch(&later[start..stop + nx - 1]);
            }
            filter.push(r, &row[start..stop + nx - 1]);
            let Some(y) = (r + 1).checked_sub(ny) else {
                continue;
            };
            if let Some(to) = out.row_mut(y).as_slice_mut() {
                filter.emit(y, &mut to[start..stop]);
            }
        }
    }
}

/// Room for numbers, from a border of cache lines on: loads across such a border take twice as
/// long.
#[derive(Debug)]
pub(super) struct Room<T> {
    values: Vec<T>,
    first: usize,
    len: usize,
}

impl<T: Copy + Default> Room<T> {
    /// `len` numbers.
    pub(super) fn new(len: usize) -> Self {
        const LINE: usize = 64;
        let most = LINE / size_of::<T>().max(1);
        let values = vec![T::default(); len + most];
        // A hint about speed alone: any answer up to `most` does.
        let first = values.as_ptr().align_offset(LINE).min(most);
        Self { values, first, len }
    }

    /// The numbers.
    pub(super) fn get(&self) -> &[T] {
        &self.values[self.first..][..self.len]
    }

    /// The numbers, to change.
    pub(super) fn get_mut(&mut self) -> &mut [T] {
        &mut self.values[self.first..][..self.len]
    }
}
