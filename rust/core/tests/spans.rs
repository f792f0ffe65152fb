// SPDX-License-Identifier: BSD-3-Clause
//! Pixel sets and footprints against sets of single pixels, at every instruction level.

use deepcoadd_core::simd::{Level, set_level};
use deepcoadd_core::spans::{
    Connectivity, Limit, Scene, Span, SpanSet, Stencil, Threshold, search, search_mask,
};
use deepcoadd_twin::spans::{self as twin, Pixels};
use ndarray::Array2;
use proptest::prelude::*;

fn span_set(pixels: &Pixels) -> SpanSet {
    let spans = pixels.iter().map(|&(y, x)| Span::new(y, x, x));
    SpanSet::from_spans(spans.collect()).expect("in range")
}

fn runs(set: &SpanSet) -> Vec<(i32, i32, i32)> {
    set.spans().iter().map(|s| (s.y, s.x0, s.x1)).collect()
}

fn pixels(side: i32) -> impl Strategy<Value = Pixels> {
    let density = prop::sample::select(vec![0.0, 0.03, 0.4, 0.7, 1.0]);
    (0..=side, 0..=side, -9..=9, -9..=9, density, any::<u64>())
        .prop_map(|(h, w, y, x, p, seed)| twin::random_pixels(h, w, (y, x), p, seed))
}

proptest! {
    #[test]
    fn algebra(a in pixels(20), b in pixels(20)) {
        let (left, right) = (span_set(&a), span_set(&b));
        prop_assert_eq!(runs(&left), twin::runs(&a));
        let pairs = [
            (left.union(&right), &a | &b),
            (left.intersection(&right), &a & &b),
            (left.difference(&right), &a - &b),
            (left.symmetric_difference(&right), &a ^ &b),
        ];
        for (ours, want) in pairs {
            prop_assert_eq!(runs(&ours), twin::runs(&want));
            prop_assert_eq!(ours.area(), want.len() as u64);
        }
        prop_assert_eq!(left.overlaps(&right), !a.is_disjoint(&b));
        prop_assert_eq!(left.contains(&right), !b.is_empty() && b.is_subset(&a));
        prop_assert_eq!(left.common_area(&right), (&a & &b).len() as u64);
    }

    #[test]
    fn morphology(a in pixels(20), element in pixels(5)) {
        let (set, part) = (span_set(&a), span_set(&element));
        let (grown, shrunk) = if element.is_empty() {
            (a.clone(), a)
        } else {
            (twin::dilated(&a, &element), twin::eroded(&a, &element))
        };
        prop_assert_eq!(runs(&set.dilated(&part).expect("in range")), twin::runs(&grown));
        prop_assert_eq!(runs(&set.eroded(&part).expect("in range")), twin::runs(&shrunk));
    }

    #[test]
    fn components(a in pixels(24)) {
        for (kind, corners) in [(Connectivity::Four, false), (Connectivity::Eight, true)] {
            let want = twin::components(&a, corners);
            let parts = span_set(&a).split(kind);
            prop_assert_eq!(parts.len(), want.len().max(1));
            for (ours, want) in parts.iter().zip(&want) {
                prop_assert_eq!(runs(ours), twin::runs(want));
            }
        }
    }

    #[test]
    fn detection(height in 0_usize..30, width in 0_usize..140, seed in any::<u64>(),
                 limit in -1.0..2.0_f64, negative in any::<bool>()) {
        let noise = twin::random_values(height * width, seed);
        let image = Array2::from_shape_vec((height, width), noise.clone()).expect("sized");
        let sign = if negative { -1.0 } else { 1.0 };
        let above = twin::passing(&noise, width.max(1), (-4, 7), sign, limit);
        let want = twin::components(&above, true);
        let threshold = Threshold { value: limit, limit: Limit::Value, negative,
                                    include_multiplier: 1.0 };
        let ones = Array2::from_elem(image.dim(), 1.0_f32);
        for level in Level::ALL {
            set_level(level);
            for kind in [Limit::Value, Limit::PixelStdev] {
                let scene = Scene { image: image.view(), variance: Some(ones.view()),
                                    start: (-4, 7) };
                let found = search(&scene, &Threshold { limit: kind, ..threshold }, 1, false);
                let found = found.expect("sound");
                prop_assert_eq!(found.len(), want.len());
                for (k, part) in want.iter().enumerate() {
                    prop_assert_eq!(runs(&found.spans(k)), twin::runs(part));
                }
            }
            let words = image.mapv(|x| (4.0 * x) as i32);
            let bits = Threshold { value: 6.0, limit: Limit::Bitmask, ..threshold };
            let found = search_mask(words.view(), (0, 0), &bits, 1).expect("sound");
            let flags = words.mapv(|w| w & 6 != 0);
            let set = SpanSet::from_flags(flags.view(), (0, 0)).expect("small");
            prop_assert_eq!(found.union(), set);
        }
    }
}

#[test]
fn discs() {
    for radius in 0..30 {
        let ours = SpanSet::from_stencil(radius.into(), Stencil::Circle, 0, 0).expect("small");
        assert_eq!(runs(&ours), twin::runs(&twin::disc(radius)));
    }
}
