// SPDX-License-Identifier: BSD-3-Clause
//! Sorting networks: fixed lists of comparisons that sort the rows of a group without a branch;
//! and the quartiles of what they sorted.

use super::lanes::{mask_of, select};
use super::load::{LANES, Lanes, Line};
use super::passes::Quartiles;
use super::select::between;
use crate::simd::dispatch;

/// Comparisons (i, j), i < j: row i gets the smaller, row j the larger of each lane.
#[derive(Debug, Clone, Default)]
pub(crate) struct Network {
    steps: Vec<(u16, u16)>,
}

impl Network {
    /// Batcher's odd-even merge sort of `n` rows, reduced to what the rows `wanted` depend on.
    pub fn new(n: usize, wanted: &[bool]) -> Self {
        let mut all = Vec::new();
        let mut p = 1;
        while p < n {
            let mut k = p;
            while k >= 1 {
                let mut j = k % p;
                while j + k < n {
                    for i in 0..k.min(n - j - k) {
                        if (i + j) / (2 * p) == (i + j + k) / (2 * p) {
                            all.push(((i + j) as u16, (i + j + k) as u16));
                        }
                    }
                    j += 2 * k;
                }
                k /= 2;
            }
            p *= 2;
        }
        let mut live = wanted.to_vec();
        let mut steps = Vec::with_capacity(all.len());
        for &(i, j) in all.iter().rev() {
            let (a, b) = (usize::from(i), usize::from(j));
            if live[a] || live[b] {
                (live[a], live[b]) = (true, true);
                steps.push((i, j));
            }
        }
        steps.reverse();
        Self { steps }
    }

    /// Copies the rows of a group, at least as many as the network was made for, in order of size.
    pub fn sort(&self, rows: &[Line<f32>], sorted: &mut [Line<f32>]) {
        sorted.copy_from_slice(rows);
        exchange(&self.steps, sorted);
    }
}

#[inline(always)]
fn exchange_body(steps: &[(u16, u16)], rows: &mut [Line<f32>]) {
    for &(i, j) in steps {
        let (a, b) = (rows[usize::from(i)].0, rows[usize::from(j)].0);
        let (mut low, mut high) = (a, b);
        for l in 0..LANES {
            // The larger element is what the smaller one leaves of the bits. Were both a choice, or
            // were the smaller one written first, it would become a store under a mask, which the
            // next load of the row has to wait for.
            low[l] = if a[l] < b[l] { a[l] } else { b[l] };
            high[l] = f32::from_bits(a[l].to_bits() ^ b[l].to_bits() ^ low[l].to_bits());
        }
        rows[usize::from(j)].0 = high;
        rows[usize::from(i)].0 = low;
    }
}

dispatch! {
    /// Runs the comparisons (i, j), i < j: of rows i and j, i gets the smaller and j the larger
    /// element of each pixel.
    fn exchange(steps: &[(u16, u16)], rows: &mut [Line<f32>]) = exchange_body;
}

/// Index of the order statistic at or below quartile number `i` of `n` samples, in quarters.
#[inline(always)]
fn quarters(n: u32, i: u32) -> u32 {
    i * (n.max(1) - 1)
}

/// Rows that must be in order for the quartiles of `n` samples.
pub(super) fn mark_quartiles(n: usize, wanted: &mut [bool]) {
    for i in 1..=3 {
        let index = quarters(n as u32, i) as usize / 4;
        wanted[index] = true;
        wanted[(index + 1).min(n - 1)] = true;
    }
}

/// Quartile number `i` (1, 2, 3) of the `n` good samples of each pixel; NaN where `n` is 0.
#[inline(always)]
fn quartile(
    sorted: &[Line<f32>],
    n: &Lanes<u32>,
    (fewest, most): (u32, u32),
    i: u32,
) -> Lanes<f64> {
    let last = sorted.len() - 1;
    let (mut low, mut high) = ([0.0; LANES], [0.0; LANES]);
    let mut k = quarters(fewest, i) >> 2;
    while k <= quarters(most, i) >> 2 {
        let here = sorted[(k as usize).min(last)].0;
        let next = sorted[(k as usize + 1).min(last)].0;
        for l in 0..LANES {
            let hit = mask_of(quarters(n[l], i) >> 2 == k);
            low[l] = select(hit, here[l], low[l]);
            high[l] = select(hit, next[l], high[l]);
        }
        k += 1;
    }
    let mut out = [0.0; LANES];
    for l in 0..LANES {
        let share = f64::from((quarters(n[l], i) & 3) as i32) * 0.25;
        let value = between(f64::from(low[l]), f64::from(high[l]), share);
        out[l] = if n[l] == 0 { f64::NAN } else { value };
    }
    out
}

#[inline(always)]
fn quartiles_body(sorted: &[Line<f32>], n: &Lanes<u32>, all: bool, out: &mut Quartiles) {
    let (mut fewest, mut most) = (u32::MAX, 0);
    for &count in n {
        fewest = fewest.min(count);
        most = most.max(count);
    }
    out.median = quartile(sorted, n, (fewest, most), 2);
    if all {
        let lower = quartile(sorted, n, (fewest, most), 1);
        let upper = quartile(sorted, n, (fewest, most), 3);
        for l in 0..LANES {
            out.iqr[l] = upper[l] - lower[l];
        }
    }
}

dispatch! {
    /// Median and, if `all` are wanted, inter-quartile range of the `n` good samples of each pixel
    /// of a sorted group; NaN where `n` is 0.
    pub(super) fn quartiles(
        sorted: &[Line<f32>],
        n: &Lanes<u32>,
        all: bool,
        out: &mut Quartiles,
    ) = quartiles_body;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_size_sorts_every_zero_one_vector_or_a_sample_of_them() {
        // The 0-1 principle: a network that sorts all vectors of 0 and 1 sorts everything.
        for n in 1..=40 {
            let network = Network::new(n, &vec![true; n]);
            let mut pattern = 1_u64;
            for trial in 0..2000_u64 {
                pattern = pattern
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(trial | 1);
                let bits = if n <= 11 { trial } else { pattern >> 20 };
                let rows: Vec<_> = (0..n)
                    .map(|k| Line([(bits >> k & 1) as f32; LANES]))
                    .collect();
                let mut sorted = rows.clone();
                network.sort(&rows, &mut sorted);
                assert!(
                    sorted.iter().map(|row| row.0[3]).is_sorted(),
                    "{n} {bits:b}"
                );
            }
        }
    }

    #[test]
    fn reduced_networks_give_the_wanted_rows() {
        for n in [5, 16, 30, 37] {
            let mut wanted = vec![false; n];
            (wanted[n / 4], wanted[n / 2]) = (true, true);
            let network = Network::new(n, &wanted);
            assert!(network.steps.len() < Network::new(n, &vec![true; n]).steps.len());
            let value = |k: usize| ((k * 7919) % n) as f32;
            let rows: Vec<_> = (0..n).map(|i| Line([value(i); LANES])).collect();
            let mut sorted: Vec<f32> = (0..n).map(value).collect();
            sorted.sort_by(f32::total_cmp);
            let mut got = rows.clone();
            network.sort(&rows, &mut got);
            assert_eq!(got[n / 4].0, [sorted[n / 4]; LANES]);
            assert_eq!(got[n / 2].0, [sorted[n / 2]; LANES]);
        }
    }
}
