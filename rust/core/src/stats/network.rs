// SPDX-License-Identifier: BSD-3-Clause
//! Sorting networks: fixed lists of comparisons that sort rows of lanes without a branch.

use super::lanes::exchange;

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

    /// Runs the comparisons over rows of `width` pixels, at least as many rows as the network was
    /// made for.
    pub fn sort(&self, rows: &mut [f32], width: usize) {
        exchange(&self.steps, rows, width);
    }
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
                let mut rows: Vec<f32> = (0..n).map(|k| (bits >> k & 1) as f32).collect();
                network.sort(&mut rows, 1);
                assert!(rows.is_sorted(), "{n} {bits:b}");
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
            let mut rows: Vec<f32> = (0..3 * n).map(|i| value(i / 3)).collect();
            let mut sorted: Vec<f32> = (0..n).map(value).collect();
            sorted.sort_by(f32::total_cmp);
            network.sort(&mut rows, 3);
            assert_eq!(rows[3 * (n / 4)], sorted[n / 4]);
            assert_eq!(rows[3 * (n / 2) + 2], sorted[n / 2]);
        }
    }
}
