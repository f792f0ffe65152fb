// SPDX-License-Identifier: BSD-3-Clause
//! The way of a filter over an image: blocks of columns, and in each of them row by row, along x
//! first. The rows that a kernel covers, filtered along x, stay in the cache.

use ndarray::{ArrayView2, ArrayViewMut2, Axis, s};

/// Rows that a filter puts out at a time, at most.
pub(super) const MOST: usize = 8;

/// Something that takes rows, and gives the combinations of the last of them.
pub(super) trait Filter<T> {
    /// Columns worked on at a time, at most. Processors fetch ahead within a row: long ones pay.
    const BLOCK: usize;
    /// Rows put out at a time, at most [`MOST`].
    const ROWS: usize;
    /// Rows and columns under the kernel.
    fn size(&self) -> (usize, usize);
    /// Takes row `r` of a block; the first one starts a new block. `next` is the row after it.
    fn push(&mut self, r: usize, row: &[T], next: &[T]);
    /// Writes the combinations of the rows from `y` on, from `y + 1` on and so forth; the last row
    /// of the last of them was pushed just now.
    fn emit(&mut self, y: usize, out: &mut [&mut [T]]);
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
        let mut pushed = 0;
        for (group, mut to) in out.axis_chunks_iter_mut(Axis(0), F::ROWS).enumerate() {
            let (y, n) = (group * F::ROWS, to.nrows());
            for r in pushed..y + n + ny - 1 {
                let [row, next] = [r, (r + 1).min(input.nrows() - 1)].map(|r| {
                    let row = input.slice_move(s![r, ..]).to_slice();
                    &row.unwrap_or_default()[start..stop + nx - 1]
                });
                filter.push(r, row, next);
            }
            pushed = y + n + ny - 1;
            let mut rows: [&mut [T]; MOST] = Default::default();
            for (row, line) in rows.iter_mut().zip(to.outer_iter_mut()) {
                *row = &mut line.into_slice().unwrap_or_default()[start..stop];
            }
            filter.emit(y, &mut rows[..n]);
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
