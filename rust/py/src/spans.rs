// SPDX-License-Identifier: BSD-3-Clause
//! Bindings of `deepcoadd_core::spans`.

use crate::array;
use crate::error::PyRes;
use deepcoadd_core::error::Error;
use deepcoadd_core::spans::{
    self, BitRule, Connectivity, Limit, Peak, PeakOrder, Region, Span, SpanSet, Stencil, Threshold,
};
use numpy::{IntoPyArray, PyArray1, PyArray2, PyReadonlyArray1, PyUntypedArrayMethods};
use pyo3::prelude::*;

/// (y0, x0, y1, x1), half-open.
type Bounds = (i64, i64, i64, i64);

fn region(argument: &'static str, bounds: Bounds) -> PyRes<Region> {
    let (y0, x0, y1, x1) = bounds;
    Ok(Region::checked(argument, [y0, x0, y1, x1])?)
}

fn bounds(region: &Region) -> Bounds {
    let Region { y0, x0, y1, x1 } = *region;
    (y0.into(), x0.into(), y1.into(), x1.into())
}

fn connectivity(number: i64) -> PyRes<Connectivity> {
    match number {
        4 => Ok(Connectivity::Four),
        8 => Ok(Connectivity::Eight),
        other => Err(Error::option("connectivity", other, "4 or 8").into()),
    }
}

/// A set of pixels.
#[pyclass(frozen, name = "SpanSet", module = "deepcoadd._core.spans")]
#[derive(Debug)]
pub struct PySpanSet(pub(crate) SpanSet);

#[pymethods]
impl PySpanSet {
    /// Set of the rows (y, x0, x1) of an int32 array, in any order.
    #[new]
    fn new(spans: &Bound<'_, PyAny>) -> PyRes<Self> {
        let spans = array::read::<i32>(spans, "spans")?;
        if spans.shape()[1] != 3 {
            let got = format!("shape {:?}", spans.shape());
            return Err(Error::shape("spans", got, "(n, 3)").into());
        }
        let rows = spans.as_array();
        let rows = rows.rows().into_iter();
        let list = rows.map(|row| Span::new(row[0], row[1], row[2])).collect();
        Ok(Self(SpanSet::from_spans(list)?))
    }

    #[staticmethod]
    fn from_box(r#box: Bounds) -> PyRes<Self> {
        Ok(Self(SpanSet::from_region(&region("box", r#box)?)?))
    }

    #[staticmethod]
    fn from_stencil(radius: i64, stencil: &str, y: i64, x: i64) -> PyRes<Self> {
        let stencil = Stencil::parse(stencil)?;
        Ok(Self(SpanSet::from_stencil(radius, stencil, y, x)?))
    }

    #[staticmethod]
    fn from_arms(left: i64, right: i64, up: i64, down: i64) -> PyRes<Self> {
        Ok(Self(SpanSet::from_arms([left, right, up, down])?))
    }

    #[staticmethod]
    fn from_ellipse(xx: f64, yy: f64, xy: f64, y: f64, x: f64) -> PyRes<Self> {
        Ok(Self(SpanSet::from_ellipse([xx, yy, xy], y, x)?))
    }

    #[staticmethod]
    fn from_mask(
        py: Python<'_>,
        mask: &Bound<'_, PyAny>,
        bits: i32,
        start: (i64, i64),
    ) -> PyRes<Self> {
        let mask = array::read::<i32>(mask, "mask")?;
        let view = mask.as_array();
        Ok(Self(py.detach(|| SpanSet::from_mask(view, bits, start))?))
    }

    #[staticmethod]
    fn from_flags(py: Python<'_>, array: &Bound<'_, PyAny>, start: (i64, i64)) -> PyRes<Self> {
        let flags = array::read::<bool>(array, "array")?;
        let view = flags.as_array();
        Ok(Self(py.detach(|| SpanSet::from_flags(view, start))?))
    }

    #[getter]
    fn area(&self) -> u64 {
        self.0.area()
    }

    #[getter]
    fn bounds(&self) -> Bounds {
        bounds(self.0.bounds())
    }

    /// (n, 3) int32 array of (y, x0, x1).
    fn spans<'py>(&self, py: Python<'py>) -> PyRes<Bound<'py, PyArray2<i32>>> {
        let spans = self.0.spans();
        let flat: Vec<i32> = spans.iter().flat_map(|s| [s.y, s.x0, s.x1]).collect();
        let table = ndarray::Array2::from_shape_vec((spans.len(), 3), flat);
        let table = table.map_err(|e| Error::shape("spans", e, "(n, 3)"))?;
        Ok(table.into_pyarray(py))
    }

    fn n_spans(&self) -> usize {
        self.0.spans().len()
    }

    fn shifted(&self, dy: i64, dx: i64) -> PyRes<Self> {
        Ok(Self(self.0.shifted(dy, dx)?))
    }

    fn clipped(&self, r#box: Bounds) -> PyRes<Self> {
        Ok(Self(self.0.clipped(&region("box", r#box)?)))
    }

    fn equals(&self, other: &Self) -> bool {
        self.0 == other.0
    }

    fn union(&self, py: Python<'_>, other: &Self) -> Self {
        Self(py.detach(|| self.0.union(&other.0)))
    }

    fn intersection(&self, py: Python<'_>, other: &Self) -> Self {
        Self(py.detach(|| self.0.intersection(&other.0)))
    }

    fn difference(&self, py: Python<'_>, other: &Self) -> Self {
        Self(py.detach(|| self.0.difference(&other.0)))
    }

    fn symmetric_difference(&self, py: Python<'_>, other: &Self) -> Self {
        Self(py.detach(|| self.0.symmetric_difference(&other.0)))
    }

    fn overlaps(&self, other: &Self) -> bool {
        self.0.overlaps(&other.0)
    }

    fn common_area(&self, other: &Self) -> u64 {
        self.0.common_area(&other.0)
    }

    fn contains(&self, other: &Self) -> bool {
        self.0.contains(&other.0)
    }

    /// Whether each position (y, x) is in the set.
    fn contains_pixels<'py>(
        &self,
        py: Python<'py>,
        y: PyReadonlyArray1<'py, i64>,
        x: PyReadonlyArray1<'py, i64>,
    ) -> PyRes<Bound<'py, PyArray1<bool>>> {
        if y.len() != x.len() {
            let allowed = format!("{} like y", y.len());
            return Err(Error::shape("x", x.len(), allowed).into());
        }
        let (y, x) = (y.as_array(), x.as_array());
        let set = &self.0;
        let inside = py.detach(|| {
            let pairs = y.iter().zip(x);
            pairs
                .map(|(&y, &x)| set.contains_pixel(y, x))
                .collect::<Vec<_>>()
        });
        Ok(inside.into_pyarray(py))
    }

    fn centroid(&self) -> (f64, f64) {
        self.0.centroid()
    }

    fn moments(&self) -> (f64, f64, f64) {
        self.0.moments()
    }

    fn split(&self, py: Python<'_>, connectivity: i64) -> PyRes<Vec<Self>> {
        let kind = self::connectivity(connectivity)?;
        let parts = py.detach(|| self.0.split(kind));
        Ok(parts.into_iter().map(Self).collect())
    }

    fn is_contiguous(&self, py: Python<'_>, connectivity: i64) -> PyRes<bool> {
        let kind = self::connectivity(connectivity)?;
        Ok(py.detach(|| self.0.is_contiguous(kind)))
    }

    fn dilated(&self, py: Python<'_>, element: &Self) -> PyRes<Self> {
        Ok(Self(py.detach(|| self.0.dilated(&element.0))?))
    }

    fn eroded(&self, py: Python<'_>, element: &Self) -> PyRes<Self> {
        Ok(Self(py.detach(|| self.0.eroded(&element.0))?))
    }

    fn edge_pixels(&self, py: Python<'_>) -> PyRes<Self> {
        Ok(Self(py.detach(|| self.0.edge_pixels())?))
    }

    /// int32 arrays (y, x) of all pixels.
    fn indices<'py>(
        &self,
        py: Python<'py>,
    ) -> (Bound<'py, PyArray1<i32>>, Bound<'py, PyArray1<i32>>) {
        let (y, x) = py.detach(|| self.0.indices());
        (y.into_pyarray(py), x.into_pyarray(py))
    }

    /// `(word | set_bits) & ~clear_bits` at all pixels, in place.
    fn change_mask(
        &self,
        py: Python<'_>,
        mask: &Bound<'_, PyAny>,
        start: (i64, i64),
        set_bits: i32,
        clear_bits: i32,
    ) -> PyRes<()> {
        let mut mask = array::write::<i32>(mask, "mask")?;
        let view = mask.as_array_mut();
        Ok(py.detach(|| self.0.change_mask(view, start, set_bits, clear_bits))?)
    }

    /// Makes the pixels that lie in the array true, in place.
    fn flag(&self, py: Python<'_>, array: &Bound<'_, PyAny>, start: (i64, i64)) -> PyRes<()> {
        let mut flags = array::write::<bool>(array, "array")?;
        let view = flags.as_array_mut();
        Ok(py.detach(|| self.0.flag(view, start))?)
    }

    /// Number of pixels with any of `any_bits` (0: all) and none of `none_bits`.
    fn count(
        &self,
        py: Python<'_>,
        mask: &Bound<'_, PyAny>,
        start: (i64, i64),
        any_bits: i32,
        none_bits: i32,
    ) -> PyRes<u64> {
        let mask = array::read::<i32>(mask, "mask")?;
        let (view, rule) = (mask.as_array(), rule(any_bits, none_bits));
        Ok(py.detach(|| self.0.count(view, start, rule))?)
    }
}

const fn rule(any: i32, none: i32) -> BitRule {
    BitRule { any, none }
}

/// A peak: y, x, value, significance.
type PeakTuple = (i32, i32, f64, f64);

/// One footprint: pixels and peaks.
type Part = (Py<PySpanSet>, Vec<PeakTuple>);

/// Footprints of one image.
#[pyclass(frozen, name = "FootprintSet", module = "deepcoadd._core.spans")]
#[derive(Debug)]
pub struct PyFootprintSet(pub(crate) spans::FootprintSet);

/// Arrays of the peaks: footprint, y, x, value, significance.
type PeakTable<'py> = (
    Bound<'py, PyArray1<u32>>,
    Bound<'py, PyArray1<i32>>,
    Bound<'py, PyArray1<i32>>,
    Bound<'py, PyArray1<f64>>,
    Bound<'py, PyArray1<f64>>,
);

#[pymethods]
impl PyFootprintSet {
    #[new]
    fn new(parts: Vec<Part>, r#box: Bounds, peak_order: &str) -> PyRes<Self> {
        let order = PeakOrder::parse(peak_order)?;
        let parts = parts.into_iter().map(|(set, peaks)| {
            let peaks = peaks.into_iter().map(|(y, x, value, significance)| Peak {
                y,
                x,
                value,
                significance,
            });
            (set.get().0.clone(), peaks.collect())
        });
        let region = region("region", r#box)?;
        Ok(Self(spans::FootprintSet::from_parts(
            parts.collect(),
            region,
            order,
        )))
    }

    fn n_footprints(&self) -> usize {
        self.0.len()
    }

    #[getter]
    fn region(&self) -> Bounds {
        bounds(self.0.region())
    }

    #[getter]
    fn peak_order(&self) -> &'static str {
        self.0.order().name()
    }

    /// Pixels and peaks (y, x, value, significance) of footprint k.
    fn footprint(&self, k: usize) -> PyRes<(PySpanSet, Vec<PeakTuple>)> {
        if k >= self.0.len() {
            let allowed = format!("below {}", self.0.len());
            return Err(Error::option("index", k, allowed).into());
        }
        let peaks = self.0.peaks(k).iter();
        let peaks = peaks.map(|p| (p.y, p.x, p.value, p.significance));
        Ok((PySpanSet(self.0.spans(k)), peaks.collect()))
    }

    fn peaks<'py>(&self, py: Python<'py>) -> PeakTable<'py> {
        let (mut number, mut y, mut x) = (Vec::new(), Vec::new(), Vec::new());
        let (mut value, mut significance) = (Vec::new(), Vec::new());
        for (k, peak) in self.0.numbered_peaks() {
            number.push(k as u32);
            y.push(peak.y);
            x.push(peak.x);
            value.push(peak.value);
            significance.push(peak.significance);
        }
        (
            number.into_pyarray(py),
            y.into_pyarray(py),
            x.into_pyarray(py),
            value.into_pyarray(py),
            significance.into_pyarray(py),
        )
    }

    fn areas<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<u64>> {
        self.0.areas().into_pyarray(py)
    }

    fn union(&self, py: Python<'_>) -> PySpanSet {
        PySpanSet(py.detach(|| self.0.union()))
    }

    fn with_region(&self, r#box: Bounds) -> PyRes<Self> {
        Ok(Self(self.0.with_region(region("region", r#box)?)))
    }

    fn with_significance(&self, significance: Vec<f64>) -> PyRes<Self> {
        Ok(Self(self.0.with_significance(&significance)?))
    }

    fn grown(&self, py: Python<'_>, element: &PySpanSet) -> PyRes<Self> {
        Ok(Self(py.detach(|| self.0.grown(&element.0))?))
    }

    fn merged(
        &self,
        py: Python<'_>,
        other: &Self,
        mine: &PySpanSet,
        theirs: &PySpanSet,
    ) -> PyRes<Self> {
        let set = py.detach(|| self.0.merged(&other.0, &mine.0, &theirs.0))?;
        Ok(Self(set))
    }

    /// Writes k + 1 at the pixels of footprint k, nothing elsewhere.
    fn label(&self, py: Python<'_>, labels: &Bound<'_, PyAny>, start: (i64, i64)) -> PyRes<()> {
        let mut labels = array::write::<u32>(labels, "labels")?;
        let view = labels.as_array_mut();
        Ok(py.detach(|| self.0.label(view, start))?)
    }

    /// For each rule (any bits, none bits) the pixels of each footprint with any of the former
    /// (0: all) and none of the latter.
    fn counts<'py>(
        &self,
        py: Python<'py>,
        mask: &Bound<'_, PyAny>,
        start: (i64, i64),
        rules: Vec<(i32, i32)>,
    ) -> PyRes<Vec<Bound<'py, PyArray1<u64>>>> {
        let mask = array::read::<i32>(mask, "mask")?;
        let rules: Vec<_> = rules.iter().map(|&(any, none)| rule(any, none)).collect();
        let view = mask.as_array();
        let counts = py.detach(|| self.0.counts(view, start, &rules))?;
        Ok(counts.into_iter().map(|n| n.into_pyarray(py)).collect())
    }

    /// Pixels of each footprint that are in a set.
    fn common_areas<'py>(&self, py: Python<'py>, set: &PySpanSet) -> Bound<'py, PyArray1<u64>> {
        py.detach(|| self.0.common_areas(&set.0)).into_pyarray(py)
    }
}

/// (value, type, whether negative, include multiplier).
pub type ThresholdTuple = (f64, String, bool, f64);

pub fn threshold(parts: ThresholdTuple) -> PyRes<Threshold> {
    let (value, kind, negative, include_multiplier) = parts;
    Ok(Threshold {
        value,
        limit: Limit::parse(&kind)?,
        negative,
        include_multiplier,
    })
}

fn search_planes<T: numpy::Element + spans::Flux>(
    py: Python<'_>,
    image: &Bound<'_, PyAny>,
    variance: Option<&Bound<'_, PyAny>>,
    start: (i64, i64),
    threshold: &Threshold,
    min_pixels: u64,
    by_value: bool,
) -> PyRes<PyFootprintSet> {
    let image = array::read::<T>(image, "image")?;
    let variance = array::read_option::<T>(variance, "variance")?;
    let scene = spans::Scene {
        image: image.as_array(),
        variance: array::view_option(variance.as_ref()),
        start,
    };
    let found = py.detach(|| spans::search(&scene, threshold, min_pixels, by_value))?;
    Ok(PyFootprintSet(found))
}

/// Footprints of a float32 image (float64 if `double`).
#[pyfunction]
#[pyo3(signature = (image, variance, start, *, threshold, min_pixels, peaks_by_value, double))]
#[allow(clippy::too_many_arguments)] // planes of one image and keywords
pub fn search(
    py: Python<'_>,
    image: &Bound<'_, PyAny>,
    variance: Option<&Bound<'_, PyAny>>,
    start: (i64, i64),
    threshold: ThresholdTuple,
    min_pixels: u64,
    peaks_by_value: bool,
    double: bool,
) -> PyRes<PyFootprintSet> {
    let limit = self::threshold(threshold)?;
    if double {
        search_planes::<f64>(
            py,
            image,
            variance,
            start,
            &limit,
            min_pixels,
            peaks_by_value,
        )
    } else {
        search_planes::<f32>(
            py,
            image,
            variance,
            start,
            &limit,
            min_pixels,
            peaks_by_value,
        )
    }
}

/// Footprints of an int32 mask.
#[pyfunction]
#[pyo3(signature = (mask, start, *, threshold, min_pixels))]
pub fn search_mask(
    py: Python<'_>,
    mask: &Bound<'_, PyAny>,
    start: (i64, i64),
    threshold: ThresholdTuple,
    min_pixels: u64,
) -> PyRes<PyFootprintSet> {
    let mask = array::read::<i32>(mask, "mask")?;
    let (view, limit) = (mask.as_array(), self::threshold(threshold)?);
    let found = py.detach(|| spans::search_mask(view, start, &limit, min_pixels))?;
    Ok(PyFootprintSet(found))
}

/// Area, then box, of every label.
type Extent = (u64, Bounds);

/// Numbers the components of a mask in `labels` (uint32, zeros); areas and boxes of each.
#[pyfunction]
#[pyo3(signature = (mask, labels, start, *, bits, connectivity))]
pub fn label_mask(
    py: Python<'_>,
    mask: &Bound<'_, PyAny>,
    labels: &Bound<'_, PyAny>,
    start: (i64, i64),
    bits: i32,
    connectivity: i64,
) -> PyRes<Vec<Extent>> {
    let kind = self::connectivity(connectivity)?;
    let mask = array::read::<i32>(mask, "mask")?;
    let mut labels = array::write::<u32>(labels, "labels")?;
    let (view, out) = (mask.as_array(), labels.as_array_mut());
    let parts = py.detach(|| spans::label_mask(view, bits, kind, start, out))?;
    Ok(parts.iter().map(|p| (p.area, bounds(&p.bounds))).collect())
}

/// Pixels of labels 1 to n with any of `any_bits` (0: all) and none of `none_bits`.
#[pyfunction]
#[pyo3(signature = (labels, mask, *, any_bits, none_bits, n))]
pub fn count_by_label<'py>(
    py: Python<'py>,
    labels: &Bound<'_, PyAny>,
    mask: &Bound<'_, PyAny>,
    any_bits: i32,
    none_bits: i32,
    n: usize,
) -> PyRes<Bound<'py, PyArray1<u64>>> {
    let labels = array::read::<u32>(labels, "labels")?;
    let mask = array::read::<i32>(mask, "mask")?;
    let (labels, mask) = (labels.as_array(), mask.as_array());
    let rule = rule(any_bits, none_bits);
    let counts = py.detach(|| spans::count_by_label(labels, mask, rule, n))?;
    Ok(counts.into_pyarray(py))
}

/// Makes `out` true within a stencil of the true pixels of `array`.
#[pyfunction]
#[pyo3(signature = (array, out, *, radius, stencil))]
pub fn dilate_mask(
    py: Python<'_>,
    array: &Bound<'_, PyAny>,
    out: &Bound<'_, PyAny>,
    radius: i64,
    stencil: &str,
) -> PyRes<()> {
    let stencil = Stencil::parse(stencil)?;
    let flags = array::read::<bool>(array, "array")?;
    let mut out = array::write::<bool>(out, "out")?;
    let (view, target) = (flags.as_array(), out.as_array_mut());
    Ok(py.detach(|| spans::dilate_mask(view, radius, stencil, target))?)
}

/// The labels that occur, with their pixels.
#[pyfunction]
pub fn sets_from_labels(
    py: Python<'_>,
    labels: &Bound<'_, PyAny>,
    start: (i64, i64),
) -> PyRes<Vec<(u32, PySpanSet)>> {
    let labels = array::read::<u32>(labels, "labels")?;
    let view = labels.as_array();
    let sets = py.detach(|| spans::sets_from_labels(view, start))?;
    Ok(sets
        .into_iter()
        .map(|(label, set)| (label, PySpanSet(set)))
        .collect())
}
