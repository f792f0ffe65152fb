// SPDX-License-Identifier: BSD-3-Clause
//! Clipping passes that sum most samples once: a core that each pass keeps whole, and its tails.

use super::clip::Passes;
use super::gather::LANES;
use super::lanes::{mask_of, select};
use super::props::Options;
use super::weighted::Moments;
use crate::simd::{compact, dispatch};

/// Every finite sample.
pub(super) const ALL: (f32, f32) = (-f32::MAX, f32::MAX);
/// No sample.
pub(super) const NONE: (f32, f32) = (f32::INFINITY, f32::NEG_INFINITY);

/// The smallest and the largest sample x with |x - c| <= h, for h <= `f64::MAX`.
pub(super) fn interval(c: f64, h: f64) -> (f32, f32) {
    let kept = |&x: &f32| (f64::from(x) - c).abs() <= h;
    let low = ((c - h) as f32).max(ALL.0);
    let high = ((c + h) as f32).min(ALL.1);
    let (low, high) = (
        [low, low.next_up()].into_iter().find(kept),
        [high, high.next_down()].into_iter().find(kept),
    );
    low.zip(high).unwrap_or(NONE)
}

/// Appends the samples whose note is not 0.
pub(super) fn collect(values: &[f32], notes: &[u8], noted: &mut Vec<f32>) {
    let n = noted.len();
    noted.resize(n + values.len(), 0.0);
    let more = compact(values, notes, &mut noted[n..]);
    noted.truncate(n + more);
}

/// The values between two, or those that are not; the two themselves count as not between.
#[allow(clippy::needless_bitwise_bool)] // no branch to mispredict
pub(super) fn sift(values: &[f32], (start, end): (f32, f32), between: bool) -> Vec<f32> {
    let mut found = vec![0.0; values.len()];
    let mut n = 0;
    for &x in values {
        // Writes every value and moves on behind those wanted.
        found[n] = x;
        n += usize::from(((start < x) & (x < end)) == between);
    }
    found.truncate(n);
    found
}

/// Samples in two parts.
#[derive(Debug)]
pub(super) struct Parts<'a> {
    /// Number of all good samples.
    pub n: f64,
    /// Smallest and largest value of the core.
    pub core: (f32, f32),
    /// Moments of the samples in the core.
    pub moments: Moments,
    /// All samples outside of the core.
    pub tails: &'a [f32],
}

impl Parts<'_> {
    /// Moments of all samples; `within` gives those of an interval.
    pub fn all(&self, within: impl Fn((f32, f32)) -> Moments) -> Moments {
        if self.moments.n == self.n {
            self.moments
        } else {
            within(ALL)
        }
    }

    /// Runs the passes; `all` is set where they come to need it.
    pub fn clip(
        &self,
        quartiles: (f64, f64),
        options: &Options,
        all: &mut Option<Moments>,
        within: impl Fn((f32, f32)) -> Moments,
    ) -> Passes {
        let mut passes = Passes::new(quartiles, options);
        for _ in 0..options.n_iter {
            if !passes.advance(self.n, options) {
                break;
            }
            let pass = self.pass((passes.centre, passes.half_width), &within);
            let unclipped = if pass.n == self.n {
                *all.get_or_insert_with(|| self.all(&within))
            } else {
                Moments::counted(self.n)
            };
            passes.take(pass, &unclipped);
        }
        passes
    }

    /// Moments of what one pass keeps.
    fn pass(&self, (c, h): (f64, f64), within: impl Fn((f32, f32)) -> Moments) -> Moments {
        let (start, end) = (f64::from(self.core.0), f64::from(self.core.1));
        let kept = |x: f64| (x - c).abs() <= h;
        if !(start <= end && kept(start) && kept(end)) {
            return within(interval(c, h));
        }
        let mut pass = self.moments;
        for x in self
            .tails
            .iter()
            .map(|&x| f64::from(x))
            .filter(|&x| kept(x))
        {
            let d = x - pass.shift;
            pass.n += 1.0;
            pass.s1 += d;
            pass.s2 += d * d;
        }
        (pass.s0, pass.s00) = (pass.n, pass.n);
        pass
    }
}

/// Moments of `n` unweighted samples from their sums.
pub(super) fn summed(n: f64, shift: f32, s1: f64, s2: f64) -> Moments {
    Moments {
        shift: f64::from(shift),
        s1,
        s2,
        ..Moments::counted(n)
    }
}

/// Sums of the samples of a core, those of each lane by themselves.
#[derive(Debug, Clone, Copy)]
struct Sums {
    n: [u32; LANES],
    s1: [f64; LANES],
    s2: [f64; LANES],
}

#[inline(always)]
#[allow(clippy::needless_range_loop)] // plain loops are what `dispatch` compiles for each level
fn add_body(kept: &[f32], (start, end): (f32, f32), shift: f32, notes: &mut [u8], sums: &mut Sums) {
    let wide = f64::from(shift);
    let (rows, _) = kept.as_chunks::<LANES>();
    let (notes, _) = notes.as_chunks_mut::<LANES>();
    let (mut n, mut s1, mut s2) = (sums.n, sums.s1, sums.s2);
    for k in 0..rows.len().min(notes.len()) {
        let mut core = [0.0; LANES];
        // Loops go by the width of their widest numbers, hence two.
        for l in 0..LANES {
            let x = rows[k][l];
            let inside = mask_of(x >= start) & mask_of(x <= end);
            core[l] = select(inside, x, shift);
            n[l] += inside & 1;
            notes[k][l] = (mask_of(x <= f32::MAX) & !inside) as u8;
        }
        for l in 0..LANES {
            let d = f64::from(core[l]) - wide;
            s1[l] += d;
            s2[l] += d * d;
        }
    }
    *sums = Sums { n, s1, s2 };
}

dispatch! {
    /// Sums n, d and d^2, d = x - shift, of the samples from `start` to `end`; notes the others.
    fn add(
        kept: &[f32],
        interval: (f32, f32),
        shift: f32,
        notes: &mut [u8],
        sums: &mut Sums,
    ) = add_body;
}

/// Moments of the samples in a core, whole groups of lanes; the others are added to `tails`.
pub(super) fn moments(
    kept: &[f32],
    core: (f32, f32),
    shift: f32,
    mut tails: Option<&mut Vec<f32>>,
) -> Moments {
    const BLOCK: usize = 4096;
    let mut notes = [0; BLOCK];
    let mut sums = Sums {
        n: [0; LANES],
        s1: [0.0; LANES],
        s2: [0.0; LANES],
    };
    for block in kept.chunks(BLOCK) {
        let notes = &mut notes[..block.len()];
        add(block, core, shift, notes, &mut sums);
        if let Some(tails) = &mut tails {
            collect(block, notes, tails);
        }
    }
    let n = sums.n.iter().map(|&n| n as usize).sum::<usize>();
    let total = |lanes: [f64; LANES]| lanes.iter().fold(0.0, |a, b| a + b);
    summed(n as f64, shift, total(sums.s1), total(sums.s2))
}
