// SPDX-License-Identifier: BSD-3-Clause
//! Statistics along a stack of images, pixel by pixel.

use super::fast::Plan;
use super::pixel::Pixel;
use super::props::{ErrorMode, MaskRules, Options, Property, Weighting};
use super::sample::{Raw, Sample, Summary};
use crate::error::{Error, Result};
use crate::par;
use ndarray::{ArrayBase, ArrayView2, ArrayViewMut2};

/// Images of one shape; columns must be contiguous, rows may be strided.
#[derive(Debug, Clone, Copy)]
pub struct StackInput<'a, T> {
    /// Pixels, one array per image, at least one.
    pub images: &'a [ArrayView2<'a, T>],
    /// Mask words, one array per image; absent = 0.
    pub masks: Option<&'a [ArrayView2<'a, i32>]>,
    /// Variances, one array per image.
    pub variances: Option<&'a [ArrayView2<'a, T>]>,
    /// Weights.
    pub weighting: Weighting<'a>,
}

/// Output planes of the shape of the images; columns must be contiguous.
#[derive(Debug)]
pub struct Outputs<'a, T> {
    /// Value of the property.
    pub image: ArrayViewMut2<'a, T>,
    /// Mask words.
    pub mask: Option<ArrayViewMut2<'a, i32>>,
    /// Squared error of the property.
    pub variance: Option<ArrayViewMut2<'a, T>>,
    /// Samples that survived, before clipping.
    pub n_point: Option<ArrayViewMut2<'a, u32>>,
    /// Samples clipped.
    pub n_clipped: Option<ArrayViewMut2<'a, u32>>,
    /// Sum of the weights that the value is made of.
    pub weight_sum: Option<ArrayViewMut2<'a, T>>,
}

/// Totals over all pixels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Diagnostics {
    /// Samples clipped.
    pub n_clipped: u64,
    /// Samples that survived.
    pub n_samples: u64,
    /// Pixels at which a pass would have kept fewer than two samples.
    pub n_fallback: u64,
}

impl Diagnostics {
    fn add(self, other: Self) -> Self {
        Self {
            n_clipped: self.n_clipped + other.n_clipped,
            n_samples: self.n_samples + other.n_samples,
            n_fallback: self.n_fallback + other.n_fallback,
        }
    }
}

/// The result of one pixel.
#[derive(Debug, Clone, Copy)]
pub struct PixelOut {
    pub value: f64,
    pub variance: f64,
    pub mask: i32,
    pub n_point: u32,
    pub n_clipped: u32,
    pub weight: f64,
}

/// One row of the outputs.
pub struct Row<'a, T> {
    pub y: usize,
    pub image: &'a mut [T],
    pub mask: Option<&'a mut [i32]>,
    pub variance: Option<&'a mut [T]>,
    pub n_point: Option<&'a mut [u32]>,
    pub n_clipped: Option<&'a mut [u32]>,
    pub weight_sum: Option<&'a mut [T]>,
}

impl<T: Pixel> Row<'_, T> {
    pub fn put(&mut self, x: usize, out: &PixelOut) {
        self.image[x] = T::narrow(out.value);
        if let Some(plane) = &mut self.mask {
            plane[x] = out.mask;
        }
        if let Some(plane) = &mut self.variance {
            plane[x] = T::narrow(out.variance);
        }
        if let Some(plane) = &mut self.n_point {
            plane[x] = out.n_point;
        }
        if let Some(plane) = &mut self.n_clipped {
            plane[x] = out.n_clipped;
        }
        if let Some(plane) = &mut self.weight_sum {
            plane[x] = T::narrow(out.weight);
        }
    }
}

/// Evaluates one property at every pixel of a stack.
///
/// A pixel without samples becomes NaN with `no_data_bits`. Outputs that were not given are not
/// computed where that saves time.
pub fn stack<T: Stackable>(
    input: &StackInput<T>,
    property: Property,
    options: &Options,
    rules: &MaskRules,
    out: Outputs<T>,
) -> Result<Diagnostics> {
    options.validate()?;
    check(input, property, options, &out)?;
    let jobs = row_blocks(out);
    let totals = T::stack_rows(input, property, options, rules, jobs);
    Ok(totals
        .into_iter()
        .fold(Diagnostics::default(), Diagnostics::add))
}

/// How pixels of a type are stacked.
pub trait Stackable: Pixel {
    /// Computes blocks of rows.
    fn stack_rows(
        input: &StackInput<Self>,
        property: Property,
        options: &Options,
        rules: &MaskRules,
        jobs: Vec<Vec<Row<Self>>>,
    ) -> Vec<Diagnostics> {
        general(input, property, options, rules, jobs)
    }
}

impl Stackable for f64 {}

impl Stackable for f32 {
    fn stack_rows(
        input: &StackInput<Self>,
        property: Property,
        options: &Options,
        rules: &MaskRules,
        jobs: Vec<Vec<Row<Self>>>,
    ) -> Vec<Diagnostics> {
        match Plan::new(input, property, options, rules) {
            Some(plan) => par::map(jobs, |mut rows| plan.run(&mut rows)),
            None => general(input, property, options, rules, jobs),
        }
    }
}

/// Any property under any options, one pixel at a time.
fn general<T: Pixel>(
    input: &StackInput<T>,
    property: Property,
    options: &Options,
    rules: &MaskRules,
    jobs: Vec<Vec<Row<T>>>,
) -> Vec<Diagnostics> {
    let truncation = options.truncation();
    par::map(jobs, |rows| {
        let mut sample = Sample::default();
        let mut total = Diagnostics::default();
        for mut row in rows {
            let lines = Lines::of(input, row.y);
            for x in 0..row.image.len() {
                sample.clear(options);
                lines.gather(x, &mut sample, options);
                let shift = sample.first();
                let summary = sample.evaluate(property, shift, options, truncation);
                let result = PixelOut {
                    value: summary.value(property),
                    variance: summary.squared_error(property),
                    mask: mask_word(&summary, options, rules),
                    n_point: summary.n_point as u32,
                    n_clipped: summary.n_clipped() as u32,
                    weight: summary.weight(property),
                };
                total.n_samples += u64::from(result.n_point);
                total.n_clipped += u64::from(result.n_clipped);
                total.n_fallback += u64::from(summary.clipped.is_some_and(|c| c.fell_back));
                row.put(x, &result);
            }
        }
        total
    })
}

/// Mask of a stacked pixel: the OR of the survivors or, without any, `no_data_bits`; then what
/// clipping and rejection add.
fn mask_word(summary: &Summary, options: &Options, rules: &MaskRules) -> i32 {
    let mut mask = if summary.n_point == 0 {
        options.no_data_bits
    } else {
        summary.or_mask
    };
    if summary.n_clipped() > 0 {
        mask |= rules.clipped_bits;
    }
    if summary.n_masked > 0 {
        for &(from, to) in rules.mask_map {
            if summary.any_mask & from != 0 {
                mask |= to;
            }
        }
    }
    mask
}

/// The inputs of one output row.
struct Lines<'a, T> {
    images: Vec<&'a [T]>,
    masks: Option<Vec<&'a [i32]>>,
    variances: Option<Vec<&'a [T]>>,
    weights: Option<&'a [f64]>,
    inverse: bool,
}

impl<'a, T: Pixel> Lines<'a, T> {
    fn of(input: &StackInput<'a, T>, y: usize) -> Self {
        let (weights, inverse) = match input.weighting {
            Weighting::None => (None, false),
            Weighting::PerImage(weights) => (Some(weights), false),
            Weighting::InverseVariance => (None, true),
        };
        Self {
            images: lines_at(input.images, y),
            masks: input.masks.map(|planes| lines_at(planes, y)),
            variances: input.variances.map(|planes| lines_at(planes, y)),
            weights,
            inverse,
        }
    }

    fn gather(&self, x: usize, sample: &mut Sample, options: &Options) {
        for (k, line) in self.images.iter().enumerate() {
            let raw = Raw {
                x: line[x].wide(),
                finite: line[x].finite(),
                mask: self.masks.as_ref().map_or(0, |masks| masks[k][x]),
                w: self.weights.map_or(1.0, |weights| weights[k]),
                v: self
                    .variances
                    .as_ref()
                    .map_or(0.0, |variances| variances[k][x].wide()),
            };
            sample.push(raw, self.inverse, options);
        }
    }
}

/// Row `y` of every plane. `check` has made sure that rows are slices.
pub(super) fn lines_at<'a, U>(planes: &'a [ArrayView2<'a, U>], y: usize) -> Vec<&'a [U]> {
    planes
        .iter()
        .map(|plane| plane.row(y).to_slice().unwrap_or_default())
        .collect()
}

/// Rows of the outputs, in blocks that are worth a thread's while.
fn row_blocks<T: Pixel>(out: Outputs<T>) -> Vec<Vec<Row<T>>> {
    let pixels = (out.image.len() / (16 * par::num_threads())).clamp(4096, 65_536);
    let per_block = (pixels / out.image.ncols().max(1)).max(1);
    let (mut mask, mut variance) = (rows_of(out.mask), rows_of(out.variance));
    let (mut n_point, mut n_clipped) = (rows_of(out.n_point), rows_of(out.n_clipped));
    let mut weight_sum = rows_of(out.weight_sum);
    let mut blocks = Vec::new();
    let mut block = Vec::with_capacity(per_block);
    for (y, line) in rows_of(Some(out.image)).enumerate() {
        block.push(Row {
            y,
            image: line,
            mask: mask.next(),
            variance: variance.next(),
            n_point: n_point.next(),
            n_clipped: n_clipped.next(),
            weight_sum: weight_sum.next(),
        });
        if block.len() == per_block {
            blocks.push(std::mem::replace(&mut block, Vec::with_capacity(per_block)));
        }
    }
    if !block.is_empty() {
        blocks.push(block);
    }
    blocks
}

fn rows_of<'a, U: 'a>(plane: Option<ArrayViewMut2<'a, U>>) -> impl Iterator<Item = &'a mut [U]> {
    plane
        .into_iter()
        .flat_map(ArrayViewMut2::into_outer_iter_mut)
        .filter_map(ArrayBase::into_slice)
}

fn check<T: Pixel>(
    input: &StackInput<T>,
    property: Property,
    options: &Options,
    out: &Outputs<T>,
) -> Result<()> {
    if !Property::VALUES.contains(&property) {
        return Err(Error::option(
            "statistic",
            property.0,
            "one property that has a value",
        ));
    }
    let Some(first) = input.images.first() else {
        return Err(Error::shape("images", "none", "at least one image"));
    };
    let shape = first.dim();
    check_planes("images", input.images, input.images.len(), shape)?;
    let n = input.images.len();
    if let Some(masks) = input.masks {
        check_planes("masks", masks, n, shape)?;
    }
    if let Some(variances) = input.variances {
        check_planes("variances", variances, n, shape)?;
    } else if matches!(input.weighting, Weighting::InverseVariance) {
        return Err(Error::option(
            "weighted",
            true,
            "false without weights and variances",
        ));
    } else if options.error_mode != ErrorMode::Scatter {
        let argument = "error_from_input_variance or error_mosaic_mode";
        return Err(Error::option(argument, true, "false without variances"));
    }
    if let Weighting::PerImage(weights) = input.weighting {
        if weights.len() != n {
            return Err(Error::shape(
                "weights",
                weights.len(),
                format!("{n}, one per image"),
            ));
        }
        if let Some(bad) = weights.iter().find(|w| !(w.is_finite() && **w >= 0.0)) {
            return Err(Error::option("weights", bad, "finite and >= 0"));
        }
    }
    check_output("out.image", Some(&out.image), shape)?;
    check_output("out.mask", out.mask.as_ref(), shape)?;
    check_output("out.variance", out.variance.as_ref(), shape)?;
    check_output("out.n_point", out.n_point.as_ref(), shape)?;
    check_output("out.n_clipped", out.n_clipped.as_ref(), shape)?;
    check_output("out.weight_sum", out.weight_sum.as_ref(), shape)
}

fn check_planes<U>(
    argument: &'static str,
    planes: &[ArrayView2<U>],
    n: usize,
    shape: (usize, usize),
) -> Result<()> {
    if planes.len() != n {
        return Err(Error::shape(
            argument,
            planes.len(),
            format!("{n}, one per image"),
        ));
    }
    for (k, plane) in planes.iter().enumerate() {
        if plane.dim() != shape {
            let got = format!("{:?} at index {k}", plane.dim());
            return Err(Error::shape(
                argument,
                got,
                format!("{shape:?} like the first image"),
            ));
        }
        if !has_rows(plane.dim(), plane.strides()) {
            let got = format!("strided columns at index {k}");
            return Err(Error::shape(argument, got, "contiguous along columns"));
        }
    }
    Ok(())
}

fn check_output<U>(
    argument: &'static str,
    plane: Option<&ArrayViewMut2<U>>,
    shape: (usize, usize),
) -> Result<()> {
    let Some(plane) = plane else { return Ok(()) };
    if plane.dim() != shape {
        let got = format!("{:?}", plane.dim());
        return Err(Error::shape(
            argument,
            got,
            format!("{shape:?} like the images"),
        ));
    }
    if !has_rows(plane.dim(), plane.strides()) {
        return Err(Error::shape(
            argument,
            "strided columns",
            "contiguous along columns",
        ));
    }
    Ok(())
}

/// Whether every row is a slice.
fn has_rows(shape: (usize, usize), strides: &[isize]) -> bool {
    strides[1] == 1 || shape.0 == 0 || shape.1 <= 1
}
