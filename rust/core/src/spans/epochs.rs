// SPDX-License-Identifier: BSD-3-Clause
//! Candidates of many epochs at the same place: differences from a template, how many epochs show
//! something at a pixel, and what that says about each candidate.

use super::raster::paint;
use super::rows::with_row_slices;
use super::span_set::{Region, Span, SpanSet};
use crate::error::{Error, Result};
use crate::par;
use crate::simd::dispatch;
use ndarray::{ArrayView2, ArrayViewMut2, Axis, CowArray, Ix2, s};
use std::ops::Range;

/// An epoch, or a template: image, variance.
#[derive(Debug, Clone, Copy)]
pub struct Planes<'a> {
    /// Pixel values.
    pub image: ArrayView2<'a, f32>,
    /// Their variances.
    pub variance: ArrayView2<'a, f32>,
}

/// An epoch and the template that it is compared with.
#[derive(Debug, Clone, Copy)]
pub struct Pair<'a> {
    /// The epoch.
    pub epoch: Planes<'a>,
    /// Its mask.
    pub mask: ArrayView2<'a, i32>,
    /// The template.
    pub template: Planes<'a>,
    /// Factor on the variances of the epoch.
    pub factor: f32,
    /// Bits of those pixels of the epoch that are not good.
    pub bad_bits: i32,
}

/// What is written about one epoch.
#[derive(Debug)]
pub struct Outputs<'a> {
    /// Epoch minus template.
    pub image: ArrayViewMut2<'a, f32>,
    /// Sum of the variances, that of the epoch scaled.
    pub variance: ArrayViewMut2<'a, f32>,
    /// Goes up by 1 where the difference is finite and no bad bit is set.
    pub n_image: ArrayViewMut2<'a, u32>,
}

/// What was seen in some pixels of a difference.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    /// Number of NaN.
    pub missing: u64,
    /// Whether one is far from 0.
    pub far: bool,
    /// OR of the mask words.
    pub any_mask: i32,
}

#[inline(always)]
fn row_body(
    epoch: (&[f32], &[f32], &[i32]),
    template: (&[f32], &[f32]),
    how: (f32, i32, f32),
    out: (&mut [f32], &mut [f32], &mut [u32]),
) -> Seen {
    let n = epoch.0.len();
    let (x, v, m) = (epoch.0, &epoch.1[..n], &epoch.2[..n]);
    let (t, u) = (&template.0[..n], &template.1[..n]);
    let (d, s, count) = (&mut out.0[..n], &mut out.1[..n], &mut out.2[..n]);
    let (factor, bad, square) = how;
    let (mut missing, mut far, mut any) = (0_u32, 0_u32, 0);
    #[allow(clippy::needless_range_loop)] // seven slices side by side
    for i in 0..n {
        let value = x[i] - t[i];
        let variance = v[i] * factor + u[i];
        d[i] = value;
        s[i] = variance;
        count[i] += u32::from(value.abs() < f32::INFINITY) & u32::from(m[i] & bad == 0);
        missing += u32::from(value.is_nan());
        any |= m[i];
        // 1e-37: squares below it have lost digits
        far |= u32::from(value * value + 1e-37 >= square * variance);
    }
    Seen {
        missing: u64::from(missing),
        far: far != 0,
        any_mask: any,
    }
}

dispatch! {
    fn row(
        epoch: (&[f32], &[f32], &[i32]),
        template: (&[f32], &[f32]),
        how: (f32, i32, f32),
        out: (&mut [f32], &mut [f32], &mut [u32]),
    ) -> Seen = row_body;
}

pub(super) const ROWS: usize = 64;

/// Contiguous rows of an epoch and its template.
pub(super) struct Rows<'a> {
    /// Images and variances, first of the epoch, then of the template.
    planes: [CowArray<'a, f32, Ix2>; 4],
    mask: CowArray<'a, i32, Ix2>,
    factor: f32,
    bad_bits: i32,
}

impl<'a> Rows<'a> {
    pub(super) fn new(pair: &Pair<'a>) -> Result<Self> {
        let (epoch, template) = (pair.epoch, pair.template);
        let shapes = [
            ("variance", epoch.variance.dim()),
            ("mask", pair.mask.dim()),
            ("template_image", template.image.dim()),
            ("template_variance", template.variance.dim()),
        ];
        for (argument, got) in shapes {
            like_image(argument, got, epoch.image.dim())?;
        }
        let planes = [
            epoch.image,
            epoch.variance,
            template.image,
            template.variance,
        ];
        Ok(Self {
            planes: planes.map(with_row_slices),
            mask: with_row_slices(pair.mask),
            factor: pair.factor,
            bad_bits: pair.bad_bits,
        })
    }

    /// Subtracts some columns of row `y`; `far` says whether the square of any difference reaches,
    /// or nearly so, `square` variances.
    pub(super) fn subtract(
        &self,
        (y, columns): (usize, Range<usize>),
        square: f32,
        out: (&mut [f32], &mut [f32], &mut [u32]),
    ) -> Seen {
        let [x, v, t, u] = self
            .planes
            .each_ref()
            .map(|plane| &slice(plane, y)[columns.clone()]);
        let words = &slice(&self.mask, y)[columns.clone()];
        row(
            (x, v, words),
            (t, u),
            (self.factor, self.bad_bits, square),
            out,
        )
    }
}

pub(super) fn like_image(
    argument: &'static str,
    got: (usize, usize),
    want: (usize, usize),
) -> Result<()> {
    if got == want {
        return Ok(());
    }
    let allowed = format!("{want:?} like the image");
    Err(Error::shape(argument, format!("{got:?}"), allowed))
}

fn slice<'a, T>(plane: &'a CowArray<'_, T, Ix2>, y: usize) -> &'a [T] {
    plane.row(y).to_slice().unwrap_or_default()
}

/// Subtracts a template from an epoch; returns the number of differences that are NaN.
pub fn subtract_template(pair: &Pair<'_>, mut out: Outputs<'_>) -> Result<u64> {
    let (height, width) = pair.epoch.image.dim();
    for (argument, got) in [
        ("out_image", out.image.dim()),
        ("out_variance", out.variance.dim()),
        ("n_image", out.n_image.dim()),
    ] {
        like_image(argument, got, (height, width))?;
    }
    let rows = Rows::new(pair)?;
    let axis = Axis(0);
    let chunks = out.image.axis_chunks_iter_mut(axis, ROWS);
    let chunks = chunks.zip(out.variance.axis_chunks_iter_mut(axis, ROWS));
    let chunks = chunks.zip(out.n_image.axis_chunks_iter_mut(axis, ROWS));
    let jobs: Vec<_> = chunks.enumerate().collect();
    let missing = par::map(jobs, |(block, ((mut d, mut s), mut n))| {
        let mut missing = 0;
        for k in 0..d.nrows() {
            let (Some(d), Some(s), Some(n)) = (
                d.row_mut(k).into_slice(),
                s.row_mut(k).into_slice(),
                n.row_mut(k).into_slice(),
            ) else {
                return Err(Error::shape("out", "strided columns", "contiguous rows"));
            };
            let at = (block * ROWS + k, 0..width);
            missing += rows.subtract(at, f32::INFINITY, (d, s, n)).missing;
        }
        Ok(missing)
    });
    missing.into_iter().sum()
}

/// Adds 1 to the counts of the pixels of a set that lie in the array.
pub fn add_one(set: &SpanSet, mut counts: ArrayViewMut2<'_, u32>, start: (i64, i64)) -> Result<()> {
    let region = Region::of_array("counts", counts.dim(), start)?;
    let inside = set.clipped(&region);
    paint(inside.spans(), &region, &mut counts, |count| *count += 1);
    Ok(())
}

/// Hands on the pixels of a set that lie in an array covering `region`.
fn visit(set: &SpanSet, region: &Region, image: ArrayView2<'_, u32>, mut each: impl FnMut(u32)) {
    for span in set.clipped(region).spans() {
        let y = (span.y - region.y0) as usize;
        let (x0, x1) = (span.x0 - region.x0, span.x1 - region.x0);
        for &value in image.slice(s![y, x0 as usize..=x1 as usize]) {
            each(value);
        }
    }
}

/// Area within the array, and the sum of its values there, of each set.
pub fn sums(
    sets: &[&SpanSet],
    image: ArrayView2<'_, u32>,
    start: (i64, i64),
) -> Result<Vec<(u64, u64)>> {
    let region = Region::of_array("image", image.dim(), start)?;
    let each = sets.iter().map(|set| {
        let (mut area, mut sum) = (0, 0);
        visit(set, &region, image, |value| {
            area += 1;
            sum += u64::from(value);
        });
        (area, sum)
    });
    Ok(each.collect())
}

/// Number of pixels of each set whose value is above 0 and not above the limit of the set.
pub fn count_up_to(
    sets: &[&SpanSet],
    image: ArrayView2<'_, u32>,
    start: (i64, i64),
    limits: &[u32],
) -> Result<Vec<u64>> {
    if limits.len() != sets.len() {
        let allowed = format!("one for each of {} sets", sets.len());
        return Err(Error::shape("limits", limits.len().to_string(), allowed));
    }
    let region = Region::of_array("image", image.dim(), start)?;
    let each = sets.iter().zip(limits).map(|(set, &limit)| {
        let mut count = 0;
        visit(set, &region, image, |value| {
            count += u64::from(value > 0 && value <= limit);
        });
        count
    });
    Ok(each.collect())
}

/// Whether each set lies wholly in one of the holders; never an empty one.
///
/// Only the holders of its first pixel are asked, found by a search in the sorted runs of all.
pub fn are_held(sets: &[&SpanSet], holders: &[&SpanSet]) -> Vec<bool> {
    let mut runs: Vec<(Span, usize)> = Vec::new();
    for (k, holder) in holders.iter().enumerate() {
        runs.extend(holder.spans().iter().map(|&span| (span, k)));
    }
    runs.sort_unstable();
    let held = |set: &&SpanSet| {
        let Some(&first) = set.spans().first() else {
            return false;
        };
        let after = runs.partition_point(|(run, _)| (run.y, run.x0) <= (first.y, first.x0));
        let before = runs[..after].iter().rev();
        let mut same_row = before.take_while(|(run, _)| run.y == first.y);
        same_row.any(|&(run, k)| run.x1 >= first.x1 && holders[k].contains(set))
    };
    sets.iter().map(held).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, array};

    fn set(spans: &[(i32, i32, i32)]) -> SpanSet {
        let list = spans.iter().map(|&(y, x0, x1)| Span::new(y, x0, x1));
        SpanSet::from_spans(list.collect()).expect("small")
    }

    #[test]
    fn differences_variances_and_counts() {
        let (inf, nan) = (f32::INFINITY, f32::NAN);
        let image = array![[5.0, nan, 3.0], [inf, 1.0, 2.0]];
        let variance = array![[1.0, 1.0, 2.0], [1.0, inf, 4.0]];
        let mask = array![[0, 0, 4], [0, 1, 0]];
        let template = array![[1.0, 1.0, 1.0], [1.0, 1.0, nan]];
        let noise = Array2::from_elem((2, 3), 0.5);
        let (mut d, mut v) = (Array2::zeros((2, 3)), Array2::zeros((2, 3)));
        let mut n = Array2::from_elem((2, 3), 7);
        let pair = Pair {
            epoch: Planes {
                image: image.view(),
                variance: variance.view(),
            },
            mask: mask.view(),
            template: Planes {
                image: template.view(),
                variance: noise.view(),
            },
            factor: 2.0,
            bad_bits: 4,
        };
        let out = Outputs {
            image: d.view_mut(),
            variance: v.view_mut(),
            n_image: n.view_mut(),
        };
        let missing = subtract_template(&pair, out).expect("agree");
        assert_eq!(missing, 2);
        assert_eq!((d[[0, 0]], d[[0, 2]], d[[1, 0]]), (4.0, 2.0, inf));
        assert!(d[[0, 1]].is_nan() && d[[1, 2]].is_nan());
        assert_eq!(v, array![[2.5, 2.5, 4.5], [2.5, inf, 8.5]]);
        assert_eq!(n, array![[8, 7, 7], [7, 8, 7]]);
        let (mut d, mut v) = (Array2::zeros((2, 2)), Array2::zeros((2, 3)));
        let out = Outputs {
            image: d.view_mut(),
            variance: v.view_mut(),
            n_image: n.view_mut(),
        };
        let wrong = subtract_template(&pair, out);
        assert!(
            wrong
                .expect_err("shapes differ")
                .to_string()
                .contains("out_image")
        );
    }

    #[test]
    fn counts_of_candidates() {
        let mut counts = Array2::zeros((3, 4));
        let (a, b) = (set(&[(9, 0, 2), (10, 1, 1)]), set(&[(10, 1, 5)]));
        for one in [&a, &b] {
            add_one(one, counts.view_mut(), (9, 0)).expect("small");
        }
        assert_eq!(counts, array![[1, 1, 1, 0], [0, 2, 1, 1], [0, 0, 0, 0]]);
        let sums = sums(&[&a, &b], counts.view(), (9, 0)).expect("small");
        assert_eq!(sums, [(4, 5), (3, 4)]);
        let within = |limits| count_up_to(&[&a, &b], counts.view(), (9, 0), limits);
        assert_eq!(within(&[1, 2]), Ok(vec![3, 3]));
        assert_eq!(within(&[0, 1]), Ok(vec![0, 2]));
        assert!(within(&[1]).is_err());
    }

    #[test]
    fn sets_in_one_holder() {
        let wide = set(&[(0, 0, 9), (1, 0, 9)]);
        let left = set(&[(0, 0, 3), (2, 0, 3)]);
        let right = set(&[(0, 4, 9)]);
        let across = set(&[(0, 2, 5)]);
        let inner = set(&[(0, 5, 6)]);
        let none = set(&[]);
        let sets = [&across, &inner, &none, &left];
        assert_eq!(
            are_held(&sets, &[&left, &right]),
            [false, true, false, true]
        );
        assert_eq!(
            are_held(&sets, &[&left, &wide, &right]),
            [true, true, false, true]
        );
        assert_eq!(are_held(&sets, &[]), [false; 4]);
    }
}
