// SPDX-License-Identifier: BSD-3-Clause
//! Search for footprints: one sweep over the rows finds runs and peaks, then runs are joined.

use super::component::{Connectivity, Groups, components, group};
use super::footprint::{FootprintSet, Peak, PeakOrder};
use super::rows::{mask_words, push_bit_runs, runs_of, slice_of, with_row_slices, words_of};
use super::span_set::{Region, Span};
use super::threshold::{Flux, MaskTest, Test, Threshold, number_words};
use crate::error::{Error, Result};
use ndarray::{ArrayView2, CowArray, Ix2};

/// An image to search.
#[derive(Debug)]
pub struct Scene<'a, T> {
    /// Pixels; NaN is in no footprint.
    pub image: ArrayView2<'a, T>,
    /// Variance, for [`super::Limit::PixelStdev`].
    pub variance: Option<ArrayView2<'a, T>>,
    /// First pixel (y, x).
    pub start: (i64, i64),
}

/// Rows of the planes, contiguous.
struct Planes<'a, T> {
    image: CowArray<'a, T, Ix2>,
    variance: Option<CowArray<'a, T, Ix2>>,
    region: Region,
}

impl<T: Flux> Planes<'_, T> {
    fn image_row(&self, k: usize) -> &[T] {
        slice_of(&self.image.row(k))
    }

    fn variance_row(&self, k: usize) -> &[T] {
        self.variance.as_ref().map_or(&[], |v| slice_of(&v.row(k)))
    }

    /// Pixels (row, column, value, variance) of runs; without a variance plane it is NaN.
    fn pixels(&self, spans: &[Span]) -> impl Iterator<Item = (i32, i32, f64, f64)> {
        spans.iter().flat_map(move |span| {
            let k = (span.y - self.region.y0) as usize;
            let (image, variance) = (self.image_row(k), self.variance_row(k));
            (span.x0..=span.x1).map(move |x| {
                let at = (x - self.region.x0) as usize;
                let v = variance.get(at).map_or(f64::NAN, |v| v.wide());
                (span.y, x, image[at].wide(), v)
            })
        })
    }
}

/// Finds the 8-connected footprints of at least `min_pixels` pixels that pass a threshold, and
/// their peaks.
///
/// Without `by_value` peaks come strongest first; with it, by falling value also where the
/// threshold is negative.
pub fn search<T: Flux>(
    scene: &Scene<'_, T>,
    threshold: &Threshold,
    min_pixels: u64,
    by_value: bool,
) -> Result<FootprintSet> {
    let region = Region::of_array("image", scene.image.dim(), scene.start)?;
    let test = threshold.for_image(scene.image)?;
    if test.needs_variance() && scene.variance.is_none() {
        return Err(Error::option(
            "variance",
            "none",
            "an array, for a threshold of type pixel_stdev",
        ));
    }
    if let Some(variance) = scene.variance
        && variance.dim() != scene.image.dim()
    {
        let allowed = format!("{:?} like the image", scene.image.dim());
        return Err(Error::shape(
            "variance",
            format!("{:?}", variance.dim()),
            allowed,
        ));
    }
    let planes = Planes {
        image: with_row_slices(scene.image),
        variance: scene.variance.map(with_row_slices),
        region,
    };
    let (spans, candidates) = sweep(&planes, &test, threshold.negative);
    let (labels, n) = components(&spans, Connectivity::Eight);
    let groups = group(&spans, &labels, n);
    let include =
        (threshold.include_multiplier != 1.0).then(|| test.scaled(threshold.include_multiplier));
    let keep = |part: &[Span]| {
        part.iter().map(|s| s.width()).sum::<u64>() >= min_pixels
            && include.is_none_or(|t| planes.pixels(part).any(|(_, _, x, v)| t.passes(x, v)))
    };
    let (kept, numbers) = select(&groups, keep);
    let mut peaks = Vec::with_capacity(candidates.len());
    let mut has_peak = vec![false; kept.len()];
    for (span, peak) in candidates {
        if let Some(number) = numbers[labels[span] as usize] {
            peaks.push((number, peak));
            has_peak[number as usize] = true;
        }
    }
    for (k, part) in kept.iter().enumerate().filter(|(k, _)| !has_peak[*k]) {
        peaks.extend(extreme(&planes, part, threshold.negative).map(|p| (k as u32, p)));
    }
    let order = if threshold.negative && !by_value {
        PeakOrder::Rising
    } else {
        PeakOrder::Falling
    };
    Ok(FootprintSet::assemble(kept, peaks, region, order))
}

/// Finds the 8-connected footprints of a mask; they have no peaks.
pub fn search_mask(
    mask: ArrayView2<'_, i32>,
    start: (i64, i64),
    threshold: &Threshold,
    min_pixels: u64,
) -> Result<FootprintSet> {
    let region = Region::of_array("mask", mask.dim(), start)?;
    let test = threshold.for_mask()?;
    let first = (region.y0, region.x0);
    let spans = runs_of(mask, first, |row, words| match test {
        MaskTest::Bits(bits) => mask_words(row, bits, words),
        MaskTest::Value { sign, limit } => number_words(row, sign, limit, words),
    });
    let (labels, n) = components(&spans, Connectivity::Eight);
    let groups = group(&spans, &labels, n);
    let large = |part: &[Span]| part.iter().map(|s| s.width()).sum::<u64>() >= min_pixels;
    let (kept, _) = select(&groups, large);
    Ok(FootprintSet::assemble(
        kept,
        Vec::new(),
        region,
        PeakOrder::Falling,
    ))
}

/// The groups to keep, and the new number of each old one.
pub(super) fn select(
    groups: &Groups,
    keep: impl Fn(&[Span]) -> bool,
) -> (Groups, Vec<Option<u32>>) {
    let mut kept = Groups {
        spans: Vec::with_capacity(groups.spans.len()),
        starts: vec![0],
    };
    let mut numbers = Vec::with_capacity(groups.len());
    for part in groups.iter() {
        numbers.push(keep(part).then(|| {
            kept.spans.extend_from_slice(part);
            kept.starts.push(kept.spans.len());
            kept.len() as u32 - 1
        }));
    }
    (kept, numbers)
}

/// Runs of the pixels that pass, and the peaks among them with the index of their run. Peaks of a
/// row are looked for as soon as the next row is known, while all three are in the cache.
fn sweep<T: Flux>(
    planes: &Planes<'_, T>,
    test: &Test,
    negative: bool,
) -> (Vec<Span>, Vec<(usize, Peak)>) {
    let region = &planes.region;
    let mut words = vec![0; words_of(planes.image.ncols())];
    let (mut spans, mut peaks) = (Vec::new(), Vec::new());
    let mut previous = 0;
    for k in 0..planes.image.nrows() {
        let current = spans.len();
        test.words(planes.image_row(k), planes.variance_row(k), &mut words);
        push_bit_runs(&words, region.y0 + k as i32, region.x0, &mut spans);
        if k >= 2 && current > previous {
            let rows = [k - 2, k - 1, k].map(|k| planes.image_row(k));
            for (index, &span) in (previous..current).zip(&spans[previous..]) {
                let each = |peak| peaks.push((index, peak));
                if negative {
                    peaks_of_run(rows, span, region.x0, |a, b| a < b, each);
                } else {
                    peaks_of_run(rows, span, region.x0, |a, b| a > b, each);
                }
            }
        }
        previous = current;
    }
    (spans, peaks)
}

/// Pixels of a run, not at the border, that no 8-neighbour beats. NaN beats nobody.
fn peaks_of_run<T: Flux>(
    rows: [&[T]; 3],
    span: Span,
    x0: i32,
    beats: impl Fn(T, T) -> bool,
    mut each: impl FnMut(Peak),
) {
    let [below, row, above] = rows;
    let first = ((span.x0 - x0) as usize).max(1);
    let stop = ((span.x1 - x0) as usize + 1).min(row.len().saturating_sub(1));
    for x in first..stop {
        let v = row[x];
        let beaten = beats(row[x - 1], v)
            || beats(row[x + 1], v)
            || (x - 1..=x + 1).any(|i| beats(below[i], v) || beats(above[i], v));
        if !beaten {
            each(Peak::new(span.y, x0 + x as i32, v.wide()));
        }
    }
}

/// The first pixel with the largest (smallest) value.
fn extreme<T: Flux>(planes: &Planes<'_, T>, part: &[Span], negative: bool) -> Option<Peak> {
    let mut best: Option<(i32, i32, f64)> = None;
    for (y, x, value, _) in planes.pixels(part) {
        if best.is_none_or(|(_, _, b)| if negative { value < b } else { value > b }) {
            best = Some((y, x, value));
        }
    }
    best.map(|(y, x, value)| Peak::new(y, x, value))
}

#[cfg(test)]
mod tests {
    use super::super::threshold::Limit;
    use super::*;
    use ndarray::{Array2, array};

    fn found(image: &Array2<f32>, value: f64, negative: bool) -> FootprintSet {
        let scene = Scene {
            image: image.view(),
            variance: None,
            start: (-1, -1),
        };
        let threshold = Threshold {
            value,
            limit: Limit::Value,
            negative,
            include_multiplier: 1.0,
        };
        search(&scene, &threshold, 1, false).expect("small")
    }

    #[test]
    fn diagonals_join_and_plateaus_have_several_peaks() {
        let mut image = Array2::zeros((6, 6));
        for at in [[1, 1], [2, 2], [2, 3]] {
            image[at] = 5.0;
        }
        image[[5, 5]] = 7.0;
        let set = found(&image, 5.0, false);
        assert_eq!(set.len(), 2);
        let at = |k: usize| set.peaks(k).iter().map(|p| (p.y, p.x)).collect::<Vec<_>>();
        assert_eq!(at(0), [(0, 0), (1, 1), (1, 2)]);
        // at the border: the brightest pixel
        assert_eq!(at(1), [(4, 4)]);
        assert_eq!(found(&-image, 5.0, true).len(), 2);
    }

    #[test]
    fn the_deepest_pit_comes_first() {
        let image = array![
            [0.0, 0.0, 0.0, 0.0, 0.0],
            [0.0, -5.0, -4.0, -9.0, 0.0],
            [0.0, 0.0, f32::NAN, 0.0, 0.0],
        ];
        let set = found(&image, 3.0, true);
        let values: Vec<_> = set.peaks(0).iter().map(|p| p.value).collect();
        assert_eq!(values, [-9.0, -5.0]);
    }

    #[test]
    fn images_without_pixels_or_rows_of_one() {
        for shape in [(0, 0), (0, 5), (5, 0), (1, 1), (1, 9), (9, 1)] {
            let image = Array2::from_elem(shape, 9.0);
            assert_eq!(
                found(&image, 5.0, false).len(),
                usize::from(!image.is_empty())
            );
        }
    }
}
