// SPDX-License-Identifier: BSD-3-Clause
//! Bindings of `deepcoadd_core::spans::epochs`.

use crate::array;
use crate::error::PyRes;
use crate::spans::{PyFootprintSet, PySpanSet, ThresholdTuple, threshold};
use deepcoadd_core::spans::epochs::{self, Outputs, Pair, Planes};
use deepcoadd_core::spans::{self, SpanSet};
use pyo3::prelude::*;

fn sets_of<'a>(sets: &'a [PyRef<'_, PySpanSet>]) -> Vec<&'a SpanSet> {
    sets.iter().map(|set| &set.0).collect()
}

/// Image, variance and mask of an epoch.
type Epoch<'py> = (Bound<'py, PyAny>, Bound<'py, PyAny>, Bound<'py, PyAny>);

/// Image and variance of a template.
type Template<'py> = (Bound<'py, PyAny>, Bound<'py, PyAny>);

/// Calls `work` with an epoch and its template.
fn with_pair<R>(
    epoch: &Epoch<'_>,
    template: &Template<'_>,
    factor: f32,
    bad_bits: i32,
    work: impl FnOnce(&Pair<'_>) -> PyRes<R>,
) -> PyRes<R> {
    let image = array::read::<f32>(&epoch.0, "image")?;
    let variance = array::read::<f32>(&epoch.1, "variance")?;
    let mask = array::read::<i32>(&epoch.2, "mask")?;
    let still = array::read::<f32>(&template.0, "template_image")?;
    let noise = array::read::<f32>(&template.1, "template_variance")?;
    work(&Pair {
        epoch: Planes {
            image: image.as_array(),
            variance: variance.as_array(),
        },
        mask: mask.as_array(),
        template: Planes {
            image: still.as_array(),
            variance: noise.as_array(),
        },
        factor,
        bad_bits,
    })
}

/// Subtracts a template (image, variance) from an epoch (image, variance, mask); `out` is image,
/// variance (float32) and `n_image` (uint32). Returns the number of NaN.
#[pyfunction]
#[pyo3(signature = (epoch, template, out, *, factor, bad_bits))]
pub fn subtract_template(
    py: Python<'_>,
    epoch: Epoch<'_>,
    template: Template<'_>,
    out: Epoch<'_>,
    factor: f32,
    bad_bits: i32,
) -> PyRes<u64> {
    let mut difference = array::write::<f32>(&out.0, "out_image")?;
    let mut sum = array::write::<f32>(&out.1, "out_variance")?;
    let mut count = array::write::<u32>(&out.2, "n_image")?;
    let out = Outputs {
        image: difference.as_array_mut(),
        variance: sum.as_array_mut(),
        n_image: count.as_array_mut(),
    };
    with_pair(&epoch, &template, factor, bad_bits, |pair| {
        Ok(py.detach(|| epochs::subtract_template(pair, out))?)
    })
}

/// Footprints of an epoch less a template by each threshold, the pixels that are NaN, and the OR of
/// the mask words; `n_image` (uint32) counts the epochs that are good.
#[pyfunction]
#[pyo3(signature = (epoch, template, n_image, start, *, factor, bad_bits, thresholds, min_pixels))]
#[allow(clippy::too_many_arguments)] // planes and keywords
pub fn find_candidates(
    py: Python<'_>,
    epoch: Epoch<'_>,
    template: Template<'_>,
    n_image: &Bound<'_, PyAny>,
    start: (i64, i64),
    factor: f32,
    bad_bits: i32,
    thresholds: Vec<ThresholdTuple>,
    min_pixels: u64,
) -> PyRes<(Vec<PyFootprintSet>, PySpanSet, i32)> {
    let mut count = array::write::<u32>(n_image, "n_image")?;
    let limits = thresholds.into_iter().map(threshold);
    let limits = limits.collect::<PyRes<Vec<_>>>()?;
    let counts = count.as_array_mut();
    with_pair(&epoch, &template, factor, bad_bits, |pair| {
        let find = || spans::find_candidates(pair, start, &limits, min_pixels, counts);
        let found = py.detach(find)?;
        let footprints = found.footprints.into_iter().map(PyFootprintSet);
        let missing = PySpanSet(found.missing);
        Ok((footprints.collect(), missing, found.any_mask))
    })
}

/// Adds 1 to `counts` (uint32) in the pixels of a set.
#[pyfunction]
pub fn add_one(
    py: Python<'_>,
    set: PyRef<'_, PySpanSet>,
    counts: &Bound<'_, PyAny>,
    start: (i64, i64),
) -> PyRes<()> {
    let mut counts = array::write::<u32>(counts, "counts")?;
    let (set, view) = (&set.0, counts.as_array_mut());
    Ok(py.detach(|| epochs::add_one(set, view, start))?)
}

/// Area within an array (uint32), and sum of its values there, of each set.
#[pyfunction]
pub fn sums(
    py: Python<'_>,
    sets: Vec<PyRef<'_, PySpanSet>>,
    image: &Bound<'_, PyAny>,
    start: (i64, i64),
) -> PyRes<Vec<(u64, u64)>> {
    let image = array::read::<u32>(image, "image")?;
    let (list, view) = (sets_of(&sets), image.as_array());
    Ok(py.detach(|| epochs::sums(&list, view, start))?)
}

/// Pixels of each set whose value (uint32) is above 0 and not above the limit of the set.
#[pyfunction]
pub fn count_up_to(
    py: Python<'_>,
    sets: Vec<PyRef<'_, PySpanSet>>,
    image: &Bound<'_, PyAny>,
    start: (i64, i64),
    limits: Vec<u32>,
) -> PyRes<Vec<u64>> {
    let image = array::read::<u32>(image, "image")?;
    let (list, view) = (sets_of(&sets), image.as_array());
    Ok(py.detach(|| epochs::count_up_to(&list, view, start, &limits))?)
}

/// Whether each set lies wholly in one of the holders.
#[pyfunction]
pub fn are_held(
    py: Python<'_>,
    sets: Vec<PyRef<'_, PySpanSet>>,
    holders: Vec<PyRef<'_, PySpanSet>>,
) -> Vec<bool> {
    let (list, holding) = (sets_of(&sets), sets_of(&holders));
    py.detach(|| epochs::are_held(&list, &holding))
}
