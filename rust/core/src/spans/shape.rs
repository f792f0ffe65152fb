// SPDX-License-Identifier: BSD-3-Clause
//! Discs, diamonds, squares, ellipses, crosses.

use super::span_set::{MAX_ROWS, Span, SpanSet, check_range, check_rows};
use crate::error::{Error, Result};

/// Shape of a structuring element of some radius.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stencil {
    /// `dx^2 + dy^2 <= r^2`.
    Circle,
    /// `|dx| + |dy| <= r`.
    Manhattan,
    /// `max(|dx|, |dy|) <= r`.
    Box,
}

impl Stencil {
    /// The stencil of a name.
    pub fn parse(name: &str) -> Result<Self> {
        match name {
            "circle" => Ok(Self::Circle),
            "manhattan" => Ok(Self::Manhattan),
            "box" => Ok(Self::Box),
            other => {
                let allowed = "circle, manhattan or box";
                Err(Error::option("stencil", format!("{other:?}"), allowed))
            }
        }
    }

    /// Half width of row `dy`.
    fn half_width(self, radius: i64, dy: i64) -> i64 {
        match self {
            Self::Circle => (radius * radius - dy * dy).isqrt(),
            Self::Manhattan => radius - dy.abs(),
            Self::Box => radius,
        }
    }
}

fn check_radius(radius: i64) -> Result<()> {
    let most = MAX_ROWS / 2 - 1;
    if (0..=most).contains(&radius) {
        return Ok(());
    }
    Err(Error::option(
        "radius",
        radius,
        format!("between 0 and {most}"),
    ))
}

impl SpanSet {
    /// A stencil about the pixel (y, x).
    pub fn from_stencil(radius: i64, stencil: Stencil, y: i64, x: i64) -> Result<Self> {
        check_radius(radius)?;
        for centre in [y, x] {
            let (first, last) = (centre.saturating_sub(radius), centre.saturating_add(radius));
            check_range("offset", first, last)?;
        }
        let rows = -radius..=radius;
        let spans = rows.map(|dy| {
            let dx = stencil.half_width(radius, dy);
            Span::new((y + dy) as i32, (x - dx) as i32, (x + dx) as i32)
        });
        Ok(Self::from_runs(spans.collect()))
    }

    /// The pixels whose centres lie in the ellipse of second moments `[xx, yy, xy]` about
    /// `(y, x)`.
    pub fn from_ellipse(moments: [f64; 3], y: f64, x: f64) -> Result<Self> {
        let [xx, yy, xy] = moments;
        let sensible = [xx, yy, xy, y, x].iter().all(|v| v.is_finite());
        // rounding may leave the determinant of a line a little below zero
        if !sensible || xx < 0.0 || yy < 0.0 || xx * yy - xy * xy < -1e-12 * xx * yy {
            let got = format!("moments xx = {xx}, yy = {yy}, xy = {xy} at y = {y}, x = {x}");
            return Err(Error::option("ellipse", got, "finite and not negative"));
        }
        check_rows("ellipse", (2.0 * yy.sqrt()) as i64)?;
        check_range("ellipse", (y - yy.sqrt()) as i64, (y + yy.sqrt()) as i64)?;
        check_range("ellipse", (x - xx.sqrt()) as i64, (x + xx.sqrt()) as i64)?;
        let flat = yy < f64::EPSILON * xx;
        let (slope, width2) = if flat {
            (0.0, xx)
        } else {
            (xy / yy, (xx - xy * xy / yy).max(0.0))
        };
        let first = (y - yy.sqrt()).floor() as i32 - 1;
        let last = (y + yy.sqrt()).ceil() as i32 + 1;
        let mut spans = Vec::new();
        for row in first..=last {
            let dy = f64::from(row) - y;
            if dy * dy > yy {
                continue;
            }
            let scale = if flat { 1.0 } else { 1.0 - dy * dy / yy };
            let (middle, half) = (x + slope * dy, (width2 * scale).sqrt());
            let (x0, x1) = (
                (middle - half).ceil() as i32,
                (middle + half).floor() as i32,
            );
            if x0 <= x1 {
                spans.push(Span::new(row, x0, x1));
            }
        }
        Self::from_spans(spans)
    }

    /// A cross with arms of some lengths: left and right along the row, up (growing y) and down.
    pub fn from_arms([left, right, up, down]: [i64; 4]) -> Result<Self> {
        for length in [left, right, up, down] {
            check_radius(length)?;
        }
        let column = -down..=up;
        let mut spans: Vec<_> = column.map(|dy| Span::new(dy as i32, 0, 0)).collect();
        spans.push(Span::new(0, -left as i32, right as i32));
        Self::from_spans(spans)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn circles_have_the_areas_of_the_definition() {
        for (radius, area) in [1, 5, 13, 29, 49, 81, 113, 149].into_iter().enumerate() {
            let circle = SpanSet::from_stencil(radius as i64, Stencil::Circle, -4, 7);
            let circle = circle.expect("small");
            assert_eq!(circle.area(), area);
            assert_eq!(circle.centroid(), (-4.0, 7.0));
        }
        let one = SpanSet::from_stencil(1, Stencil::Circle, 0, 0).expect("small");
        assert_eq!(one.moments(), (0.4, 0.4, 0.0));
    }

    #[test]
    fn stencils_refuse_bad_radii() {
        for radius in [-1, i64::MIN, MAX_ROWS, i64::MAX] {
            assert!(SpanSet::from_stencil(radius, Stencil::Box, 0, 0).is_err());
        }
        assert!(SpanSet::from_stencil(1, Stencil::Box, i64::MAX, 0).is_err());
        assert!(Stencil::parse("disc").is_err());
    }

    #[test]
    fn ellipses_degenerate_to_lines() {
        let row = SpanSet::from_ellipse([4.0, 0.0, 0.0], 3.0, 0.5).expect("a row");
        assert_eq!(row.spans(), [Span::new(3, -1, 2)]);
        let column = SpanSet::from_ellipse([0.0, 4.0, 0.0], 0.0, 1.0).expect("a column");
        assert_eq!(column.area(), 5);
        assert!(SpanSet::from_ellipse([1.0, f64::NAN, 0.0], 0.0, 0.0).is_err());
        assert!(SpanSet::from_ellipse([1.0, 1.0, 2.0], 0.0, 0.0).is_err());
        assert!(SpanSet::from_ellipse([1.0, 1e300, 0.0], 0.0, 0.0).is_err());
        assert!(SpanSet::from_ellipse([1.0, 1.0, 0.0], 1e300, 0.0).is_err());
    }
}
