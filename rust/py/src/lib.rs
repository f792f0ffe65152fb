// SPDX-License-Identifier: BSD-3-Clause
//! `deepcoadd._core`: conversions between numpy and the core, one submodule per core module.

mod array;
mod background;
mod convolve;
mod epochs;
mod error;
mod interpolate;
mod linalg;
mod mask;
mod quality;
mod reject;
mod spans;
mod stats;
mod warp;

use pyo3::prelude::*;

/// Makes `import deepcoadd._core.NAME` work for a submodule.
fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let modules = module.py().import("sys")?.getattr("modules")?;
    let name = module.name()?;
    let short = name.to_string();
    let short = short.rsplit('.').next().unwrap_or_default();
    modules.set_item(format!("deepcoadd._core.{short}"), module)
}

/// Kernels of deepcoadd.
#[pymodule(gil_used = false)]
mod _core {
    use pyo3::prelude::*;

    #[pymodule_init]
    fn init(m: &Bound<'_, PyModule>) -> PyResult<()> {
        m.add("__version__", env!("CARGO_PKG_VERSION"))
    }

    /// Sets the number of threads of later kernel calls; 0 goes back to the default.
    #[pyfunction]
    fn set_num_threads(n: usize) {
        deepcoadd_core::par::set_num_threads(n);
    }

    /// Number of threads a kernel call uses now.
    #[pyfunction]
    fn get_num_threads() -> usize {
        deepcoadd_core::par::num_threads()
    }

    /// Whether kernels called from this thread use it alone.
    #[pyfunction]
    fn set_alone(alone: bool) {
        deepcoadd_core::par::set_alone(alone);
    }

    /// Statistics of images and stacks.
    #[pymodule]
    mod stats {
        #[pymodule_export]
        use crate::stats::{PyOptions, stack_py, statistics_py};
        #[pymodule_init]
        fn init(m: &pyo3::Bound<'_, pyo3::types::PyModule>) -> pyo3::PyResult<()> {
            crate::register(m)
        }
    }

    /// Backgrounds: statistics of bins and their interpolation.
    #[pymodule]
    mod background {
        #[pymodule_export]
        use crate::background::{
            bin_image, bin_statistics, cell_statistics, chebyshev, edges, fill, flag_outliers,
            interpolate, render,
        };
        #[pymodule_init]
        fn init(m: &pyo3::Bound<'_, pyo3::types::PyModule>) -> pyo3::PyResult<()> {
            crate::register(m)
        }
    }

    /// Convolution of images.
    #[pymodule]
    mod convolve {
        #[pymodule_export]
        use crate::convolve::{gaussian_taps, separable};
        #[pymodule_init]
        fn init(m: &pyo3::Bound<'_, pyo3::types::PyModule>) -> pyo3::PyResult<()> {
            crate::register(m)
        }
    }

    /// Epochs against their template.
    #[pymodule]
    mod epochs {
        #[pymodule_export]
        use crate::epochs::{
            add_one, are_held, count_up_to, find_candidates, subtract_template, sums,
        };
        #[pymodule_init]
        fn init(m: &pyo3::Bound<'_, pyo3::types::PyModule>) -> pyo3::PyResult<()> {
            crate::register(m)
        }
    }

    /// Interpolation over bad pixels.
    #[pymodule]
    mod interpolate {
        #[pymodule_export]
        use crate::interpolate::interpolate_lines;
        #[pymodule_init]
        fn init(m: &pyo3::Bound<'_, pyo3::types::PyModule>) -> pyo3::PyResult<()> {
            crate::register(m)
        }
    }

    /// Least squares.
    #[pymodule]
    mod linalg {
        #[pymodule_export]
        use crate::linalg::{
            evidence, least_squares, normal_equations, normal_matrices, positive_inverse,
            reduced_sums,
        };
        #[pymodule_init]
        fn init(m: &pyo3::Bound<'_, pyo3::types::PyModule>) -> pyo3::PyResult<()> {
            crate::register(m)
        }
    }

    /// Plane bits of masks.
    #[pymodule]
    mod mask {
        #[pymodule_export]
        use crate::mask::{count_set, count_unmasked, set_and_clear, set_where};
        #[pymodule_init]
        fn init(m: &pyo3::Bound<'_, pyo3::types::PyModule>) -> pyo3::PyResult<()> {
            crate::register(m)
        }
    }

    /// What the weighing of an exposure looks at.
    #[pymodule]
    mod quality {
        #[pymodule_export]
        use crate::quality::{count, measure, swap_words};
        #[pymodule_init]
        fn init(m: &pyo3::Bound<'_, pyo3::types::PyModule>) -> pyo3::PyResult<()> {
            crate::register(m)
        }
    }

    /// Each visit against the coadd of the others.
    #[pymodule]
    mod reject {
        #[pymodule_export]
        use crate::reject::{PyCell, PyOptions, components_by_rule};
        use pyo3::prelude::*;
        #[pymodule_init]
        fn init(m: &Bound<'_, PyModule>) -> PyResult<()> {
            for (name, bit) in crate::reject::RULES {
                m.add(name, bit)?;
            }
            crate::register(m)
        }
    }

    /// Pixel sets, footprints, label images.
    #[pymodule]
    mod spans {
        #[pymodule_export]
        use crate::spans::{
            PyFootprintSet, PySpanSet, count_by_label, dilate_mask, label_mask, search,
            search_mask, sets_from_labels,
        };
        #[pymodule_init]
        fn init(m: &pyo3::Bound<'_, pyo3::types::PyModule>) -> pyo3::PyResult<()> {
            crate::register(m)
        }
    }

    /// Resampling of images.
    #[pymodule]
    mod warp {
        #[pymodule_export]
        use crate::warp::{kernel_size, resample_affine};
        #[pymodule_init]
        fn init(m: &pyo3::Bound<'_, pyo3::types::PyModule>) -> pyo3::PyResult<()> {
            crate::register(m)
        }
    }
}
