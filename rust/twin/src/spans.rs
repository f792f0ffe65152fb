// SPDX-License-Identifier: BSD-3-Clause
//! Pixel sets as ordered sets of (y, x), each operation written as its definition.

use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use std::collections::BTreeSet;

/// A pixel (y, x).
pub type Pixel = (i32, i32);

/// A set of pixels.
pub type Pixels = BTreeSet<Pixel>;

/// Runs (y, x0, x1), both ends inclusive, of a set.
pub fn runs(set: &Pixels) -> Vec<(i32, i32, i32)> {
    let mut out: Vec<(i32, i32, i32)> = Vec::new();
    for &(y, x) in set {
        match out.last_mut() {
            Some(run) if run.0 == y && run.2 + 1 == x => run.2 = x,
            _ => out.push((y, x, x)),
        }
    }
    out
}

/// Sums of every pixel of `set` and every pixel of `element`.
pub fn dilated(set: &Pixels, element: &Pixels) -> Pixels {
    let sums = |&(y, x): &Pixel| element.iter().map(move |&(dy, dx)| (y + dy, x + dx));
    set.iter().flat_map(sums).collect()
}

/// Pixels p for which p + `element` lies in `set`.
pub fn eroded(set: &Pixels, element: &Pixels) -> Pixels {
    let Some(&(ey, ex)) = element.first() else {
        return set.clone();
    };
    let candidates = set.iter().map(|&(y, x)| (y - ey, x - ex));
    let fits = |&(y, x): &Pixel| {
        let mut moved = element.iter().map(|&(dy, dx)| (y + dy, x + dx));
        moved.all(|pixel| set.contains(&pixel))
    };
    candidates.filter(fits).collect()
}

/// Connected components by first pixel; `corners` says whether pixels touch there.
pub fn components(set: &Pixels, corners: bool) -> Vec<Pixels> {
    let mut left = set.clone();
    let mut parts = Vec::new();
    while let Some(seed) = left.pop_first() {
        let (mut part, mut queue) = (Pixels::from([seed]), vec![seed]);
        while let Some((y, x)) = queue.pop() {
            for (dy, dx) in (-1..=1).flat_map(|dy| (-1..=1).map(move |dx| (dy, dx))) {
                let next = (y + dy, x + dx);
                if (corners || dy == 0 || dx == 0) && left.remove(&next) {
                    part.insert(next);
                    queue.push(next);
                }
            }
        }
        parts.push(part);
    }
    parts
}

/// Pixels of a disc.
pub fn disc(radius: i32) -> Pixels {
    let square = (-radius..=radius).flat_map(|y| (-radius..=radius).map(move |x| (y, x)));
    square
        .filter(|(y, x)| y * y + x * x <= radius * radius)
        .collect()
}

/// Pixels with `sign * x >= limit` of an image whose first pixel is `start`; of `width` columns.
pub fn passing(image: &[f32], width: usize, start: Pixel, sign: f64, limit: f64) -> Pixels {
    let at = |k: usize| (start.0 + (k / width) as i32, start.1 + (k % width) as i32);
    let pixels = image.iter().enumerate();
    let above = pixels.filter(|&(_, &x)| sign * f64::from(x) >= limit);
    above.map(|(k, _)| at(k)).collect()
}

/// Each pixel of a rectangle with some probability.
pub fn random_pixels(height: i32, width: i32, start: Pixel, density: f64, seed: u64) -> Pixels {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut set = Pixels::new();
    for y in 0..height {
        for x in 0..width {
            if rng.random_bool(density) {
                set.insert((start.0 + y, start.1 + x));
            }
        }
    }
    set
}

/// Flags of an image with discs of radius 2 to 7 at random places.
pub fn blobs(height: usize, width: usize, n: usize, seed: u64) -> Vec<bool> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut flags = vec![false; height * width];
    for _ in 0..n {
        let (cy, cx) = (rng.random_range(0..height), rng.random_range(0..width));
        for (dy, dx) in disc(rng.random_range(2..=7)) {
            let (y, x) = (cy as i64 + i64::from(dy), cx as i64 + i64::from(dx));
            if (0..height as i64).contains(&y) && (0..width as i64).contains(&x) {
                flags[y as usize * width + x as usize] = true;
            }
        }
    }
    flags
}

/// Uniform values between -3 and 3, one in fifty NaN.
pub fn random_values(n: usize, seed: u64) -> Vec<f32> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let value = |_| {
        let x = rng.random_range(-3.0..3.0);
        if rng.random_ratio(1, 50) { f32::NAN } else { x }
    };
    (0..n).map(value).collect()
}
