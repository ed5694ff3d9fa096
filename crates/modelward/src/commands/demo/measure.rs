//! The accuracy, by asking the server: all 10,000 test pictures, by the Open Inference Protocol's binary tensors.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use decode::json::{self, Limits, Value};
use trust::Code;

use crate::answer::Failure;
use crate::faults::at;
use crate::ui::Ui;

const IMAGES: &str = "t10k-images-idx3-ubyte";
const LABELS: &str = "t10k-labels-idx1-ubyte";
const PIXELS: usize = 28 * 28;
const IMAGES_HEADER: usize = 16;
const LABELS_HEADER: usize = 8;
const ROWS_A_REQUEST: usize = 500;
/// The normalisation of the network, which the protocol leaves to its client.
const MEAN: f32 = 0.1307;
/// See [`MEAN`].
const DEVIATION: f32 = 0.3081;
const ANSWER_SIZE_BYTES_MAX: u64 = 1 << 20;

/// Which part of the test pictures the server classifies as their labels say.
pub(super) fn accuracy(address: &str, model: &str, data: &Path, ui: &Ui) -> Result<f64, Failure> {
    let images = std::fs::read(data.join(IMAGES)).map_err(at(data))?;
    let labels = std::fs::read(data.join(LABELS)).map_err(at(data))?;
    let images = images.get(IMAGES_HEADER..).unwrap_or_default();
    let labels = labels.get(LABELS_HEADER..).unwrap_or_default();
    if labels.is_empty() || images.len() != labels.len() * PIXELS {
        return Err(Failure::error(
            Code::DataInvalid,
            "the test pictures and labels don't fit",
            "",
        ));
    }
    let bar = ui.count_bar("asking the server", labels.len() as u64);
    let mut right = 0_u32;
    for (pictures, labels) in images
        .chunks(ROWS_A_REQUEST * PIXELS)
        .zip(labels.chunks(ROWS_A_REQUEST))
    {
        let answered = infer(address, model, pictures, labels.len())?;
        right += answered
            .iter()
            .zip(labels)
            .map(|(digit, label)| u32::from(*digit == usize::from(*label)))
            .sum::<u32>();
        bar.inc(labels.len() as u64);
    }
    bar.finish_and_clear();
    let all = u32::try_from(labels.len()).unwrap_or(u32::MAX);
    Ok(f64::from(right) / f64::from(all))
}

/// The digit that the server takes each of these pictures for.
fn infer(address: &str, model: &str, pictures: &[u8], rows: usize) -> Result<Vec<usize>, Failure> {
    let tensor: Vec<u8> = pictures
        .iter()
        .flat_map(|pixel| ((f32::from(*pixel) / 255.0 - MEAN) / DEVIATION).to_le_bytes())
        .collect();
    let head = format!(
        "{{\"inputs\":[{{\"name\":\"image\",\"datatype\":\"FP32\",\"shape\":[{rows},1,28,28],\"parameters\":{{\"binary_data_size\":{}}}}}]}}",
        tensor.len()
    );
    let request = format!(
        "POST /v2/models/{model}/infer HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/octet-stream\r\n\
         inference-header-content-length: {}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{head}",
        head.len(),
        head.len() + tensor.len()
    );
    let answer = asked(address, &[request.as_bytes(), &tensor]).map_err(at(address))?;
    digits(&answer)
        .filter(|digits| digits.len() == rows)
        .ok_or_else(|| {
            let status = String::from_utf8_lossy(&answer)
                .lines()
                .next()
                .unwrap_or_default()
                .to_owned();
            Failure::error(
                Code::Network,
                format!("the server's answer was not understood: {status}"),
                "",
            )
        })
}

fn asked(address: &str, parts: &[&[u8]]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    for part in parts {
        stream.write_all(part)?;
    }
    let mut answer = Vec::new();
    stream
        .take(ANSWER_SIZE_BYTES_MAX)
        .read_to_end(&mut answer)?;
    Ok(answer)
}

/// The largest of each row's ten numbers.
fn digits(answer: &[u8]) -> Option<Vec<usize>> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let value = json::value(answer.get(end + 4..)?, Limits::SMALL).ok()?;
    let output = value.member("outputs")?.as_array()?.first()?;
    let numbers: Vec<f64> = output
        .member("data")?
        .as_array()?
        .iter()
        .filter_map(number)
        .collect();
    let largest = |row: &[f64]| {
        (0..row.len()).max_by(|a, b| {
            row.get(*a)
                .unwrap_or(&f64::MIN)
                .total_cmp(row.get(*b).unwrap_or(&f64::MIN))
        })
    };
    numbers.chunks(10).map(largest).collect()
}

fn number(value: &Value) -> Option<f64> {
    if let Value::Number(text) = value {
        text.parse().ok()
    } else {
        None
    }
}
