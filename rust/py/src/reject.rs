// SPDX-License-Identifier: BSD-3-Clause
//! Bindings of `deepcoadd_core::reject`.

use crate::array;
use crate::error::PyRes;
use crate::spans::PySpanSet;
use deepcoadd_core::reject::{self, Options};
use pyo3::prelude::*;

/// Bits of the rules by name.
pub const RULES: [(&str, u8); 4] = [
    ("SHARP", reject::SHARP),
    ("SMOOTH", reject::SMOOTH),
    ("LOBE", reject::LOBE),
    ("SINGLE", reject::SINGLE),
];

/// Numbers of the method.
#[pyclass(
    name = "Options",
    frozen,
    from_py_object,
    module = "deepcoadd._core.reject"
)]
#[derive(Clone)]
pub struct PyOptions(Options);

#[pymethods]
impl PyOptions {
    #[new]
    #[pyo3(signature = (*, seed, grow, soft, amplitude, amplitude_extended, extended, winsor,
        source, flux_tolerance, seeing_tolerance, spread_tolerance, bright_spread, rim_tolerance,
        bright, lobe, odd, mesh, mesh_most))]
    #[allow(clippy::too_many_arguments)] // keywords, all of them
    fn new(
        seed: f64,
        grow: f64,
        soft: f64,
        amplitude: f64,
        amplitude_extended: f64,
        extended: f64,
        winsor: f64,
        source: f64,
        flux_tolerance: (f64, f64),
        seeing_tolerance: f64,
        spread_tolerance: f64,
        bright_spread: f64,
        rim_tolerance: f64,
        bright: f64,
        lobe: f64,
        odd: f64,
        mesh: usize,
        mesh_most: f64,
    ) -> Self {
        Self(Options {
            seed,
            grow,
            soft,
            amplitude,
            amplitude_extended,
            extended,
            winsor,
            source,
            flux_tolerance,
            seeing_tolerance,
            spread_tolerance,
            bright_spread,
            rim_tolerance,
            bright,
            lobe,
            odd,
            mesh,
            mesh_most,
        })
    }
}

/// All visits of one cell of the sky.
#[pyclass(name = "Cell", module = "deepcoadd._core.reject")]
#[derive(Debug)]
pub struct PyCell(reject::Cell);

#[pymethods]
impl PyCell {
    #[new]
    fn new(shape: (usize, usize), ends: [bool; 4], options: PyRef<'_, PyOptions>) -> Self {
        Self(reject::Cell::new(shape, ends, options.0.clone()))
    }

    fn __len__(&self) -> usize {
        self.0.len()
    }

    /// Adds image, variance (float32) and mask (int32); false where no pixel can be used.
    #[pyo3(signature = (planes, *, bad_bits, sigma))]
    fn add(
        &mut self,
        py: Python<'_>,
        planes: (Bound<'_, PyAny>, Bound<'_, PyAny>, Bound<'_, PyAny>),
        bad_bits: i32,
        sigma: f64,
    ) -> PyRes<bool> {
        let image = array::read::<f32>(&planes.0, "image")?;
        let variance = array::read::<f32>(&planes.1, "variance")?;
        let mask = array::read::<i32>(&planes.2, "mask")?;
        let (image, variance) = (image.as_array(), variance.as_array());
        let mask = (mask.as_array(), bad_bits);
        Ok(py.detach(|| self.0.add(image, variance, mask, sigma))?)
    }

    /// One pass over the visits; returns the number of pixels of visits whose flag changed.
    fn run_pass(&mut self, py: Python<'_>) -> PyRes<u64> {
        Ok(py.detach(|| self.0.pass())?)
    }

    /// Flags sharp light where one visit alone can be used.
    fn find_single(&mut self, py: Python<'_>) {
        py.detach(|| self.0.find_single());
    }

    /// Pixels of a visit that any of some rules flags, within a window ((y0, x0), (y1, x1)).
    #[pyo3(signature = (visit, rules, *, window, start))]
    fn flagged(
        &self,
        py: Python<'_>,
        visit: usize,
        rules: u8,
        window: ((usize, usize), (usize, usize)),
        start: (i64, i64),
    ) -> PyRes<PySpanSet> {
        let found = py.detach(|| self.0.flagged(visit, rules, window, start))?;
        Ok(PySpanSet(found))
    }
}

/// Objects of the union of sets, one for each rule: pixels, number of the rule that most of them
/// have, share of them that have it.
#[pyfunction]
pub fn components_by_rule(
    py: Python<'_>,
    sets: Vec<PyRef<'_, PySpanSet>>,
) -> Vec<(PySpanSet, usize, f64)> {
    let list: Vec<_> = sets.iter().map(|set| &set.0).collect();
    let found = py.detach(|| reject::components_by_rule(&list));
    found
        .into_iter()
        .map(|one| (PySpanSet(one.spans), one.rule, one.share))
        .collect()
}
