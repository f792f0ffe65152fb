// SPDX-License-Identifier: BSD-3-Clause
//! Order statistics and weighted sums over the visits of each pixel.

use super::flags::{good, kept};
use crate::par;
use crate::simd::dispatch;
use crate::stats::{LANES, Line, Network};

/// Pixels of a job.
const JOB: usize = 512 * LANES;

/// One visit as the stack takes it: values, variances, states, weight.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layer<'a> {
    pub y: &'a [f32],
    pub v: &'a [f32],
    pub state: &'a [u8],
    /// What is subtracted from the pixels of a list, in its order.
    pub shift: &'a [f32],
    pub weight: f64,
}

/// Statistics over the visits, one element a pixel.
#[derive(Debug, Clone, Default)]
pub(super) struct Stack {
    /// Values of rank h - 1, h and h + 1 of the n kept ones, h = (n - 1) / 2; infinite beyond.
    pub ranks: [Vec<f32>; 3],
    /// Number kept.
    pub n: Vec<f32>,
    /// Number that could be used.
    pub n_good: Vec<f32>,
    /// Sum of weight x value of the kept.
    pub sum: Vec<f64>,
    /// Sum of the weights of the kept.
    pub weight: Vec<f64>,
    /// Sum of weight squared x variance of the kept.
    pub noise: Vec<f64>,
    /// Lowest and second lowest of all that can be used; infinite where there are fewer.
    pub lowest: [Vec<f32>; 2],
}

/// Views of one run of pixels of a [`Stack`].
struct Part<'a> {
    ranks: [&'a mut [f32]; 3],
    n: &'a mut [f32],
    n_good: &'a mut [f32],
    sum: &'a mut [f64],
    weight: &'a mut [f64],
    noise: &'a mut [f64],
    lowest: [&'a mut [f32]; 2],
}

impl Stack {
    fn new(area: usize) -> Self {
        Self {
            ranks: std::array::from_fn(|_| vec![0.0; area]),
            n: vec![0.0; area],
            n_good: vec![0.0; area],
            sum: vec![0.0; area],
            weight: vec![0.0; area],
            noise: vec![0.0; area],
            lowest: std::array::from_fn(|_| vec![0.0; area]),
        }
    }

    /// Cuts all planes into runs of [`JOB`] pixels.
    fn parts(&mut self) -> Vec<Part<'_>> {
        let [low, middle, high] = &mut self.ranks;
        let [first, second] = &mut self.lowest;
        let ranks = low
            .chunks_mut(JOB)
            .zip(middle.chunks_mut(JOB))
            .zip(high.chunks_mut(JOB));
        let counts = self.n.chunks_mut(JOB).zip(self.n_good.chunks_mut(JOB));
        let sums = self.sum.chunks_mut(JOB).zip(self.weight.chunks_mut(JOB));
        let sums = sums.zip(self.noise.chunks_mut(JOB));
        let lowest = first.chunks_mut(JOB).zip(second.chunks_mut(JOB));
        let all = ranks.zip(counts).zip(sums).zip(lowest);
        all.map(
            |(((r, (n, n_good)), ((sum, weight), noise)), (first, second))| Part {
                ranks: [r.0.0, r.0.1, r.1],
                n,
                n_good,
                sum,
                weight,
                noise,
                lowest: [first, second],
            },
        )
        .collect()
    }

    /// Overwrites the pixels of a list.
    pub fn put(&mut self, list: &[u32], values: &Self) {
        for (k, &p) in list.iter().enumerate() {
            let p = p as usize;
            for (to, from) in self.ranks.iter_mut().zip(&values.ranks) {
                to[p] = from[k];
            }
            for (to, from) in self.lowest.iter_mut().zip(&values.lowest) {
                to[p] = from[k];
            }
            (self.n[p], self.n_good[p]) = (values.n[k], values.n_good[k]);
            (self.sum[p], self.weight[p], self.noise[p]) =
                (values.sum[k], values.weight[k], values.noise[k]);
        }
    }

    /// Median of the kept values of a pixel; 0 of none.
    pub fn median(&self, p: usize) -> f32 {
        let n = self.n[p] as u32;
        if n == 0 {
            return 0.0;
        }
        let middle = self.ranks[1][p];
        if n % 2 == 1 {
            middle
        } else {
            0.5 * (middle + self.ranks[2][p])
        }
    }

    /// Median of the kept values of a pixel but one of them; NaN of none.
    pub fn median_without(&self, p: usize, value: f32) -> f32 {
        let n = self.n[p] as u32;
        if n < 2 {
            return f32::NAN;
        }
        let [low, middle, high] = [self.ranks[0][p], self.ranks[1][p], self.ranks[2][p]];
        let upper = if middle < value { middle } else { high };
        if n.is_multiple_of(2) {
            return upper;
        }
        let lower = if low < value { low } else { middle };
        0.5 * (lower + upper)
    }
}

/// Memory of one block: a row of lanes for each visit.
struct Block {
    rows: Vec<Line<f32>>,
    sorted: Vec<Line<f32>>,
    count: [f32; LANES],
    n_good: [f32; LANES],
    sum: [f64; LANES],
    weight: [f64; LANES],
    noise: [f64; LANES],
    lowest: [[f32; LANES]; 2],
}

impl Block {
    fn new(n: usize) -> Self {
        Self {
            rows: vec![Line([0.0; LANES]); n],
            sorted: vec![Line([0.0; LANES]); n],
            count: [0.0; LANES],
            n_good: [0.0; LANES],
            sum: [0.0; LANES],
            weight: [0.0; LANES],
            noise: [0.0; LANES],
            lowest: [[0.0; LANES]; 2],
        }
    }

    fn clear(&mut self) {
        for counts in [&mut self.count, &mut self.n_good] {
            counts.fill(0.0);
        }
        for sums in [&mut self.sum, &mut self.weight, &mut self.noise] {
            sums.fill(0.0);
        }
        self.lowest = [[f32::INFINITY; LANES]; 2];
    }

    fn write(&self, part: &mut Part, at: usize, width: usize) {
        let here = at..at + width;
        part.n[here.clone()].copy_from_slice(&self.count[..width]);
        part.n_good[here.clone()].copy_from_slice(&self.n_good[..width]);
        part.sum[here.clone()].copy_from_slice(&self.sum[..width]);
        part.weight[here.clone()].copy_from_slice(&self.weight[..width]);
        part.noise[here.clone()].copy_from_slice(&self.noise[..width]);
        for (to, from) in part.lowest.iter_mut().zip(&self.lowest) {
            to[here.clone()].copy_from_slice(&from[..width]);
        }
        if self.count[..width].iter().all(|&n| n == self.count[0]) {
            let middle = (self.count[0].max(1.0) as usize - 1) / 2;
            for (k, to) in part.ranks.iter_mut().enumerate() {
                let rank = (middle + k).saturating_sub(1);
                match self.sorted.get(rank) {
                    Some(row) => to[here.clone()].copy_from_slice(&row.0[..width]),
                    None => to[here.clone()].fill(f32::INFINITY),
                }
            }
            return;
        }
        for l in 0..width {
            let middle = (self.count[l].max(1.0) as usize - 1) / 2;
            for (k, to) in part.ranks.iter_mut().enumerate() {
                // The rank below the first is the first, that above the last is infinite.
                let rank = (middle + k).saturating_sub(1);
                to[at + l] = self.sorted.get(rank).map_or(f32::INFINITY, |row| row.0[l]);
            }
        }
    }
}

/// Values, variances and states of one visit in the lanes.
struct Lanes {
    y: [f32; LANES],
    v: [f32; LANES],
    keep: [f32; LANES],
    usable: [f32; LANES],
}

#[inline(always)]
fn add_visit_body(lanes: &Lanes, row: usize, weights: (f64, f64), block: &mut Block) {
    let to = &mut block.rows[row].0;
    let (w, w2) = weights;
    #[allow(clippy::needless_range_loop)] // several arrays side by side
    for l in 0..LANES {
        let (y, keep, usable) = (lanes.y[l], lanes.keep[l], lanes.usable[l]);
        to[l] = if keep > 0.0 { y } else { f32::INFINITY };
        block.count[l] += keep;
        block.n_good[l] += usable;
        let share = f64::from(keep) * w;
        block.sum[l] += share * f64::from(y);
        block.weight[l] += share;
        block.noise[l] += f64::from(keep) * w2 * f64::from(lanes.v[l]);
        let value = if usable > 0.0 { y } else { f32::INFINITY };
        let (first, second) = (block.lowest[0][l], block.lowest[1][l]);
        let above = if value < first { first } else { value };
        block.lowest[0][l] = if value < first { value } else { first };
        block.lowest[1][l] = if above < second { above } else { second };
    }
}

dispatch! {
    fn add_visit(lanes: &Lanes, row: usize, weights: (f64, f64), block: &mut Block)
    = add_visit_body;
}

/// Which pixels a stack is made of.
#[derive(Clone, Copy)]
pub(super) enum Places<'a> {
    /// All of the cell; nothing is subtracted.
    All(usize),
    /// Those of a list; the shifts are subtracted.
    List(&'a [u32]),
}

impl Places<'_> {
    fn len(&self) -> usize {
        match self {
            Self::All(area) => *area,
            Self::List(list) => list.len(),
        }
    }

    fn gather(&self, layer: &Layer, at: usize, width: usize, lanes: &mut Lanes) {
        match self {
            Self::All(_) => {
                lanes.y[..width].copy_from_slice(&layer.y[at..at + width]);
                lanes.v[..width].copy_from_slice(&layer.v[at..at + width]);
                for (l, &state) in layer.state[at..at + width].iter().enumerate() {
                    lanes.keep[l] = f32::from(u8::from(kept(state)));
                    lanes.usable[l] = f32::from(u8::from(good(state)));
                }
            }
            Self::List(list) => {
                for (l, &p) in list[at..at + width].iter().enumerate() {
                    let p = p as usize;
                    lanes.y[l] = layer.y[p] - layer.shift[at + l];
                    lanes.v[l] = layer.v[p];
                    lanes.keep[l] = f32::from(u8::from(kept(layer.state[p])));
                    lanes.usable[l] = f32::from(u8::from(good(layer.state[p])));
                }
            }
        }
    }
}

/// Makes the statistics; with `plain`, `noise` is the plain sum of the variances.
pub(super) fn stack(layers: &[Layer], places: Places, plain: bool) -> Stack {
    let mut out = Stack::new(places.len());
    let network = Network::new(layers.len(), &vec![true; layers.len()]);
    let jobs: Vec<_> = out.parts().into_iter().enumerate().collect();
    par::map(jobs, |(job, mut part)| {
        let mut block = Block::new(layers.len());
        let mut lanes = Lanes {
            y: [0.0; LANES],
            v: [0.0; LANES],
            keep: [0.0; LANES],
            usable: [0.0; LANES],
        };
        for at in (0..part.n.len()).step_by(LANES) {
            let width = LANES.min(part.n.len() - at);
            block.clear();
            for (row, layer) in layers.iter().enumerate() {
                places.gather(layer, job * JOB + at, width, &mut lanes);
                let w = layer.weight;
                let weights = (w, if plain { 1.0 } else { w * w });
                add_visit(&lanes, row, weights, &mut block);
            }
            network.sort(&block.rows, &mut block.sorted);
            block.write(&mut part, at, width);
        }
    });
    out
}

/// Range of the values of a pixel that can be used without the lowest and the highest (of 16 and
/// more: an eighth at either end); 0 of fewer than four.
pub(super) fn trimmed_range(values: &mut [f32]) -> f32 {
    let n = values.len();
    if n < 4 {
        return 0.0;
    }
    values.sort_unstable_by(f32::total_cmp);
    let k = if n >= 16 { n / 8 } else { 1 };
    values[n - 1 - k] - values[k]
}

#[cfg(test)]
mod tests {
    use super::super::flags::{GOOD, SHARP};
    use super::*;

    struct Made {
        y: Vec<Vec<f32>>,
        v: Vec<Vec<f32>>,
        state: Vec<Vec<u8>>,
        shift: Vec<Vec<f32>>,
    }

    fn made(n: usize, area: usize) -> Made {
        let value = |i: usize, p: usize| ((i * 7919 + p * 104_729) % 1009) as f32;
        let states = [GOOD, GOOD, GOOD | SHARP, 0, GOOD];
        let planes = |f: &dyn Fn(usize, usize) -> f32| -> Vec<Vec<f32>> {
            (0..n)
                .map(|i| (0..area).map(|p| f(i, p)).collect())
                .collect()
        };
        Made {
            y: planes(&value),
            v: planes(&|i, p| 1.0 + value(p, i)),
            state: (0..n)
                .map(|i| (0..area).map(|p| states[(i * 31 + p * p) % 5]).collect())
                .collect(),
            shift: planes(&|i, _| i as f32),
        }
    }

    fn layers(made: &Made) -> Vec<Layer<'_>> {
        (0..made.y.len())
            .map(|i| Layer {
                y: &made.y[i],
                v: &made.v[i],
                state: &made.state[i],
                shift: &made.shift[i],
                weight: 1.0 + i as f64,
            })
            .collect()
    }

    #[test]
    fn ranks_sums_and_medians_as_from_sorted_lists() {
        for n in [1, 2, 5, 8, 19] {
            let made = made(n, 200);
            let got = stack(&layers(&made), Places::All(200), false);
            for p in 0..200 {
                let is = |i: &usize| kept(made.state[*i][p]);
                let mut values: Vec<f32> = (0..n).filter(is).map(|i| made.y[i][p]).collect();
                let sum: f64 = (0..n)
                    .filter(is)
                    .map(|i| (1.0 + i as f64) * f64::from(made.y[i][p]))
                    .sum();
                assert_eq!((got.n[p] as usize, got.sum[p]), (values.len(), sum));
                values.sort_unstable_by(f32::total_cmp);
                let mid = |v: &[f32]| match v.len() {
                    0 => f32::NAN,
                    m => 0.5 * (v[(m - 1) / 2] + v[m / 2]),
                };
                if !values.is_empty() {
                    assert_eq!(got.median(p), mid(&values));
                }
                for k in 0..values.len() {
                    let mut rest = values.clone();
                    let one = rest.remove(k);
                    let without = got.median_without(p, one);
                    assert!(without == mid(&rest) || rest.is_empty() && without.is_nan());
                }
                let mut usable: Vec<f32> = (0..n)
                    .filter(|&i| good(made.state[i][p]))
                    .map(|i| made.y[i][p])
                    .collect();
                usable.sort_unstable_by(f32::total_cmp);
                usable.extend([f32::INFINITY; 2]);
                assert_eq!([got.lowest[0][p], got.lowest[1][p]], usable[..2]);
            }
        }
    }

    #[test]
    fn a_list_is_shifted_and_put_back() {
        let made = made(3, 200);
        let mut all = stack(&layers(&made), Places::All(200), true);
        let list: Vec<u32> = (0..200).step_by(3).collect();
        let some = stack(&layers(&made), Places::List(&list), true);
        let before = all.clone();
        all.put(&list, &some);
        for p in 0..200 {
            let kept: Vec<usize> = (0..3).filter(|&i| kept(made.state[i][p])).collect();
            let moved: f64 = kept.iter().map(|&i| (1.0 + i as f64) * i as f64).sum();
            let want = before.sum[p] - if p % 3 == 0 { moved } else { 0.0 };
            assert_eq!(all.sum[p], want);
            let noise: f64 = kept.iter().map(|&i| f64::from(made.v[i][p])).sum();
            assert_eq!(all.noise[p], noise);
        }
    }

    #[test]
    fn range_without_the_extremes() {
        assert_eq!(trimmed_range(&mut [9.0, 1.0, 5.0]), 0.0);
        assert_eq!(trimmed_range(&mut [9.0, 1.0, 5.0, 2.0]), 3.0);
        let mut many: Vec<f32> = (0..24).map(|i| i as f32).collect();
        assert_eq!(trimmed_range(&mut many), 17.0);
    }
}
