// SPDX-License-Identifier: BSD-3-Clause
//! Random stacks of masked images.

use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

/// Planes of n images of h x w pixels, by images and rows.
#[derive(Debug, Clone)]
pub struct Cube {
    /// (n, h, w).
    pub shape: (usize, usize, usize),
    /// Pixels.
    pub images: Vec<f32>,
    /// Mask words.
    pub masks: Vec<i32>,
    /// Variances.
    pub variances: Vec<f32>,
    /// One weight per image.
    pub weights: Vec<f64>,
}

impl Cube {
    /// Noise of sigma 5 about 100, one sample in fifty masked (bit 0), nothing else amiss.
    pub fn clean(n: usize, h: usize, w: usize, seed: u64) -> Self {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        let size = n * h * w;
        // The sum of twelve uniform numbers has unit variance and is Gaussian enough.
        let mut noise = || (0..12).map(|_| rng.random::<f32>()).sum::<f32>() - 6.0;
        let images = (0..size).map(|_| 100.0 + 5.0 * noise()).collect();
        let masks = (0..size)
            .map(|_| i32::from(rng.random_ratio(1, 50)))
            .collect();
        let variances = (0..size).map(|_| rng.random_range(20.0..30.0)).collect();
        let weights = (0..n).map(|_| rng.random_range(0.5..1.5)).collect();
        Self {
            shape: (n, h, w),
            images,
            masks,
            variances,
            weights,
        }
    }

    /// Like [`Cube::clean`], with outliers, ties, NaN, infinities, several mask bits, bad variances
    /// and images of weight 0.
    pub fn nasty(n: usize, h: usize, w: usize, seed: u64) -> Self {
        let mut cube = Self::clean(n, h, w, seed);
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(!seed);
        for i in 0..cube.images.len() {
            let x = &mut cube.images[i];
            *x = match rng.random_range(0..24) {
                0 => f32::NAN,
                1 => f32::INFINITY,
                2 => f32::NEG_INFINITY,
                3 => 1e4,
                4 => -3e3,
                5..10 => x.round(),
                10 => 100.0,
                _ => *x,
            };
            cube.masks[i] = match rng.random_range(0..10) {
                0 => 1,
                1 => 2,
                2 => 4 | 8,
                3 => 1 | 8,
                _ => 0,
            };
            let v = &mut cube.variances[i];
            *v = match rng.random_range(0..30) {
                0 => 0.0,
                1 => -1.0,
                2 => f32::NAN,
                3 => f32::INFINITY,
                _ => *v,
            };
        }
        if n > 2 {
            cube.weights[n / 2] = 0.0;
        }
        cube
    }
}
