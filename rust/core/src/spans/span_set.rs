// SPDX-License-Identifier: BSD-3-Clause
//! The pixel set: construction, geometry, moments.

use crate::error::{Error, Result};

/// Largest absolute coordinate of a pixel in a set.
pub const COORD_MAX: i32 = 1 << 30;

/// Most rows that a set made from a geometric figure may have.
pub const MAX_ROWS: i64 = 1 << 24;

/// A run of pixels of one row, both ends inclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// Row.
    pub y: i32,
    /// First column.
    pub x0: i32,
    /// Last column.
    pub x1: i32,
}

impl Span {
    /// A span.
    pub const fn new(y: i32, x0: i32, x1: i32) -> Self {
        Self { y, x0, x1 }
    }

    /// Number of pixels.
    pub const fn width(self) -> u64 {
        (self.x1 as i64 - self.x0 as i64 + 1) as u64
    }
}

/// A half-open box of pixels; empty when a side is not positive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Region {
    /// First row.
    pub y0: i32,
    /// First column.
    pub x0: i32,
    /// One past the last row.
    pub y1: i32,
    /// One past the last column.
    pub x1: i32,
}

impl Region {
    /// The region of an array of `shape` whose first pixel is `start` (y, x).
    pub fn of_array(
        argument: &'static str,
        shape: (usize, usize),
        start: (i64, i64),
    ) -> Result<Self> {
        if shape.0 == 0 || shape.1 == 0 {
            return Ok(Self::default());
        }
        // Before the sums, which might not fit.
        for first in [start.0, start.1] {
            check_range(argument, first, first)?;
        }
        let (y1, x1) = (start.0 + shape.0 as i64, start.1 + shape.1 as i64);
        Self::checked(argument, [start.0, start.1, y1, x1])
    }

    /// The region [y0, x0, y1, x1); empty ones become all zeros.
    pub fn checked(argument: &'static str, bounds: [i64; 4]) -> Result<Self> {
        let [y0, x0, y1, x1] = bounds;
        if y1 <= y0 || x1 <= x0 {
            return Ok(Self::default());
        }
        for (first, last) in [(y0, y1 - 1), (x0, x1 - 1)] {
            check_range(argument, first, last)?;
        }
        Ok(Self {
            y0: y0 as i32,
            x0: x0 as i32,
            y1: y1 as i32,
            x1: x1 as i32,
        })
    }

    /// Whether there is no pixel.
    pub const fn is_empty(&self) -> bool {
        self.y1 <= self.y0 || self.x1 <= self.x0
    }

    /// (rows, columns).
    pub fn shape(&self) -> (usize, usize) {
        if self.is_empty() {
            return (0, 0);
        }
        // in i64: a side may be twice COORD_MAX
        let side = |first: i32, stop: i32| (i64::from(stop) - i64::from(first)) as usize;
        (side(self.y0, self.y1), side(self.x0, self.x1))
    }

    /// Common pixels.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let both = Self {
            y0: self.y0.max(other.y0),
            x0: self.x0.max(other.x0),
            y1: self.y1.min(other.y1),
            x1: self.x1.min(other.x1),
        };
        if both.is_empty() {
            Self::default()
        } else {
            both
        }
    }

    /// Whether every pixel of `other` lies inside.
    pub fn contains(&self, other: &Self) -> bool {
        other.is_empty() || self.intersection(other) == *other
    }
}

/// Refuses coordinates beyond [`COORD_MAX`].
pub(super) fn check_range(argument: &'static str, first: i64, last: i64) -> Result<()> {
    let most = i64::from(COORD_MAX);
    if first >= -most && last <= most {
        return Ok(());
    }
    let got = format!("pixel coordinates from {first} to {last}");
    Err(Error::option(
        argument,
        got,
        format!("between {} and {most}", -most),
    ))
}

/// Refuses figures with more than [`MAX_ROWS`] rows.
pub(super) fn check_rows(argument: &'static str, rows: i64) -> Result<()> {
    if rows <= MAX_ROWS {
        return Ok(());
    }
    let allowed = format!("at most {MAX_ROWS} rows");
    Err(Error::option(argument, format!("{rows} rows"), allowed))
}

/// Appends a run that does not start before the last one; joins it when they touch.
#[inline]
pub(super) fn push_run(spans: &mut Vec<Span>, run: Span) {
    match spans.last_mut() {
        Some(last) if last.y == run.y && run.x0 <= last.x1 + 1 => last.x1 = last.x1.max(run.x1),
        _ => spans.push(run),
    }
}

/// A set of pixels: maximal runs sorted by row and column. Equal sets have equal runs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SpanSet {
    spans: Vec<Span>,
    bounds: Region,
    area: u64,
}

impl SpanSet {
    /// The set of all pixels of `spans`, which may come in any order and overlap.
    pub fn from_spans(mut spans: Vec<Span>) -> Result<Self> {
        for span in &spans {
            if span.x1 < span.x0 {
                let got = format!("a span from column {} to {}", span.x0, span.x1);
                return Err(Error::option("spans", got, "x0 <= x1"));
            }
            let (low, high) = (span.y.min(span.x0), span.y.max(span.x1));
            check_range("spans", i64::from(low), i64::from(high))?;
        }
        if !spans.is_sorted() {
            spans.sort_unstable();
        }
        let mut merged = Vec::with_capacity(spans.len());
        for span in spans {
            push_run(&mut merged, span);
        }
        Ok(Self::from_runs(merged))
    }

    /// The set of runs that are sorted and maximal already.
    pub(super) fn from_runs(spans: Vec<Span>) -> Self {
        let (Some(first), Some(last)) = (spans.first(), spans.last()) else {
            return Self::default();
        };
        let (mut x0, mut x1, mut area) = (i32::MAX, i32::MIN, 0);
        for span in &spans {
            x0 = x0.min(span.x0);
            x1 = x1.max(span.x1);
            area += span.width();
        }
        let bounds = Region {
            y0: first.y,
            x0,
            y1: last.y + 1,
            x1: x1 + 1,
        };
        Self {
            spans,
            bounds,
            area,
        }
    }

    /// The pixels of a box.
    pub fn from_region(region: &Region) -> Result<Self> {
        if region.is_empty() {
            return Ok(Self::default());
        }
        check_rows("box", i64::from(region.y1) - i64::from(region.y0))?;
        let rows = region.y0..region.y1;
        let spans = rows.map(|y| Span::new(y, region.x0, region.x1 - 1));
        Ok(Self::from_runs(spans.collect()))
    }

    /// The runs.
    pub fn spans(&self) -> &[Span] {
        &self.spans
    }

    /// Smallest box that holds the set; all zeros when empty.
    pub const fn bounds(&self) -> &Region {
        &self.bounds
    }

    /// Number of pixels.
    pub const fn area(&self) -> u64 {
        self.area
    }

    /// Whether there is no pixel.
    pub const fn is_empty(&self) -> bool {
        self.area == 0
    }

    /// The set moved by whole pixels.
    pub fn shifted(&self, dy: i64, dx: i64) -> Result<Self> {
        if self.is_empty() {
            return Ok(Self::default());
        }
        let b = &self.bounds;
        let ends = |first: i32, stop: i32, by: i64| {
            let (first, last) = (i64::from(first), i64::from(stop) - 1);
            check_range("shift", first.saturating_add(by), last.saturating_add(by))
        };
        ends(b.y0, b.y1, dy)?;
        ends(b.x0, b.x1, dx)?;
        let (dy, dx) = (dy as i32, dx as i32);
        let moved = |s: &Span| Span::new(s.y + dy, s.x0 + dx, s.x1 + dx);
        Ok(Self::from_runs(self.spans.iter().map(moved).collect()))
    }

    /// The pixels of the set that lie in a box.
    #[must_use]
    pub fn clipped(&self, region: &Region) -> Self {
        if region.contains(&self.bounds) {
            return self.clone();
        }
        let low = self.spans.partition_point(|s| s.y < region.y0);
        let high = self.spans.partition_point(|s| s.y < region.y1);
        let mut spans = Vec::new();
        if region.is_empty() {
            return Self::default();
        }
        for s in &self.spans[low..high.max(low)] {
            let (x0, x1) = (s.x0.max(region.x0), s.x1.min(region.x1 - 1));
            if x0 <= x1 {
                spans.push(Span::new(s.y, x0, x1));
            }
        }
        Self::from_runs(spans)
    }

    /// Index of the run that holds a pixel.
    pub(super) fn find(&self, y: i32, x: i32) -> Option<usize> {
        let after = self.spans.partition_point(|s| (s.y, s.x0) <= (y, x));
        let index = after.checked_sub(1)?;
        let span = self.spans[index];
        (span.y == y && x <= span.x1).then_some(index)
    }

    /// Whether a pixel is in the set.
    pub fn contains_pixel(&self, y: i64, x: i64) -> bool {
        let (Ok(y), Ok(x)) = (i32::try_from(y), i32::try_from(x)) else {
            return false;
        };
        self.find(y, x).is_some()
    }

    /// Mean (y, x) of the pixel centres; NaN when empty.
    pub fn centroid(&self) -> (f64, f64) {
        // sums from the corner of the box: large offsets cost no digits
        let (oy, ox) = (f64::from(self.bounds.y0), f64::from(self.bounds.x0));
        let (mut sum_y, mut sum_x) = (0.0, 0.0);
        for s in &self.spans {
            let n = s.width() as f64;
            sum_y += n * (f64::from(s.y) - oy);
            sum_x += n * (0.5 * (f64::from(s.x0) + f64::from(s.x1)) - ox);
        }
        let area = self.area as f64;
        (oy + sum_y / area, ox + sum_x / area)
    }

    /// Second moments (xx, yy, xy) about the centroid; NaN when empty.
    pub fn moments(&self) -> (f64, f64, f64) {
        let (cy, cx) = self.centroid();
        let (mut xx, mut yy, mut xy) = (0.0, 0.0, 0.0);
        for s in &self.spans {
            let n = s.width() as f64;
            let dx = 0.5 * (f64::from(s.x0) + f64::from(s.x1)) - cx;
            let dy = f64::from(s.y) - cy;
            // n pixels side by side have the second moment (n^2 - 1) / 12 about their middle
            xx += n * (dx * dx + (n * n - 1.0) / 12.0);
            yy += n * dy * dy;
            xy += n * dx * dy;
        }
        let area = self.area as f64;
        (xx / area, yy / area, xy / area)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_joined_and_measured() {
        let spans = vec![
            Span::new(1, 4, 6),
            Span::new(-2, 0, 0),
            Span::new(1, 1, 3),
            Span::new(1, 8, 8),
        ];
        let set = SpanSet::from_spans(spans).expect("small");
        let want = [Span::new(-2, 0, 0), Span::new(1, 1, 6), Span::new(1, 8, 8)];
        assert_eq!(set.spans(), want);
        assert_eq!(set.area(), 8);
        assert_eq!(set.bounds().shape(), (4, 9));
        assert!(set.contains_pixel(1, 8) && !set.contains_pixel(1, 7));
        let inside = set.clipped(&Region::checked("box", [0, 2, 2, 8]).expect("small"));
        assert_eq!(inside.spans(), [Span::new(1, 2, 6)]);
    }

    #[test]
    fn coordinates_have_a_limit() {
        for start in [(i64::MAX, 0), (0, i64::MAX - 1), (i64::MIN, i64::MIN)] {
            assert!(Region::of_array("image", (2, 3), start).is_err());
            assert!(Region::of_array("image", (0, 3), start).is_ok());
        }
        let far = SpanSet::from_spans(vec![Span::new(0, COORD_MAX, COORD_MAX)]).expect("allowed");
        assert!(far.shifted(0, 1).is_err());
        assert!(far.shifted(0, i64::MAX).is_err());
        assert_eq!(far.shifted(-1, -1).expect("nearer").area(), 1);
        assert!(SpanSet::from_spans(vec![Span::new(0, 0, i32::MAX)]).is_err());
        let tall = Region::checked("box", [0, 0, 1 << 29, 1]).expect("allowed as a box");
        assert!(SpanSet::from_region(&tall).is_err());
    }

    #[test]
    fn empty_sets_have_no_moments() {
        let empty = SpanSet::default();
        assert!(empty.centroid().0.is_nan() && empty.moments().1.is_nan());
        assert_eq!(empty.shifted(i64::MAX, 0).expect("nothing moves"), empty);
    }
}
