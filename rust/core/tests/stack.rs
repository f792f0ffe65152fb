// SPDX-License-Identifier: BSD-3-Clause
//! Stacks against the slow transcription of the formulas, for every path through the kernels.

use deepcoadd_core::par::set_num_threads;
use deepcoadd_core::simd::{Level, set_level};
use deepcoadd_core::stats::{
    Diagnostics, ErrorMode, MaskRules, Options, Outputs, Property, StackInput, Weighting, stack,
};
use deepcoadd_twin::cube::Cube;
use deepcoadd_twin::stats as twin;
use ndarray::{Array2, Array3, ArrayView2, Axis};
use proptest::prelude::*;

const CLIPPED: i32 = 1 << 10;
const NO_DATA: i32 = 1 << 8;
const MASK_MAP: [(i32, i32); 2] = [(1, 1 << 11), (4, 1 << 12)];

#[derive(Debug, Clone, Copy, PartialEq)]
enum Weights {
    None,
    PerImage,
    Inverse,
}

#[derive(Debug, Clone)]
struct Case {
    cube: Cube,
    property: (&'static str, Property),
    weights: Weights,
    options: Options,
}

#[derive(Debug, Clone, PartialEq)]
struct Planes {
    image: Vec<u32>,
    mask: Vec<i32>,
    variance: Vec<u32>,
    n_point: Vec<u32>,
    n_clipped: Vec<u32>,
    weight_sum: Vec<u32>,
    totals: Diagnostics,
}

/// Bits of numbers; all NaN are one.
fn bits(plane: &Array2<f32>) -> Vec<u32> {
    plane
        .iter()
        .map(|x| {
            if x.is_nan() {
                f32::NAN.to_bits()
            } else {
                x.to_bits()
            }
        })
        .collect()
}

fn run(case: &Case) -> Planes {
    let cube = &case.cube;
    let image = Array3::from_shape_vec(cube.shape, cube.images.clone()).expect("shape");
    let mask = Array3::from_shape_vec(cube.shape, cube.masks.clone()).expect("shape");
    let variance = Array3::from_shape_vec(cube.shape, cube.variances.clone()).expect("shape");
    let images: Vec<ArrayView2<f32>> = image.axis_iter(Axis(0)).collect();
    let masks: Vec<ArrayView2<i32>> = mask.axis_iter(Axis(0)).collect();
    let variances: Vec<ArrayView2<f32>> = variance.axis_iter(Axis(0)).collect();
    let input = StackInput {
        images: &images,
        masks: Some(&masks),
        variances: Some(&variances),
        weighting: match case.weights {
            Weights::None => Weighting::None,
            Weights::PerImage => Weighting::PerImage(&cube.weights),
            Weights::Inverse => Weighting::InverseVariance,
        },
    };
    let shape = (cube.shape.1, cube.shape.2);
    let (mut image, mut variance) = (Array2::zeros(shape), Array2::zeros(shape));
    let (mut mask, mut weight_sum) = (Array2::zeros(shape), Array2::zeros(shape));
    let (mut n_point, mut n_clipped) = (Array2::zeros(shape), Array2::zeros(shape));
    let out = Outputs {
        image: image.view_mut(),
        mask: Some(mask.view_mut()),
        variance: Some(variance.view_mut()),
        n_point: Some(n_point.view_mut()),
        n_clipped: Some(n_clipped.view_mut()),
        weight_sum: Some(weight_sum.view_mut()),
    };
    let rules = MaskRules {
        clipped_bits: CLIPPED,
        mask_map: &MASK_MAP,
    };
    let totals = stack(&input, case.property.1, &case.options, &rules, out).expect("valid");
    Planes {
        image: bits(&image),
        mask: mask.into_iter().collect(),
        variance: bits(&variance),
        n_point: n_point.into_iter().collect(),
        n_clipped: n_clipped.into_iter().collect(),
        weight_sum: bits(&weight_sum),
        totals,
    }
}

/// The answer of the twin for pixel `at`.
fn expected(case: &Case, at: usize) -> twin::Answer {
    let (n, h, w) = case.cube.shape;
    let samples: Vec<twin::Sample> = (0..n)
        .map(|k| twin::Sample {
            x: f64::from(case.cube.images[k * h * w + at]),
            mask: case.cube.masks[k * h * w + at],
            w: if case.weights == Weights::PerImage {
                case.cube.weights[k]
            } else {
                1.0
            },
            v: f64::from(case.cube.variances[k * h * w + at]),
        })
        .collect();
    let options = twin::Options {
        sigma_clip: case.options.sigma_clip,
        n_iter: case.options.n_iter as usize,
        bad_bits: case.options.bad_bits,
        inverse: case.weights == Weights::Inverse,
        error_mode: match case.options.error_mode {
            ErrorMode::Scatter => 0,
            ErrorMode::InputVariance => 1,
            ErrorMode::Mosaic => 2,
        },
        thresholds: case.options.thresholds.clone(),
        mask_from_kept: case.options.mask_from_kept,
    };
    twin::evaluate(&samples, case.property.0, &options)
}

/// Equal after rounding to f32, or both NaN. Rounding in f64 may differ by what a division more or
/// less costs, which shows in f32 as one unit in the last place.
fn close(got: u32, want: f64) -> bool {
    let (got, want) = (f64::from(f32::from_bits(got)), want);
    got.is_nan() && want.is_nan()
        || got == f64::from(want as f32)
        || (got - want).abs() <= 1.2e-7 * want.abs() + 1e-8
}

fn compare(case: &Case) -> Result<(), TestCaseError> {
    let got = run(case);
    for at in 0..got.image.len() {
        let want = expected(case, at);
        let mut mask = if want.n_point == 0 {
            NO_DATA
        } else {
            want.or_mask
        };
        mask |= if want.n_clipped > 0 { CLIPPED } else { 0 };
        for (from, to) in MASK_MAP {
            mask |= if want.n_masked > 0 && want.any_mask & from != 0 {
                to
            } else {
                0
            };
        }
        prop_assert_eq!(got.n_point[at] as usize, want.n_point, "n_point at {}", at);
        prop_assert_eq!(
            got.n_clipped[at] as usize,
            want.n_clipped,
            "n_clipped at {}",
            at
        );
        prop_assert_eq!(got.mask[at], mask, "mask at {}", at);
        let value = f32::from_bits(got.image[at]);
        prop_assert!(
            close(got.image[at], want.value),
            "{} {:?} at {}",
            value,
            want,
            at
        );
        let variance = f32::from_bits(got.variance[at]);
        prop_assert!(
            close(got.variance[at], want.variance),
            "{} {:?} at {}",
            variance,
            want,
            at
        );
    }
    Ok(())
}

fn cases() -> impl Strategy<Value = Case> {
    let property = prop_oneof![
        Just(("MEAN", Property::MEAN)),
        Just(("MEDIAN", Property::MEDIAN)),
        Just(("MEANCLIP", Property::MEANCLIP)),
    ];
    let weights = prop_oneof![
        Just(Weights::None),
        Just(Weights::PerImage),
        Just(Weights::Inverse)
    ];
    let mode = prop_oneof![
        Just(ErrorMode::Scatter),
        Just(ErrorMode::InputVariance),
        Just(ErrorMode::Mosaic)
    ];
    let sigma = prop_oneof![Just(3.0), Just(1.5), Just(1.0), 0.5..4.0];
    (
        1..40_usize,
        0..4_usize,
        0..70_usize,
        any::<u64>(),
        any::<bool>(),
    )
        .prop_flat_map(move |(n, h, w, seed, thresholds)| {
            (
                property.clone(),
                weights.clone(),
                mode.clone(),
                sigma.clone(),
                1..5_u32,
            )
                .prop_map(
                    move |(property, weights, error_mode, sigma_clip, n_iter)| Case {
                        cube: Cube::nasty(n, h, w, seed),
                        property,
                        weights,
                        options: Options {
                            sigma_clip,
                            n_iter,
                            bad_bits: 1 | 2,
                            no_data_bits: NO_DATA,
                            error_mode,
                            thresholds: if thresholds {
                                vec![(0, 0.1), (3, 0.25)]
                            } else {
                                Vec::new()
                            },
                            ..Options::default()
                        },
                    },
                )
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn stacks_agree_with_the_formulas(case in cases()) {
        compare(&case)?;
    }

    #[test]
    fn masks_of_kept_samples_agree_with_the_formulas(mut case in cases()) {
        case.options.mask_from_kept = true;
        compare(&case)?;
    }
}

fn mean_of_clip(options: Options) -> (Case, Case) {
    let case = |property| Case {
        cube: Cube::nasty(17, 6, 300, 5),
        property,
        weights: Weights::PerImage,
        options: options.clone(),
    };
    (
        case(("MEAN", Property::MEAN)),
        case(("MEANCLIP", Property::MEANCLIP)),
    )
}

#[test]
fn mean_and_clipped_mean_are_the_same_bits_where_nothing_is_clipped() {
    let (mean, clip) = mean_of_clip(Options {
        bad_bits: 1,
        ..Options::default()
    });
    let (mean, clip) = (run(&mean), run(&clip));
    let mut same = 0;
    for at in 0..mean.image.len() {
        if clip.n_clipped[at] == 0 {
            assert_eq!(mean.image[at], clip.image[at]);
            assert_eq!(mean.variance[at], clip.variance[at]);
            same += 1;
        }
    }
    assert!(same > 100 && same < mean.image.len());
}

#[test]
fn levels_threads_and_the_general_path_give_the_same_bits() {
    for property in [
        ("MEAN", Property::MEAN),
        ("MEDIAN", Property::MEDIAN),
        ("MEANCLIP", Property::MEANCLIP),
    ] {
        for weights in [Weights::None, Weights::PerImage, Weights::Inverse] {
            let options = Options {
                bad_bits: 1,
                error_mode: ErrorMode::InputVariance,
                thresholds: vec![(3, 0.2)],
                ..Options::default()
            };
            let case = Case {
                cube: Cube::nasty(30, 40, 333, 3),
                property,
                weights,
                options,
            };
            set_level(Level::V4);
            set_num_threads(1);
            let want = run(&case);
            for level in Level::ALL {
                set_level(level);
                for threads in [1, 2, 5] {
                    set_num_threads(threads);
                    assert_eq!(run(&case), want, "{level:?} {threads} threads {property:?}");
                }
            }
        }
    }
    set_level(Level::V4);
    set_num_threads(0);
}

#[test]
fn narrow_and_wide_stacks_are_the_same_pixels() {
    // A pixel does not know its neighbours: the result of each column alone is the same.
    let case = Case {
        cube: Cube::nasty(9, 1, 70, 8),
        property: ("MEANCLIP", Property::MEANCLIP),
        weights: Weights::PerImage,
        options: Options {
            bad_bits: 1,
            ..Options::default()
        },
    };
    let whole = run(&case);
    for at in 0..70 {
        let mut one = case.clone();
        one.cube.shape = (9, 1, 1);
        one.cube.images = case
            .cube
            .images
            .iter()
            .skip(at)
            .step_by(70)
            .copied()
            .collect();
        one.cube.masks = case
            .cube
            .masks
            .iter()
            .skip(at)
            .step_by(70)
            .copied()
            .collect();
        one.cube.variances = case
            .cube
            .variances
            .iter()
            .skip(at)
            .step_by(70)
            .copied()
            .collect();
        let alone = run(&one);
        assert_eq!(alone.image[0], whole.image[at]);
        assert_eq!(alone.variance[0], whole.variance[at]);
        assert_eq!(alone.mask[0], whole.mask[at]);
    }
}
