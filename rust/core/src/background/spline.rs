// SPDX-License-Identifier: BSD-3-Clause
//! Interpolation of the values of bins, along y and then along x.

use crate::error::{Error, Result};
use crate::par;
use crate::simd::dispatch;
use ndarray::{Array2, ArrayView2, ArrayViewMut2, Axis};

/// Rows of an image that a job renders.
const BAND: usize = 64;

/// Families of interpolating curves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Value of the nearest node; of two, the right one.
    Constant,
    /// Straight lines.
    Linear,
    /// Natural cubic spline.
    Natural,
    /// Akima spline without rounded corners.
    Akima,
}

impl Style {
    /// The style of a name.
    pub fn parse(name: &str) -> Result<Self> {
        match name {
            "CONSTANT" => Ok(Self::Constant),
            "LINEAR" => Ok(Self::Linear),
            // Two names of one thing.
            "NATURAL_SPLINE" | "CUBIC_SPLINE" => Ok(Self::Natural),
            "AKIMA_SPLINE" => Ok(Self::Akima),
            other => {
                let allowed = "CONSTANT, LINEAR, NATURAL_SPLINE, CUBIC_SPLINE or AKIMA_SPLINE";
                Err(Error::option("style", other, allowed))
            }
        }
    }

    /// Fewest nodes that determine a curve.
    pub const fn min_points(self) -> usize {
        match self {
            Self::Constant => 1,
            Self::Linear => 2,
            Self::Natural => 3,
            Self::Akima => 5,
        }
    }

    /// The style, or the highest one that `n` nodes allow where they are too few for it.
    ///
    /// None: there is no node, or the style may not be reduced.
    pub fn for_points(self, n: usize, reduce: bool) -> Option<Self> {
        if n >= self.min_points() {
            return Some(self);
        }
        match n {
            _ if !reduce => None,
            0 => None,
            1 => Some(Self::Constant),
            2 => Some(Self::Linear),
            _ => Some(Self::Natural),
        }
    }
}

/// A cubic about its own origin.
#[derive(Debug, Clone, Copy)]
struct Piece {
    origin: f64,
    factors: [f64; 4],
}

/// A curve through nodes, defined everywhere.
#[derive(Debug, Clone)]
pub struct Curve {
    pieces: Vec<Piece>,
    /// Piece k + 1 begins at `breaks[k]`.
    breaks: Vec<f64>,
}

impl Curve {
    /// Curve through the nodes `x` (rising) with the values `y`.
    pub fn new(style: Style, x: &[f64], y: &[f64]) -> Result<Self> {
        if x.len() != y.len() || x.len() < style.min_points() {
            let got = format!("{} abscissae, {} values", x.len(), y.len());
            let allowed = format!(
                "equal numbers, at least {} for {style:?}",
                style.min_points()
            );
            return Err(Error::shape("nodes", got, allowed));
        }
        if !x.windows(2).all(|pair| pair[0] < pair[1]) {
            return Err(Error::option("nodes", "abscissae out of order", "rising"));
        }
        if style == Style::Constant {
            let piece = |(&origin, &value)| Piece {
                origin,
                factors: [value, 0.0, 0.0, 0.0],
            };
            return Ok(Self {
                pieces: x.iter().zip(y).map(piece).collect(),
                breaks: x.windows(2).map(|pair| 0.5 * (pair[0] + pair[1])).collect(),
            });
        }
        let h: Vec<f64> = x.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let slopes = y.windows(2).zip(&h);
        let slopes: Vec<f64> = slopes.map(|(pair, h)| (pair[1] - pair[0]) / h).collect();
        let cubics = match style {
            Style::Constant | Style::Linear => {
                slopes.iter().map(|&slope| [slope, 0.0, 0.0]).collect()
            }
            Style::Natural => natural(&h, &slopes),
            Style::Akima => akima(&h, &slopes),
        };
        Ok(Self::joined(x, y, &h, &cubics))
    }

    /// Pieces between the nodes, and on either side a parabola that goes on with the value, slope
    /// and curvature of the end.
    fn joined(x: &[f64], y: &[f64], h: &[f64], cubics: &[[f64; 3]]) -> Self {
        let (first, last) = (0, cubics.len() - 1);
        let piece = |at: usize, [b, c, d]: [f64; 3]| Piece {
            origin: x[at],
            factors: [y[at], b, c, d],
        };
        let mut pieces = Vec::with_capacity(cubics.len() + 2);
        let [b, c, _] = cubics[first];
        pieces.push(piece(0, [b, c, 0.0]));
        for (i, &cubic) in cubics.iter().enumerate() {
            pieces.push(piece(i, cubic));
        }
        let (dx, [b, c, d]) = (h[last], cubics[last]);
        let slope = b + dx * (2.0 * c + dx * 3.0 * d);
        pieces.push(piece(last + 1, [slope, c + 3.0 * d * dx, 0.0]));
        let mut breaks = x.to_vec();
        // The last node still belongs to the last interval.
        breaks[last + 1] = breaks[last + 1].next_up();
        Self { pieces, breaks }
    }

    /// Value at `t`; NaN at NaN.
    pub fn at(&self, t: f64) -> f64 {
        let k = self.breaks.partition_point(|&b| b <= t);
        let piece = &self.pieces[k];
        let mut value = [0.0];
        cubic(piece.factors, t - piece.origin, &mut value);
        value[0]
    }

    /// Values at `first`, `first + 1`, and so on.
    pub fn fill(&self, first: f64, out: &mut [f64]) {
        let mut done = 0;
        for (k, piece) in self.pieces.iter().enumerate() {
            let stop = match self.breaks.get(k) {
                Some(&b) => ((b - first).ceil().max(0.0) as usize).clamp(done, out.len()),
                None => out.len(),
            };
            let start = first + done as f64 - piece.origin;
            cubic(piece.factors, start, &mut out[done..stop]);
            done = stop;
        }
    }
}

#[inline(always)]
#[allow(clippy::needless_range_loop)] // plain loops are what `dispatch` compiles for each level
fn cubic_body(factors: [f64; 4], start: f64, out: &mut [f64]) {
    let [a, b, c, d] = factors;
    for i in 0..out.len() {
        // An index below 2^31 converts in lanes.
        let dx = start + f64::from(i as i32);
        out[i] = a + dx * (b + dx * (c + dx * d));
    }
}

dispatch! {
    /// Values of a cubic at `start`, `start + 1`, and so on.
    fn cubic(factors: [f64; 4], start: f64, out: &mut [f64]) = cubic_body;
}

/// Slope, half the second and a sixth of the third derivative at the start of each interval of a
/// spline without curvature at its ends.
fn natural(h: &[f64], slopes: &[f64]) -> Vec<[f64; 3]> {
    let n = h.len() + 1;
    let mut c = vec![0.0; n];
    let (mut upper, mut right) = (vec![0.0; n], vec![0.0; n]);
    for i in 1..n - 1 {
        let pivot = 2.0 * (h[i - 1] + h[i]) - h[i - 1] * upper[i - 1];
        upper[i] = h[i] / pivot;
        right[i] = (3.0 * (slopes[i] - slopes[i - 1]) - h[i - 1] * right[i - 1]) / pivot;
    }
    for i in (1..n - 1).rev() {
        c[i] = right[i] - upper[i] * c[i + 1];
    }
    let piece = |i: usize| {
        let b = slopes[i] - h[i] * (c[i + 1] + 2.0 * c[i]) / 3.0;
        [b, c[i], (c[i + 1] - c[i]) / (3.0 * h[i])]
    };
    (0..n - 1).map(piece).collect()
}

/// The same for an Akima spline.
fn akima(h: &[f64], slopes: &[f64]) -> Vec<[f64; 3]> {
    let n = slopes.len();
    let (s, e) = (slopes, n - 1);
    let mut m = vec![3.0 * s[0] - 2.0 * s[1], 2.0 * s[0] - s[1]];
    m.extend_from_slice(s);
    m.extend([2.0 * s[e] - s[e - 1], 3.0 * s[e] - 2.0 * s[e - 1]]);
    // m[k + 2] is the slope of interval k.
    let piece = |i: usize| {
        let k = i + 2;
        let left = (m[k - 1] - m[k - 2]).abs();
        let sum = (m[k + 1] - m[k]).abs() + left;
        if sum == 0.0 {
            return [m[k], 0.0, 0.0];
        }
        let share = left / sum;
        let b = (1.0 - share) * m[k - 1] + share * m[k];
        let here = (m[k] - m[k - 1]).abs();
        let sum = (m[k + 2] - m[k + 1]).abs() + here;
        let r = if sum == 0.0 {
            m[k]
        } else {
            (1.0 - here / sum) * m[k] + here / sum * m[k + 1]
        };
        let d = (b + r - 2.0 * m[k]) / (h[i] * h[i]);
        [b, (3.0 * m[k] - 2.0 * b - r) / h[i], d]
    };
    (0..n).map(piece).collect()
}

/// Curve through those nodes whose value is not NaN; None if there are none at all.
fn through(style: Style, reduce: bool, x: &[f64], y: &[f64]) -> Result<Option<Curve>> {
    let good = || x.iter().zip(y).filter(|(_, y)| !y.is_nan());
    let (x, y): (Vec<f64>, Vec<f64>) = good().unzip();
    match style.for_points(x.len(), reduce) {
        Some(style) => Curve::new(style, &x, &y).map(Some),
        None if reduce => Ok(None),
        None => {
            let allowed = format!("at least {} for {style:?}", style.min_points());
            Err(Error::option("good bins of a line", x.len(), allowed))
        }
    }
}

/// Renders the image that interpolates a grid of values, along y first; NaN values are left out.
///
/// `centres` are those of the rows and columns of the grid, `first` the pixel of `out[0, 0]`, in
/// one frame. With `reduce` a lower style stands in where nodes are
/// too few (for the whole grid: in both directions), and where there are none the image is NaN.
pub fn render(
    grid: ArrayView2<f32>,
    centres: (&[f64], &[f64]),
    style: Style,
    reduce: bool,
    first: (f64, f64),
    mut out: ArrayViewMut2<f32>,
) -> Result<()> {
    let (ny, nx) = grid.dim();
    if (centres.0.len(), centres.1.len()) != (ny, nx) {
        let got = format!("{:?}", (centres.0.len(), centres.1.len()));
        return Err(Error::shape("centres", got, format!("{:?}", (ny, nx))));
    }
    let Some(style) = style.for_points(ny.min(nx), reduce) else {
        let allowed = format!(
            "at least {} along each axis for {style:?}",
            style.min_points()
        );
        return Err(Error::option("bins", format!("{:?}", (ny, nx)), allowed));
    };
    let mut columns = Array2::zeros((nx, out.nrows()));
    for (i, mut column) in columns.outer_iter_mut().enumerate() {
        let values: Vec<f64> = grid.column(i).iter().map(|&v| f64::from(v)).collect();
        let curve = through(style, reduce, centres.0, &values)?;
        if let Some(line) = column.as_slice_mut() {
            put(curve.as_ref(), first.0, line);
        }
    }
    let width = out.ncols();
    let rows = out
        .axis_chunks_iter_mut(Axis(0), BAND)
        .enumerate()
        .collect();
    let done = par::map(rows, |(band, mut rows): (usize, ArrayViewMut2<f32>)| {
        let mut line = vec![0.0; width];
        for (r, mut row) in rows.outer_iter_mut().enumerate() {
            let values: Vec<f64> = columns.column(band * BAND + r).to_vec();
            put(
                through(style, reduce, centres.1, &values)?.as_ref(),
                first.1,
                &mut line,
            );
            for (pixel, &value) in row.iter_mut().zip(&line) {
                *pixel = value as f32;
            }
        }
        Ok(())
    });
    done.into_iter().collect()
}

fn put(curve: Option<&Curve>, first: f64, out: &mut [f64]) {
    match curve {
        Some(curve) => curve.fill(first, out),
        None => out.fill(f64::NAN),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: [f64; 10] = [-1.0, -0.5, 0.5, 1.5, 2.5, 3.25, 4.5, 5.0, 5.5, 6.0];

    fn curve(style: Style) -> Curve {
        let x = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0];
        Curve::new(style, &x, &[0.0, 0.0, 1.0, 0.0, 2.0, 3.0]).expect("valid")
    }

    #[test]
    fn published_values() {
        let akima = [
            1.166_666_666_7,
            0.416_666_666_7,
            -0.104_166_666_7,
            0.479_166_666_7,
            0.4375,
            0.394_531_25,
            2.593_75,
            3.0,
            3.0625,
            2.75,
        ];
        let natural = [
            0.473_684_210_5,
            0.236_842_105_3,
            -0.177_631_578_9,
            0.657_894_736_8,
            0.421_052_631_6,
            0.260_690_789_5,
            2.697_368_421_1,
            3.0,
            3.236_842_105_3,
            3.473_684_210_5,
        ];
        for (style, want) in [(Style::Akima, akima), (Style::Natural, natural)] {
            let curve = curve(style);
            for (t, want) in T.into_iter().zip(want) {
                assert!((curve.at(t) - want).abs() < 1e-10, "{style:?} {t}");
            }
            assert!(curve.at(f64::NAN).is_nan());
        }
    }

    #[test]
    fn lines_and_steps() {
        let linear = curve(Style::Linear);
        assert_eq!(
            [-1.0, 1.5, 5.0, 6.0].map(|t| linear.at(t)),
            [0.0, 0.5, 3.0, 4.0]
        );
        let constant = curve(Style::Constant);
        let want = [0.0, 0.0, 1.0, 0.0, 3.0];
        assert_eq!([-9.0, 1.4, 1.5, 2.5, 9.0].map(|t| constant.at(t)), want);
        let one = Curve::new(Style::Constant, &[3.0], &[7.0]).expect("valid");
        assert_eq!((one.at(-1e9), one.at(1e9)), (7.0, 7.0));
    }

    #[test]
    fn a_row_is_its_points() {
        for style in [Style::Constant, Style::Linear, Style::Natural, Style::Akima] {
            let curve = curve(style);
            for first in [-3.0, -0.25, 4.5, 9.0] {
                let mut row = [0.0; 11];
                curve.fill(first, &mut row);
                for (i, value) in row.into_iter().enumerate() {
                    let t = first + i as f64;
                    assert!((value - curve.at(t)).abs() < 1e-13, "{style:?} {first} {i}");
                }
            }
        }
    }

    #[test]
    fn too_few_nodes() {
        assert!(Curve::new(Style::Akima, &[0.0, 1.0], &[0.0, 1.0]).is_err());
        assert!(Curve::new(Style::Linear, &[1.0, 1.0], &[0.0, 1.0]).is_err());
        let grid = Array2::from_elem((2, 6), 4.0);
        let columns: Vec<f64> = (0..6_u8).map(f64::from).collect();
        let centres = (&[0.0, 1.0][..], &columns[..]);
        let mut out = Array2::zeros((3, 3));
        let strict = render(
            grid.view(),
            centres,
            Style::Akima,
            false,
            (0.0, 0.0),
            out.view_mut(),
        );
        assert!(
            strict
                .expect_err("two rows")
                .to_string()
                .contains("at least 5")
        );
        render(
            grid.view(),
            centres,
            Style::Akima,
            true,
            (0.0, 0.0),
            out.view_mut(),
        )
        .expect("reduced");
        assert_eq!(out, Array2::from_elem((3, 3), 4.0));
        let nothing = Array2::from_elem((2, 6), f32::NAN);
        render(
            nothing.view(),
            centres,
            Style::Akima,
            true,
            (0.0, 0.0),
            out.view_mut(),
        )
        .expect("reduced");
        assert!(out.iter().all(|x| x.is_nan()));
    }
}
