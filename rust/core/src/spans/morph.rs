// SPDX-License-Identifier: BSD-3-Clause
//! Dilation and erosion by any structuring set.

use super::rows::{push_bit_runs, set_bits, words_of};
use super::shape::Stencil;
use super::span_set::{Region, Span, SpanSet, check_range, push_run};
use crate::error::Result;

/// Words of the bitmap of one band of rows: small enough to stay in the cache.
const BAND_WORDS: usize = 1 << 16;

/// Rows of the band when runs are sorted instead, because a row has too many words.
const SORTED_ROWS: usize = 64;

/// One row of a set.
struct Row<'a> {
    y: i32,
    spans: &'a [Span],
}

fn rows(set: &SpanSet) -> Vec<Row<'_>> {
    let chunks = set.spans().chunk_by(|a, b| a.y == b.y);
    chunks
        .map(|spans| Row {
            y: spans[0].y,
            spans,
        })
        .collect()
}

/// Where output rows are put together.
enum Canvas {
    /// One bit a pixel, so many words a row.
    Bits(Vec<u64>, usize),
    /// Runs in any order.
    Runs(Vec<Span>),
}

impl Canvas {
    fn new(region: &Region) -> (Self, usize) {
        let width = words_of(region.shape().1);
        if width > BAND_WORDS {
            return (Self::Runs(Vec::new()), SORTED_ROWS);
        }
        let rows = (BAND_WORDS / width).clamp(1, region.shape().0);
        (Self::Bits(vec![0; width * rows], width), rows)
    }

    /// Adds the sums of the runs of a row and `element`, cut to `band`.
    fn add(&mut self, row: &Row<'_>, element: Span, band: &Region) {
        let (low, high) = (band.x0, band.x1 - 1);
        match self {
            Self::Bits(words, width) => {
                let first = (row.y + element.y - band.y0) as usize * *width;
                let line = &mut words[first..first + *width];
                for span in row.spans {
                    let x0 = (span.x0 + element.x0).max(low);
                    let x1 = (span.x1 + element.x1).min(high);
                    if x0 <= x1 {
                        set_bits(line, (x0 - low) as usize, (x1 - low) as usize);
                    }
                }
            }
            Self::Runs(runs) => {
                for span in row.spans {
                    let x0 = (span.x0 + element.x0).max(low);
                    let x1 = (span.x1 + element.x1).min(high);
                    if x0 <= x1 {
                        runs.push(Span::new(row.y + element.y, x0, x1));
                    }
                }
            }
        }
    }

    /// Moves what was drawn to `spans` and clears the canvas.
    fn flush(&mut self, band: &Region, spans: &mut Vec<Span>) {
        match self {
            Self::Bits(words, width) => {
                let lines = words.chunks_exact(*width);
                for (y, line) in (band.y0..band.y1).zip(lines) {
                    push_bit_runs(line, y, band.x0, spans);
                }
                words.fill(0);
            }
            Self::Runs(runs) => {
                runs.sort_unstable();
                for run in runs.drain(..) {
                    push_run(spans, run);
                }
            }
        }
    }
}

/// Sums of every run of `set` and every run of `element`, cut to `region`, whose coordinates and
/// those of all sums are in range.
fn sums(set: &SpanSet, element: &SpanSet, region: &Region) -> Vec<Span> {
    let rows = rows(set);
    let (down, up) = (element.bounds().y0, element.bounds().y1 - 1);
    let (mut canvas, height) = Canvas::new(region);
    let mut spans = Vec::new();
    let mut y = region.y0;
    while y < region.y1 {
        // rows that reach the band; the band starts where the first of them does
        let from = rows.partition_point(|row| row.y + up < y);
        let Some(first) = rows.get(from) else { break };
        y = y.max(first.y + down);
        if y >= region.y1 {
            break;
        }
        let stop = (i64::from(y) + height as i64).min(i64::from(region.y1)) as i32;
        let band = Region {
            y0: y,
            y1: stop,
            ..*region
        };
        let to = rows.partition_point(|row| row.y + down < stop);
        for row in &rows[from..to] {
            for &part in element.spans() {
                if (y..stop).contains(&(row.y + part.y)) {
                    canvas.add(row, part, &band);
                }
            }
        }
        canvas.flush(&band, &mut spans);
        y = stop;
    }
    spans
}

impl SpanSet {
    /// Minkowski sum with `element`; an empty element gives the set itself.
    pub fn dilated(&self, element: &Self) -> Result<Self> {
        self.dilated_within(element, None)
    }

    /// Minkowski sum with `element`, cut to a region if one is given.
    pub fn dilated_within(&self, element: &Self, region: Option<&Region>) -> Result<Self> {
        if self.is_empty() || element.is_empty() {
            return Ok(region.map_or_else(|| self.clone(), |r| self.clipped(r)));
        }
        let (a, b) = (self.bounds(), element.bounds());
        let ends = |a: [i32; 2], b: [i32; 2]| -> Result<[i32; 2]> {
            let first = i64::from(a[0]) + i64::from(b[0]);
            let last = i64::from(a[1]) + i64::from(b[1]) - 2;
            check_range("dilation", first, last)?;
            Ok([first as i32, last as i32 + 1])
        };
        let [y0, y1] = ends([a.y0, a.y1], [b.y0, b.y1])?;
        let [x0, x1] = ends([a.x0, a.x1], [b.x0, b.x1])?;
        let mut out = Region { y0, x0, y1, x1 };
        if let Some(region) = region {
            out = out.intersection(region);
        }
        if out.is_empty() {
            return Ok(Self::default());
        }
        Ok(Self::from_runs(sums(self, element, &out)))
    }

    /// The pixels p for which p + `element` lies in the set; an empty element gives the set
    /// itself.
    pub fn eroded(&self, element: &Self) -> Result<Self> {
        if self.is_empty() || element.is_empty() {
            return Ok(self.clone());
        }
        let rows = rows(self);
        // for each run of the element the row of the set it is compared with; they only advance
        let mut cursors = vec![0; element.spans().len()];
        let mut spans = Vec::new();
        let first = element.spans()[0].y;
        for row in &rows {
            let y = i64::from(row.y) - i64::from(first);
            for (x0, x1) in positions(&rows, element.spans(), &mut cursors, y) {
                check_range("erosion", y.min(x0), y.max(x1))?;
                spans.push(Span::new(y as i32, x0 as i32, x1 as i32));
            }
        }
        Ok(Self::from_runs(spans))
    }

    /// The pixels of the set that have a 4-neighbour outside.
    pub fn edge_pixels(&self) -> Result<Self> {
        let cross = Self::from_stencil(1, Stencil::Circle, 0, 0)?;
        Ok(self.difference(&self.eroded(&cross)?))
    }
}

/// Columns x of row y such that every run of the element, moved to (y, x), lies in a row of the
/// set.
fn positions(rows: &[Row<'_>], element: &[Span], cursors: &mut [usize], y: i64) -> Vec<(i64, i64)> {
    let mut kept: Option<Vec<(i64, i64)>> = None;
    for (part, cursor) in element.iter().zip(cursors) {
        let target = y + i64::from(part.y);
        while *cursor < rows.len() && i64::from(rows[*cursor].y) < target {
            *cursor += 1;
        }
        let Some(row) = rows.get(*cursor).filter(|row| i64::from(row.y) == target) else {
            return Vec::new();
        };
        let fits = row.spans.iter().map(|span| {
            let x0 = i64::from(span.x0) - i64::from(part.x0);
            (x0, i64::from(span.x1) - i64::from(part.x1))
        });
        let fits: Vec<_> = fits.filter(|(x0, x1)| x0 <= x1).collect();
        let common = match kept {
            None => fits,
            Some(before) => common_runs(&before, &fits),
        };
        if common.is_empty() {
            return common;
        }
        kept = Some(common);
    }
    kept.unwrap_or_default()
}

fn common_runs(a: &[(i64, i64)], b: &[(i64, i64)]) -> Vec<(i64, i64)> {
    let (mut i, mut j) = (0, 0);
    let mut out = Vec::new();
    while i < a.len() && j < b.len() {
        let (x0, x1) = (a[i].0.max(b[j].0), a[i].1.min(b[j].1));
        if x0 <= x1 {
            out.push((x0, x1));
        }
        if a[i].1 < b[j].1 {
            i += 1;
        } else {
            j += 1;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spans::COORD_MAX;

    fn set(spans: &[(i32, i32, i32)]) -> SpanSet {
        let spans = spans.iter().map(|&(y, x0, x1)| Span::new(y, x0, x1));
        SpanSet::from_spans(spans.collect()).expect("in range")
    }

    fn disc(radius: i64) -> SpanSet {
        SpanSet::from_stencil(radius, Stencil::Circle, 0, 0).expect("small")
    }

    #[test]
    fn a_pixel_grows_to_the_element_and_back() {
        let (pixel, element) = (
            set(&[(3, -9, -9)]),
            set(&[(0, -1, 2), (1, 0, 0), (1, 5, 6)]),
        );
        let grown = pixel.dilated(&element).expect("small");
        assert_eq!(grown, element.shifted(3, -9).expect("small"));
        assert_eq!(grown.eroded(&element).expect("small"), pixel);
        let none = SpanSet::default();
        assert_eq!(pixel.dilated(&none).expect("as is"), pixel);
        assert_eq!(pixel.eroded(&none).expect("as is"), pixel);
        assert!(none.dilated(&element).expect("empty").is_empty());
    }

    #[test]
    fn rows_missing_in_the_set_or_in_the_element() {
        let element = set(&[(0, 0, 0), (2, 0, 0)]);
        let a = set(&[(0, 0, 3), (2, 1, 5), (3, 0, 9)]);
        assert_eq!(a.eroded(&element).expect("small"), set(&[(0, 1, 3)]));
        let wide = set(&[(0, 0, 100)]);
        assert!(a.eroded(&wide).expect("small").is_empty());
    }

    #[test]
    fn wide_sets_are_sorted_and_agree_with_bitmaps() {
        let near = set(&[(0, 0, 4), (2, 7, 9), (200, 1, 1)]);
        let want = near.dilated(&disc(5)).expect("small");
        // a far pixel makes a row too wide for the bitmap
        let far = set(&[(90, 10_000_000, 10_000_000)]);
        let all = near.union(&far).dilated(&disc(5)).expect("sorted");
        let window = Region::checked("box", [-50, -50, 300, 300]).expect("small");
        assert_eq!(all.clipped(&window), want);
        assert_eq!(all.area(), want.area() + 81);
        let cut = near.dilated_within(
            &disc(5),
            Some(&Region::checked("box", [1, 0, 4, 8]).expect("small")),
        );
        let box_ = Region::checked("box", [1, 0, 4, 8]).expect("small");
        assert_eq!(cut, Ok(want.clipped(&box_)));
    }

    #[test]
    fn results_out_of_range_are_errors() {
        let corner = set(&[(COORD_MAX, -COORD_MAX, -COORD_MAX)]);
        assert!(corner.dilated(&disc(1)).is_err());
        assert!(corner.eroded(&set(&[(-1, 1, 1)])).is_err());
        assert_eq!(corner.edge_pixels(), Ok(corner.clone()));
        let both = corner.union(&set(&[(-COORD_MAX, COORD_MAX, COORD_MAX)]));
        assert_eq!(both.dilated(&disc(0)), Ok(both.clone()));
        assert!(both.dilated(&both).is_err());
    }

    #[test]
    fn edges_of_a_disc() {
        assert_eq!(disc(6).edge_pixels().expect("small").spans().len(), 24);
    }
}
