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

/// Moves the values whose note is not 0 to the front of `out`, in their order, and returns how many
/// they are; what is behind them in `out` has no meaning. All three have one length.
pub(crate) fn compact(values: &[f32], notes: &[u8], out: &mut [f32]) -> usize {
    let length = values.len().min(notes.len()).min(out.len());
    let (values, notes) = (&values[..length], &notes[..length]);
    #[cfg(target_arch = "x86_64")]
    if level() == Level::V4 {
        let whole = length - length % 16;
        // SAFETY: `level` never exceeds what the processor was found to have.
        #[allow(unsafe_code)]
        let n = unsafe { compact_v4(&values[..whole], &notes[..whole], &mut out[..whole]) };
        return n + compact_one_by_one(&values[whole..], &notes[whole..], &mut out[n..]);
    }
    compact_one_by_one(values, notes, out)
}

fn compact_one_by_one(values: &[f32], notes: &[u8], out: &mut [f32]) -> usize {
    let mut n = 0;
    for i in 0..values.len() {
        // Writes every value and moves on behind those wanted: no branch to mispredict.
        out[n] = values[i];
        n += usize::from(notes[i] != 0);
    }
    n
}

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn compact_v4(values: &[f32], notes: &[u8], out: &mut [f32]) -> usize {
    use std::arch::x86_64::{
        _mm_loadu_si128, _mm_test_epi8_mask, _mm512_loadu_ps, _mm512_maskz_compress_ps,
        _mm512_storeu_ps,
    };
    let (values, _) = values.as_chunks::<16>();
    let (notes, _) = notes.as_chunks::<16>();
    let mut n = 0;
    for (values, notes) in values.iter().zip(notes) {
        let room = &mut out[n..n + 16];
        // SAFETY: each of the three is 16 elements long, and none need be aligned.
        unsafe {
            let notes = _mm_loadu_si128(notes.as_ptr().cast());
            let wanted = _mm_test_epi8_mask(notes, notes);
            let packed = _mm512_maskz_compress_ps(wanted, _mm512_loadu_ps(values.as_ptr()));
            _mm512_storeu_ps(room.as_mut_ptr(), packed);
            n += wanted.count_ones() as usize;
        }
    }
    n
}

/// Intervals `start < x <= end`, and whether their values are wanted (all bits) or not (0).
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Windows {
    pub starts: [f32; 3],
    pub ends: [f32; 3],
    pub wanted: [u32; 3],
}

/// Counts the values up to each start and up to each end, and moves those in a wanted window to the
/// front of `out`, which is as long as `values`, in their order. Returns both counts and the number
/// moved; None where the processor has no instruction for it. The length is a multiple of 16.
pub(crate) fn windowed(
    values: &[f32],
    windows: &Windows,
    out: &mut [f32],
) -> Option<([[u32; 3]; 2], usize)> {
    #[cfg(target_arch = "x86_64")]
    if level() == Level::V4 && values.len().is_multiple_of(16) && out.len() >= values.len() {
        // SAFETY: `level` never exceeds what the processor was found to have.
        #[allow(unsafe_code)]
        return Some(unsafe { windowed_v4(values, windows, out) });
    }
    let _ = (values, windows, out);
    None
}

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
#[allow(clippy::needless_range_loop)] // as in every body that is compiled for one level
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn windowed_v4(values: &[f32], windows: &Windows, out: &mut [f32]) -> ([[u32; 3]; 2], usize) {
    use std::arch::x86_64::{
        _CMP_LE_OQ, _mm512_cmp_ps_mask, _mm512_loadu_ps, _mm512_mask_add_epi32,
        _mm512_maskz_compress_ps, _mm512_reduce_add_epi32, _mm512_set1_epi32, _mm512_set1_ps,
        _mm512_setzero_si512, _mm512_storeu_ps,
    };
    // No closures here: they may be compiled for the baseline.
    let [a, b, c] = windows.starts;
    let starts = [_mm512_set1_ps(a), _mm512_set1_ps(b), _mm512_set1_ps(c)];
    let [a, b, c] = windows.ends;
    let ends = [_mm512_set1_ps(a), _mm512_set1_ps(b), _mm512_set1_ps(c)];
    let one = _mm512_set1_epi32(1);
    let mut counts = [[_mm512_setzero_si512(); 3]; 2];
    let mut n = 0;
    let (values, _) = values.as_chunks::<16>();
    for values in values {
        // SAFETY: 16 elements, which need not be aligned.
        let x = unsafe { _mm512_loadu_ps(values.as_ptr()) };
        let mut wanted = 0;
        for i in 0..3 {
            let low = _mm512_cmp_ps_mask::<_CMP_LE_OQ>(x, starts[i]);
            let high = _mm512_cmp_ps_mask::<_CMP_LE_OQ>(x, ends[i]);
            counts[0][i] = _mm512_mask_add_epi32(counts[0][i], low, counts[0][i], one);
            counts[1][i] = _mm512_mask_add_epi32(counts[1][i], high, counts[1][i], one);
            wanted |= high & !low & windows.wanted[i] as u16;
        }
        let room = &mut out[n..n + 16];
        // SAFETY: as above.
        unsafe { _mm512_storeu_ps(room.as_mut_ptr(), _mm512_maskz_compress_ps(wanted, x)) };
        n += wanted.count_ones() as usize;
    }
    let mut sums = [[0; 3]; 2];
    for k in 0..2 {
        for i in 0..3 {
            sums[k][i] = _mm512_reduce_add_epi32(counts[k][i]) as u32;
        }
    }
    (sums, n)
}

/// Asks for values that will be read soon, so that they are in the cache by then.
#[allow(unsafe_code)]
pub fn prefetch<T>(values: &[T]) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        const LINE: usize = 64;
        for line in values.chunks((LINE / size_of::<T>().max(1)).max(1)) {
            // SAFETY: a hint; it changes nothing that the program could see, and never faults.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast()) };
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = values;
}

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

    /// Not by the level in use, which tests beside this one change.
    #[cfg(target_arch = "x86_64")]
    #[test]
    #[allow(unsafe_code)]
    fn windows_are_counted_and_emptied() {
        if detected() < Level::V4 {
            return;
        }
        let values: Vec<f32> = (0..48).map(|i| ((i * 7) % 48) as f32).collect();
        let windows = Windows {
            starts: [3.0, 20.0, 40.0],
            ends: [5.0, 30.0, 41.0],
            wanted: [u32::MAX, 0, u32::MAX],
        };
        let mut out = vec![-1.0; 48];
        // SAFETY: the processor was found to have the level.
        let (counts, n) = unsafe { windowed_v4(&values, &windows, &mut out) };
        assert_eq!(counts, [[4, 21, 41], [6, 31, 42]]);
        let inside = |x: &&f32| [4.0, 5.0, 41.0].contains(*x);
        let want: Vec<f32> = values.iter().filter(inside).copied().collect();
        assert_eq!(out[..n], want);
    }

    #[test]
    fn wanted_values_are_moved_together() {
        for length in [0, 1, 15, 16, 17, 100] {
            let values: Vec<f32> = (0..length).map(|i| i as f32).collect();
            let notes: Vec<u8> = (0..length).map(|i| u8::from(i % 3 != 1) * 4).collect();
            let want: Vec<f32> = values.iter().copied().filter(|x| x % 3.0 != 1.0).collect();
            for wanted in Level::ALL {
                set_level(wanted);
                let mut out = vec![-1.0; length];
                let n = compact(&values, &notes, &mut out);
                assert_eq!(out[..n], want, "{length}");
            }
        }
    }
}
