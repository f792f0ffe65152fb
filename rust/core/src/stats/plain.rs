// SPDX-License-Identifier: BSD-3-Clause
//! Statistics of one unweighted `f32` image, or of parts of one, without one struct a sample.
//!
//! The samples are copied once, into memory that stays in the cache, with +infinity for every
//! rejected one. Sums run down the lanes, then over the lanes, always in the same order.

use super::gather::{Set, admit_row};
use super::props::{ErrorMode, Options, Property};
use super::ranks::{Desk, order_statistics, sort};
use super::sample::Summary;
use super::select::{between, position};
use super::single::ImageInput;
use super::tails::{ALL, NONE, Parts, moments};
use super::weighted::Moments;
use ndarray::{ArrayView1, ArrayView2};
use std::ops::Range;

/// Sorted samples that tell where the others are: for small sets, and for all others.
const SPREAD: (usize, usize) = (64, 256);
/// The largest set that is small.
const SMALL: usize = 4096;

/// Whether this path can answer.
pub(super) fn can(input: &ImageInput<f32>, options: &Options) -> bool {
    let rows = input.values.strides()[1] == 1 || input.values.ncols() == 1;
    let mask = |m: &ArrayView2<i32>| m.strides()[1] == 1 || m.ncols() == 1;
    rows && input.mask.as_ref().is_none_or(mask)
        && input.weights.is_none()
        && !input.inverse_variance
        && options.error_mode == ErrorMode::Scatter
        && options.nan_safe
        && options.thresholds.is_empty()
        && !options.mask_from_kept
}

/// A row as a slice; rows are slices where [`can`] holds.
pub(super) fn slice<T>(row: ArrayView1<'_, T>) -> &[T] {
    row.to_slice().unwrap_or_default()
}

/// Copies the samples of a row of rectangles, which may overlap, one set for each.
pub(super) fn gather(
    input: &ImageInput<f32>,
    rows: Range<usize>,
    columns: &[(usize, usize)],
    bad_bits: i32,
    sets: &mut Vec<Set>,
) {
    sets.resize_with(columns.len().max(sets.len()), Set::default);
    for (set, &(start, end)) in sets.iter_mut().zip(columns) {
        set.clear(rows.len() * (end - start));
    }
    let clear = match input.mask {
        Some(_) => Vec::new(),
        None => vec![0; input.values.ncols()],
    };
    for y in rows {
        let words = input
            .mask
            .as_ref()
            .map_or(&clear[..], |mask| slice(mask.row(y)));
        admit_row(slice(input.values.row(y)), words, bad_bits, columns, sets);
    }
    for set in &mut sets[..columns.len()] {
        set.close();
    }
}

/// Good samples spread over a set, in order of size.
pub(super) fn spread(kept: &[f32]) -> Vec<f32> {
    let many = if kept.len() > SMALL {
        SPREAD.1
    } else {
        SPREAD.0
    };
    let step = (kept.len() / many).max(1) | 1;
    let mut some = vec![0.0; kept.len().div_ceil(step)];
    let (mut n, mut i) = (0, 0);
    while i < kept.len() {
        // Writes every sample and moves on behind those that are good.
        some[n] = kept[i];
        n += usize::from(kept[i] <= f32::MAX);
        i += step;
    }
    some.truncate(n);
    sort(&mut some);
    some
}

/// Quartiles of a set of which `n` > 0 samples are good.
pub(super) fn quartiles(set: &Set, n: usize, some: &[f32], desk: &mut Desk) -> [f64; 3] {
    let places = [0.25, 0.5, 0.75].map(|fraction| position(fraction, n));
    let known = (n, set.extremes());
    let found = order_statistics(set.kept(), known, some, places.map(|p| p.0), desk);
    std::array::from_fn(|i| {
        let (x, next) = found[i];
        between(f64::from(x), f64::from(next), places[i].1)
    })
}

/// An interval that the passes are expected to keep, given that of the first one: all samples, if
/// that keeps them.
fn likely_core((c, h): (f64, f64), n: usize, (low, high): (f32, f32)) -> (f32, f32) {
    if (f64::from(low) - c).abs() <= h && (f64::from(high) - c).abs() <= h {
        return ALL;
    }
    // The passes on Gaussian data take 1.5 % off the first interval; quartiles have errors.
    let share = 0.975 - 5.0 / (n as f64).sqrt();
    if share > 0.0 {
        ((c - share * h) as f32, (c + share * h) as f32)
    } else {
        NONE
    }
}

/// Memory of the statistics of one set.
#[derive(Debug, Clone, Default)]
pub(super) struct Room {
    pub desk: Desk,
    tails: Vec<f32>,
}

/// Statistics of a set.
pub(super) fn statistics(
    set: &Set,
    property: Property,
    options: &Options,
    room: &mut Room,
) -> Summary {
    let (kept, n, extremes) = (set.kept(), set.n(), set.extremes());
    let some = spread(kept);
    let typical = some.get(some.len() / 2).copied();
    let shift = typical.unwrap_or(if n > 0 { extremes.0 } else { 0.0 });
    let within = |core| moments(kept, core, shift, None);
    let (mut median, mut iqr) = (f64::NAN, f64::NAN);
    if n > 0 && property.needs_quantiles() {
        let [low, middle, high] = quartiles(set, n, &some, &mut room.desk);
        (median, iqr) = (middle, high - low);
    }
    let mut all = (n > 0 && property.needs_moments()).then(|| within(ALL));
    let passes = property.needs_clipping().then(|| {
        let first = super::clip::Passes::new((median, iqr), options);
        let core = likely_core((first.centre, first.half_width), n, extremes);
        room.tails.clear();
        let parts = Parts {
            n: n as f64,
            core,
            moments: match all {
                Some(all) if core == ALL => all,
                _ => moments(kept, core, shift, Some(&mut room.tails)),
            },
            tails: &room.tails,
        };
        parts.clip((median, iqr), options, &mut all, within)
    });
    let all = all.unwrap_or(Moments::counted(n as f64));
    let extreme = |x: f32| if n == 0 { f64::NAN } else { f64::from(x) };
    let (or_mask, any_mask) = set.masks();
    Summary {
        n_point: n,
        n_masked: set.size() - n,
        or_mask,
        any_mask,
        error_mode: options.error_mode,
        moments: all,
        median,
        iqr,
        clipped: passes
            .map(|passes| passes.result(&all, (median, iqr), options, options.truncation())),
        min: extreme(extremes.0),
        max: extreme(extremes.1),
    }
}
