// SPDX-License-Identifier: BSD-3-Clause
//! Pixel sets and footprints of a 4096 x 4096 image with 5000 blobs.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use deepcoadd_core::simd::{Level, set_level};
use deepcoadd_core::spans::{Connectivity, Limit, Scene, SpanSet, Stencil, Threshold, search};
use deepcoadd_twin::spans::blobs;
use ndarray::Array2;
use std::hint::black_box;

const SIDE: usize = 4096;

fn mask() -> Array2<i32> {
    let flags = blobs(SIDE, SIDE, 5000, 0).into_iter().map(i32::from);
    Array2::from_shape_vec((SIDE, SIDE), flags.collect()).expect("SIDE^2 flags")
}

fn disc(radius: i64) -> SpanSet {
    SpanSet::from_stencil(radius, Stencil::Circle, 0, 0).expect("small")
}

fn pixels(c: &mut Criterion) {
    let mask = mask();
    let image = mask.mapv(|m| m as f32);
    let variance = Array2::from_elem(image.dim(), 1.0_f32);
    let mut g = c.benchmark_group("spans/pixels");
    g.throughput(Throughput::Elements((SIDE * SIDE) as u64));
    for level in Level::ALL {
        set_level(level);
        let id = |name: &str| BenchmarkId::new(name.to_string(), format!("{level:?}"));
        g.bench_function(id("from_mask"), |b| {
            b.iter(|| SpanSet::from_mask(black_box(mask.view()), 1, (0, 0)));
        });
        for limit in [Limit::Value, Limit::PixelStdev] {
            let threshold = Threshold {
                value: 0.5,
                limit,
                negative: false,
                include_multiplier: 1.0,
            };
            let scene = Scene {
                image: image.view(),
                variance: Some(variance.view()),
                start: (0, 0),
            };
            g.bench_function(id(&format!("search_{limit:?}")), |b| {
                b.iter(|| search(black_box(&scene), &threshold, 1, false));
            });
        }
    }
    g.finish();
}

fn runs(c: &mut Criterion) {
    let mask = mask();
    let set = SpanSet::from_mask(mask.view(), 1, (0, 0)).expect("small");
    let other = set.shifted(3, 2).expect("in range");
    let mut g = c.benchmark_group("spans/runs");
    g.throughput(Throughput::Elements(set.spans().len() as u64));
    for radius in [3, 5, 10] {
        let element = disc(radius);
        g.bench_with_input(
            BenchmarkId::new("dilated", radius),
            &element,
            |b, element| {
                b.iter(|| black_box(&set).dilated(element));
            },
        );
    }
    let cross = disc(1);
    g.bench_function("eroded", |b| b.iter(|| black_box(&set).eroded(&cross)));
    g.bench_function("split", |b| {
        b.iter(|| black_box(&set).split(Connectivity::Four));
    });
    g.bench_function("union", |b| b.iter(|| black_box(&set).union(&other)));
    g.bench_function("intersection", |b| {
        b.iter(|| black_box(&set).intersection(&other));
    });
    g.finish();
}

criterion_group!(benches, pixels, runs);
criterion_main!(benches);
