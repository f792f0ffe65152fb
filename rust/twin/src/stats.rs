// SPDX-License-Identifier: BSD-3-Clause
//! Statistics of one sample set, written as the formulas are.

/// A sample: value, mask word, weight, variance.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// Value.
    pub x: f64,
    /// Mask word.
    pub mask: i32,
    /// Weight.
    pub w: f64,
    /// Variance.
    pub v: f64,
}

/// Options of the statistics.
#[derive(Debug, Clone)]
pub struct Options {
    /// Half-width of the interval, sigma.
    pub sigma_clip: f64,
    /// Passes.
    pub n_iter: usize,
    /// Bits that reject.
    pub bad_bits: i32,
    /// Weights are 1 / variance.
    pub inverse: bool,
    /// 0: errors from the scatter, 1: from the variances, 2: mosaic.
    pub error_mode: u8,
    /// Bit number, threshold.
    pub thresholds: Vec<(u8, f64)>,
    /// Clipped samples are rejected ones for the masks.
    pub mask_from_kept: bool,
}

/// What comes out.
#[derive(Debug, Clone, Copy)]
pub struct Answer {
    /// Value.
    pub value: f64,
    /// Squared error.
    pub variance: f64,
    /// OR mask with the bits of the thresholds.
    pub or_mask: i32,
    /// OR of all mask words.
    pub any_mask: i32,
    /// Samples that survive.
    pub n_point: usize,
    /// Samples rejected.
    pub n_masked: usize,
    /// Samples clipped.
    pub n_clipped: usize,
    /// A pass would have kept fewer than two.
    pub fell_back: bool,
}

/// (n, mean, variance, squared error of the mean) of some samples, sums about `shift`.
fn moments(samples: &[Sample], shift: f64, error_mode: u8) -> (usize, f64, f64, f64) {
    let sum = |f: &dyn Fn(&Sample) -> f64| samples.iter().map(f).fold(0.0, |a, b| a + b);
    let n = samples.len();
    let s0 = sum(&|s| s.w);
    let s00 = sum(&|s| s.w * s.w);
    let s1 = sum(&|s| s.w * (s.x - shift));
    let s2 = sum(&|s| s.w * (s.x - shift) * (s.x - shift));
    let biased = s2 / s0 - (s1 / s0) * (s1 / s0);
    let variance = match n {
        0 | 1 => f64::NAN,
        _ => (biased * (s0 * s0 / (s0 * s0 - s00))).max(0.0),
    };
    let mean_variance = match error_mode {
        0 => variance * s00 / (s0 * s0),
        1 => sum(&|s| s.w * s.w * s.v) / (s0 * s0),
        _ => sum(&|s| s.w * s.v) / s0,
    };
    (n, shift + s1 / s0, variance, mean_variance)
}

fn quantile(sorted: &[f64], fraction: f64) -> f64 {
    let t = fraction * (sorted.len() - 1) as f64;
    let q = t.floor();
    let next = sorted[(q as usize + 1).min(sorted.len() - 1)];
    (q + 1.0 - t) * sorted[q as usize] + (t - q) * next
}

/// Mean, median or clipped mean ("MEAN", "MEDIAN", "MEANCLIP") of the samples, none of weight 0.
pub fn evaluate(all: &[Sample], property: &str, options: &Options) -> Answer {
    let measured = |s: &Sample| s.v.is_finite() && s.v > 0.0;
    let weigh = |s: &Sample| match (options.inverse, measured(s)) {
        (false, _) => *s,
        (true, true) => Sample { w: 1.0 / s.v, ..*s },
        (true, false) => Sample { w: 0.0, ..*s },
    };
    let samples: Vec<Sample> = all
        .iter()
        .filter(|s| options.inverse || s.w != 0.0)
        .map(weigh)
        .collect();
    let is_good = |s: &Sample| {
        s.x.is_finite() && s.mask & options.bad_bits == 0 && (measured(s) || !options.inverse)
    };
    let (good, mut rejected): (Vec<Sample>, Vec<Sample>) = samples.iter().partition(|s| is_good(s));
    let mut answer = Answer {
        value: f64::NAN,
        variance: f64::NAN,
        or_mask: 0,
        any_mask: samples.iter().fold(0, |or, s| or | s.mask),
        n_point: good.len(),
        n_masked: rejected.len(),
        n_clipped: 0,
        fell_back: false,
    };
    if good.is_empty() {
        return answer;
    }
    let mode = options.error_mode;
    let mut sorted: Vec<f64> = good.iter().map(|s| s.x).collect();
    sorted.sort_by(f64::total_cmp);
    let mut kept = good.clone();
    let (n, mut mean, mut variance, mut mean_variance) = moments(&good, good[0].x, mode);
    let median = quantile(&sorted, 0.5);
    match property {
        "MEAN" => {}
        "MEDIAN" => {
            mean = median;
            mean_variance = std::f64::consts::FRAC_PI_2 * variance / n as f64;
        }
        _ => {
            let sigma = 0.741_301_109_252_802 * (quantile(&sorted, 0.75) - quantile(&sorted, 0.25));
            let unclipped = (mean, variance, mean_variance);
            let (mut centre, mut half_width) = (median, options.sigma_clip * sigma);
            for pass in 0..options.n_iter {
                if pass > 0 {
                    centre = mean;
                    half_width = if n > 1 {
                        options.sigma_clip * variance.sqrt()
                    } else {
                        half_width
                    };
                }
                let inside = |s: &&Sample| (s.x - centre).abs() <= half_width;
                let now: Vec<Sample> = good.iter().filter(inside).copied().collect();
                if now.len() < n.min(2) {
                    answer.fell_back = true;
                    if pass == 0 {
                        let s0: f64 = good.iter().map(|s| s.w).sum();
                        let s00: f64 = good.iter().map(|s| s.w * s.w).sum();
                        mean = median;
                        if mode == 0 {
                            mean_variance = sigma * sigma * s00 / (s0 * s0);
                        }
                    }
                    break;
                }
                (mean, variance, mean_variance) = if now.len() == n {
                    unclipped
                } else {
                    let (_, mean, variance, error) = moments(&now, centre, mode);
                    (mean, variance, error)
                };
                kept = now;
            }
            answer.n_clipped = n - kept.len();
        }
    }
    answer.value = mean;
    answer.variance = if mean_variance < 0.0 {
        f64::NAN
    } else {
        mean_variance
    };
    let mut counted = good;
    if options.mask_from_kept && property == "MEANCLIP" {
        let same = |a: &Sample, b: &Sample| a.x.to_bits() == b.x.to_bits();
        rejected.extend(counted.iter().filter(|s| !kept.iter().any(|k| same(k, s))));
        counted = kept;
    }
    answer.or_mask = counted.iter().fold(0, |or, s| or | s.mask);
    let s0: f64 = counted.iter().map(|s| s.w).sum();
    for &(bit, threshold) in &options.thresholds {
        let has_bit = |s: &&Sample| s.mask >> bit & 1 != 0;
        let share: f64 = rejected.iter().filter(has_bit).map(|s| s.w).sum();
        if share / (s0 + share) > threshold {
            answer.or_mask |= 1 << bit;
        }
    }
    answer
}
