// SPDX-License-Identifier: BSD-3-Clause
//! Interpolating curves through nodes.

use crate::error::{Error, Result};
use crate::simd::dispatch;

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

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Constant => "CONSTANT",
            Self::Linear => "LINEAR",
            Self::Natural => "NATURAL_SPLINE",
            Self::Akima => "AKIMA_SPLINE",
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

/// How a curve goes on beyond its outermost nodes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Edge {
    /// Derivatives that go on: 0 (the value), 1 (and the slope) or 2 (and the curvature).
    pub order: u8,
    /// Distance from the node beyond which the curve is constant; infinity: never.
    pub reach: f64,
}

impl Edge {
    /// Value, slope and curvature go on for ever.
    pub const QUADRATIC: Self = Self {
        order: 2,
        reach: f64::INFINITY,
    };

    /// The edge of a name (quadratic, linear, constant) and a reach, which must be >= 0.
    pub fn parse(name: &str, reach: f64) -> Result<Self> {
        let order = match name {
            "constant" => 0,
            "linear" => 1,
            "quadratic" => 2,
            other => {
                let allowed = "quadratic, linear or constant";
                return Err(Error::option("edge", other, allowed));
            }
        };
        if reach.is_nan() || reach < 0.0 {
            return Err(Error::option("edge_reach", reach, "at least 0"));
        }
        Ok(Self { order, reach })
    }
}

/// A cubic about its own origin.
#[derive(Debug, Clone, Copy)]
struct Piece {
    origin: f64,
    factors: [f64; 4],
}

impl Piece {
    fn at(&self, t: f64) -> f64 {
        let ([a, b, c, d], dx) = (self.factors, t - self.origin);
        a + dx * (b + dx * (c + dx * d))
    }

    /// The same value everywhere.
    fn flat(origin: f64, value: f64) -> Self {
        let factors = [value, 0.0, 0.0, 0.0];
        Self { origin, factors }
    }
}

/// A curve through nodes, defined everywhere. The nodes stay; their values may be set again, which
/// allocates nothing.
#[derive(Debug, Clone)]
pub struct Curve {
    style: Style,
    edge: Edge,
    x: Vec<f64>,
    h: Vec<f64>,
    slopes: Vec<f64>,
    cubics: Vec<[f64; 3]>,
    work: Work,
    pieces: Vec<Piece>,
    /// Piece k + 1 begins at `breaks[k]`.
    breaks: Vec<f64>,
}

/// Memory of a fit.
#[derive(Debug, Clone, Default)]
struct Work {
    first: Vec<f64>,
    second: Vec<f64>,
    third: Vec<f64>,
}

impl Curve {
    /// Curve through the nodes `x` (rising) with the values `y`.
    pub fn new(style: Style, edge: Edge, x: &[f64], y: &[f64]) -> Result<Self> {
        if x.len() != y.len() || x.len() < style.min_points() {
            let got = format!("{} abscissae, {} values", x.len(), y.len());
            let (least, name) = (style.min_points(), style.name());
            let allowed = format!("equal numbers, at least {least} for {name}");
            return Err(Error::shape("nodes", got, allowed));
        }
        if !x.windows(2).all(|pair| pair[0] < pair[1]) {
            return Err(Error::option("nodes", "abscissae out of order", "rising"));
        }
        let mut curve = Self {
            style,
            edge,
            x: x.to_vec(),
            h: x.windows(2).map(|pair| pair[1] - pair[0]).collect(),
            slopes: Vec::new(),
            cubics: Vec::new(),
            work: Work::default(),
            pieces: Vec::new(),
            breaks: breaks(style, edge, x),
        };
        curve.set(y);
        Ok(curve)
    }

    /// Gives the nodes new values, as many as there are nodes.
    pub fn set(&mut self, y: &[f64]) {
        debug_assert_eq!(y.len(), self.x.len());
        self.pieces.clear();
        if self.style == Style::Constant {
            for (&origin, &value) in self.x.iter().zip(y) {
                self.pieces.push(Piece::flat(origin, value));
            }
            return;
        }
        self.slopes.clear();
        for (i, h) in self.h.iter().enumerate() {
            self.slopes.push((y[i + 1] - y[i]) / h);
        }
        self.cubics.clear();
        match self.style {
            Style::Constant | Style::Linear => {
                for &slope in &self.slopes {
                    self.cubics.push([slope, 0.0, 0.0]);
                }
            }
            Style::Natural => natural(&self.h, &self.slopes, &mut self.work, &mut self.cubics),
            Style::Akima => akima(&self.h, &self.slopes, &mut self.work, &mut self.cubics),
        }
        self.join(y);
    }

    /// Pieces between the nodes, one that goes on with the end on either side, and beyond the
    /// reach of these the value they end with.
    fn join(&mut self, y: &[f64]) {
        let last = self.cubics.len() - 1;
        let Edge { order, reach } = self.edge;
        let end = |origin, value, slope: f64, half_curvature: f64| Piece {
            origin,
            factors: [
                value,
                if order >= 1 { slope } else { 0.0 },
                if order >= 2 { half_curvature } else { 0.0 },
                0.0,
            ],
        };
        let [b, c, _] = self.cubics[0];
        let left = end(self.x[0], y[0], b, c);
        let (dx, [b, c, d]) = (self.h[last], self.cubics[last]);
        let slope = b + dx * (2.0 * c + dx * 3.0 * d);
        let right = end(self.x[last + 1], y[last + 1], slope, c + 3.0 * d * dx);
        if reach.is_finite() {
            let at = left.origin - reach;
            self.pieces.push(Piece::flat(at, left.at(at)));
        }
        self.pieces.push(left);
        for (i, &[b, c, d]) in self.cubics.iter().enumerate() {
            let factors = [y[i], b, c, d];
            let origin = self.x[i];
            self.pieces.push(Piece { origin, factors });
        }
        self.pieces.push(right);
        if reach.is_finite() {
            let at = right.origin + reach;
            self.pieces.push(Piece::flat(at, right.at(at)));
        }
    }

    /// Value at `t`; NaN at NaN.
    pub fn at(&self, t: f64) -> f64 {
        let k = self.breaks.partition_point(|&b| b <= t);
        self.pieces[k].at(t)
    }

    /// Values at `first`, `first + 1`, and so on.
    pub fn fill(&self, first: f64, out: &mut [f64]) {
        self.each_piece(first, out.len(), |factors, start, range| {
            cubic(factors, start, &mut out[range]);
        });
    }

    /// The same, rounded to f32.
    pub fn fill_rounded(&self, first: f64, out: &mut [f32]) {
        self.each_piece(first, out.len(), |factors, start, range| {
            cubic_rounded(factors, start, &mut out[range]);
        });
    }

    fn each_piece(
        &self,
        first: f64,
        n: usize,
        mut write: impl FnMut([f64; 4], f64, std::ops::Range<usize>),
    ) {
        let mut done = 0;
        for (k, piece) in self.pieces.iter().enumerate() {
            let stop = match self.breaks.get(k) {
                Some(&b) => ((b - first).ceil().max(0.0) as usize).clamp(done, n),
                None => n,
            };
            if stop > done {
                write(
                    piece.factors,
                    first + done as f64 - piece.origin,
                    done..stop,
                );
            }
            done = stop;
        }
    }
}

fn breaks(style: Style, edge: Edge, x: &[f64]) -> Vec<f64> {
    if style == Style::Constant {
        return x.windows(2).map(|pair| 0.5 * (pair[0] + pair[1])).collect();
    }
    let (first, last) = (x[0], x[x.len() - 1]);
    let mut breaks = Vec::with_capacity(x.len() + 2);
    if edge.reach.is_finite() {
        breaks.push(first - edge.reach);
    }
    breaks.extend_from_slice(&x[..x.len() - 1]);
    // The last node still belongs to the last interval.
    breaks.push(last.next_up());
    if edge.reach.is_finite() {
        breaks.push((last + edge.reach).next_up());
    }
    breaks
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

#[inline(always)]
#[allow(clippy::needless_range_loop)] // as above
fn cubic_rounded_body(factors: [f64; 4], start: f64, out: &mut [f32]) {
    let [a, b, c, d] = factors;
    if c == 0.0 && d == 0.0 && b.is_finite() {
        // The same bits: products with 0 add nothing.
        for i in 0..out.len() {
            out[i] = (a + (start + f64::from(i as i32)) * b) as f32;
        }
        return;
    }
    for i in 0..out.len() {
        let dx = start + f64::from(i as i32);
        out[i] = (a + dx * (b + dx * (c + dx * d))) as f32;
    }
}

dispatch! {
    /// Values of a cubic at `start`, `start + 1`, and so on.
    fn cubic(factors: [f64; 4], start: f64, out: &mut [f64]) = cubic_body;
}

dispatch! {
    /// The same, rounded to f32.
    fn cubic_rounded(factors: [f64; 4], start: f64, out: &mut [f32]) = cubic_rounded_body;
}

/// Slope, half the second and a sixth of the third derivative at the start of each interval of a
/// spline without curvature at its ends.
fn natural(h: &[f64], slopes: &[f64], work: &mut Work, out: &mut Vec<[f64; 3]>) {
    let n = h.len() + 1;
    let Work {
        first: c,
        second: upper,
        third: right,
    } = work;
    for values in [&mut *c, &mut *upper, &mut *right] {
        values.clear();
        values.resize(n, 0.0);
    }
    for i in 1..n - 1 {
        let pivot = 2.0 * (h[i - 1] + h[i]) - h[i - 1] * upper[i - 1];
        upper[i] = h[i] / pivot;
        right[i] = (3.0 * (slopes[i] - slopes[i - 1]) - h[i - 1] * right[i - 1]) / pivot;
    }
    for i in (1..n - 1).rev() {
        c[i] = right[i] - upper[i] * c[i + 1];
    }
    for i in 0..n - 1 {
        let b = slopes[i] - h[i] * (c[i + 1] + 2.0 * c[i]) / 3.0;
        out.push([b, c[i], (c[i + 1] - c[i]) / (3.0 * h[i])]);
    }
}

/// The same for an Akima spline.
fn akima(h: &[f64], slopes: &[f64], work: &mut Work, out: &mut Vec<[f64; 3]>) {
    let n = slopes.len();
    let (s, e) = (slopes, n - 1);
    // m[k + 2] is the slope of interval k.
    let m = &mut work.first;
    m.clear();
    m.extend([3.0 * s[0] - 2.0 * s[1], 2.0 * s[0] - s[1]]);
    m.extend_from_slice(s);
    m.extend([2.0 * s[e] - s[e - 1], 3.0 * s[e] - 2.0 * s[e - 1]]);
    for (i, h) in h.iter().enumerate() {
        let k = i + 2;
        let left = (m[k - 1] - m[k - 2]).abs();
        let sum = (m[k + 1] - m[k]).abs() + left;
        if sum == 0.0 {
            out.push([m[k], 0.0, 0.0]);
            continue;
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
        let d = (b + r - 2.0 * m[k]) / (h * h);
        out.push([b, (3.0 * m[k] - 2.0 * b - r) / h, d]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: [f64; 10] = [-1.0, -0.5, 0.5, 1.5, 2.5, 3.25, 4.5, 5.0, 5.5, 6.0];

    fn curve(style: Style) -> Curve {
        let x = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0];
        Curve::new(style, Edge::QUADRATIC, &x, &[0.0, 0.0, 1.0, 0.0, 2.0, 3.0]).expect("valid")
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
        let one = Curve::new(Style::Constant, Edge::QUADRATIC, &[3.0], &[7.0]).expect("valid");
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
        let new = |style, x: &[f64]| Curve::new(style, Edge::QUADRATIC, x, &[0.0, 1.0]);
        assert!(new(Style::Akima, &[0.0, 1.0]).is_err());
        assert!(new(Style::Linear, &[1.0, 1.0]).is_err());
        assert!(new(Style::Linear, &[1.0]).is_err());
    }

    #[test]
    fn edges_of_every_order() {
        let x = [0.0, 1.0, 2.0, 3.0, 4.0];
        let y = x.map(|x| x * x);
        let at = |name, reach, t| {
            let edge = Edge::parse(name, reach).expect("valid");
            Curve::new(Style::Akima, edge, &x, &y).expect("valid").at(t)
        };
        let far = f64::INFINITY;
        for (name, low, high) in [
            ("quadratic", 4.0, 36.0),
            ("linear", 0.0, 32.0),
            ("constant", 0.0, 16.0),
        ] {
            assert!((at(name, far, -2.0) - low).abs() < 1e-12, "{name}");
            assert!((at(name, far, 6.0) - high).abs() < 1e-12, "{name}");
            assert_eq!(at(name, 0.5, -2.0), at(name, far, -0.5), "{name}");
            assert_eq!(at(name, 0.5, 6.0), at(name, far, 4.5), "{name}");
            assert_eq!(at(name, 0.0, 9.0), 16.0);
        }
        assert!(Edge::parse("cubic", 1.0).is_err());
        assert!(Edge::parse("linear", -1.0).is_err());
    }

    #[test]
    fn rounded_rows_are_rounded() {
        for style in [Style::Constant, Style::Linear, Style::Natural, Style::Akima] {
            let curve = curve(style);
            let (mut row, mut rounded) = ([0.0_f64; 40], [0.0_f32; 40]);
            curve.fill(-17.25, &mut row);
            curve.fill_rounded(-17.25, &mut rounded);
            assert_eq!(row.map(|x| x as f32), rounded);
        }
    }
}
