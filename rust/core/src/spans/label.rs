// SPDX-License-Identifier: BSD-3-Clause
//! Label images: 0 where nothing is, k in the pixels of object k. One pass over the pixels answers
//! a question for all objects.

use super::component::{Connectivity, components, group};
use super::raster::{BitRule, paint};
use super::rows::with_row_slices;
use super::shape::Stencil;
use super::span_set::{Region, Span, SpanSet};
use crate::error::{Error, Result};
use ndarray::{ArrayView2, ArrayViewMut2};

/// Extent of one labelled object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Component {
    /// Number of pixels.
    pub area: u64,
    /// Smallest box that holds it.
    pub bounds: Region,
}

fn same_shape(argument: &'static str, got: (usize, usize), want: (usize, usize)) -> Result<()> {
    if got == want {
        return Ok(());
    }
    let allowed = format!("{want:?} like the other array");
    Err(Error::shape(argument, format!("{got:?}"), allowed))
}

/// Numbers the components of the pixels that have any of `bits` from 1, by first pixel, in
/// `labels`, where nothing else is written; bounds are those of the array moved to `start` (y, x).
pub fn label_mask(
    mask: ArrayView2<'_, i32>,
    bits: i32,
    connectivity: Connectivity,
    start: (i64, i64),
    mut labels: ArrayViewMut2<'_, u32>,
) -> Result<Vec<Component>> {
    same_shape("labels", labels.dim(), mask.dim())?;
    let region = Region::of_array("mask", mask.dim(), start)?;
    let set = SpanSet::from_mask(mask, bits, start)?;
    let (numbers, n) = components(set.spans(), connectivity);
    for (span, &number) in set.spans().iter().zip(&numbers) {
        paint(&[*span], &region, &mut labels, |label| *label = number + 1);
    }
    let groups = group(set.spans(), &numbers, n);
    let parts = groups.iter().map(|part| {
        let part = SpanSet::from_runs(part.to_vec());
        Component {
            area: part.area(),
            bounds: *part.bounds(),
        }
    });
    Ok(parts.collect())
}

/// Number of pixels of labels 1 to n whose mask word obeys a rule.
pub fn count_by_label(
    labels: ArrayView2<'_, u32>,
    mask: ArrayView2<'_, i32>,
    rule: BitRule,
    n: usize,
) -> Result<Vec<u64>> {
    same_shape("mask", mask.dim(), labels.dim())?;
    let mut counts = vec![0; n];
    let (labels, mask) = (with_row_slices(labels), with_row_slices(mask));
    for (labels, words) in labels.rows().into_iter().zip(mask.rows()) {
        for (&label, &word) in labels.iter().zip(words) {
            if label != 0 && rule.holds(word) {
                let Some(count) = counts.get_mut(label as usize - 1) else {
                    let allowed = format!("at most {n}");
                    return Err(Error::option("labels", format!("label {label}"), allowed));
                };
                *count += 1;
            }
        }
    }
    Ok(counts)
}

/// Makes `out` true at every pixel within a stencil of a true pixel of `flags`.
pub fn dilate_mask(
    flags: ArrayView2<'_, bool>,
    radius: i64,
    stencil: Stencil,
    mut out: ArrayViewMut2<'_, bool>,
) -> Result<()> {
    same_shape("out", out.dim(), flags.dim())?;
    let region = Region::of_array("array", flags.dim(), (0, 0))?;
    let element = SpanSet::from_stencil(radius, stencil, 0, 0)?;
    let set = SpanSet::from_flags(flags, (0, 0))?;
    let grown = set.dilated_within(&element, Some(&region))?;
    out.fill(false);
    grown.flag(out, (0, 0))
}

/// The labels that occur, in order, and the pixels of each.
pub fn sets_from_labels(
    labels: ArrayView2<'_, u32>,
    start: (i64, i64),
) -> Result<Vec<(u32, SpanSet)>> {
    let region = Region::of_array("labels", labels.dim(), start)?;
    let labels = with_row_slices(labels);
    let mut runs: Vec<(u32, Span)> = Vec::new();
    for (y, row) in (region.y0..).zip(labels.rows()) {
        let mut last = 0;
        for (x, &label) in (region.x0..).zip(row) {
            match runs.last_mut() {
                Some((_, run)) if label == last && label != 0 => run.x1 = x,
                _ if label != 0 => runs.push((label, Span::new(y, x, x))),
                _ => {}
            }
            last = label;
        }
    }
    runs.sort_unstable();
    let parts = runs.chunk_by(|a, b| a.0 == b.0);
    let sets = parts.map(|part| {
        let spans = part.iter().map(|&(_, span)| span).collect();
        (part[0].0, SpanSet::from_runs(spans))
    });
    Ok(sets.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, array};

    #[test]
    fn labels_areas_and_boxes() {
        let mask = array![[1, 0, 0, 1], [0, 1, 0, 1], [0, 0, 0, 5]];
        let mut labels = Array2::zeros((3, 4));
        let parts = label_mask(
            mask.view(),
            1,
            Connectivity::Eight,
            (5, 5),
            labels.view_mut(),
        )
        .expect("small");
        assert_eq!(labels, array![[1, 0, 0, 2], [0, 1, 0, 2], [0, 0, 0, 2]]);
        assert_eq!(parts.iter().map(|p| p.area).collect::<Vec<_>>(), [2, 3]);
        let bounds = Region::checked("box", [5, 8, 8, 9]).expect("small");
        assert_eq!(parts[1].bounds, bounds);
        let counts =
            |any, none, n| count_by_label(labels.view(), mask.view(), BitRule { any, none }, n);
        assert_eq!(counts(0, 0, 2), Ok(vec![2, 3]));
        assert_eq!(counts(0, 4, 3), Ok(vec![2, 2, 0]));
        assert_eq!(counts(4, 0, 2), Ok(vec![0, 1]));
        assert!(counts(0, 0, 1).is_err());
        let sets = sets_from_labels(labels.view(), (5, 5)).expect("small");
        assert_eq!(sets.len(), 2);
        assert_eq!((sets[1].0, *sets[1].1.bounds()), (2, bounds));
    }

    #[test]
    fn discs_of_flags() {
        let mut flags = Array2::from_elem((7, 7), false);
        flags[[0, 3]] = true;
        let mut out = Array2::from_elem((7, 7), true);
        dilate_mask(flags.view(), 2, Stencil::Circle, out.view_mut()).expect("small");
        assert_eq!(out.iter().filter(|&&f| f).count(), 9);
        let small = dilate_mask(
            flags.view(),
            2,
            Stencil::Circle,
            Array2::default((1, 1)).view_mut(),
        );
        assert!(small.is_err());
    }
}
