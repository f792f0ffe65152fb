// SPDX-License-Identifier: BSD-3-Clause
//! What the visits say of each other, once each has been looked at.

use super::cell::Cell;
use super::compare::Found;
use super::flags::{ALL_RULES, BEFORE, GOOD, LOBE, good, kept};
use super::stack::Stack;
use crate::simd::dispatch;

impl Cell {
    /// Writes the new flags, after what the visits say of each other; returns the number of pixels
    /// that are flagged and were not, or the other way.
    pub(super) fn settle(&mut self, stacked: &Stack, found: Vec<Found>) -> u64 {
        let mut deep: Vec<u32> = found.iter().flat_map(|f| &f.deep).copied().collect();
        deep.sort_unstable();
        deep.dedup();
        let limit = self.options.seed as f32 * std::f32::consts::SQRT_2;
        for (epoch, found) in self.epochs.iter_mut().zip(&found) {
            for (state, &rules) in epoch.state.iter_mut().zip(&found.rules) {
                let before = if *state & ALL_RULES != 0 { BEFORE } else { 0 };
                *state = if good(*state) {
                    GOOD | before | rules
                } else {
                    0
                };
            }
        }
        // Beside a deep lobe the others are tested again without it.
        for &p in &deep {
            let p = p as usize;
            for k in 0..self.epochs.len() {
                let y = self.without_seeing(k, p);
                let epoch = &mut self.epochs[k];
                let stands_out = y - stacked.lowest[1][p] > limit * epoch.v[p].sqrt();
                if epoch.state[p] & LOBE == 0 && !stands_out {
                    epoch.state[p] &= !ALL_RULES;
                }
            }
        }
        self.free_one(stacked);
        self.epochs
            .iter()
            .map(|epoch| n_changed(&epoch.state))
            .sum()
    }

    /// Value of a pixel of a visit without its seeing difference.
    fn without_seeing(&self, visit: usize, p: usize) -> f32 {
        let epoch = &self.epochs[visit];
        match self.list.binary_search(&(p as u32)) {
            Ok(k) => epoch.y[p] - epoch.shift[k],
            Err(_) => epoch.y[p],
        }
    }

    /// Where every visit is flagged, the lowest one is the sky.
    fn free_one(&mut self, stacked: &Stack) {
        let mut any = vec![false; self.shape.area()];
        for epoch in &self.epochs {
            for (any, &state) in any.iter_mut().zip(&epoch.state) {
                *any |= kept(state);
            }
        }
        for (p, &any) in any.iter().enumerate() {
            if any || stacked.n_good[p] < 1.5 {
                continue;
            }
            let mut lowest: Option<(usize, f32)> = None;
            for k in 0..self.epochs.len() {
                let state = self.epochs[k].state[p];
                let y = self.without_seeing(k, p);
                if good(state) && state & LOBE == 0 && lowest.is_none_or(|(_, least)| y < least) {
                    lowest = Some((k, y));
                }
            }
            if let Some((k, _)) = lowest {
                self.epochs[k].state[p] &= !ALL_RULES;
            }
        }
    }
}

#[inline(always)]
fn n_changed_body(state: &[u8]) -> u64 {
    let mut count = 0;
    for &state in state {
        count += u64::from((state & ALL_RULES != 0) != (state & BEFORE != 0));
    }
    count
}

dispatch! {
    /// Number of pixels whose flag is another than before.
    fn n_changed(state: &[u8]) -> u64 = n_changed_body;
}
