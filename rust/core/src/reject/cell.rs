// SPDX-License-Identifier: BSD-3-Clause
//! All visits of one cell of the sky, and the passes over them.

use super::compare::Memory;
use super::flags::GOOD;
use super::plane::Shape;
use super::single::{find_single, follow_single};
use super::stack::Layer;
use crate::error::{Error, Result};
use crate::par;
use crate::spans::SpanSet;
use ndarray::{ArrayView2, s};
use std::sync::Mutex;

/// Numbers of the method; `docs/algorithms/visit-clip.md` explains them.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Significance that starts sharp light.
    pub seed: f64,
    /// Significance of a neighbour that joins.
    pub grow: f64,
    /// Significance of smooth light.
    pub soft: f64,
    /// Least smooth light at the scale of the PSF, in noise of a pixel.
    pub amplitude: f64,
    /// Least smooth light at the wider scale, in noise of a pixel.
    pub amplitude_extended: f64,
    /// Sigma of the wider scale, pixels.
    pub extended: f64,
    /// Significance beyond which a pixel counts as this, when smoothed.
    pub winsor: f64,
    /// Significance that makes a source.
    pub source: f64,
    /// Least and largest share of what a small change of the PSF does that is tolerated.
    pub flux_tolerance: (f64, f64),
    /// Tolerance in units of the seeing difference.
    pub seeing_tolerance: f64,
    /// Tolerance in units of the trimmed range over the visits, at bright sources.
    pub spread_tolerance: f64,
    /// Brightness of such sources, in noise of a pixel.
    pub bright_spread: f64,
    /// Tolerance where the template ends, in units of the brightness.
    pub rim_tolerance: f64,
    /// Brightness, in noise of a pixel, from which a missing visit makes such an end.
    pub bright: f64,
    /// Depth of a dark lobe, at most, in units of the peak beside it.
    pub lobe: f64,
    /// Difference of mean and median of the others, in noise of the mean, that tells of an outlier.
    pub odd: f64,
    /// Side of a cell of the sky offset, pixels.
    pub mesh: usize,
    /// By how much the sky offset may vary, in noise of a pixel.
    pub mesh_most: f64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            seed: 4.2,
            grow: 2.5,
            soft: 4.5,
            amplitude: 0.8,
            amplitude_extended: 0.7,
            extended: 4.0,
            winsor: 2.0,
            source: 5.0,
            flux_tolerance: (0.03, 0.6),
            seeing_tolerance: 1.0,
            spread_tolerance: 0.7,
            bright_spread: 30.0,
            rim_tolerance: 1.0,
            bright: 300.0,
            lobe: 0.3,
            odd: 4.0,
            mesh: 64,
            mesh_most: 0.3,
        }
    }
}

/// Sharp light in pixels that one visit alone sees must be this much more significant.
const SINGLE_MORE: f64 = 1.0;

/// One visit.
#[derive(Debug)]
pub(super) struct Epoch {
    pub(super) y: Vec<f32>,
    pub(super) v: Vec<f32>,
    pub(super) state: Vec<u8>,
    /// Seeing difference at the sources.
    pub(super) shift: Vec<f32>,
    pub(super) sigma: f64,
    pub(super) weight: f64,
}

impl Epoch {
    fn layer(&self) -> Layer<'_> {
        Layer {
            y: &self.y,
            v: &self.v,
            state: &self.state,
            shift: &self.shift,
            weight: self.weight,
        }
    }
}

/// A mask, and the bits of it that make a pixel bad.
pub type Mask<'a> = (ArrayView2<'a, i32>, i32);

/// All visits of one cell.
#[derive(Debug)]
pub struct Cell {
    pub(super) shape: Shape,
    pub(super) ends: [bool; 4],
    pub(super) options: Options,
    pub(super) epochs: Vec<Epoch>,
    /// Pixels of the sources of the last pass.
    pub(super) list: Vec<u32>,
    pub(super) rim: Vec<bool>,
    pub(super) n_good: Vec<f32>,
    pub(super) noise: f32,
    pub(super) sigma: f64,
    pub(super) variance_t: f64,
    pub(super) passes: usize,
    /// Planes that threads take and give back.
    pub(super) memory: Mutex<Vec<Memory>>,
}

impl Cell {
    /// A cell of `shape` (ny, nx) pixels. `ends` tells whether no visit reaches beyond its first
    /// row, last row, first column, last column.
    pub fn new((ny, nx): (usize, usize), ends: [bool; 4], options: Options) -> Self {
        Self {
            shape: Shape { ny, nx },
            ends,
            options,
            epochs: Vec::new(),
            list: Vec::new(),
            rim: Vec::new(),
            n_good: Vec::new(),
            noise: 0.0,
            sigma: 0.0,
            variance_t: 0.0,
            passes: 0,
            memory: Mutex::default(),
        }
    }

    /// Number of visits.
    pub fn len(&self) -> usize {
        self.epochs.len()
    }

    /// Whether there is no visit.
    pub fn is_empty(&self) -> bool {
        self.epochs.is_empty()
    }

    /// Adds a visit whose PSF has the given sigma [pixel]; false, and nothing is added, where no
    /// pixel can be used: finite, no bad bit, finite variance above 0.
    pub fn add(
        &mut self,
        image: ArrayView2<'_, f32>,
        variance: ArrayView2<'_, f32>,
        (mask, bad): Mask<'_>,
        sigma: f64,
    ) -> Result<bool> {
        let want = (self.shape.ny, self.shape.nx);
        for (name, got) in [
            ("image", image.dim()),
            ("variance", variance.dim()),
            ("mask", mask.dim()),
        ] {
            if got != want {
                return Err(Error::shape(name, format!("{got:?}"), format!("{want:?}")));
            }
        }
        if !(sigma.is_finite() && sigma > 0.0) {
            return Err(Error::option("sigma", sigma, "finite and > 0"));
        }
        if self.passes > 0 {
            return Err(Error::option(
                "visit",
                "one after the first pass",
                "before it",
            ));
        }
        let mut epoch = Epoch {
            y: Vec::with_capacity(self.shape.area()),
            v: Vec::with_capacity(self.shape.area()),
            state: Vec::with_capacity(self.shape.area()),
            shift: Vec::new(),
            sigma,
            weight: 0.0,
        };
        let mut any = false;
        for ((x, v), m) in image
            .rows()
            .into_iter()
            .zip(variance.rows())
            .zip(mask.rows())
        {
            for ((&x, &v), &m) in x.iter().zip(v).zip(m) {
                let usable = x.is_finite() && v.is_finite() && v > 0.0 && m & bad == 0;
                any |= usable;
                epoch.y.push(if usable { x } else { 0.0 });
                epoch.v.push(if usable { v } else { 1.0 });
                epoch.state.push(if usable { GOOD } else { 0 });
            }
        }
        if any {
            self.epochs.push(epoch);
        }
        Ok(any)
    }

    /// Flags sharp light where one visit alone can be used.
    pub fn find_single(&mut self) {
        let grow = self.options.grow as f32;
        let (shape, n_good, more) = (self.shape, &self.n_good, self.options.seed + SINGLE_MORE);
        if self.passes > 0 {
            par::map(self.epochs.iter_mut().collect(), |epoch: &mut Epoch| {
                let (y, v) = (&epoch.y, &epoch.v);
                find_single(y, v, &mut epoch.state, n_good, (epoch.sigma, more), shape);
                follow_single(y, v, &mut epoch.state, n_good, grow, shape);
            });
        }
    }

    /// Pixels that any of `rules` flags in one visit, `(y0, x0)` to before `(y1, x1)` of the cell
    /// only; the first pixel of the cell is `start` (y, x).
    pub fn flagged(
        &self,
        visit: usize,
        rules: u8,
        ((y0, x0), (y1, x1)): ((usize, usize), (usize, usize)),
        start: (i64, i64),
    ) -> Result<SpanSet> {
        let Some(epoch) = self.epochs.get(visit) else {
            let allowed = format!("below {}", self.epochs.len());
            return Err(Error::option("visit", visit, allowed));
        };
        if y0 > y1 || x0 > x1 || y1 > self.shape.ny || x1 > self.shape.nx {
            let got = format!("({y0}, {x0}) to ({y1}, {x1})");
            return Err(Error::shape("window", got, format!("in {:?}", self.shape)));
        }
        let flags: Vec<bool> = epoch.state.iter().map(|s| s & rules != 0).collect();
        let plane = ArrayView2::from_shape((self.shape.ny, self.shape.nx), &flags)
            .map_err(|e| Error::shape("state", e, "ny x nx"))?;
        let inside = plane.slice(s![y0..y1, x0..x1]);
        SpanSet::from_flags(inside, (start.0 + y0 as i64, start.1 + x0 as i64))
    }

    pub(super) fn layers(&self) -> Vec<Layer<'_>> {
        self.epochs.iter().map(Epoch::layer).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::flags::{ALL_RULES, SHARP};
    use super::*;
    use crate::simd::{Level, set_level};
    use ndarray::Array2;

    const SHAPE: (usize, usize) = (70, 80);

    /// Noise of 1 in four visits, with a hit in the second and a block in the third.
    fn images() -> Vec<Array2<f32>> {
        let mut seed = 7_u64;
        let mut uniform = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 40) as f32 / 16_777_216.0 - 0.5
        };
        let mut noise = || (0..12).map(|_| uniform()).sum::<f32>();
        let mut images: Vec<Array2<f32>> = (0..4)
            .map(|_| Array2::from_shape_simple_fn(SHAPE, &mut noise))
            .collect();
        images[1][(20, 30)] += 40.0;
        images[2]
            .slice_mut(s![40..52, 40..52])
            .mapv_inplace(|x| x + 20.0);
        images
    }

    fn cell(images: &[Array2<f32>]) -> Cell {
        let mut cell = Cell::new(SHAPE, [true; 4], Options::default());
        let (variance, mask) = (Array2::from_elem(SHAPE, 1.0), Array2::zeros(SHAPE));
        for image in images {
            let added = cell.add(image.view(), variance.view(), (mask.view(), 1), 2.0);
            assert_eq!(added, Ok(true));
        }
        cell
    }

    fn states(images: &[Array2<f32>]) -> Vec<Vec<u8>> {
        let mut cell = cell(images);
        for _ in 0..3 {
            cell.pass().expect("valid");
        }
        cell.find_single();
        cell.epochs
            .iter()
            .map(|epoch| epoch.state.clone())
            .collect()
    }

    #[test]
    fn levels_and_threads_give_the_same_bits() {
        let images = images();
        par::set_num_threads(1);
        let want = states(&images);
        assert!(want[1][20 * 80 + 30] & SHARP != 0);
        assert!(want[2][45 * 80 + 45] & SHARP != 0);
        assert!(want[0].iter().all(|state| state & ALL_RULES == 0));
        for level in Level::ALL {
            set_level(level);
            for threads in [1, 3] {
                par::set_num_threads(threads);
                assert_eq!(states(&images), want, "{level:?} {threads}");
            }
        }
        par::set_num_threads(0);
    }

    #[test]
    fn flagged_pixels_of_a_window() {
        let mut cell = cell(&images());
        cell.pass().expect("valid");
        let all = ((0, 0), SHAPE);
        let hit = cell.flagged(1, SHARP, all, (100, -50)).expect("valid");
        assert!(
            hit.spans()
                .iter()
                .any(|s| s.y == 120 && (s.x0..=s.x1).contains(&-20))
        );
        let rest = cell
            .flagged(1, SHARP, ((21, 0), (70, 80)), (100, -50))
            .expect("valid");
        assert!(rest.area() < hit.area());
        for (visit, window, name) in [
            (4, all, "visit"),
            (0, ((0, 0), (71, 80)), "window"),
            (0, ((9, 0), (8, 80)), "window"),
        ] {
            let error = cell
                .flagged(visit, SHARP, window, (0, 0))
                .expect_err("not allowed");
            assert!(error.to_string().starts_with(name), "{error}");
        }
    }

    #[test]
    fn what_cannot_be_added() {
        let images = images();
        let mut cell = cell(&images[..1]);
        let (image, mask) = (images[1].view(), Array2::from_elem(SHAPE, 1));
        let flat = Array2::from_elem(SHAPE, 1.0);
        let masked = cell.add(image, flat.view(), (mask.view(), 1), 2.0);
        assert_eq!((masked, cell.len()), (Ok(false), 1));
        let small = Array2::from_elem((3, 3), 1.0);
        assert!(
            cell.add(image, small.view(), (mask.view(), 0), 2.0)
                .is_err()
        );
        assert!(cell.add(image, flat.view(), (mask.view(), 0), 0.0).is_err());
        cell.pass().expect("valid");
        assert!(cell.add(image, flat.view(), (mask.view(), 0), 2.0).is_err());
        let mut empty = Cell::new((0, 0), [true; 4], Options::default());
        assert!(empty.is_empty() && empty.pass().is_ok());
    }

    #[test]
    fn one_visit_is_left_where_all_would_be_flagged() {
        // A body that every visit shows, brighter from one to the next.
        let mut images = images();
        for (k, image) in images.iter_mut().enumerate() {
            image[(10, 10)] = 30.0 * k as f32;
        }
        let states = states(&images);
        let left = states
            .iter()
            .filter(|state| state[10 * 80 + 10] & ALL_RULES == 0);
        assert!(left.count() >= 1);
        assert!(states[3][10 * 80 + 10] & SHARP != 0);
    }
}
