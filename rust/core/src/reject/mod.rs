// SPDX-License-Identifier: BSD-3-Clause
//! Artifacts of single visits: each visit is compared with the coadd of the others.
//!
//! The method and its symbols stand in `docs/algorithms/visit-clip.md`. All visits of one cell of
//! the sky are held at once; statistics of a visit are those of the cell.

mod cell;
mod compare;
mod decide;
mod flags;
mod passes;
mod plane;
mod reference;
mod seeing;
mod settle;
mod single;
mod sky;
mod smooth;
mod stack;
mod tolerance;
mod wings;

pub use cell::{Cell, Options};
pub use decide::{Judged, components_by_rule};
pub use flags::{ALL_RULES, LOBE, SHARP, SINGLE, SMOOTH};
