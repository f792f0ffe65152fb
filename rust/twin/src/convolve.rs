// SPDX-License-Identifier: BSD-3-Clause
//! Convolution as the sum over the kernel, written out.

/// `out[y][x] = sum_jk taps_y[j] * taps_x[k] * image[y + j][x + k]`, by rows of `width` pixels.
///
/// Terms whose tap is 0 are left out. Returns the sums and, for judging them, the sums of the
/// absolute terms.
pub fn convolve(
    image: &[f32],
    width: usize,
    taps_y: &[f64],
    taps_x: &[f64],
) -> (Vec<f64>, Vec<f64>) {
    let height = image.len() / width;
    let (mut sums, mut sizes) = (Vec::new(), Vec::new());
    for y in 0..=height - taps_y.len() {
        for x in 0..=width - taps_x.len() {
            let (mut sum, mut size) = (0.0, 0.0);
            for (j, ty) in taps_y.iter().enumerate() {
                for (k, tx) in taps_x.iter().enumerate() {
                    let tap = ty * tx;
                    if tap != 0.0 {
                        let term = tap * f64::from(image[(y + j) * width + x + k]);
                        sum += term;
                        size += term.abs();
                    }
                }
            }
            sums.push(sum);
            sizes.push(size);
        }
    }
    (sums, sizes)
}

/// OR of the words under the taps that are not 0.
pub fn spread_bits(mask: &[i32], width: usize, taps_y: &[f64], taps_x: &[f64]) -> Vec<i32> {
    let height = mask.len() / width;
    let mut words = Vec::new();
    for y in 0..=height - taps_y.len() {
        for x in 0..=width - taps_x.len() {
            let mut word = 0;
            for (j, ty) in taps_y.iter().enumerate() {
                for (k, tx) in taps_x.iter().enumerate() {
                    if ty * tx != 0.0 {
                        word |= mask[(y + j) * width + x + k];
                    }
                }
            }
            words.push(word);
        }
    }
    words
}
