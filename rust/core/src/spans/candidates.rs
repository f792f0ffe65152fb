// SPDX-License-Identifier: BSD-3-Clause
//! What the difference of an epoch from a template shows, where nobody keeps the difference.

use super::component::{Connectivity, Groups, components, group};
use super::detect::select;
use super::epochs::{Pair, ROWS, Rows, like_image};
use super::footprint::{FootprintSet, PeakOrder};
use super::rows::{LANES, pack, push_bit_runs, row_words, words_of};
use super::span_set::{Region, Span, SpanSet};
use super::threshold::{Limit, Test, Threshold};
use crate::error::{Error, Result};
use crate::par;
use crate::simd::dispatch;
use ndarray::{ArrayViewMut2, Axis};

/// Pixels of a row that are tested together, and only if one of them may pass.
const PART: usize = 8 * LANES;

/// What [`find_candidates`] found.
#[derive(Debug)]
pub struct Candidates {
    /// For each threshold the 8-connected footprints, without peaks.
    pub footprints: Vec<FootprintSet>,
    /// Pixels at which the difference is NaN.
    pub missing: SpanSet,
    /// OR of all mask words of the epoch.
    pub any_mask: i32,
}

/// Runs of some rows: those that pass each threshold, then those without data; and the OR of the
/// mask words.
type Runs = (Vec<Vec<Span>>, Vec<Span>, i32);

#[inline(always)]
fn nan_body(row: &[f32], words: &mut [u64]) {
    row_words!(words, (x in row) => x.is_nan());
}

dispatch! {
    fn nan_words(row: &[f32], words: &mut [u64]) = nan_body;
}

/// Footprints, of `min_pixels` pixels at least, of what differs from a template by thresholds of
/// type [`Limit::PixelStdev`]; the scatter is that of epoch and template together.
///
/// `n_image` goes up by 1 where the difference is finite and no bad bit is set. The first pixel is
/// `start` (y, x).
pub fn find_candidates(
    pair: &Pair<'_>,
    start: (i64, i64),
    thresholds: &[Threshold],
    min_pixels: u64,
    mut n_image: ArrayViewMut2<'_, u32>,
) -> Result<Candidates> {
    let shape = pair.epoch.image.dim();
    let region = Region::of_array("image", shape, start)?;
    like_image("n_image", n_image.dim(), shape)?;
    let mut tests = Vec::with_capacity(thresholds.len());
    for threshold in thresholds {
        if threshold.limit != Limit::PixelStdev {
            let got = format!("{:?}", threshold.limit);
            return Err(Error::option("type", got, "pixel_stdev"));
        }
        tests.push(threshold.for_image(pair.epoch.image)?);
    }
    let rows = Rows::new(pair)?;
    let square = least_square(thresholds);
    let jobs: Vec<_> = n_image.axis_chunks_iter_mut(Axis(0), ROWS).collect();
    let parts = par::map(jobs.into_iter().enumerate().collect(), |(block, counts)| {
        runs_of_rows(&rows, block * ROWS, counts, &tests, square, &region)
    });
    let mut all: Runs = (vec![Vec::new(); tests.len()], Vec::new(), 0);
    for part in parts {
        let (passing, missing, any_mask) = part?;
        for (whole, some) in all.0.iter_mut().zip(passing) {
            whole.extend(some);
        }
        all.1.extend(missing);
        all.2 |= any_mask;
    }
    let each = all.0.iter().zip(thresholds.iter().zip(&tests));
    let footprints = each.map(|(spans, (threshold, test))| {
        let multiplier = threshold.include_multiplier;
        let strict = (multiplier != 1.0).then(|| test.scaled(multiplier));
        let kept = kept(spans, min_pixels, |span| {
            strict.is_none_or(|test| passes(&rows, span, &test, &region))
        });
        let order = if threshold.negative {
            PeakOrder::Rising
        } else {
            PeakOrder::Falling
        };
        FootprintSet::assemble(kept, Vec::new(), region, order)
    });
    Ok(Candidates {
        footprints: footprints.collect(),
        missing: SpanSet::from_runs(all.1),
        any_mask: all.2,
    })
}

/// Components of enough pixels, of which a run is wanted.
fn kept(spans: &[Span], min_pixels: u64, wanted: impl Fn(Span) -> bool) -> Groups {
    let (labels, n) = components(spans, Connectivity::Eight);
    let large = |part: &[Span]| {
        let area: u64 = part.iter().map(|s| s.width()).sum();
        area >= min_pixels && part.iter().any(|&span| wanted(span))
    };
    select(&group(spans, &labels, n), large).0
}

/// Variances that the square of a difference must reach, less what f32 may lose; 0 where every
/// pixel has to be tested.
fn least_square(thresholds: &[Threshold]) -> f32 {
    let least = thresholds
        .iter()
        .map(|t| t.value)
        .fold(f64::INFINITY, f64::min);
    let square = least * least * (1.0 - 1e-5);
    // Within these bounds no product with a variance loses digits where it counts.
    if least > 0.0 && (1e-6..1e12).contains(&square) {
        square as f32
    } else {
        0.0
    }
}

/// Runs of some rows, from row `first` on.
fn runs_of_rows(
    rows: &Rows<'_>,
    first: usize,
    mut counts: ArrayViewMut2<'_, u32>,
    tests: &[Test],
    square: f32,
    region: &Region,
) -> Result<Runs> {
    let width = counts.ncols();
    let (mut d, mut s) = ([0.0; PART], [0.0; PART]);
    let mut words = vec![vec![0; words_of(width)]; tests.len() + 1];
    let mut runs: Runs = (vec![Vec::new(); tests.len()], Vec::new(), 0);
    for (k, row) in counts.outer_iter_mut().enumerate() {
        let Some(row) = row.into_slice() else {
            return Err(Error::shape(
                "n_image",
                "strided columns",
                "contiguous rows",
            ));
        };
        let (mut any_far, mut any_missing) = (square == 0.0, false);
        for (part, n) in row.chunks_mut(PART).enumerate() {
            let (columns, len) = (part * PART..part * PART + n.len(), n.len());
            let (d, s) = (&mut d[..len], &mut s[..len]);
            let seen = rows.subtract((first + k, columns), square, (d, s, n));
            let at = part * PART / LANES..part * PART / LANES + words_of(len);
            for (test, words) in tests.iter().zip(&mut words) {
                if seen.far || square == 0.0 {
                    test.words(d, s, &mut words[at.clone()]);
                } else {
                    words[at.clone()].fill(0);
                }
            }
            if seen.missing > 0 {
                nan_words(d, &mut words[tests.len()][at]);
            } else {
                words[tests.len()][at].fill(0);
            }
            any_far |= seen.far;
            any_missing |= seen.missing > 0;
            runs.2 |= seen.any_mask;
        }
        let y = region.y0 + (first + k) as i32;
        for (words, runs) in words.iter().zip(&mut runs.0).take_while(|_| any_far) {
            push_bit_runs(words, y, region.x0, runs);
        }
        if any_missing {
            push_bit_runs(&words[tests.len()], y, region.x0, &mut runs.1);
        }
    }
    Ok(runs)
}

/// Whether any pixel of a run passes.
fn passes(rows: &Rows<'_>, span: Span, test: &Test, region: &Region) -> bool {
    let (y, x) = (
        (span.y - region.y0) as usize,
        (span.x0 - region.x0) as usize,
    );
    let n = span.width() as usize;
    let (mut d, mut s, mut counts) = (vec![0.0; n], vec![0.0; n], vec![0; n]);
    rows.subtract((y, x..x + n), 0.0, (&mut d, &mut s, &mut counts));
    d.iter()
        .zip(&s)
        .any(|(&d, &s)| test.passes(f64::from(d), f64::from(s)))
}

#[cfg(test)]
mod tests {
    use super::super::detect::{Scene, search};
    use super::super::epochs::{Outputs, Planes, subtract_template};
    use super::*;
    use ndarray::Array2;

    /// Planes of any numbers, some of them NaN, infinite, or negative variances.
    fn plane(shape: (usize, usize), seed: u64) -> Array2<f32> {
        let mut state = seed;
        Array2::from_shape_fn(shape, |_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let (x, kind) = ((state >> 40) as f32 / 8_388_608.0 - 1.0, state >> 33 & 127);
            match kind {
                0 => f32::NAN,
                1 => f32::INFINITY,
                2 => 1e-30 * x,
                3 => 1e25 * x,
                _ => 20.0 * x * x * x,
            }
        })
    }

    #[test]
    fn the_same_as_subtracting_and_searching() {
        let shape = (70, PART + 77);
        let planes: Vec<_> = (1..5).map(|seed| plane(shape, seed)).collect();
        let mask = planes[0].mapv(|x| i32::from(x > 10.0) | (i32::from(x < 0.0) << 3));
        let pair = Pair {
            epoch: Planes {
                image: planes[0].view(),
                variance: planes[1].view(),
            },
            mask: mask.view(),
            template: Planes {
                image: planes[2].view(),
                variance: planes[3].view(),
            },
            factor: 1.25,
            bad_bits: 8,
        };
        let [mut d, mut s] = [Array2::zeros(shape), Array2::zeros(shape)];
        let [mut want, mut got] = [Array2::<u32>::zeros(shape), Array2::zeros(shape)];
        let out = Outputs {
            image: d.view_mut(),
            variance: s.view_mut(),
            n_image: want.view_mut(),
        };
        let n = subtract_template(&pair, out).expect("shapes agree");
        for (value, include_multiplier) in [(3.0, 1.0), (2.0, 4.0), (0.0, 1.0), (1e9, 1.0)] {
            let both = [false, true].map(|negative| Threshold {
                value,
                limit: Limit::PixelStdev,
                negative,
                include_multiplier,
            });
            got.fill(0);
            let found = find_candidates(&pair, (-5, 9), &both, 2, got.view_mut()).expect("agree");
            assert_eq!(got, want);
            assert_eq!(found.missing.area(), n);
            for (threshold, footprints) in both.iter().zip(found.footprints) {
                let scene = Scene {
                    image: d.view(),
                    variance: Some(s.view()),
                    start: (-5, 9),
                };
                let slow = search(&scene, threshold, 2, false).expect("agree");
                assert_eq!(footprints.union(), slow.union(), "{threshold:?}");
                assert_eq!(footprints.areas(), slow.areas());
            }
        }
    }

    #[test]
    fn other_thresholds_are_refused() {
        let zero = Array2::zeros((2, 2));
        let planes = Planes {
            image: zero.view(),
            variance: zero.view(),
        };
        let mask = Array2::zeros((2, 2));
        let pair = Pair {
            epoch: planes,
            mask: mask.view(),
            template: planes,
            factor: 1.0,
            bad_bits: 0,
        };
        let value = Threshold {
            value: 1.0,
            limit: Limit::Value,
            negative: false,
            include_multiplier: 1.0,
        };
        let mut counts = Array2::zeros((2, 2));
        let error = find_candidates(&pair, (0, 0), &[value], 1, counts.view_mut());
        assert!(
            error
                .expect_err("not in units of the noise")
                .to_string()
                .contains("type")
        );
        let mut counts = Array2::zeros((2, 3));
        let error = find_candidates(&pair, (0, 0), &[], 1, counts.view_mut());
        assert!(
            error
                .expect_err("other shape")
                .to_string()
                .contains("n_image")
        );
    }
}
