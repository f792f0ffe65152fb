// SPDX-License-Identifier: BSD-3-Clause
//! Dense linear algebra. The only folder that names faer.

mod evidence;
mod least_squares;
mod square;

pub use evidence::{Evidence, NormalSums, evidence};
pub use least_squares::{Fit, Method, least_squares, normal_equations};
pub use square::solve_square;
