// SPDX-License-Identifier: BSD-3-Clause
//! Statistics of one image.

use super::large;
use super::parts;
use super::pixel::Pixel;
use super::plain;
use super::props::{ErrorMode, Options, Property};
use super::sample::{Raw, Sample, Summary};
use crate::error::{Error, Result};
use ndarray::{ArrayBase, ArrayView2};
use std::ops::Range;

/// One image with what belongs to it; all planes have the shape of `values`.
#[derive(Debug, Clone)]
pub struct ImageInput<'a, T> {
    /// Pixels.
    pub values: ArrayView2<'a, T>,
    /// Mask words; absent = 0.
    pub mask: Option<ArrayView2<'a, i32>>,
    /// Variances.
    pub variance: Option<ArrayView2<'a, T>>,
    /// Weights, finite and >= 0; a sample of weight 0 is absent.
    pub weights: Option<ArrayView2<'a, T>>,
    /// Without weights: weight every sample by one over its variance.
    pub inverse_variance: bool,
}

/// A part of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// Its rows.
    pub rows: Range<usize>,
    /// Its columns.
    pub columns: Range<usize>,
}

/// Other work on a block that is read, while it is in the cache; on several threads at a time.
pub type Beside<'a> = &'a (dyn Fn(&Block) + Sync);

/// How pixels of a type are measured.
pub trait Measurable: Pixel {
    /// The answer of the kernel for large images, if there is one for what is asked.
    fn plain(_: &ImageInput<Self>, _: Property, _: &Options) -> Option<Summary> {
        None
    }
}

impl Measurable for f64 {}

impl Measurable for f32 {
    fn plain(input: &ImageInput<Self>, property: Property, options: &Options) -> Option<Summary> {
        plain::can(input, options).then(|| {
            if large::worthwhile(input) {
                large::statistics(input, property, options, None)
            } else {
                parts::whole(input, property, options)
            }
        })
    }
}

/// Statistics of one image; `property` may hold several. At least one pixel is needed.
pub fn image_statistics<T: Measurable>(
    input: &ImageInput<T>,
    property: Property,
    options: &Options,
) -> Result<Summary> {
    check(input, options)?;
    if let Some(summary) = T::plain(input, property, options) {
        return Ok(summary);
    }
    let inverse = input.inverse_variance && input.weights.is_none();
    let mut sample = Sample::default();
    sample.clear(options);
    for ((y, x), &value) in input.values.indexed_iter() {
        let raw = Raw {
            x: value.wide(),
            finite: value.finite(),
            mask: input.mask.as_ref().map_or(0, |m| m[(y, x)]),
            w: input.weights.as_ref().map_or(1.0, |w| w[(y, x)].wide()),
            v: input.variance.as_ref().map_or(0.0, |v| v[(y, x)].wide()),
        };
        sample.push(raw, inverse, options);
    }
    let shift = sample.typical();
    Ok(sample.evaluate(property, shift, options, options.truncation()))
}

/// [`image_statistics`] of an `f32` image, of which every pixel is in one block that is handed to
/// `beside`.
pub fn image_statistics_beside(
    input: &ImageInput<f32>,
    property: Property,
    options: &Options,
    beside: Beside,
) -> Result<Summary> {
    check(input, options)?;
    if plain::can(input, options) && large::worthwhile(input) {
        return Ok(large::statistics(input, property, options, Some(beside)));
    }
    let (height, width) = input.values.dim();
    beside(&Block {
        rows: 0..height,
        columns: 0..width,
    });
    image_statistics(input, property, options)
}

/// Checks options, shapes and weights.
pub(super) fn check<T: Pixel>(input: &ImageInput<T>, options: &Options) -> Result<()> {
    options.validate()?;
    let shape = input.values.shape();
    if input.values.is_empty() {
        return Err(Error::shape(
            "values",
            format!("{shape:?}"),
            "an array with pixels",
        ));
    }
    let planes = [
        ("mask", input.mask.as_ref().map(ArrayBase::shape)),
        ("variance", input.variance.as_ref().map(ArrayBase::shape)),
        ("weights", input.weights.as_ref().map(ArrayBase::shape)),
    ];
    for (name, got) in planes {
        if let Some(got) = got.filter(|&got| got != shape) {
            return Err(Error::shape(
                name,
                format!("{got:?}"),
                format!("{shape:?} like values"),
            ));
        }
    }
    if input.inverse_variance && input.weights.is_none() && input.variance.is_none() {
        return Err(Error::option(
            "weighted",
            true,
            "false without weights and variance",
        ));
    }
    if input.variance.is_none() && options.error_mode != ErrorMode::Scatter {
        return Err(Error::option(
            "variance",
            "none",
            "given for errors from input variances",
        ));
    }
    if let Some(weights) = &input.weights
        && let Some(bad) = weights
            .iter()
            .find(|w| !(w.wide().is_finite() && w.wide() >= 0.0))
    {
        return Err(Error::option("weights", bad.wide(), "finite and >= 0"));
    }
    Ok(())
}
