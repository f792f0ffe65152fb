// SPDX-License-Identifier: BSD-3-Clause
//! Stacks of images: properties, numbers of images, instruction sets.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use deepcoadd_core::par::set_num_threads;
use deepcoadd_core::simd::{Level, set_level};
use deepcoadd_core::stats::{
    ErrorMode, MaskRules, Options, Outputs, Property, StackInput, Weighting, stack,
};
use ndarray::{Array2, ArrayView2};
use rand::{Rng, SeedableRng};
use std::hint::black_box;

/// Side of the images: 200 of them with masks and variances are 39 MB.
const SIDE: usize = 128;

struct Cube {
    images: Vec<Array2<f32>>,
    masks: Vec<Array2<i32>>,
    variances: Vec<Array2<f32>>,
    weights: Vec<f64>,
}

impl Cube {
    /// Gaussian-like noise (sum of uniform numbers), one sample in fifty masked.
    fn random(n: usize) -> Self {
        let mut rng = rand_xoshiro::Xoshiro256PlusPlus::seed_from_u64(n as u64);
        let shape = (SIDE, SIDE);
        let mut cube = Self {
            images: Vec::new(),
            masks: Vec::new(),
            variances: Vec::new(),
            weights: Vec::new(),
        };
        for _ in 0..n {
            let noise = |rng: &mut rand_xoshiro::Xoshiro256PlusPlus| -> f32 {
                (0..6).map(|_| rng.random_range(-5.0..5.0_f32)).sum()
            };
            cube.images
                .push(Array2::from_shape_fn(shape, |_| 100.0 + noise(&mut rng)));
            cube.masks.push(Array2::from_shape_fn(shape, |_| {
                i32::from(rng.random_ratio(1, 50))
            }));
            cube.variances.push(Array2::from_shape_fn(shape, |_| {
                rng.random_range(20.0..30.0)
            }));
            cube.weights.push(rng.random_range(0.5..1.5));
        }
        cube
    }

    fn stack(&self, property: Property, weighted: bool) {
        let images: Vec<_> = self.images.iter().map(|a| a.view()).collect();
        let masks: Vec<_> = self.masks.iter().map(|a| a.view()).collect();
        let variances: Vec<ArrayView2<f32>> = self.variances.iter().map(|a| a.view()).collect();
        let input = StackInput {
            images: &images,
            masks: Some(&masks),
            variances: Some(&variances),
            weighting: if weighted {
                Weighting::PerImage(&self.weights)
            } else {
                Weighting::None
            },
        };
        let options = Options {
            bad_bits: 1,
            error_mode: ErrorMode::InputVariance,
            ..Options::default()
        };
        let mut image = Array2::zeros((SIDE, SIDE));
        let mut mask = Array2::zeros((SIDE, SIDE));
        let mut variance = Array2::zeros((SIDE, SIDE));
        let out = Outputs {
            image: image.view_mut(),
            mask: Some(mask.view_mut()),
            variance: Some(variance.view_mut()),
            n_point: None,
            n_clipped: None,
            weight_sum: None,
        };
        let done = stack(&input, property, &options, &MaskRules::default(), out);
        black_box(done.expect("the request is valid"));
    }
}

fn properties(c: &mut Criterion) {
    let cube = Cube::random(30);
    set_num_threads(1);
    for level in Level::ALL {
        let mut group = c.benchmark_group(format!("stack/{level:?}"));
        group.throughput(Throughput::Elements((30 * SIDE * SIDE) as u64));
        let cases = [
            ("mean", Property::MEAN, false),
            ("median", Property::MEDIAN, false),
            ("meanclip", Property::MEANCLIP, false),
            ("meanclip_weighted", Property::MEANCLIP, true),
        ];
        for (name, property, weighted) in cases {
            if set_level(level) == level {
                group.bench_function(name, |b| b.iter(|| cube.stack(property, weighted)));
            }
        }
    }
}

fn depths(c: &mut Criterion) {
    set_num_threads(1);
    set_level(Level::V4);
    for (name, property) in [("mean", Property::MEAN), ("meanclip", Property::MEANCLIP)] {
        let mut group = c.benchmark_group(format!("stack/{name}/images"));
        for n in [8, 30, 50, 100, 200] {
            let cube = Cube::random(n);
            group.throughput(Throughput::Elements((n * SIDE * SIDE) as u64));
            let id = BenchmarkId::from_parameter(n);
            group.bench_with_input(id, &cube, |b, q| b.iter(|| q.stack(property, true)));
        }
    }
}

criterion_group!(benches, properties, depths);
criterion_main!(benches);
