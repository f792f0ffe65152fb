// SPDX-License-Identifier: BSD-3-Clause
//! Bindings of `deepcoadd_core::stats`.

use crate::array;
use crate::error::PyRes;
use deepcoadd_core::stats::{
    self, ErrorMode, MaskRules, Measurable, Options, Property, Stackable, Weighting,
};
use numpy::Element;
use pyo3::prelude::*;

/// Options of the statistics, checked once.
#[pyclass(frozen, name = "Options", module = "deepcoadd._core.stats")]
#[derive(Debug)]
pub struct PyOptions(pub(crate) Options);

#[pymethods]
impl PyOptions {
    #[new]
    #[pyo3(signature = (*, sigma_clip, n_iter, bad_bits, no_data_bits, nan_safe, error_mode,
                        thresholds, truncation_correction, mask_from_kept))]
    #[allow(clippy::too_many_arguments)] // keyword-only mirror of the options
    fn new(
        sigma_clip: f64,
        n_iter: u32,
        bad_bits: i32,
        no_data_bits: i32,
        nan_safe: bool,
        error_mode: &str,
        thresholds: Vec<(u8, f64)>,
        truncation_correction: bool,
        mask_from_kept: bool,
    ) -> PyRes<Self> {
        let error_mode = match error_mode {
            "input" => ErrorMode::InputVariance,
            "mosaic" => ErrorMode::Mosaic,
            _ => ErrorMode::Scatter,
        };
        let options = Options {
            sigma_clip,
            n_iter,
            bad_bits,
            no_data_bits,
            nan_safe,
            error_mode,
            thresholds,
            truncation_correction,
            mask_from_kept,
        };
        options.validate()?;
        Ok(Self(options))
    }
}

/// Output planes of a stack, as Python objects.
#[derive(FromPyObject)]
pub struct Planes<'py> {
    image: Bound<'py, PyAny>,
    mask: Option<Bound<'py, PyAny>>,
    variance: Option<Bound<'py, PyAny>>,
    n_point: Option<Bound<'py, PyAny>>,
    n_clipped: Option<Bound<'py, PyAny>>,
    weight_sum: Option<Bound<'py, PyAny>>,
}

/// Inputs of a stack, as Python objects.
struct Inputs<'a, 'py> {
    images: &'a [Bound<'py, PyAny>],
    masks: Option<&'a [Bound<'py, PyAny>]>,
    variances: Option<&'a [Bound<'py, PyAny>]>,
}

/// (number clipped, number of samples, number of fallbacks).
type Totals = (u64, u64, u64);

fn stack<T: Element + Stackable>(
    py: Python<'_>,
    inputs: &Inputs<'_, '_>,
    weighting: Weighting<'_>,
    property: Property,
    options: &Options,
    rules: &MaskRules<'_>,
    out: &Planes<'_>,
) -> PyRes<Totals> {
    let images = array::read_list::<T>(inputs.images, "images")?;
    let masks = inputs
        .masks
        .map(|list| array::read_list::<i32>(list, "masks"))
        .transpose()?;
    let variances = inputs
        .variances
        .map(|list| array::read_list::<T>(list, "variances"))
        .transpose()?;
    let mut image = array::write::<T>(&out.image, "out.image")?;
    let mut mask = array::write_option::<i32>(out.mask.as_ref(), "out.mask")?;
    let mut variance = array::write_option::<T>(out.variance.as_ref(), "out.variance")?;
    let mut n_point = array::write_option::<u32>(out.n_point.as_ref(), "out.n_point")?;
    let mut n_clipped = array::write_option::<u32>(out.n_clipped.as_ref(), "out.n_clipped")?;
    let mut weight_sum = array::write_option::<T>(out.weight_sum.as_ref(), "out.weight_sum")?;
    let images = array::views(&images);
    let masks = masks.as_ref().map(|list| array::views(list));
    let variances = variances.as_ref().map(|list| array::views(list));
    let input = stats::StackInput {
        images: &images,
        masks: masks.as_deref(),
        variances: variances.as_deref(),
        weighting,
    };
    let outputs = stats::Outputs {
        image: image.as_array_mut(),
        mask: array::view_option_mut(mask.as_mut()),
        variance: array::view_option_mut(variance.as_mut()),
        n_point: array::view_option_mut(n_point.as_mut()),
        n_clipped: array::view_option_mut(n_clipped.as_mut()),
        weight_sum: array::view_option_mut(weight_sum.as_mut()),
    };
    let total = py.detach(|| stats::stack(&input, property, options, rules, outputs))?;
    Ok((total.n_clipped, total.n_samples, total.n_fallback))
}

/// Stacks 2-D arrays of one shape into `out`; `double`: images are float64, not float32.
#[pyfunction(name = "stack")]
#[pyo3(signature = (images, masks, variances, weights, *, inverse_variance, statistic, options,
                    clipped_bits, mask_map, out, double))]
#[allow(clippy::too_many_arguments)] // one call carries a whole tile
pub fn stack_py(
    py: Python<'_>,
    images: Vec<Bound<'_, PyAny>>,
    masks: Option<Vec<Bound<'_, PyAny>>>,
    variances: Option<Vec<Bound<'_, PyAny>>>,
    weights: Option<Vec<f64>>,
    inverse_variance: bool,
    statistic: u32,
    options: &PyOptions,
    clipped_bits: i32,
    mask_map: Vec<(i32, i32)>,
    out: Planes<'_>,
    double: bool,
) -> PyRes<Totals> {
    let inputs = Inputs {
        images: &images,
        masks: masks.as_deref(),
        variances: variances.as_deref(),
    };
    let weighting = match &weights {
        Some(weights) => Weighting::PerImage(weights),
        None if inverse_variance => Weighting::InverseVariance,
        None => Weighting::None,
    };
    let rules = MaskRules {
        clipped_bits,
        mask_map: &mask_map,
    };
    let property = Property(statistic & !Property::ERRORS.0);
    if double {
        stack::<f64>(py, &inputs, weighting, property, &options.0, &rules, &out)
    } else {
        stack::<f32>(py, &inputs, weighting, property, &options.0, &rules, &out)
    }
}

/// (value, error) of every property of `Property.VALUES`, OR mask.
type Values = (Vec<(f64, f64)>, i32);

fn statistics<T: Element + Measurable>(
    py: Python<'_>,
    planes: [Option<&Bound<'_, PyAny>>; 3],
    values: &Bound<'_, PyAny>,
    inverse_variance: bool,
    property: Property,
    options: &Options,
) -> PyRes<Values> {
    let [mask, variance, weights] = planes;
    let values = array::read::<T>(values, "values")?;
    let mask = array::read_option::<i32>(mask, "mask")?;
    let variance = array::read_option::<T>(variance, "variance")?;
    let weights = array::read_option::<T>(weights, "weights")?;
    let input = stats::ImageInput {
        values: values.as_array(),
        mask: array::view_option(mask.as_ref()),
        variance: array::view_option(variance.as_ref()),
        weights: array::view_option(weights.as_ref()),
        inverse_variance,
    };
    let summary = py.detach(|| stats::image_statistics(&input, property, options))?;
    let numbers = Property::VALUES.map(|p| (summary.value(p), summary.error(p)));
    Ok((numbers.to_vec(), summary.or_mask))
}

/// Statistics of one 2-D array; `double`: values, variance and weights are float64, not float32.
#[pyfunction(name = "statistics")]
#[pyo3(signature = (values, mask, variance, weights, *, inverse_variance, properties, options,
                    double))]
#[allow(clippy::too_many_arguments)] // planes of one image and keywords
pub fn statistics_py(
    py: Python<'_>,
    values: &Bound<'_, PyAny>,
    mask: Option<&Bound<'_, PyAny>>,
    variance: Option<&Bound<'_, PyAny>>,
    weights: Option<&Bound<'_, PyAny>>,
    inverse_variance: bool,
    properties: u32,
    options: &PyOptions,
    double: bool,
) -> PyRes<Values> {
    let planes = [mask, variance, weights];
    let property = Property(properties);
    if double {
        statistics::<f64>(py, planes, values, inverse_variance, property, &options.0)
    } else {
        statistics::<f32>(py, planes, values, inverse_variance, property, &options.0)
    }
}
