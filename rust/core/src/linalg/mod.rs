// SPDX-License-Identifier: BSD-3-Clause
//! Dense linear algebra. The only folder that names faer.

mod evidence;
mod least_squares;
mod normal;
mod square;

pub use evidence::{Evidence, NormalSums, evidence};
pub use least_squares::{Fit, Method, least_squares, normal_equations};
pub use normal::{Inverse, Reduced, normal_matrices, positive_inverse, reduced_sums};
pub use square::solve_square;
