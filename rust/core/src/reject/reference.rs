// SPDX-License-Identifier: BSD-3-Clause
//! The coadd of the other visits, and the difference of a visit from it.

use super::flags::{good, kept};
use super::stack::Stack;
use crate::simd::dispatch;

/// A visit minus the others; one element a pixel.
#[derive(Debug, Default)]
pub(super) struct Residual {
    /// The difference; 0 where it is not tested.
    pub value: Vec<f32>,
    /// Its noise; infinite where it is not tested.
    pub noise: Vec<f32>,
    /// Their ratio.
    pub ratio: Vec<f32>,
    /// 1 where there is something to compare with, else 0.
    pub tested: Vec<f32>,
}

impl Residual {
    fn resize(&mut self, area: usize) {
        for plane in [
            &mut self.value,
            &mut self.noise,
            &mut self.ratio,
            &mut self.tested,
        ] {
            plane.resize(area, 0.0);
        }
    }
}

/// Pixels of one visit: values without their seeing difference, variances, states.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pixels<'a> {
    pub y: &'a [f32],
    pub v: &'a [f32],
    pub state: &'a [u8],
    pub weight: f64,
}

#[inline(always)]
fn from_mean_body(pixels: &Pixels, stack: &Stack, out: &mut Residual) {
    let n = pixels.y.len();
    let (y, v, state) = (pixels.y, &pixels.v[..n], &pixels.state[..n]);
    let (count, sum) = (&stack.n[..n], &stack.sum[..n]);
    let (weight, noise) = (&stack.weight[..n], &stack.noise[..n]);
    let (value, sigma) = (&mut out.value[..n], &mut out.noise[..n]);
    let (ratio, tested) = (&mut out.ratio[..n], &mut out.tested[..n]);
    let w = pixels.weight;
    for p in 0..n {
        let keep = f64::from(u8::from(kept(state[p])));
        let share = w * keep;
        // The number tells whether others are left; differences of weights round.
        let ok = good(state[p]) & (f64::from(count[p]) - keep > 0.5);
        let rest = if ok { weight[p] - share } else { 1.0 };
        let mean = (sum[p] - share * f64::from(y[p])) / rest;
        let left = noise[p] - share * w * f64::from(v[p]);
        let left = if left > 0.0 { left } else { 0.0 };
        let variance = f64::from(v[p]) + left / (rest * rest);
        let difference = (f64::from(y[p]) - mean) as f32;
        let scatter = (variance as f32).sqrt();
        value[p] = if ok { difference } else { 0.0 };
        sigma[p] = if ok { scatter } else { f32::INFINITY };
        ratio[p] = if ok { difference / scatter } else { 0.0 };
        tested[p] = if ok { 1.0 } else { 0.0 };
    }
}

dispatch! {
    fn from_mean(pixels: &Pixels, stack: &Stack, out: &mut Residual) = from_mean_body;
}

/// Differences from the weighted mean of the other kept visits; at `odd` pixels, where the mean is
/// not to be trusted, from their median, whose noise is that of visits of the `usual` variance.
pub(super) fn against_mean(
    pixels: &Pixels,
    stack: &Stack,
    (odd, usual): (&[u32], f64),
    out: &mut Residual,
) {
    out.resize(pixels.y.len());
    from_mean(pixels, stack, out);
    for &p in odd {
        let p = p as usize;
        if out.tested[p] > 0.0 {
            let y = pixels.y[p];
            let own = kept(pixels.state[p]);
            let median = if own {
                stack.median_without(p, y)
            } else {
                stack.median(p)
            };
            let others = f64::from(stack.n[p]) - f64::from(u8::from(own));
            let noise = ((f64::from(pixels.v[p]) + usual / others) as f32).sqrt();
            out.noise[p] = out.noise[p].max(noise);
            out.value[p] = y - median;
            out.ratio[p] = out.value[p] / out.noise[p];
        }
    }
}

/// Differences from the median of the others, of a stack with plain sums of the variances.
pub(super) fn against_median(pixels: &Pixels, stack: &Stack, out: &mut Residual) {
    out.resize(pixels.y.len());
    for (p, (&y, &v)) in pixels.y.iter().zip(pixels.v).enumerate() {
        let n = stack.n[p];
        let ok = good(pixels.state[p]) && n > 1.5;
        (out.value[p], out.noise[p], out.tested[p]) = (0.0, f32::INFINITY, 0.0);
        if ok {
            let others = f64::from(n) * f64::from(n - 1.0);
            let noise = std::f64::consts::FRAC_PI_2 * stack.noise[p] / others;
            let value = y - stack.median_without(p, y);
            let scatter = ((f64::from(v) + noise) as f32).sqrt();
            (out.value[p], out.noise[p], out.tested[p]) = (value, scatter, 1.0);
        }
        out.ratio[p] = out.value[p] / out.noise[p];
    }
}

/// Pixels of more than two kept visits whose mean and median differ by more than `most` times the
/// noise of a plain mean of visits of the `usual` variance: an outlier that was missed would make
/// outliers of all others.
pub(super) fn odd_pixels(stack: &Stack, (most, usual): (f64, f64)) -> Vec<u32> {
    let is_odd = |&p: &u32| {
        let p = p as usize;
        let weight = stack.weight[p];
        stack.n[p] > 2.5 && {
            let apart = stack.sum[p] / weight - f64::from(stack.median(p));
            apart.abs() > most * (usual / f64::from(stack.n[p])).sqrt()
        }
    };
    (0..stack.n.len() as u32).filter(is_odd).collect()
}

#[cfg(test)]
mod tests {
    use super::super::flags::{GOOD, SHARP};
    use super::super::stack::{Layer, Places, stack};
    use super::*;

    /// Three visits of one pixel, the last one of weight 1/4; the third pixel was flagged once.
    fn layers(states: &[[u8; 1]; 3]) -> [Layer<'_>; 3] {
        let layer = |y: &'static [f32], v, state, weight| Layer {
            y,
            v,
            state,
            shift: &[],
            weight,
        };
        [
            layer(&[1.0], &[1.0], &states[0], 1.0),
            layer(&[3.0], &[1.0], &states[1], 1.0),
            layer(&[8.0], &[4.0], &states[2], 0.25),
        ]
    }

    fn mean_of(layer: &Layer, stack: &Stack, odd: &[u32]) -> Residual {
        let mut out = Residual::default();
        against_mean(&pixels(layer), stack, (odd, 1.0), &mut out);
        out
    }

    fn pixels<'a>(layer: &Layer<'a>) -> Pixels<'a> {
        Pixels {
            y: layer.y,
            v: layer.v,
            state: layer.state,
            weight: layer.weight,
        }
    }

    #[test]
    fn each_visit_against_the_others() {
        let states = [[GOOD]; 3];
        let layers = layers(&states);
        let mean = stack(&layers, Places::All(1), false);
        let first = mean_of(&layers[0], &mean, &[]);
        // (3 + 8 / 4) / 1.25 = 4; variance 1 + 1.25 / 1.25^2
        assert_eq!((first.value[0], first.tested[0]), (-3.0, 1.0));
        assert!((first.noise[0] - 1.8_f32.sqrt()).abs() < 1e-6);
        assert_eq!(first.ratio[0], first.value[0] / first.noise[0]);
        let odd = mean_of(&layers[0], &mean, &[0]);
        assert_eq!(odd.value[0], 1.0 - 5.5);
        let plain = stack(&layers, Places::All(1), true);
        let mut third = Residual::default();
        against_median(&pixels(&layers[2]), &plain, &mut third);
        assert_eq!(third.value[0], 6.0);
        let want = 4.0 + std::f32::consts::FRAC_PI_2;
        assert!((third.noise[0] - want.sqrt()).abs() < 1e-5);
    }

    #[test]
    fn nothing_is_tested_without_others() {
        let states = [[GOOD], [0], [GOOD | SHARP]];
        let layers = layers(&states);
        let mean = stack(&layers, Places::All(1), false);
        for (k, tested) in [(0, 0.0), (1, 0.0), (2, 1.0)] {
            let one = mean_of(&layers[k], &mean, &[]);
            assert_eq!(one.tested[0], tested, "{k}");
        }
        let flagged = mean_of(&layers[2], &mean, &[]);
        assert_eq!(flagged.value[0], 7.0);
        let alone = mean_of(&layers[0], &mean, &[0]);
        assert_eq!((alone.value[0], alone.noise[0]), (0.0, f32::INFINITY));
    }

    #[test]
    fn a_mean_far_from_the_median_is_odd() {
        let states = [[GOOD]; 3];
        let mean = stack(&layers(&states), Places::All(1), false);
        // mean 6 / 2.25, median 3, noise of a plain mean sqrt(2 / 3)
        assert_eq!(odd_pixels(&mean, (0.4, 2.0)), [0]);
        assert!(odd_pixels(&mean, (0.42, 2.0)).is_empty());
    }
}
