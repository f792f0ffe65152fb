// SPDX-License-Identifier: BSD-3-Clause
//! Separable convolution against the sum written out.

use deepcoadd_core::convolve::{Planes, PlanesMut, separable};
use deepcoadd_twin::convolve::{convolve, spread_bits};
use ndarray::{Array2, s};
use proptest::prelude::*;

fn taps() -> impl Strategy<Value = Vec<f64>> {
    let tap = prop_oneof![3 => -1.0..1.0_f64, 1 => Just(0.0)];
    prop::collection::vec(tap, 1..8)
}

fn pixel() -> impl Strategy<Value = f32> {
    prop_oneof![20 => -100.0..100.0_f32, 1 => Just(f32::NAN), 1 => Just(f32::INFINITY)]
}

proptest! {
    #[test]
    fn equals_the_sum(
        (taps_y, taps_x) in (taps(), taps()),
        extra in (0_usize..70, 0_usize..300),
        pixels in prop::collection::vec((pixel(), any::<i32>()), 200),
        gap in 0_usize..3,
    ) {
        let shape = (taps_y.len() + extra.0, taps_x.len() + extra.1);
        // A view whose rows are not adjacent.
        let whole = (shape.0, shape.1 + gap);
        let at = |(y, x): (usize, usize)| pixels[(y * 31 + x * 7) % pixels.len()];
        let image = Array2::from_shape_fn(whole, |i| at(i).0);
        let mask = Array2::from_shape_fn(whole, |i| at(i).1);
        let variance = image.mapv(f32::abs);
        let cut = s![.., ..shape.1];
        let input = Planes {
            image: image.slice(cut),
            mask: Some(mask.slice(cut)),
            variance: Some(variance.slice(cut)),
        };
        let inside = (extra.0 + 1, extra.1 + 1);
        let mut out = (Array2::zeros(inside), Array2::zeros(inside), Array2::zeros(inside));
        let to = PlanesMut {
            image: out.0.view_mut(),
            mask: Some(out.1.view_mut()),
            variance: Some(out.2.view_mut()),
        };
        separable(&input, &taps_y, &taps_x, to).expect("shapes agree");
        let flat = |a: &Array2<f32>| a.slice(cut).iter().copied().collect::<Vec<_>>();
        let squares = |taps: &[f64]| taps.iter().map(|t| t * t).collect::<Vec<_>>();
        let (y2, x2) = (squares(&taps_y), squares(&taps_x));
        let planes = [(&out.0, &image, &taps_y, &taps_x), (&out.2, &variance, &y2, &x2)];
        for (got, plane, y, x) in planes {
            let (want, size) = convolve(&flat(plane), shape.1, y, x);
            for ((&got, want), size) in got.iter().zip(want).zip(size) {
                let (wide, bad) = (f64::from(got), want.is_nan() || got.is_nan());
                // One rounding to f32, and f64 sums of at most 49 terms in another order.
                let allowed = 6e-8 * want.abs() + 2e-14 * size + 1e-45;
                let same = wide == want || (bad && !size.is_finite());
                prop_assert!(same || (wide - want).abs() <= allowed, "{got} {want}");
            }
        }
        let words: Vec<i32> = mask.slice(cut).iter().copied().collect();
        let want = spread_bits(&words, shape.1, &taps_y, &taps_x);
        prop_assert_eq!(out.1.iter().copied().collect::<Vec<_>>(), want);
    }
}
