// SPDX-License-Identifier: BSD-3-Clause
//! From arrays to sets and back.

use super::rows::{bool_words, mask_words, runs_of, slice_of, with_row_slices};
use super::span_set::{Region, Span, SpanSet};
use crate::error::{Error, Result};
use ndarray::{ArrayView2, ArrayViewMut2, s};

/// Refuses runs outside an array that covers `region`.
pub(super) fn check_inside(argument: &'static str, bounds: &Region, region: &Region) -> Result<()> {
    if region.contains(bounds) {
        return Ok(());
    }
    let text = |r: &Region| {
        let (y, x) = (r.y1 - 1, r.x1 - 1);
        format!("y={}..{y}, x={}..{x}", r.y0, r.x0)
    };
    let allowed = if region.is_empty() {
        "no pixel, for the array is empty".into()
    } else {
        format!("within {}", text(region))
    };
    let got = format!("pixels in {}", text(bounds));
    Err(Error::shape(argument, got, allowed))
}

/// Changes the pixels of `spans` in an array whose first pixel is `(region.y0, region.x0)`; the
/// spans lie inside.
pub(super) fn paint<T>(
    spans: &[Span],
    region: &Region,
    array: &mut ArrayViewMut2<'_, T>,
    change: impl Fn(&mut T),
) {
    for span in spans {
        let y = (span.y - region.y0) as usize;
        let (x0, x1) = (span.x0 - region.x0, span.x1 - region.x0);
        let mut run = array.slice_mut(s![y, x0 as usize..=x1 as usize]);
        run.map_inplace(&change);
    }
}

/// Number of words of `spans` that count, in a mask whose first pixel is
/// `(region.y0, region.x0)` and whose columns are contiguous; the spans lie inside.
pub(super) fn count_words(
    spans: &[Span],
    region: &Region,
    mask: ArrayView2<'_, i32>,
    rule: BitRule,
) -> u64 {
    let mut n = 0;
    for span in spans {
        let row = slice_of(&mask.row((span.y - region.y0) as usize));
        let (x0, x1) = (span.x0 - region.x0, span.x1 - region.x0);
        n += rule.count(&row[x0 as usize..=x1 as usize]);
    }
    n
}

/// Which mask words count: any of `any` (all words when `any` is 0) and none of `none`.
#[derive(Debug, Clone, Copy)]
pub struct BitRule {
    /// Bits of which one must be set; 0: no condition.
    pub any: i32,
    /// Bits of which none may be set.
    pub none: i32,
}

impl BitRule {
    /// Whether a word counts.
    #[inline]
    pub const fn holds(self, word: i32) -> bool {
        (self.any == 0 || word & self.any != 0) && word & self.none == 0
    }

    /// Number of words that count; without branches, so that many are looked at side by side.
    pub fn count(self, words: &[i32]) -> u64 {
        let mut n = 0_u32;
        if self.any == 0 {
            for &word in words {
                n += u32::from(word & self.none == 0);
            }
        } else {
            for &word in words {
                n += u32::from(word & self.any != 0) * u32::from(word & self.none == 0);
            }
        }
        u64::from(n)
    }
}

impl SpanSet {
    /// The pixels that have any of `bits`; the first pixel of the array is `start` (y, x).
    pub fn from_mask(mask: ArrayView2<'_, i32>, bits: i32, start: (i64, i64)) -> Result<Self> {
        let region = Region::of_array("mask", mask.dim(), start)?;
        let first = (region.y0, region.x0);
        let flags = |row: &[i32], words: &mut [u64]| mask_words(row, bits, words);
        Ok(Self::from_runs(runs_of(mask, first, flags)))
    }

    /// The pixels that are true; the first pixel of the array is `start` (y, x).
    pub fn from_flags(flags: ArrayView2<'_, bool>, start: (i64, i64)) -> Result<Self> {
        let region = Region::of_array("array", flags.dim(), start)?;
        Ok(Self::from_runs(runs_of(
            flags,
            (region.y0, region.x0),
            bool_words,
        )))
    }

    /// `(word | set) & !clear` at every pixel of the set, all of which must lie in the array.
    pub fn change_mask(
        &self,
        mut mask: ArrayViewMut2<'_, i32>,
        start: (i64, i64),
        set: i32,
        clear: i32,
    ) -> Result<()> {
        let region = Region::of_array("mask", mask.dim(), start)?;
        check_inside("mask", self.bounds(), &region)?;
        paint(self.spans(), &region, &mut mask, |word| {
            *word = (*word | set) & !clear;
        });
        Ok(())
    }

    /// Makes the pixels of the set that lie in the array true.
    pub fn flag(&self, mut flags: ArrayViewMut2<'_, bool>, start: (i64, i64)) -> Result<()> {
        let region = Region::of_array("array", flags.dim(), start)?;
        let inside = self.clipped(&region);
        paint(inside.spans(), &region, &mut flags, |flag| *flag = true);
        Ok(())
    }

    /// Number of pixels of the set whose mask word obeys a rule; pixels outside do not count.
    pub fn count(
        &self,
        mask: ArrayView2<'_, i32>,
        start: (i64, i64),
        rule: BitRule,
    ) -> Result<u64> {
        let region = Region::of_array("mask", mask.dim(), start)?;
        let (inside, mask) = (self.clipped(&region), with_row_slices(mask));
        Ok(count_words(inside.spans(), &region, mask.view(), rule))
    }

    /// The coordinates (y, x) of all pixels, in order.
    pub fn indices(&self) -> (Vec<i32>, Vec<i32>) {
        let area = self.area() as usize;
        let (mut y, mut x) = (Vec::with_capacity(area), Vec::with_capacity(area));
        for span in self.spans() {
            x.extend(span.x0..=span.x1);
            y.resize(x.len(), span.y);
        }
        (y, x)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, array};

    #[test]
    fn there_and_back() {
        let mask = array![[1, 0, 3, 2], [0, 0, 1, 1], [4, 4, 4, 4]];
        let set = SpanSet::from_mask(mask.view(), 3, (-1, 10)).expect("small");
        let want = [
            Span::new(-1, 10, 10),
            Span::new(-1, 12, 13),
            Span::new(0, 12, 13),
        ];
        assert_eq!(set.spans(), want);
        let mut flags = Array2::from_elem((3, 4), false);
        set.flag(flags.view_mut(), (-1, 10)).expect("small");
        assert_eq!(SpanSet::from_flags(flags.view(), (-1, 10)), Ok(set.clone()));
        let transposed = SpanSet::from_flags(flags.t(), (10, -1)).expect("small");
        let (y, x) = set.indices();
        assert!(
            y.iter()
                .zip(&x)
                .all(|(&y, &x)| transposed.contains_pixel(x.into(), y.into()))
        );
        assert_eq!(transposed.area(), set.area());
    }

    #[test]
    fn bits_are_changed_inside_only() {
        let set = SpanSet::from_spans(vec![Span::new(0, 0, 1)]).expect("small");
        let mut mask = array![[1, 2, 3]];
        set.change_mask(mask.view_mut(), (0, 0), 8, 1)
            .expect("inside");
        assert_eq!(mask, array![[8, 10, 3]]);
        let outside = set.change_mask(mask.view_mut(), (0, 1), 8, 1);
        assert!(outside.expect_err("outside").to_string().contains("mask"));
        assert_eq!(mask, array![[8, 10, 3]]);
        let rule = BitRule { any: 8, none: 2 };
        assert_eq!(set.count(mask.view(), (0, 0), rule), Ok(1));
        let rule = BitRule { any: 0, none: 0 };
        assert_eq!(set.count(mask.view(), (0, 1), rule), Ok(1));
    }
}
