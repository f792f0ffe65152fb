// SPDX-License-Identifier: BSD-3-Clause
//! Statistics of images, against the slow transcription of the formulas: of large ones, which are
//! read only once, and of small ones, which are copied.

use deepcoadd_core::par::set_num_threads;
use deepcoadd_core::simd::{Level, set_level};
use deepcoadd_core::stats::{ImageInput, Options, Property, Summary, image_statistics};
use deepcoadd_twin::stats as twin;
use ndarray::{Array2, s};

const BAD: i32 = 1;
const SHAPES: [(usize, usize); 4] = [(300, 701), (512, 256), (1, 200_003), (2, 70_001)];
/// Shapes of images that are copied: about the sizes at which the ways to quartiles part.
const SMALL: [(usize, usize); 8] = [
    (1, 1),
    (2, 1),
    (1, 3),
    (8, 8),
    (32, 32),
    (41, 39),
    (5, 820),
    (130, 70),
];

/// Numbers without a pattern, between 0 and 1.
fn noise(i: usize) -> f64 {
    let mut z = (i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}

fn gauss(i: usize) -> f64 {
    (0..6).map(|k| noise(6 * i + k)).sum::<f64>() - 3.0
}

/// Value of a pixel, by its number and the shape of the image.
type Value = fn(usize, (usize, usize)) -> f64;

/// What an image can be made of.
const KINDS: [(&str, Value); 13] = [
    ("noise", |i, _| 100.0 + 5.0 * gauss(i)),
    ("stars", |i, _| {
        if noise(i) < 0.1 {
            1e5 * noise(i + 1)
        } else {
            gauss(i)
        }
    }),
    ("infinities", |i, _| match i % 11 {
        0 => f64::NAN,
        1 => f64::INFINITY,
        2 => f64::NEG_INFINITY,
        _ => gauss(i),
    }),
    ("constant", |_, _| 25.1),
    (
        "two values",
        |i, _| if noise(i) < 0.5 { 25.0 } else { 25.000_002 },
    ),
    ("nearly constant", |i, _| {
        if noise(i) < 0.1 {
            26.0 + noise(i + 1)
        } else {
            25.0
        }
    }),
    ("whole numbers", |i, _| (3.0 * gauss(i)).round()),
    ("zeros", |i, _| if noise(i) < 0.4 { -0.0 } else { 0.0 }),
    ("ramp", |i, (h, w)| i as f64 / (h * w) as f64),
    // The sample sees one pixel in 25, and these make it see only what is rare.
    ("misleading", |i, _| {
        if i % 25 == 0 {
            50.0 + gauss(i)
        } else {
            gauss(i)
        }
    }),
    ("misleading ties", |i, _| {
        if i % 25 == 0 { 50.0 } else { (i % 3) as f64 }
    }),
    (
        "unseen",
        |i, _| if i % 25 == 0 { f64::NAN } else { gauss(i) },
    ),
    ("huge", |i, _| {
        if noise(i) < 0.3 {
            3e38 * gauss(i).signum()
        } else {
            gauss(i)
        }
    }),
];

struct Image {
    values: Array2<f32>,
    mask: Array2<i32>,
}

impl Image {
    fn new(shape: (usize, usize), value: Value) -> Self {
        let at = |(y, x): (usize, usize)| y * shape.1 + x;
        Self {
            values: Array2::from_shape_fn(shape, |p| value(at(p), shape) as f32),
            mask: Array2::from_shape_fn(shape, |p| match noise(at(p) + 7_777_777) {
                share if share < 0.02 => BAD | 2,
                share if share < 0.1 => 4,
                _ => 0,
            }),
        }
    }

    fn measure(&self, property: Property, options: &Options) -> Summary {
        let input = ImageInput {
            values: self.values.view(),
            mask: Some(self.mask.view()),
            variance: None,
            weights: None,
            inverse_variance: false,
        };
        image_statistics(&input, property, options).expect("the request is valid")
    }

    fn expected(&self, property: &str, options: &Options) -> twin::Answer {
        let sample = |(&x, &mask): (&f32, &i32)| twin::Sample {
            x: f64::from(x),
            mask,
            w: 1.0,
            v: 0.0,
        };
        let samples: Vec<_> = self.values.iter().zip(&self.mask).map(sample).collect();
        let options = twin::Options {
            sigma_clip: options.sigma_clip,
            n_iter: options.n_iter as usize,
            bad_bits: options.bad_bits,
            inverse: false,
            error_mode: 0,
            thresholds: Vec::new(),
            mask_from_kept: false,
        };
        twin::evaluate(&samples, property, &options)
    }
}

fn options(sigma_clip: f64, n_iter: u32) -> Options {
    Options {
        sigma_clip,
        n_iter,
        bad_bits: BAD,
        ..Options::default()
    }
}

/// Everything a summary tells, as bits.
fn bits(summary: &Summary) -> Vec<u64> {
    let both = |p| [summary.value(p).to_bits(), summary.error(p).to_bits()];
    let masks = [summary.or_mask as u64, summary.any_mask as u64];
    Property::VALUES
        .into_iter()
        .flat_map(both)
        .chain(masks)
        .collect()
}

/// Sums of 2e5 terms in other orders differ by some 1e-13 of the largest term.
fn close(got: f64, want: f64, scale: f64) -> bool {
    got == want || got.is_nan() && want.is_nan() || (got - want).abs() <= 1e-12 * scale
}

fn agree(name: &str, image: &Image, options: &Options) {
    let shape = image.values.dim();
    let finite = image.values.iter().filter(|x| x.is_finite());
    let scale = finite.fold(0.0, |a: f64, &x| a.max(f64::from(x).abs()));
    let properties = [
        ("MEAN", Property::MEAN),
        ("MEDIAN", Property::MEDIAN),
        ("MEANCLIP", Property::MEANCLIP),
    ];
    for (property, bit) in properties {
        let got = image.measure(bit, options);
        let want = image.expected(property, options);
        let about = format!("{property} of {name} {shape:?}: {got:?} {want:?}");
        assert_eq!(got.n_point, want.n_point, "{about}");
        assert_eq!(got.n_clipped(), want.n_clipped, "{about}");
        assert_eq!(
            (got.or_mask, got.any_mask),
            (want.or_mask, want.any_mask),
            "{about}"
        );
        assert!(close(got.value(bit), want.value, scale), "{about}");
        if bit != Property::MEDIAN {
            let error = got.error(bit).powi(2);
            assert!(
                close(error, want.variance, scale * scale),
                "{error} {about}"
            );
        }
    }
}

#[test]
fn large_images_agree_with_the_formulas() {
    for (name, kind) in KINDS {
        for (k, shape) in SHAPES.into_iter().enumerate() {
            let options = options([3.0, 3.0, 1.5, 2.0][k], [3, 1, 4, 2][k]);
            agree(name, &Image::new(shape, kind), &options);
        }
    }
}

#[test]
fn small_images_agree_with_the_formulas() {
    for (name, kind) in KINDS {
        for (k, shape) in SMALL.into_iter().enumerate() {
            let options = options([3.0, 2.0][k % 2], [3, 1, 4][k % 3]);
            agree(name, &Image::new(shape, kind), &options);
        }
    }
}

#[test]
fn quartiles_and_extremes_are_exact() {
    let shapes = [SHAPES[0], SMALL[4], SMALL[5], SMALL[7]];
    for ((name, kind), shape) in KINDS.into_iter().flat_map(|k| shapes.map(|s| (k, s))) {
        let image = Image::new(shape, kind);
        let good = image.values.iter().zip(&image.mask);
        let good = good.filter(|&(x, word)| x.is_finite() && word & BAD == 0);
        let mut sorted: Vec<f64> = good.map(|(&x, _)| f64::from(x)).collect();
        sorted.sort_by(f64::total_cmp);
        let quantile = |fraction: f64| {
            let t = fraction * (sorted.len() - 1) as f64;
            let (i, share) = (t as usize, t.fract());
            (1.0 - share) * sorted[i] + share * sorted[(i + 1).min(sorted.len() - 1)]
        };
        let both = Property(Property::MEDIAN.0 | Property::IQRANGE.0);
        let got = image.measure(both, &options(3.0, 3));
        assert_eq!(got.value(Property::MEDIAN), quantile(0.5), "{name}");
        let range = quantile(0.75) - quantile(0.25);
        assert_eq!(got.value(Property::IQRANGE), range, "{name}");
        assert_eq!(got.value(Property::MIN), sorted[0], "{name}");
        assert_eq!(got.value(Property::MAX), sorted[sorted.len() - 1], "{name}");
    }
}

#[test]
fn mean_and_clipped_mean_are_the_same_bits_where_nothing_is_clipped() {
    for (name, kind) in KINDS {
        let image = Image::new(SHAPES[0], kind);
        // No sample is as far out as this.
        let options = options(1e60, 3);
        let clipped = image.measure(Property::MEANCLIP, &options);
        let mean = image.measure(Property::MEAN, &options);
        if clipped.n_clipped() == 0 {
            let (got, want) = (
                clipped.value(Property::MEANCLIP),
                mean.value(Property::MEAN),
            );
            assert_eq!(got.to_bits(), want.to_bits(), "{name}");
        } else {
            assert_eq!(clipped.value(Property::STDEVCLIP), 0.0, "{name}");
        }
    }
}

#[test]
fn levels_threads_and_strides_give_the_same_bits() {
    let all = Property::VALUES.iter().fold(0, |or, p| or | p.0) | Property::ERRORS.0;
    let shapes = [SHAPES[0], SMALL[5], SMALL[7]];
    for ((name, kind), shape) in KINDS.into_iter().flat_map(|k| shapes.map(|s| (k, s))) {
        let image = Image::new(shape, kind);
        let options = options(2.5, 3);
        for property in [Property(all), Property::MEANCLIP] {
            set_num_threads(1);
            let want = bits(&image.measure(property, &options));
            for level in Level::ALL {
                set_level(level);
                set_num_threads(if level == Level::V3 { 1 } else { 3 });
                assert_eq!(
                    bits(&image.measure(property, &options)),
                    want,
                    "{name} {level:?}"
                );
            }
            let (height, width) = shape;
            let mut wide = Array2::from_elem((height, width + 99), f32::NAN);
            wide.slice_mut(s![.., 50..50 + width]).assign(&image.values);
            let input = ImageInput {
                values: wide.slice(s![.., 50..50 + width]),
                mask: Some(image.mask.view()),
                variance: None,
                weights: None,
                inverse_variance: false,
            };
            let part = image_statistics(&input, property, &options).expect("valid");
            assert_eq!(bits(&part), want, "{name}");
        }
    }
    set_level(Level::V4);
    set_num_threads(0);
}

#[test]
fn no_good_pixel_and_one() {
    let mut image = Image::new(SHAPES[0], |_, _| f64::NAN);
    let none = image.measure(Property::MEANCLIP, &options(3.0, 3));
    assert_eq!(none.n_point, 0);
    assert!(none.value(Property::MEANCLIP).is_nan() && none.value(Property::MIN).is_nan());
    (image.values[(200, 500)], image.mask[(200, 500)]) = (7.0, 0);
    let one = image.measure(Property::MEANCLIP, &options(3.0, 3));
    assert_eq!((one.n_point, one.n_clipped()), (1, 0));
    assert_eq!(one.value(Property::MEANCLIP), 7.0);
    assert_eq!(
        (one.value(Property::MIN), one.value(Property::MAX)),
        (7.0, 7.0)
    );
}
