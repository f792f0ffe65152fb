// SPDX-License-Identifier: BSD-3-Clause
//! Statistics of rectangles of one image, those of the same rows together.

use super::large;
use super::plain::{self, Room};
use super::props::{Options, Property};
use super::sample::Summary;
use super::single::{ImageInput, check, image_statistics};
use crate::error::Result;
use ndarray::s;
use std::ops::Range;

/// Samples of rectangles that are copied together: they stay in the cache.
const TOGETHER: usize = 1 << 16;

/// Statistics of an image for which [`plain::can`] holds.
pub(super) fn whole(input: &ImageInput<f32>, property: Property, options: &Options) -> Summary {
    let (height, width) = input.values.dim();
    let mut sets = Vec::new();
    plain::gather(input, 0..height, &[(0, width)], options.bad_bits, &mut sets);
    plain::statistics(&sets[0], property, options, &mut Room::default())
}

fn cut<'a>(
    input: &ImageInput<'a, f32>,
    rows: Range<usize>,
    (start, end): (usize, usize),
) -> ImageInput<'a, f32> {
    let part = s![rows, start..end];
    ImageInput {
        values: input.values.slice_move(part),
        mask: input.mask.map(|m| m.slice_move(part)),
        variance: input.variance.map(|v| v.slice_move(part)),
        weights: input.weights.map(|w| w.slice_move(part)),
        inverse_variance: input.inverse_variance,
    }
}

/// Statistics of rectangles of an image: some rows, and for each rectangle the columns from its
/// start to before its end. Rectangles are not empty, and may overlap.
///
/// Their samples are copied row by row of the image, across as many rectangles as the cache can
/// hold, because memory is fetched ahead along rows.
pub(crate) fn statistics_of_row(
    input: &ImageInput<f32>,
    rows: Range<usize>,
    columns: &[(usize, usize)],
    property: Property,
    options: &Options,
) -> Result<Vec<Summary>> {
    let mut out = Vec::with_capacity(columns.len());
    let mut sets = Vec::new();
    let mut room = Room::default();
    let mut rest = columns;
    while let Some(&first) = rest.first() {
        let part = cut(input, rows.clone(), first);
        if large::worthwhile(&part) || !plain::can(&part, options) {
            out.push(image_statistics(&part, property, options)?);
            rest = &rest[1..];
            continue;
        }
        check(&part, options)?;
        let mut n = 1;
        let mut size = part.values.len();
        while n < rest.len() && size < TOGETHER {
            size += rows.len() * (rest[n].1 - rest[n].0);
            n += 1;
        }
        let (now, later) = rest.split_at(n);
        plain::gather(input, rows.clone(), now, options.bad_bits, &mut sets);
        for set in &sets[..n] {
            out.push(plain::statistics(set, property, options, &mut room));
        }
        rest = later;
    }
    Ok(out)
}
