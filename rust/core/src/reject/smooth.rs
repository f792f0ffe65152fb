// SPDX-License-Identifier: BSD-3-Clause
//! Smoothing of planes by Gaussians, tile by tile.
//!
//! Sums are f32, unlike those of `convolve`: they decide whether light is significant, to which
//! the sixth digit does not matter, and this is where most of the time goes. Their order is fixed.

use super::plane::Shape;
use crate::convolve::gaussian_taps;
use crate::error::Result;
use crate::simd::dispatch;

/// Gaussians are cut at this many sigma.
const CUT: f64 = 3.5;
/// Pixels of a tile.
const ROWS: usize = 64;
const COLUMNS: usize = 128;
/// Columns that are summed side by side.
const LANES: usize = 32;
/// A mean needs this share of its weights on tested pixels.
const COVERAGE: f32 = 0.3;

/// What lies outside of a plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outside {
    /// The nearest pixel, again.
    Nearest,
    /// Zeros.
    Zero,
}

/// Taps of a Gaussian of sum 1 from its middle on.
fn half_taps(sigma: f64) -> Result<Vec<f32>> {
    let radius = (CUT * sigma + 0.5) as usize;
    let taps = gaussian_taps(sigma, 2 * radius + 1)?;
    Ok(taps[radius..].iter().map(|&tap| tap as f32).collect())
}

#[inline(always)]
fn sum_body(source: &[f32], step: usize, taps: &[f32], out: &mut [f32]) {
    let middle = (taps.len() - 1) * step;
    let (chunks, _) = out.as_chunks_mut::<LANES>();
    let mut at = middle;
    for chunk in chunks {
        let mut sums = [0.0; LANES];
        if let Some(here) = source.get(at..)
            && let Some(here) = here.first_chunk::<LANES>()
        {
            for l in 0..LANES {
                sums[l] = taps[0] * here[l];
            }
        }
        for (k, &tap) in taps.iter().enumerate().skip(1) {
            if let Some(before) = source.get(at - k * step..)
                && let Some(before) = before.first_chunk::<LANES>()
                && let Some(after) = source.get(at + k * step..)
                && let Some(after) = after.first_chunk::<LANES>()
            {
                for l in 0..LANES {
                    sums[l] += tap * (before[l] + after[l]);
                }
            }
        }
        *chunk = sums;
        at += LANES;
    }
}

dispatch! {
    /// `out[i]` = sum over k of the taps times `source[i + (r + k) step]` and `[i + (r - k) step]`,
    /// r the last k.
    fn sum(source: &[f32], step: usize, taps: &[f32], out: &mut [f32]) = sum_body;
}

#[inline(always)]
fn hold_body(line: &mut [f32], most: f32) {
    for value in line {
        let x = if *value < -most { -most } else { *value };
        *value = if x > most { most } else { x };
    }
}

dispatch! {
    fn hold(line: &mut [f32], most: f32) = hold_body;
}

#[inline(always)]
fn count_lacking_body(line: &[f32]) -> u32 {
    let mut count = 0;
    for &value in line {
        count += u32::from(value < 1.0);
    }
    count
}

dispatch! {
    fn count_lacking(line: &[f32]) -> u32 = count_lacking_body;
}

#[inline(always)]
fn divide_body(sums: &mut [f32], shares: &[f32], factor: f32) {
    let n = sums.len();
    let shares = &shares[..n];
    for i in 0..n {
        let share = shares[i] * factor;
        let mean = sums[i] / share;
        sums[i] = if share > COVERAGE { mean } else { f32::NAN };
    }
}

dispatch! {
    /// Sums over shares of the weights; NaN where these are too small.
    fn divide(sums: &mut [f32], shares: &[f32], factor: f32) = divide_body;
}

/// One tile of a plane, and memory for it.
struct Tile {
    shape: Shape,
    taps: Vec<f32>,
    outside: Outside,
    /// Values are held within this of 0.
    most: f32,
    line: Vec<f32>,
    /// Rows of the tile, filtered along x, with those above and below.
    rows: Vec<f32>,
    row: Vec<f32>,
}

impl Tile {
    fn new(shape: Shape, sigma: f64, outside: Outside, most: f32) -> Result<Self> {
        let taps = half_taps(sigma)?;
        let r = taps.len() - 1;
        Ok(Self {
            shape,
            line: vec![0.0; COLUMNS + 2 * r],
            rows: vec![0.0; (ROWS + 2 * r) * COLUMNS],
            row: vec![0.0; COLUMNS],
            taps,
            outside,
            most,
        })
    }

    fn radius(&self) -> usize {
        self.taps.len() - 1
    }

    /// Fills the line with columns from `x - r` on of a row of the plane.
    fn fill(&mut self, row: &[f32], x: usize) {
        let (r, nx) = (self.radius(), self.shape.nx);
        let (first, last) = (x.saturating_sub(r), (x + COLUMNS + r).min(nx));
        let before = (r - (x - first)).min(self.line.len());
        let after = before + (last - first);
        let (left, right) = match self.outside {
            Outside::Nearest => (row[0], row[nx - 1]),
            Outside::Zero => (0.0, 0.0),
        };
        self.line[..before].fill(left);
        self.line[before..after].copy_from_slice(&row[first..last]);
        self.line[after..].fill(right);
        if self.most < f32::INFINITY {
            hold(&mut self.line, self.most);
        }
    }

    /// Smooths the tile that begins at (y, x), `size` rows and columns of it.
    fn smooth(
        &mut self,
        plane: &[f32],
        (y, x): (usize, usize),
        size: (usize, usize),
        out: &mut [f32],
    ) {
        let (r, Shape { ny, nx }) = (self.radius(), self.shape);
        for k in 0..size.0 + 2 * r {
            let inside = (r..r + ny).contains(&(y + k));
            let to = k * COLUMNS..(k + 1) * COLUMNS;
            if !inside && self.outside == Outside::Zero {
                self.rows[to].fill(0.0);
                continue;
            }
            let from = (y + k).saturating_sub(r).min(ny - 1) * nx;
            self.fill(&plane[from..from + nx], x);
            sum(&self.line, 1, &self.taps, &mut self.rows[to]);
        }
        for k in 0..size.0 {
            let window = &self.rows[k * COLUMNS..(k + 1 + 2 * r) * COLUMNS];
            sum(window, COLUMNS, &self.taps, &mut self.row);
            let to = (y + k) * nx + x;
            out[to..to + size.1].copy_from_slice(&self.row[..size.1]);
        }
    }

    /// Whether any pixel within the kernel of a tile is below 1.
    fn lacks(&self, (y, x): (usize, usize), size: (usize, usize), plane: &[f32]) -> bool {
        let (r, Shape { ny, nx }) = (self.radius(), self.shape);
        let columns = x.saturating_sub(r)..(x + size.1 + r).min(nx);
        let mut rows = y.saturating_sub(r)..(y + size.0 + r).min(ny);
        rows.any(|v| count_lacking(&plane[v * nx..(v + 1) * nx][columns.clone()]) > 0)
    }
}

/// Begins and sizes of the tiles.
fn tiles(shape: Shape) -> impl Iterator<Item = ((usize, usize), (usize, usize))> {
    let rows = (0..shape.ny).step_by(ROWS);
    rows.flat_map(move |y| {
        let columns = (0..shape.nx).step_by(COLUMNS);
        columns.map(move |x| ((y, x), (ROWS.min(shape.ny - y), COLUMNS.min(shape.nx - x))))
    })
}

/// Smooths a plane by a Gaussian of `sigma` pixels, cut at 3.5 sigma and of sum 1.
pub(super) fn gauss(plane: &[f32], shape: Shape, sigma: f64, outside: Outside) -> Result<Vec<f32>> {
    let mut out = vec![0.0; plane.len()];
    let mut tile = Tile::new(shape, sigma, outside, f32::INFINITY)?;
    for (start, size) in tiles(shape) {
        tile.smooth(plane, start, size, &mut out);
    }
    Ok(out)
}

/// Weights of a Gaussian that lie inside an axis, for every pixel of it.
fn inside_weights(length: usize, taps: &[f32]) -> Vec<f32> {
    let at = |p: usize| {
        let mut sum = taps[0];
        for (k, &tap) in taps.iter().enumerate().skip(1) {
            sum += if p >= k { tap } else { 0.0 };
            sum += if p + k < length { tap } else { 0.0 };
        }
        sum
    };
    (0..length).map(at).collect()
}

#[inline(always)]
fn halve_body(
    [above, below]: [&[f32]; 2],
    [above_ok, below_ok]: [&[f32]; 2],
    most: f32,
    (square, share): (&mut [f32], &mut [f32]),
) {
    let n = above.len() / 2;
    let (above, below) = (&above[..2 * n], &below[..2 * n]);
    let (above_ok, below_ok) = (&above_ok[..2 * n], &below_ok[..2 * n]);
    let (square, share) = (&mut square[..n], &mut share[..n]);
    for i in 0..n {
        let mut sum = 0.0;
        for x in [
            above[2 * i],
            above[2 * i + 1],
            below[2 * i],
            below[2 * i + 1],
        ] {
            let low = if x < -most { -most } else { x };
            sum += if low > most { most } else { low };
        }
        square[i] = 0.25 * sum;
        let first = above_ok[2 * i] + above_ok[2 * i + 1];
        share[i] = 0.25 * (first + (below_ok[2 * i] + below_ok[2 * i + 1]));
    }
}

dispatch! {
    fn halve(rows: [&[f32]; 2], tested: [&[f32]; 2], most: f32, out: (&mut [f32], &mut [f32]))
    = halve_body;
}

/// Quarter of the sums of squares of 2 x 2 pixels, of a plane that is 0 where it is not tested,
/// each pixel held to `most` either way, and of the tested pixels; what lies outside is not tested.
/// Returns the shape of the two new planes.
pub(super) fn halved(
    (plane, tested): (&[f32], &[f32]),
    shape: Shape,
    most: f32,
    (square, share): (&mut Vec<f32>, &mut Vec<f32>),
) -> Shape {
    let Shape { ny, nx } = shape;
    let half = Shape {
        ny: ny.div_ceil(2),
        nx: nx.div_ceil(2),
    };
    square.resize(half.area(), 0.0);
    share.resize(half.area(), 0.0);
    // One column more than there may be, and a row for the one after the last.
    let nothing = vec![0.0; 2 * half.nx];
    let mut lines = [const { Vec::new() }; 4];
    for y in 0..half.ny {
        for (line, (source, row)) in lines.iter_mut().zip([
            (plane, 2 * y),
            (plane, 2 * y + 1),
            (tested, 2 * y),
            (tested, 2 * y + 1),
        ]) {
            line.clone_from(&nothing);
            if row < ny {
                line[..nx].copy_from_slice(&source[row * nx..(row + 1) * nx]);
            }
        }
        let [a, b, c, d] = &lines;
        let here = y * half.nx..(y + 1) * half.nx;
        let out = (&mut square[here.clone()], &mut share[here]);
        halve([a, b], [c, d], most, out);
    }
    half
}

/// Gaussian mean of the tested pixels (1, others 0, or the share of them) of a plane that is 0 at
/// others, each held to `most` either way; NaN where less than 0.3 of the weights are on tested pixels. `out` and
/// `cover`, which is memory, have the length of the plane at least.
pub(super) fn tested_mean(
    (plane, tested): (&[f32], &[f32]),
    shape: Shape,
    (sigma, most): (f64, f32),
    out: &mut [f32],
    cover: &mut [f32],
) -> Result<()> {
    let mut tile = Tile::new(shape, sigma, Outside::Zero, most)?;
    let rows = inside_weights(shape.ny, &tile.taps);
    let columns = inside_weights(shape.nx, &tile.taps);
    for ((y, x), size) in tiles(shape) {
        tile.smooth(plane, (y, x), size, out);
        let lacks = tile.lacks((y, x), size, tested);
        if lacks {
            tile.most = f32::INFINITY;
            tile.smooth(tested, (y, x), size, cover);
            tile.most = most;
        }
        for (v, &row) in rows.iter().enumerate().skip(y).take(size.0) {
            let here = v * shape.nx + x..v * shape.nx + x + size.1;
            let (shares, factor) = if lacks {
                (&cover[here.clone()], 1.0)
            } else {
                (&columns[x..x + size.1], row)
            };
            divide(&mut out[here], shares, factor);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the formula says, in f64.
    fn plain(plane: &[f32], shape: Shape, sigma: f64, outside: Outside) -> Vec<f64> {
        let taps = half_taps(sigma).expect("valid");
        let r = taps.len() as isize - 1;
        let (ny, nx) = (shape.ny as isize, shape.nx as isize);
        let at = |y: isize, x: isize| {
            let inside = (0..ny).contains(&y) && (0..nx).contains(&x);
            if !inside && outside == Outside::Zero {
                return 0.0;
            }
            f64::from(plane[(y.clamp(0, ny - 1) * nx + x.clamp(0, nx - 1)) as usize])
        };
        let tap = |k: isize| f64::from(taps[k.unsigned_abs()]);
        let mut out = Vec::new();
        for y in 0..ny {
            for x in 0..nx {
                let each = (-r..=r).flat_map(|v| (-r..=r).map(move |u| (v, u)));
                out.push(each.map(|(v, u)| tap(v) * tap(u) * at(y + v, x + u)).sum());
            }
        }
        out
    }

    fn noise(area: usize) -> Vec<f32> {
        (0..area)
            .map(|p| ((p * 7919 + 13) % 1009) as f32 / 100.0 - 5.0)
            .collect()
    }

    #[test]
    fn planes_of_all_sizes_are_smoothed() {
        for (ny, nx) in [(1, 1), (3, 2), (65, 40), (20, 129), (70, 300)] {
            let shape = Shape { ny, nx };
            let plane = noise(ny * nx);
            for outside in [Outside::Nearest, Outside::Zero] {
                let got = gauss(&plane, shape, 1.3, outside).expect("valid");
                for (got, want) in got.iter().zip(plain(&plane, shape, 1.3, outside)) {
                    assert!(
                        (f64::from(*got) - want).abs() < 1e-5,
                        "{ny} {nx} {outside:?}"
                    );
                }
            }
        }
        assert!(gauss(&[], Shape { ny: 0, nx: 0 }, 2.0, Outside::Nearest).is_ok());
    }

    #[test]
    fn a_mean_over_tested_pixels() {
        let shape = Shape { ny: 130, nx: 150 };
        let mut tested = vec![1.0; shape.area()];
        for p in (0..shape.area()).filter(|p| p % 150 > 120 && p / 150 < 40) {
            tested[p] = 0.0;
        }
        let values: Vec<f32> = noise(shape.area())
            .iter()
            .zip(&tested)
            .map(|(a, b)| a * b)
            .collect();
        let held: Vec<f32> = values.iter().map(|x| x.clamp(-2.5, 2.5)).collect();
        let (mut got, mut memory) = (values.clone(), values.clone());
        tested_mean((&values, &tested), shape, (2.0, 2.5), &mut got, &mut memory).expect("valid");
        let sums = plain(&held, shape, 2.0, Outside::Zero);
        let weights = plain(&tested, shape, 2.0, Outside::Zero);
        for (got, (sum, weight)) in got.iter().zip(sums.iter().zip(&weights)) {
            if (weight - 0.3).abs() < 1e-4 {
                continue;
            }
            let want = if *weight > 0.3 {
                sum / weight
            } else {
                f64::NAN
            };
            assert!((f64::from(*got) - want).abs() < 1e-5 || got.is_nan() && want.is_nan());
        }
    }

    #[test]
    fn squares_of_two_by_two_pixels() {
        let (plane, tested) = (
            [1.0, 9.0, -3.0, 0.5, 0.0, 2.0],
            [1.0, 1.0, 1.0, 1.0, 0.0, 1.0],
        );
        let shape = Shape { ny: 2, nx: 3 };
        let (mut square, mut share) = (Vec::new(), vec![5.0; 9]);
        let half = halved((&plane, &tested), shape, 2.0, (&mut square, &mut share));
        assert_eq!(half, Shape { ny: 1, nx: 2 });
        assert_eq!(square, [0.25 * 3.5, 0.0]);
        assert_eq!(share[..2], [0.75, 0.5]);
        let tall = Shape { ny: 3, nx: 2 };
        let half = halved((&plane, &tested), tall, 2.0, (&mut square, &mut share));
        assert_eq!(half, Shape { ny: 2, nx: 1 });
        assert_eq!(square[..2], [0.25 * 1.5, 0.5]);
    }

    #[test]
    fn levels_give_the_same_bits() {
        use crate::simd::{Level, set_level};
        let shape = Shape { ny: 90, nx: 140 };
        let plane = noise(shape.area());
        set_level(Level::V2);
        let want = gauss(&plane, shape, 2.2, Outside::Nearest);
        for level in Level::ALL {
            set_level(level);
            assert_eq!(gauss(&plane, shape, 2.2, Outside::Nearest), want);
        }
    }
}
