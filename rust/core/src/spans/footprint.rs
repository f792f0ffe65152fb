// SPDX-License-Identifier: BSD-3-Clause
//! Sets of footprints: growth, union, and questions answered for all of them in one pass.

use super::component::{Connectivity, Groups, components, group};
use super::raster::{BitRule, count_words, paint};
use super::rows::with_row_slices;
use super::span_set::{Region, Span, SpanSet};
use crate::error::{Error, Result};
use ndarray::{ArrayView2, ArrayViewMut2};
use std::cmp::Ordering;

/// A local extreme of the image in a footprint.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Peak {
    /// Row.
    pub y: i32,
    /// Column.
    pub x: i32,
    /// Value of the searched image.
    pub value: f64,
    /// Value over its noise; NaN when nobody has worked it out.
    pub significance: f64,
}

impl Peak {
    /// A peak of unknown significance.
    pub const fn new(y: i32, x: i32, value: f64) -> Self {
        Self {
            y,
            x,
            value,
            significance: f64::NAN,
        }
    }
}

/// Which peak of a footprint comes first; equal ones follow x, then y.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeakOrder {
    /// The largest value.
    Falling,
    /// The smallest value.
    Rising,
    /// The largest absolute value.
    Magnitude,
}

impl PeakOrder {
    /// The order of a name.
    pub fn parse(name: &str) -> Result<Self> {
        match name {
            "falling" => Ok(Self::Falling),
            "rising" => Ok(Self::Rising),
            "magnitude" => Ok(Self::Magnitude),
            other => {
                let allowed = "falling, rising or magnitude";
                Err(Error::option("peak_order", format!("{other:?}"), allowed))
            }
        }
    }

    /// Name of the order.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Falling => "falling",
            Self::Rising => "rising",
            Self::Magnitude => "magnitude",
        }
    }

    fn compare(self, a: &Peak, b: &Peak) -> Ordering {
        // Adding 0 makes -0 one value with 0.
        let (first, second) = (a.value + 0.0, b.value + 0.0);
        let values = match self {
            Self::Falling => second.total_cmp(&first),
            Self::Rising => first.total_cmp(&second),
            Self::Magnitude => second.abs().total_cmp(&first.abs()),
        };
        values.then((a.x, a.y).cmp(&(b.x, b.y)))
    }
}

/// Footprints of one image, ordered by their first pixel.
#[derive(Debug, Clone)]
pub struct FootprintSet {
    groups: Groups,
    peaks: Vec<Peak>,
    peak_starts: Vec<usize>,
    region: Region,
    order: PeakOrder,
}

impl FootprintSet {
    /// Puts the peaks, each with the number of its footprint, in order.
    pub(super) fn assemble(
        groups: Groups,
        mut peaks: Vec<(u32, Peak)>,
        region: Region,
        order: PeakOrder,
    ) -> Self {
        peaks.sort_by(|a, b| a.0.cmp(&b.0).then_with(|| order.compare(&a.1, &b.1)));
        let counts = (0..=groups.len() as u32).map(|k| peaks.partition_point(|p| p.0 < k));
        let peak_starts = counts.collect();
        Self {
            groups,
            peaks: peaks.into_iter().map(|(_, peak)| peak).collect(),
            peak_starts,
            region,
            order,
        }
    }

    /// A set of given footprints, put in order; empty ones are left out.
    pub fn from_parts(parts: Vec<(SpanSet, Vec<Peak>)>, region: Region, order: PeakOrder) -> Self {
        let mut parts: Vec<_> = parts.into_iter().filter(|p| !p.0.is_empty()).collect();
        parts.sort_by_key(|part| part.0.spans()[0]);
        let mut groups = Groups {
            spans: Vec::new(),
            starts: vec![0],
        };
        let mut peaks = Vec::new();
        for (k, (set, own)) in parts.iter().enumerate() {
            groups.spans.extend_from_slice(set.spans());
            groups.starts.push(groups.spans.len());
            peaks.extend(own.iter().map(|&peak| (k as u32, peak)));
        }
        Self::assemble(groups, peaks, region, order)
    }

    /// Number of footprints.
    pub fn len(&self) -> usize {
        self.groups.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Pixels of footprint k.
    pub fn spans(&self, k: usize) -> SpanSet {
        SpanSet::from_runs(self.groups.get(k).to_vec())
    }

    /// Peaks of footprint k.
    pub fn peaks(&self, k: usize) -> &[Peak] {
        &self.peaks[self.peak_starts[k]..self.peak_starts[k + 1]]
    }

    /// All peaks, each with the number of its footprint.
    pub fn numbered_peaks(&self) -> impl Iterator<Item = (usize, &Peak)> {
        (0..self.len()).flat_map(|k| self.peaks(k).iter().map(move |peak| (k, peak)))
    }

    /// The box that was searched; growth is cut to it.
    pub const fn region(&self) -> &Region {
        &self.region
    }

    /// Order of the peaks.
    pub const fn order(&self) -> PeakOrder {
        self.order
    }

    /// The same footprints with another region.
    #[must_use]
    pub fn with_region(&self, region: Region) -> Self {
        Self {
            region,
            ..self.clone()
        }
    }

    /// The same footprints with the significance of every peak, in the order of
    /// [`Self::numbered_peaks`].
    pub fn with_significance(&self, significance: &[f64]) -> Result<Self> {
        if significance.len() != self.peaks.len() {
            let allowed = format!("{}, one a peak", self.peaks.len());
            return Err(Error::shape("significance", significance.len(), allowed));
        }
        let mut set = self.clone();
        for (peak, &value) in set.peaks.iter_mut().zip(significance) {
            peak.significance = value;
        }
        Ok(set)
    }

    /// Number of pixels of every footprint.
    pub fn areas(&self) -> Vec<u64> {
        let area = |part: &[Span]| part.iter().map(|s| s.width()).sum();
        self.groups.iter().map(area).collect()
    }

    /// The pixels of all footprints.
    pub fn union(&self) -> SpanSet {
        // the spans lie in range already
        SpanSet::from_spans(self.groups.spans.clone()).unwrap_or_default()
    }

    /// The 8-connected footprints of `pixels`, with those peaks of `sources` that lie in them.
    fn of_pixels(pixels: &SpanSet, sources: &[&Self], region: Region, order: PeakOrder) -> Self {
        let (labels, n) = components(pixels.spans(), Connectivity::Eight);
        let groups = group(pixels.spans(), &labels, n);
        let peaks = sources.iter().flat_map(|source| &source.peaks);
        let placed = peaks.filter_map(|&peak| {
            let run = pixels.find(peak.y, peak.x)?;
            Some((labels[run], peak))
        });
        Self::assemble(groups, placed.collect(), region, order)
    }

    /// Footprints dilated by a structuring set and cut to the region; those that touch, corners
    /// included, become one, with the peaks of all.
    pub fn grown(&self, element: &SpanSet) -> Result<Self> {
        let pixels = self.union().dilated_within(element, Some(&self.region))?;
        Ok(Self::of_pixels(&pixels, &[self], self.region, self.order))
    }

    /// Union with the footprints of `other`, each side grown first.
    pub fn merged(&self, other: &Self, mine: &SpanSet, theirs: &SpanSet) -> Result<Self> {
        if self.region != other.region {
            let got = format!("a set of the region {:?}", other.region);
            let allowed = format!("one of the region {:?}", self.region);
            return Err(Error::option("other", got, allowed));
        }
        let region = self.region;
        let a = self.union().dilated_within(mine, Some(&region))?;
        let b = other.union().dilated_within(theirs, Some(&region))?;
        let order = if self.order == other.order {
            self.order
        } else {
            PeakOrder::Magnitude
        };
        Ok(Self::of_pixels(&a.union(&b), &[self, other], region, order))
    }

    /// Writes k + 1 at the pixels of footprint k and nothing elsewhere; `start` (y, x) is the first
    /// pixel of the array. Pixels outside are left out.
    pub fn label(&self, mut labels: ArrayViewMut2<'_, u32>, start: (i64, i64)) -> Result<()> {
        let region = Region::of_array("labels", labels.dim(), start)?;
        for (k, part) in self.groups.iter().enumerate() {
            let number = k as u32 + 1;
            for run in part {
                if let Some(run) = cut(*run, &region) {
                    paint(&[run], &region, &mut labels, |label| *label = number);
                }
            }
        }
        Ok(())
    }

    /// For each rule the number of pixels of every footprint whose mask word obeys it; pixels
    /// outside the mask do not count.
    pub fn counts(
        &self,
        mask: ArrayView2<'_, i32>,
        start: (i64, i64),
        rules: &[BitRule],
    ) -> Result<Vec<Vec<u64>>> {
        let region = Region::of_array("mask", mask.dim(), start)?;
        let mask = with_row_slices(mask);
        let mut counts = vec![vec![0; self.len()]; rules.len()];
        for (k, part) in self.groups.iter().enumerate() {
            for &run in part {
                // All rules at once: fetching the words takes longer than counting them.
                let Some(run) = cut(run, &region) else {
                    continue;
                };
                for (count, &rule) in counts.iter_mut().zip(rules) {
                    count[k] += count_words(&[run], &region, mask.view(), rule);
                }
            }
        }
        Ok(counts)
    }

    /// Number of pixels of every footprint that are in a set, in one merge of all runs.
    pub fn common_areas(&self, set: &SpanSet) -> Vec<u64> {
        let mut counts = vec![0; self.len()];
        let mut runs: Vec<(Span, u32)> = Vec::with_capacity(self.groups.spans.len());
        for (k, part) in self.groups.iter().enumerate() {
            runs.extend(part.iter().map(|&run| (run, k as u32)));
        }
        runs.sort_unstable();
        let others = set.spans();
        let mut j = 0;
        for (run, k) in runs {
            while j < others.len() && (others[j].y, others[j].x1) < (run.y, run.x0) {
                j += 1;
            }
            for other in others[j..]
                .iter()
                .take_while(|s| s.y == run.y && s.x0 <= run.x1)
            {
                let (x0, x1) = (run.x0.max(other.x0), run.x1.min(other.x1));
                counts[k as usize] += Span::new(run.y, x0, x1).width();
            }
        }
        counts
    }
}

/// The part of a run inside a region.
fn cut(run: Span, region: &Region) -> Option<Span> {
    let (x0, x1) = (run.x0.max(region.x0), run.x1.min(region.x1 - 1));
    let inside = run.y >= region.y0 && run.y < region.y1 && x0 <= x1;
    inside.then_some(Span::new(run.y, x0, x1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spans::Stencil;
    use ndarray::{Array2, array};

    fn set(spans: &[(i32, i32, i32)]) -> SpanSet {
        let spans = spans.iter().map(|&(y, x0, x1)| Span::new(y, x0, x1));
        SpanSet::from_spans(spans.collect()).expect("small")
    }

    fn disc(radius: i64) -> SpanSet {
        SpanSet::from_stencil(radius, Stencil::Circle, 0, 0).expect("small")
    }

    fn two() -> FootprintSet {
        let parts = vec![
            (set(&[(5, 5, 5)]), vec![Peak::new(5, 5, 3.0)]),
            (
                set(&[(0, 0, 1)]),
                vec![Peak::new(0, 1, 2.0), Peak::new(0, 0, 9.0)],
            ),
            (SpanSet::default(), vec![]),
        ];
        let region = Region::checked("box", [0, 0, 8, 8]).expect("small");
        FootprintSet::from_parts(parts, region, PeakOrder::Falling)
    }

    #[test]
    fn growth_joins_footprints_and_their_peaks() {
        let two = two();
        assert_eq!(two.areas(), [2, 1]);
        assert_eq!(two.peaks(0)[0].value, 9.0);
        let grown = two.grown(&disc(1)).expect("small");
        assert_eq!(grown.areas(), [5, 5]);
        let joined = two.grown(&disc(4)).expect("small");
        assert_eq!((joined.len(), joined.peaks(0).len()), (1, 3));
        assert!(two.region().contains(joined.spans(0).bounds()));
        let same = two.merged(&two, &disc(0), &disc(0)).expect("one region");
        assert_eq!(same.areas(), two.areas());
        assert_eq!(same.peaks(0).len(), 4);
    }

    #[test]
    fn merging_asks_for_one_region() {
        let other = two().with_region(Region::checked("box", [0, 0, 9, 8]).expect("small"));
        assert!(two().merged(&other, &disc(0), &disc(0)).is_err());
    }

    #[test]
    fn labels_and_counts() {
        let two = two();
        let mut labels = Array2::from_elem((2, 2), 7);
        two.label(labels.view_mut(), (0, 1)).expect("small");
        assert_eq!(labels, array![[1, 7], [7, 7]]);
        let mask = Array2::from_elem((6, 6), 3);
        let rule = BitRule { any: 1, none: 4 };
        assert_eq!(
            two.counts(mask.view(), (0, 1), &[rule]),
            Ok(vec![vec![1, 1]])
        );
        assert_eq!(
            two.common_areas(&set(&[(0, 1, 9), (5, 0, 4), (5, 6, 6)])),
            [1, 0]
        );
        let marked = two
            .with_significance(&[1.0, 2.0, 3.0])
            .expect("three peaks");
        assert_eq!(marked.peaks(1)[0].significance, 3.0);
        assert!(two.with_significance(&[1.0]).is_err());
    }
}
