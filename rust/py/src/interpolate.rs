// SPDX-License-Identifier: BSD-3-Clause
//! Bindings of `deepcoadd_core::interpolate`.

use crate::array;
use crate::error::PyRes;
use deepcoadd_core::error::Error;
use deepcoadd_core::interpolate::{self, Direction, Options, VarianceRule};
use pyo3::prelude::*;

/// Interpolates over bad pixels in place and returns their number.
#[pyfunction]
#[pyo3(signature = (image, mask, variance, *, bad_bits, interpolated_bits, fallback,
                    use_fallback_at_edge, direction, variance_like_image))]
#[allow(clippy::too_many_arguments)] // planes of one image and keywords
pub fn interpolate_lines(
    py: Python<'_>,
    image: &Bound<'_, PyAny>,
    mask: &Bound<'_, PyAny>,
    variance: Option<&Bound<'_, PyAny>>,
    bad_bits: i32,
    interpolated_bits: i32,
    fallback: f64,
    use_fallback_at_edge: bool,
    direction: &str,
    variance_like_image: bool,
) -> PyRes<usize> {
    let direction = match direction {
        "row" => Direction::Row,
        "column" => Direction::Column,
        "shortest" => Direction::Shortest,
        other => {
            let allowed = "row, column or shortest";
            return Err(Error::option("direction", other, allowed).into());
        }
    };
    let options = Options {
        bad_bits,
        interpolated_bits,
        fallback,
        use_fallback_at_edge,
        direction,
        variance: if variance_like_image {
            VarianceRule::LikeImage
        } else {
            VarianceRule::TwoSided
        },
    };
    let mut image = array::write::<f32>(image, "image")?;
    let mut mask = array::write::<i32>(mask, "mask")?;
    let mut variance = array::write_option::<f32>(variance, "variance")?;
    let (image, mask) = (image.as_array_mut(), mask.as_array_mut());
    let variance = array::view_option_mut(variance.as_mut());
    Ok(py.detach(|| interpolate::interpolate(image, mask, variance, &options))?)
}
