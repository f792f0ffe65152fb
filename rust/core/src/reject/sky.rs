// SPDX-License-Identifier: BSD-3-Clause
//! Sky offset of a visit: medians of square cells, smoothed, held near a plane.

use super::plane::{Shape, median};
use crate::linalg::solve_square;

/// A mesh cell needs this share of its pixels.
const LEAST: f64 = 0.1;
/// Cells that a plane needs, and rounds of its fit.
const FEWEST: usize = 12;
const ROUNDS: usize = 20;

/// Edges of about equal parts of about `size` pixels.
fn edges(length: usize, size: usize) -> Vec<usize> {
    let n = (length / size).max(1);
    (0..=n).map(|k| k * length / n).collect()
}

/// Smooth surface of `values` where `usable`, at every pixel: medians of cells of `size` pixels, of
/// 5 x 5 cells, linear between the centres. It stays within `most` of a plane that most
/// cells lie near, so that light of some extent is not taken for sky.
pub(super) fn surface(
    values: &[f32],
    usable: impl Fn(usize) -> bool,
    shape: Shape,
    size: usize,
    most: f64,
) -> Vec<f32> {
    let (ey, ex) = (edges(shape.ny, size), edges(shape.nx, size));
    let (gy, gx) = (ey.len() - 1, ex.len() - 1);
    let mut levels = vec![f64::NAN; gy * gx];
    let mut samples = Vec::with_capacity(4 * size * size);
    for (j, rows) in ey.windows(2).enumerate() {
        for (i, columns) in ex.windows(2).enumerate() {
            samples.clear();
            for y in rows[0]..rows[1] {
                let row = y * shape.nx + columns[0]..y * shape.nx + columns[1];
                let some = row.filter(|&p| usable(p));
                samples.extend(some.map(|p| f64::from(values[p])));
            }
            if !samples.is_empty() && samples.len() as f64 >= LEAST * (size * size) as f64 {
                levels[j * gx + i] = median(&mut samples);
            }
        }
    }
    let (cy, cx) = (centers(&ey, shape.ny), centers(&ex, shape.nx));
    let tilt = tilt(&levels, (&cy, &cx), most);
    let rise = |k: usize| tilt.0 * cy[k / gx] + tilt.1 * cx[k % gx];
    for (k, level) in levels.iter_mut().enumerate() {
        *level -= rise(k);
    }
    let mut out = rendered(&smoothed(&levels, gy, gx, most), &ey, &ex, shape);
    let along = |p: usize, length: usize| (2 * p + 1) as f64 / length as f64 - 1.0;
    for (p, value) in out.iter_mut().enumerate() {
        let (y, x) = (p / shape.nx, p % shape.nx);
        *value += (tilt.0 * along(y, shape.ny) + tilt.1 * along(x, shape.nx)) as f32;
    }
    out
}

/// Middles of the parts, from -1 to 1.
fn centers(edges: &[usize], length: usize) -> Vec<f64> {
    let middle = |w: &[usize]| (w[0] + w[1]) as f64 / length.max(1) as f64 - 1.0;
    edges.windows(2).map(middle).collect()
}

/// Slopes along y and x of a plane through the known levels; those that are off by more than `most`
/// hardly count, whatever light is on them.
fn tilt(levels: &[f64], (cy, cx): (&[f64], &[f64]), most: f64) -> (f64, f64) {
    let known: Vec<([f64; 3], f64)> = levels
        .iter()
        .enumerate()
        .filter(|(_, level)| level.is_finite())
        .map(|(k, &level)| ([1.0, cy[k / cx.len()], cx[k % cx.len()]], level))
        .collect();
    if known.len() < FEWEST {
        return (0.0, 0.0);
    }
    let mut values: Vec<f64> = known.iter().map(|&(_, level)| level).collect();
    let mut plane = [median(&mut values), 0.0, 0.0];
    for _ in 0..ROUNDS {
        let (mut matrix, mut right) = ([0.0; 9], [0.0; 3]);
        for (terms, level) in &known {
            let said: f64 = terms.iter().zip(&plane).map(|(t, c)| t * c).sum();
            let far = (level - said) / most.max(f64::MIN_POSITIVE);
            let weight = (1.0 + far * far).powi(-2);
            for i in 0..3 {
                right[i] += weight * terms[i] * level;
                for j in 0..3 {
                    matrix[3 * i + j] += weight * terms[i] * terms[j];
                }
            }
        }
        if solve_square(&matrix, &mut right, 3).is_err() {
            return (0.0, 0.0);
        }
        plane = right;
    }
    (plane[1], plane[2])
}

/// Median of the 5 x 5 levels around each, held within `most` of the median of these.
fn smoothed(levels: &[f64], gy: usize, gx: usize, most: f64) -> Vec<f64> {
    let mut out = vec![f64::NAN; levels.len()];
    let mut near = Vec::with_capacity(25);
    for j in 0..gy {
        for i in 0..gx {
            near.clear();
            for v in j.saturating_sub(2)..=(j + 2).min(gy - 1) {
                for u in i.saturating_sub(2)..=(i + 2).min(gx - 1) {
                    if levels[v * gx + u].is_finite() {
                        near.push(levels[v * gx + u]);
                    }
                }
            }
            out[j * gx + i] = median(&mut near);
        }
    }
    let mut known: Vec<f64> = out.iter().copied().filter(|x| x.is_finite()).collect();
    let middle = median(&mut known);
    if !middle.is_finite() {
        return vec![0.0; levels.len()];
    }
    let held = out.iter().map(|&x| if x.is_finite() { x } else { middle });
    held.map(|x| x.clamp(middle - most, middle + most))
        .collect()
}

/// Cell before each pixel, and the share of the one after it.
fn positions(edges: &[usize], length: usize) -> Vec<(usize, f64)> {
    let center = |k: usize| 0.5 * (edges[k] + edges[k + 1]) as f64;
    let last = edges.len() - 2;
    let mut k = 0;
    (0..length)
        .map(|p| {
            let at = p as f64 + 0.5;
            while k + 1 < last && at >= center(k + 1) {
                k += 1;
            }
            if last == 0 {
                return (0, 0.0);
            }
            let share = (at - center(k)) / (center(k + 1) - center(k));
            (k, share.clamp(0.0, 1.0))
        })
        .collect()
}

fn rendered(levels: &[f64], ey: &[usize], ex: &[usize], shape: Shape) -> Vec<f32> {
    let gx = ex.len() - 1;
    let columns = positions(ex, shape.nx);
    let mut out = Vec::with_capacity(shape.area());
    let mut line = vec![0.0; gx];
    for (j, t) in positions(ey, shape.ny) {
        for (i, level) in line.iter_mut().enumerate() {
            let below = levels[(j + usize::from(t > 0.0)) * gx + i];
            *level = (1.0 - t) * levels[j * gx + i] + t * below;
        }
        out.extend(columns.iter().map(|&(i, s)| {
            let next = line[i + usize::from(s > 0.0)];
            ((1.0 - s) * line[i] + s * next) as f32
        }));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tilted_sky_is_followed_and_a_ghost_is_not() {
        let shape = Shape { ny: 320, nx: 384 };
        let sky = |p: usize| 10.0 + 0.0005 * (p % 384) as f32;
        let mut values: Vec<f32> = (0..shape.area()).map(sky).collect();
        let follow = |values: &[f32]| surface(values, |_| true, shape, 64, 0.3);
        let found = follow(&values);
        for (p, found) in found.iter().enumerate() {
            assert!((found - sky(p)).abs() < 0.07, "{p} {found}");
        }
        for y in 0..160 {
            values[y * 384..y * 384 + 160].fill(30.0);
        }
        assert!(follow(&values).iter().all(|&x| x < 10.5));
    }

    #[test]
    fn a_plane_is_that_of_most_cells() {
        let shape = Shape { ny: 384, nx: 384 };
        let sky = |p: usize| 5.0 + 0.002 * (p % 384) as f32 - 0.001 * (p / 384) as f32;
        let ghost = |p: usize| p / 384 < 150 && p % 384 < 150;
        let values: Vec<f32> = (0..shape.area())
            .map(|p| sky(p) + if ghost(p) { 1.5 } else { 0.0 })
            .collect();
        let found = surface(&values, |_| true, shape, 64, 0.3);
        for (p, found) in found.iter().enumerate() {
            let most = if ghost(p) { 0.4 } else { 0.25 };
            let inner = (32..352).contains(&(p / 384)) && (32..352).contains(&(p % 384));
            assert!(
                !inner || (found - sky(p)).abs() < most,
                "{p} {found} {}",
                sky(p)
            );
        }
    }

    #[test]
    fn nothing_known_is_no_offset_and_few_pixels_do() {
        let one = Shape { ny: 1, nx: 1 };
        assert_eq!(surface(&[5.0], |_| false, one, 64, 0.3), [0.0]);
        let flat = Shape { ny: 64, nx: 70 };
        let values = vec![5.0; flat.area()];
        let some = surface(&values, |p| p % 70 < 20, flat, 64, 0.3);
        assert!(some.iter().all(|&x| x == 5.0));
    }
}
