// SPDX-License-Identifier: BSD-3-Clause
//! Separable smoothing of masked images: instruction sets and kernel widths.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use deepcoadd_core::convolve::{Planes, PlanesMut, gaussian};
use deepcoadd_core::par::set_num_threads;
use deepcoadd_core::simd::{Level, set_level};
use ndarray::Array2;
use rand::{Rng, SeedableRng};

const SIDE: usize = 1024;

struct Scene {
    image: Array2<f32>,
    mask: Array2<i32>,
    variance: Array2<f32>,
}

impl Scene {
    fn random() -> Self {
        let mut rng = rand_xoshiro::Xoshiro256PlusPlus::seed_from_u64(7);
        let shape = (SIDE, SIDE);
        Self {
            image: Array2::from_shape_fn(shape, |_| rng.random_range(-5.0..5.0)),
            mask: Array2::from_shape_fn(shape, |_| i32::from(rng.random_ratio(1, 50))),
            variance: Array2::from_shape_fn(shape, |_| rng.random_range(20.0..30.0)),
        }
    }

    fn smooth(&self, width: usize, out: &mut Self) {
        let input = Planes {
            image: self.image.view(),
            mask: Some(self.mask.view()),
            variance: Some(self.variance.view()),
        };
        let inside = SIDE + 1 - width;
        let cut = ndarray::s![..inside, ..inside];
        let to = PlanesMut {
            image: out.image.slice_mut(cut),
            mask: Some(out.mask.slice_mut(cut)),
            variance: Some(out.variance.slice_mut(cut)),
        };
        gaussian(&input, width as f64 / 7.0, width, to).expect("the request is valid");
    }
}

fn levels(c: &mut Criterion) {
    let scene = Scene::random();
    let mut out = Scene::random();
    set_num_threads(1);
    let mut group = c.benchmark_group("smooth/21");
    group.throughput(Throughput::Elements((SIDE * SIDE) as u64));
    for level in Level::ALL {
        if set_level(level) == level {
            group.bench_function(format!("{level:?}"), |b| {
                b.iter(|| scene.smooth(21, &mut out));
            });
        }
    }
}

fn widths(c: &mut Criterion) {
    let scene = Scene::random();
    let mut out = Scene::random();
    set_num_threads(1);
    set_level(Level::V4);
    let mut group = c.benchmark_group("smooth/width");
    group.throughput(Throughput::Elements((SIDE * SIDE) as u64));
    for width in [5, 15, 23, 51] {
        group.bench_with_input(BenchmarkId::from_parameter(width), &width, |b, &n| {
            b.iter(|| scene.smooth(n, &mut out));
        });
    }
}

criterion_group!(benches, levels, widths);
criterion_main!(benches);
