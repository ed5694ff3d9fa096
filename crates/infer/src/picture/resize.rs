//! Bilinear resizing with antialias, bit for bit as Pillow does it on 8-bit grey: the triangle grows with the
//! reduction, its weights are fixed-point numbers of 22 bits, and each of the two passes rounds to 8 bits.
//!
//! Rows come before columns, as in every Pillow up to 12. From 13 on, tall pictures go through columns first and then
//! some pixels differ by one level; one fixed order keeps answers comparable with models trained before.

use super::Grey;

/// The bits after the point in a weight: 32 less the 8 of a level and 2 to spare for sums.
const PRECISION_BITS: u32 = 22;

/// Makes lines of one width lines of another, one at a time.
pub(super) struct Rows {
    windows: Option<Vec<Window>>,
}

impl Rows {
    pub(super) fn new(width_in: usize, width_out: usize) -> Self {
        let is_other = width_in != width_out;
        Self {
            windows: is_other.then(|| windows(width_in, width_out)),
        }
    }

    pub(super) fn resize(&self, row: &[u8], out: &mut Vec<u8>) {
        let Some(windows) = &self.windows else {
            return out.extend_from_slice(row);
        };
        out.extend(windows.iter().map(|window| {
            let levels = &row[window.start..window.start + window.weights.len()];
            window.level(levels.iter().copied())
        }));
    }
}

pub(super) fn columns(grey: Grey, height: usize) -> Grey {
    if grey.height == height {
        grey
    } else {
        resize_columns(&grey, height)
    }
}

fn resize_columns(grey: &Grey, height: usize) -> Grey {
    let mut pixels = Vec::with_capacity(grey.width * height);
    for window in windows(grey.height, height) {
        let rows = &grey.pixels[window.start * grey.width..];
        pixels.extend((0..grey.width).map(|x| {
            let column = rows[x..].iter().step_by(grey.width);
            window.level(column.copied())
        }));
    }
    Grey {
        width: grey.width,
        height,
        pixels,
    }
}

/// The pixels that one output pixel is made of.
pub(super) struct Window {
    start: usize,
    weights: Vec<i32>,
}

impl Window {
    fn level(&self, levels: impl Iterator<Item = u8>) -> u8 {
        let half = 1_i32 << (PRECISION_BITS - 1);
        let weighted = self.weights.iter().zip(levels);
        // Weights add up to one and the largest level is 255: the sum stays below 2^31.
        let sum = weighted.fold(half, |sum, (weight, level)| sum + weight * i32::from(level));
        (sum >> PRECISION_BITS).clamp(0, 255) as u8
    }
}

fn windows(size_in: usize, size_out: usize) -> Vec<Window> {
    let scale = size_in as f64 / size_out as f64;
    let reach = scale.max(1.0);
    (0..size_out)
        .map(|at| window(size_in, (at as f64 + 0.5) * scale, reach))
        .collect()
}

fn window(size_in: usize, center: f64, reach: f64) -> Window {
    // Casts cut off and saturate, so what lies left of the picture starts at zero.
    let start = (center - reach + 0.5) as usize;
    let end = ((center + reach + 0.5) as usize).min(size_in);
    let triangle = |at: usize| {
        let distance = ((at as f64 - center + 0.5) * (1.0 / reach)).abs();
        (1.0 - distance).max(0.0)
    };
    let weights: Vec<f64> = (start..end).map(triangle).collect();
    let total: f64 = weights.iter().sum();
    let fixed = |weight: &f64| (0.5 + weight / total * f64::from(1 << PRECISION_BITS)) as i32;
    Window {
        start,
        weights: weights.iter().map(fixed).collect(),
    }
}
