// SPDX-License-Identifier: BSD-3-Clause
//! Rows of pixels as bits, and bits as runs.

use super::span_set::Span;
use crate::simd::dispatch;
use ndarray::{ArrayView1, ArrayView2, CowArray, Ix2};

/// Pixels of one word of bits.
pub(super) const LANES: usize = 64;

/// Number of words that hold the bits of `width` pixels.
pub(super) const fn words_of(width: usize) -> usize {
    width.div_ceil(LANES)
}

/// Bit k of the result is byte k of `flags`, each 0 or 1.
#[inline(always)]
pub(super) fn pack(flags: &[u8; LANES]) -> u64 {
    let (bytes, _) = flags.as_chunks::<8>();
    let mut any = 0;
    for eight in bytes {
        any |= u64::from_ne_bytes(*eight);
    }
    let mut word = 0;
    if any != 0 {
        for (k, eight) in bytes.iter().enumerate() {
            // byte j (at bit 8 j) reaches bit 56 + j by the factor 2^(56 - 7 j)
            let spread = u64::from_le_bytes(*eight).wrapping_mul(0x0102_0408_1020_4080);
            word |= (spread >> 56) << (8 * k);
        }
    }
    word
}

/// Bits of a row: `row_words!(words, (x in row, ...) => test)` evaluates `test` for every pixel of
/// rows of equal length. For use in dispatched bodies.
macro_rules! row_words {
    ($words:ident, ($x:ident in $row:ident $(, $y:ident in $more:ident)*) => $test:expr) => {{
        let whole = $row.len() / LANES;
        for i in 0..whole {
            let $x = &$row.as_chunks::<LANES>().0[i];
            $(let $y = &$more.as_chunks::<LANES>().0[i];)*
            let mut flags = [0_u8; LANES];
            for k in 0..LANES {
                let $x = $x[k];
                $(let $y = $y[k];)*
                flags[k] = u8::from($test);
            }
            $words[i] = pack(&flags);
        }
        let $x = $row.as_chunks::<LANES>().1;
        $(let $y = $more.as_chunks::<LANES>().1;)*
        if !$x.is_empty() {
            let mut flags = [0_u8; LANES];
            for k in 0..$x.len() {
                let $x = $x[k];
                $(let $y = $y[k];)*
                flags[k] = u8::from($test);
            }
            $words[whole] = pack(&flags);
        }
    }};
}
pub(super) use row_words;

#[inline(always)]
fn mask_words_body(row: &[i32], bits: i32, words: &mut [u64]) {
    row_words!(words, (m in row) => m & bits != 0);
}

dispatch! {
    /// Bits of the pixels that have any of `bits`.
    pub(super) fn mask_words(row: &[i32], bits: i32, words: &mut [u64]) = mask_words_body;
}

#[inline(always)]
fn bool_words_body(row: &[bool], words: &mut [u64]) {
    row_words!(words, (flag in row) => flag);
}

dispatch! {
    /// Bits of the pixels that are true.
    pub(super) fn bool_words(row: &[bool], words: &mut [u64]) = bool_words_body;
}

/// Appends the runs of set bits of one row; bit 0 of the first word is column `x0`.
pub(super) fn push_bit_runs(words: &[u64], y: i32, x0: i32, spans: &mut Vec<Span>) {
    let (mut carry, mut start) = (0, None);
    for (i, &word) in words.iter().enumerate() {
        // a bit of `edges` is set where a pixel differs from its left neighbour
        let mut edges = word ^ (word << 1 | carry);
        carry = word >> 63;
        while edges != 0 {
            let x = x0 + (i * LANES) as i32 + edges.trailing_zeros() as i32;
            edges &= edges - 1;
            match start.take() {
                Some(first) => spans.push(Span::new(y, first, x - 1)),
                None => start = Some(x),
            }
        }
    }
    if let Some(first) = start {
        spans.push(Span::new(y, first, x0 + (words.len() * LANES) as i32 - 1));
    }
}

/// Sets the bits `first..=last`.
#[inline(always)]
pub(super) fn set_bits(words: &mut [u64], first: usize, last: usize) {
    let (i, j) = (first / LANES, last / LANES);
    let low = u64::MAX << (first % LANES);
    let high = u64::MAX >> (LANES - 1 - last % LANES);
    if i == j {
        words[i] |= low & high;
        return;
    }
    words[i] |= low;
    words[i + 1..j].fill(u64::MAX);
    words[j] |= high;
}

/// The image with contiguous columns in each row: itself, or a copy.
pub(super) fn with_row_slices<T: Clone>(image: ArrayView2<'_, T>) -> CowArray<'_, T, Ix2> {
    if image.ncols() <= 1 || image.strides()[1] == 1 {
        return CowArray::from(image);
    }
    CowArray::from(image.as_standard_layout().into_owned())
}

/// Runs over all rows of an image: `flags(row, words)` says which pixels are in the set.
pub(super) fn runs_of<T: Clone>(
    image: ArrayView2<'_, T>,
    start: (i32, i32),
    flags: impl Fn(&[T], &mut [u64]),
) -> Vec<Span> {
    let image = with_row_slices(image);
    let mut words = vec![0; words_of(image.ncols())];
    let mut spans = Vec::new();
    for (k, row) in image.rows().into_iter().enumerate() {
        flags(slice_of(&row), &mut words);
        push_bit_runs(&words, start.0 + k as i32, start.1, &mut spans);
    }
    spans
}

/// The pixels of a row whose columns are contiguous (`with_row_slices`).
pub(super) fn slice_of<'a, T>(row: &ArrayView1<'a, T>) -> &'a [T] {
    row.to_slice().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_and_runs_are_inverse() {
        for width in [1, 63, 64, 65, 200] {
            for seed in 1..50_u32 {
                let row: Vec<i32> = (0..width as u32)
                    .map(|i| ((i * i * seed + i / 7) % 5) as i32)
                    .collect();
                let mut words = vec![0; words_of(width)];
                mask_words(&row, 3, &mut words);
                let mut spans = Vec::new();
                push_bit_runs(&words, 0, 0, &mut spans);
                let mut again = vec![0; words_of(width)];
                for span in spans {
                    assert!((span.x1 as usize) < width);
                    set_bits(&mut again, span.x0 as usize, span.x1 as usize);
                }
                assert_eq!(again, words);
                let truth: Vec<bool> = row.iter().map(|m| m & 3 != 0).collect();
                bool_words(&truth, &mut again);
                assert_eq!(again, words);
                for (i, &flag) in truth.iter().enumerate() {
                    assert_eq!(words[i / LANES] >> (i % LANES) & 1 == 1, flag);
                }
            }
        }
    }

    #[test]
    fn a_run_may_end_with_the_row() {
        let mut spans = Vec::new();
        push_bit_runs(&[u64::MAX, u64::MAX], 3, -5, &mut spans);
        assert_eq!(spans, [Span::new(3, -5, 122)]);
    }
}
