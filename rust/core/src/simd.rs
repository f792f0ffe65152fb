// SPDX-License-Identifier: BSD-3-Clause
//! Choice of the instruction set at run time. The only file with `unsafe`.
//!
//! A dispatched body is compiled once per x86-64 level. Rust neither reassociates sums nor fuses
//! multiplications with additions, so every level gives the same bits.

use std::sync::atomic::{AtomicU8, Ordering};

/// x86-64 micro-architecture levels; other processors always run at [`Level::V2`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The baseline the crate is compiled for.
    V2 = 2,
    /// AVX2.
    V3 = 3,
    /// AVX-512 F, BW, DQ, VL.
    V4 = 4,
}

impl Level {
    /// All levels, lowest first.
    pub const ALL: [Self; 3] = [Self::V2, Self::V3, Self::V4];
}

static FORCED: AtomicU8 = AtomicU8::new(0);

/// The highest level this processor can run.
pub fn detected() -> Level {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::is_x86_feature_detected as has;
        if has!("avx2")
            && has!("avx512f")
            && has!("avx512bw")
            && has!("avx512dq")
            && has!("avx512vl")
        {
            return Level::V4;
        }
        if has!("avx2") {
            return Level::V3;
        }
    }
    Level::V2
}

/// The level in use: the one set, else the one that `DEEPCOADD_SIMD` (v2, v3 or v4) names when a
/// kernel first runs, else the highest; never more than the processor has.
pub fn level() -> Level {
    match FORCED.load(Ordering::Relaxed) {
        2 => Level::V2,
        3 => Level::V3,
        4 => Level::V4,
        _ => {
            let wanted = match std::env::var("DEEPCOADD_SIMD").as_deref() {
                Ok("v2") => Level::V2,
                Ok("v3") => Level::V3,
                _ => Level::V4,
            };
            set_level(wanted)
        }
    }
}

/// Sets the level of later kernel calls (for tests and benches); returns the one that was possible.
pub fn set_level(wanted: Level) -> Level {
    let possible = wanted.min(detected());
    FORCED.store(possible as u8, Ordering::Relaxed);
    possible
}

/// Defines a function that runs a body compiled for the level in use. The body must be an
/// `#[inline(always)]` function of plain loops over slices: closures and iterator chains may be
/// compiled for the baseline.
macro_rules! dispatch {
    ($(#[$meta:meta])* $vis:vis fn $name:ident($($arg:ident: $type:ty),* $(,)?) $(-> $ret:ty)?
     = $body:expr;) => {
        $(#[$meta])*
        #[allow(unsafe_code)]
        $vis fn $name($($arg: $type),*) $(-> $ret)? {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2,avx512f,avx512bw,avx512dq,avx512vl")]
                fn v4($($arg: $type),*) $(-> $ret)? { $body($($arg),*) }
                #[target_feature(enable = "avx2")]
                fn v3($($arg: $type),*) $(-> $ret)? { $body($($arg),*) }
                // SAFETY: `level` never exceeds what the processor was found to have.
                match $crate::simd::level() {
                    $crate::simd::Level::V4 => return unsafe { v4($($arg),*) },
                    $crate::simd::Level::V3 => return unsafe { v3($($arg),*) },
                    $crate::simd::Level::V2 => {}
                }
            }
            $body($($arg),*)
        }
    };
}
pub(crate) use dispatch;

#[cfg(test)]
mod tests {
    use super::*;

    #[inline(always)]
    fn scaled_sum_body(x: &[f32; 64], factor: f64) -> f64 {
        let mut sums = [0.0; 8];
        for chunk in x.chunks_exact(8) {
            for (sum, &value) in sums.iter_mut().zip(chunk) {
                *sum += f64::from(value) * factor;
            }
        }
        sums.iter().sum()
    }

    dispatch! {
        fn scaled_sum(x: &[f32; 64], factor: f64) -> f64 = scaled_sum_body;
    }

    #[test]
    fn levels_agree_and_are_capped() {
        let x: [f32; 64] = std::array::from_fn(|i| (i as f32).sin());
        let want = scaled_sum_body(&x, 0.1);
        for wanted in Level::ALL {
            assert_eq!(set_level(wanted), wanted.min(detected()));
            assert_eq!(scaled_sum(&x, 0.1), want);
        }
    }
}
