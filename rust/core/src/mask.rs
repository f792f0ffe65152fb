// SPDX-License-Identifier: BSD-3-Clause
//! Plane bits of int32 masks: set, clear, count.

use crate::error::{Error, Result};
use ndarray::{ArrayView2, ArrayViewMut2, Zip};

fn same_shape(argument: &'static str, got: (usize, usize), want: (usize, usize)) -> Result<()> {
    if got == want {
        return Ok(());
    }
    Err(Error::shape(
        argument,
        format!("{got:?}"),
        format!("{want:?} like the mask"),
    ))
}

/// Sets and then clears bits of every word: `(word | set) & !clear`.
pub fn set_and_clear(mut mask: ArrayViewMut2<i32>, set: i32, clear: i32) {
    mask.map_inplace(|word| *word = (*word | set) & !clear);
}

/// Sets bits of every word that has any of some others: `word | set` where `word & any != 0`.
pub fn set_where(mut mask: ArrayViewMut2<i32>, any: i32, set: i32) {
    // Without a branch, so that many words are looked at side by side.
    mask.map_inplace(|word| *word |= if *word & any == 0 { 0 } else { set });
}

/// Adds 1 to `count` where the mask has none of `bad_bits` and the image, if given, is finite.
pub fn count_unmasked(
    mask: ArrayView2<i32>,
    image: Option<ArrayView2<f32>>,
    bad_bits: i32,
    count: ArrayViewMut2<u32>,
) -> Result<()> {
    same_shape("count", count.dim(), mask.dim())?;
    let Some(image) = image else {
        let add = |n: &mut u32, &m: &i32| *n += u32::from(m & bad_bits == 0);
        Zip::from(count).and(mask).for_each(add);
        return Ok(());
    };
    same_shape("image", image.dim(), mask.dim())?;
    Zip::from(count).and(mask).and(image).for_each(|n, &m, &x| {
        *n += u32::from(m & bad_bits == 0 && x.is_finite());
    });
    Ok(())
}

/// Number of words that have any of `bits`.
pub fn count_set(mask: ArrayView2<i32>, bits: i32) -> usize {
    mask.iter().filter(|&&word| word & bits != 0).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn bits_of_a_small_mask() {
        let mut mask = array![[0, 1], [2, 5]];
        assert_eq!(count_set(mask.view(), 1), 2);
        let mut count = array![[0_u32, 0], [7, 0]];
        count_unmasked(mask.view(), None, 1, count.view_mut()).expect("shapes agree");
        assert_eq!(count, array![[1, 0], [8, 0]]);
        let image = array![[f32::NAN, 1.0], [f32::INFINITY, 1.0]];
        count_unmasked(mask.view(), Some(image.view()), 4, count.view_mut()).expect("agree");
        assert_eq!(count, array![[1, 1], [8, 0]]);
        set_and_clear(mask.view_mut(), 8, 1);
        assert_eq!(mask, array![[8, 8], [10, 12]]);
        set_where(mask.view_mut(), 6, 32);
        assert_eq!(mask, array![[8, 8], [42, 44]]);
        let wrong = count_unmasked(mask.view(), None, 1, array![[0_u32]].view_mut());
        assert!(
            wrong
                .expect_err("shapes differ")
                .to_string()
                .contains("count")
        );
    }
}
