// SPDX-License-Identifier: BSD-3-Clause
//! Images of grids of bins, written, added or subtracted row by row.

use super::curve::{Curve, Edge, Style};
use crate::error::{Error, Result};
use crate::par;
use crate::simd::dispatch;
use ndarray::{Array2, ArrayView2, ArrayViewMut2, Axis};

/// Rows of an image that a job renders.
const BAND: usize = 64;

/// What a rendered row does to the row that it meets.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Blend {
    /// Replaces it.
    Replace,
    /// Is multiplied by a factor and added, each step in f32.
    Add(f32),
}

impl Blend {
    /// Puts one row upon another of equal length.
    pub(super) fn put(self, row: &[f32], out: &mut [f32]) {
        match self {
            Self::Replace => out.copy_from_slice(row),
            Self::Add(factor) => add(row, factor, out),
        }
    }
}

#[inline(always)]
#[allow(clippy::needless_range_loop)] // plain loops are what `dispatch` compiles for each level
fn add_body(row: &[f32], factor: f32, out: &mut [f32]) {
    let n = out.len().min(row.len());
    let (row, out) = (&row[..n], &mut out[..n]);
    for i in 0..n {
        out[i] += factor * row[i];
    }
}

dispatch! {
    fn add(row: &[f32], factor: f32, out: &mut [f32]) = add_body;
}

/// Calls `render` for every row of `out` (number, memory of one row to write to) and blends what
/// it wrote. `state` is made once for each band of rows.
pub(super) fn rows<S>(
    out: &mut ArrayViewMut2<f32>,
    blend: Blend,
    state: impl Fn() -> Result<S> + Sync + Send,
    render: impl Fn(&mut S, usize, &mut [f32]) -> Result<()> + Sync + Send,
) -> Result<()> {
    let width = out.ncols();
    if out.is_empty() {
        return Ok(());
    }
    let bands = out.axis_chunks_iter_mut(Axis(0), BAND).enumerate();
    let done = par::map(
        bands.collect(),
        |(band, mut rows): (usize, ArrayViewMut2<f32>)| {
            let mut state = state()?;
            let mut line = vec![0.0; width];
            for (r, mut row) in rows.outer_iter_mut().enumerate() {
                let y = band * BAND + r;
                match (blend, row.as_slice_mut()) {
                    (Blend::Replace, Some(row)) => render(&mut state, y, row)?,
                    (_, Some(row)) => {
                        render(&mut state, y, &mut line)?;
                        blend.put(&line, row);
                    }
                    (_, None) => {
                        render(&mut state, y, &mut line)?;
                        let mut whole = row.to_vec();
                        blend.put(&line, &mut whole);
                        row.assign(&ndarray::ArrayView1::from(&whole[..]));
                    }
                }
            }
            Ok(())
        },
    );
    done.into_iter().collect()
}

/// How a grid is interpolated.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// Curve through the good bins.
    pub style: Style,
    /// A lower style stands in where nodes are too few (for the whole grid: in both directions),
    /// and where there are none the image is NaN; otherwise this is an error.
    pub reduce: bool,
    /// What happens beyond the outermost nodes.
    pub edge: Edge,
}

impl Rule {
    /// Curve through those nodes whose value is not NaN; None if there are none at all.
    fn through(&self, x: &[f64], y: &[f64]) -> Result<Option<Curve>> {
        let good = || x.iter().zip(y).filter(|(_, y)| !y.is_nan());
        let (x, y): (Vec<f64>, Vec<f64>) = good().unzip();
        match self.style.for_points(x.len(), self.reduce) {
            Some(style) => Curve::new(style, self.edge, &x, &y).map(Some),
            None if self.reduce => Ok(None),
            None => Err(self.too_few("good bins of a line", x.len(), "")),
        }
    }

    fn too_few(&self, what: &'static str, got: impl ToString, where_: &str) -> Error {
        let (least, name) = (self.style.min_points(), self.style.name());
        Error::option(what, got, format!("at least {least}{where_} for {name}"))
    }
}

/// A grid of bins with curves laid along its columns, ready for any row of an image.
#[derive(Debug)]
pub struct Surface<'a> {
    /// Value of every column of bins at every row of the image.
    columns: Array2<f64>,
    centres: &'a [f64],
    rule: Rule,
    first: f64,
}

impl<'a> Surface<'a> {
    /// Lays curves along y through the columns of `grid`, whose rows and columns have their
    /// `centres` there, and evaluates them at `n_rows` rows. `first` is the first pixel (y, x) of
    /// the image in the frame of the centres.
    pub fn new(
        grid: ArrayView2<f32>,
        centres: (&[f64], &'a [f64]),
        rule: Rule,
        first: (f64, f64),
        n_rows: usize,
    ) -> Result<Self> {
        let (ny, nx) = grid.dim();
        if (centres.0.len(), centres.1.len()) != (ny, nx) {
            let got = format!("{:?}", (centres.0.len(), centres.1.len()));
            return Err(Error::shape("centres", got, format!("{:?}", (ny, nx))));
        }
        let Some(style) = rule.style.for_points(ny.min(nx), rule.reduce) else {
            let got = format!("{:?}", (ny, nx));
            return Err(rule.too_few("bins", got, " along each axis"));
        };
        let rule = Rule { style, ..rule };
        let mut columns = Array2::zeros((n_rows, nx));
        let mut line = vec![0.0; n_rows];
        for (i, mut column) in columns.axis_iter_mut(Axis(1)).enumerate() {
            let values: Vec<f64> = grid.column(i).iter().map(|&v| f64::from(v)).collect();
            match rule.through(centres.0, &values)? {
                Some(curve) => curve.fill(first.0, &mut line),
                None => line.fill(f64::NAN),
            }
            column.assign(&ndarray::ArrayView1::from(&line[..]));
        }
        Ok(Self {
            columns,
            centres: centres.1,
            rule,
            first: first.1,
        })
    }

    /// Memory for [`Surface::row`].
    pub fn pen(&self) -> Pen {
        Pen {
            curve: None,
            good: Vec::new(),
            values: Vec::new(),
        }
    }

    /// Writes the pixels of row `y`.
    pub fn row(&self, pen: &mut Pen, y: usize, out: &mut [f32]) -> Result<()> {
        let row = self.columns.row(y);
        let known = match &pen.curve {
            Some(_) => row
                .iter()
                .zip(&pen.good)
                .all(|(v, good)| v.is_nan() != *good),
            None => false,
        };
        if known {
            pen.values.clear();
            pen.values.extend(row.iter().filter(|v| !v.is_nan()));
            if let Some(curve) = &mut pen.curve {
                curve.set(&pen.values);
            }
        } else {
            pen.good = row.iter().map(|v| !v.is_nan()).collect();
            pen.curve = self.rule.through(self.centres, &row.to_vec())?;
        }
        match &pen.curve {
            Some(curve) => curve.fill_rounded(self.first, out),
            None => out.fill(f32::NAN),
        }
        Ok(())
    }
}

/// The curve of the last row: the next one has the same nodes, as a rule.
#[derive(Debug)]
pub struct Pen {
    curve: Option<Curve>,
    good: Vec<bool>,
    values: Vec<f64>,
}

/// Renders the image that interpolates a grid of values, along y first; NaN values are left out.
///
/// `centres` are those of the rows and columns of the grid, `first` the pixel of `out[0, 0]`, in
/// one frame.
pub fn render(
    grid: ArrayView2<f32>,
    centres: (&[f64], &[f64]),
    rule: Rule,
    first: (f64, f64),
    blend: Blend,
    mut out: ArrayViewMut2<f32>,
) -> Result<()> {
    let surface = Surface::new(grid, centres, rule, first, out.nrows())?;
    let write = |pen: &mut Pen, y, row: &mut [f32]| surface.row(pen, y, row);
    rows(&mut out, blend, || Ok(surface.pen()), write)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(style: Style, reduce: bool) -> Rule {
        Rule {
            style,
            reduce,
            edge: Edge::QUADRATIC,
        }
    }

    #[test]
    fn too_few_bins() {
        let grid = Array2::from_elem((2, 6), 4.0);
        let columns: Vec<f64> = (0..6_u8).map(f64::from).collect();
        let centres = (&[0.0, 1.0][..], &columns[..]);
        let mut out = Array2::zeros((3, 3));
        let mut paint = |grid: &Array2<f32>, reduce| {
            let rule = rule(Style::Akima, reduce);
            render(
                grid.view(),
                centres,
                rule,
                (0.0, 0.0),
                Blend::Replace,
                out.view_mut(),
            )
            .map(|()| out.clone())
        };
        let strict = paint(&grid, false).expect_err("two rows").to_string();
        assert!(
            strict.contains("at least 5 along each axis for AKIMA_SPLINE"),
            "{strict}"
        );
        assert_eq!(
            paint(&grid, true).expect("reduced"),
            Array2::from_elem((3, 3), 4.0)
        );
        let nothing = Array2::from_elem((2, 6), f32::NAN);
        assert!(
            paint(&nothing, true)
                .expect("reduced")
                .iter()
                .all(|x| x.is_nan())
        );
    }

    #[test]
    fn added_rows_are_rendered_rows_times_the_factor() {
        let grid = Array2::from_shape_fn((7, 6), |(y, x)| ((3 * y + x * x) as f32).sin());
        let place = |n: u8| {
            (0..n)
                .map(|i| 4.5 + 10.0 * f64::from(i))
                .collect::<Vec<_>>()
        };
        let (y, x) = (place(7), place(6));
        for style in [Style::Constant, Style::Linear, Style::Natural, Style::Akima] {
            let paint = |blend, out: ArrayViewMut2<f32>| {
                let centres = (&y[..], &x[..]);
                render(
                    grid.view(),
                    centres,
                    rule(style, true),
                    (0.0, 0.0),
                    blend,
                    out,
                )
                .expect("valid");
            };
            let mut plain = Array2::zeros((70, 60));
            paint(Blend::Replace, plain.view_mut());
            let before = Array2::from_shape_fn((70, 60), |(y, x)| (y + x) as f32);
            let mut sum = before.clone();
            paint(Blend::Add(-0.3), sum.view_mut());
            assert_eq!(sum, before.clone() + plain.mapv(|v| -0.3 * v));
            // Columns that lie far apart in memory.
            let mut turned = before.t().to_owned().reversed_axes();
            paint(Blend::Add(-0.3), turned.view_mut());
            assert_eq!(turned, sum);
        }
    }
}
