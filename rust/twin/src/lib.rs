// SPDX-License-Identifier: BSD-3-Clause
//! Slow transcriptions of the formulas and random inputs, for tests and benches.
