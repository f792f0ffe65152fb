// SPDX-License-Identifier: BSD-3-Clause
//! Set algebra: linear merges of two sorted lists of runs.

use super::span_set::{Region, Span, SpanSet, push_run};

impl SpanSet {
    /// Pixels of either set.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let (a, b) = (self.spans(), other.spans());
        let mut spans = Vec::with_capacity(a.len() + b.len());
        let (mut i, mut j) = (0, 0);
        while i < a.len() && j < b.len() {
            let first = (a[i].y, a[i].x0) <= (b[j].y, b[j].x0);
            push_run(&mut spans, if first { a[i] } else { b[j] });
            i += usize::from(first);
            j += usize::from(!first);
        }
        for &span in a[i..].iter().chain(&b[j..]) {
            push_run(&mut spans, span);
        }
        Self::from_runs(spans)
    }

    /// Calls `each(i, j, run)` for the common run of every pair of overlapping runs `i` of `self`
    /// and `j` of `other`, in order, until it returns false.
    pub(super) fn for_common_runs(
        &self,
        other: &Self,
        mut each: impl FnMut(usize, usize, Span) -> bool,
    ) {
        let rows = self.bounds().intersection(other.bounds());
        if rows.is_empty() {
            return;
        }
        let (a, b) = (self.spans(), other.spans());
        let mut i = a.partition_point(|s| s.y < rows.y0);
        let mut j = b.partition_point(|s| s.y < rows.y0);
        while i < a.len() && j < b.len() {
            let (p, q) = (a[i], b[j]);
            if p.y != q.y {
                i += usize::from(p.y < q.y);
                j += usize::from(q.y < p.y);
                continue;
            }
            let (x0, x1) = (p.x0.max(q.x0), p.x1.min(q.x1));
            if x0 <= x1 && !each(i, j, Span::new(p.y, x0, x1)) {
                return;
            }
            // the run that ends first can meet no further partner
            i += usize::from(p.x1 <= q.x1);
            j += usize::from(q.x1 < p.x1);
        }
    }

    /// Pixels of both sets.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let mut spans = Vec::new();
        self.for_common_runs(other, |_, _, run| {
            spans.push(run);
            true
        });
        Self::from_runs(spans)
    }

    /// Pixels of `self` that are not in `other`.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        let mut spans = Vec::with_capacity(self.spans().len());
        let b = other.spans();
        // A small set less a large one must not cost a walk through the large one.
        let mut j = self.spans().first().map_or(0, |first| {
            b.partition_point(|s| (s.y, s.x1) < (first.y, first.x0))
        });
        for &span in self.spans() {
            while j < b.len() && (b[j].y, b[j].x1) < (span.y, span.x0) {
                j += 1;
            }
            let (mut x0, mut k) = (span.x0, j);
            while k < b.len() && b[k].y == span.y && b[k].x0 <= span.x1 {
                if b[k].x0 > x0 {
                    spans.push(Span::new(span.y, x0, b[k].x0 - 1));
                }
                x0 = b[k].x1 + 1;
                k += 1;
            }
            if x0 <= span.x1 {
                spans.push(Span::new(span.y, x0, span.x1));
            }
        }
        Self::from_runs(spans)
    }

    /// Pixels of exactly one of the sets.
    #[must_use]
    pub fn symmetric_difference(&self, other: &Self) -> Self {
        self.difference(other).union(&other.difference(self))
    }

    /// Whether there is a common pixel.
    pub fn overlaps(&self, other: &Self) -> bool {
        let mut found = false;
        self.for_common_runs(other, |_, _, _| {
            found = true;
            false
        });
        found
    }

    /// Number of common pixels.
    pub fn common_area(&self, other: &Self) -> u64 {
        let mut area = 0;
        self.for_common_runs(other, |_, _, run| {
            area += run.width();
            true
        });
        area
    }

    /// Whether every pixel of `other` is in `self`; false for an empty `other`, as in the
    /// reference.
    pub fn contains(&self, other: &Self) -> bool {
        !other.is_empty() && self.common_area(other) == other.area()
    }

    /// Pixels of `self` inside `region` and not in `other`.
    #[must_use]
    pub fn difference_within(&self, other: &Self, region: &Region) -> Self {
        self.clipped(region).difference(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(spans: &[(i32, i32, i32)]) -> SpanSet {
        let spans = spans.iter().map(|&(y, x0, x1)| Span::new(y, x0, x1));
        SpanSet::from_spans(spans.collect()).expect("small")
    }

    #[test]
    fn small_sets() {
        let (a, b) = (set(&[(1, 0, 3), (1, 5, 7)]), set(&[(1, 2, 6)]));
        assert_eq!(a.intersection(&b), set(&[(1, 2, 3), (1, 5, 6)]));
        assert_eq!(a.union(&b), set(&[(1, 0, 7)]));
        assert_eq!(a.difference(&b), set(&[(1, 0, 1), (1, 7, 7)]));
        assert_eq!(b.difference(&a), set(&[(1, 4, 4)]));
        assert_eq!(
            a.symmetric_difference(&b),
            set(&[(1, 0, 1), (1, 4, 4), (1, 7, 7)])
        );
        assert!(a.overlaps(&b) && a.common_area(&b) == 4);
        assert!(a.contains(&set(&[(1, 5, 6)])) && !a.contains(&b));
    }

    #[test]
    fn empty_sets() {
        let (a, none) = (set(&[(1, 0, 3)]), SpanSet::default());
        assert!(!a.contains(&none) && !a.overlaps(&none) && !none.overlaps(&none));
        assert_eq!(a.union(&none), a);
        assert_eq!(none.union(&a), a);
        assert_eq!(a.difference(&none), a);
        assert!(a.intersection(&none).is_empty() && none.difference(&a).is_empty());
    }
}
