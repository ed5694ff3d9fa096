//! Predictions: their ids, what is kept of each, and the marks that their answers carry.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::http::{HeaderName, HeaderValue};
use axum::response::Response;
use digest::{Digest, Hasher};
use infer::{Model, RunError, Session, room};
use serde::Serialize;
use trust::Code;

use super::{RecordHook, Server, Serving};
use crate::refusal::Refusal;

/// How a prediction was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// `POST /classify/v0`
    Classify,
    /// The Open Inference Protocol.
    V2,
}

impl Protocol {
    /// Its name in records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Classify => "classify/v0",
            Self::V2 => "v2",
        }
    }
}

/// One prediction, as it is kept. It holds no input, only its digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PredictionRecord {
    /// Its id: the session, `-`, and a number that counts from 1.
    pub id: String,
    /// The model artifact.
    pub model: Digest,
    /// The bundle of the admission.
    pub admission: Digest,
    /// How it was asked for.
    pub protocol: Protocol,
    /// How many rows it has.
    pub rows: usize,
    /// The numbers that went into the model, as little-endian FP32.
    pub input: Digest,
    /// The numbers that came out, as little-endian FP32.
    pub output: Digest,
    /// The class of each row: the index of its largest number, the first if there are several.
    pub classes: Vec<usize>,
}

/// What came out of the model, and is kept.
pub(super) struct Prediction {
    pub(super) output: Vec<f32>,
    pub(super) classes: Vec<usize>,
    pub(super) marks: Marks,
}

impl Server {
    /// Computes and keeps, while `give` gives the numbers of so many rows. What could not be kept is not given.
    pub(super) fn predict(
        &self,
        session: &mut Session,
        protocol: Protocol,
        rows: usize,
        give: impl FnOnce(&mut Batch<'_>) -> Result<(), Refusal>,
    ) -> Result<Prediction, Refusal> {
        let mut batch = Batch::new(session, rows);
        give(&mut batch)?;
        let (input, output) = batch.finish()?;
        let row_size = session.model().output().row_elements();
        let classes: Vec<usize> = output.chunks(row_size).map(largest).collect();
        let predictions = &self.predictions;
        let record = PredictionRecord {
            id: predictions.next_id(),
            model: predictions.model,
            admission: predictions.admission,
            protocol,
            rows,
            input,
            output: digest_of(&output),
            classes: classes.clone(),
        };
        (predictions.record)(&record).map_err(|error| not_kept(&error))?;
        let marks = Marks {
            model_digest: record.model.to_string(),
            admission: record.admission.to_string(),
            prediction: record.id,
        };
        Ok(Prediction {
            output,
            classes,
            marks,
        })
    }
}

/// Rows that are computed as their numbers come: the input is never held but for the row that is being filled.
pub(super) struct Batch<'s> {
    session: &'s mut Session,
    row: Vec<f32>,
    row_size: usize,
    input: Hasher,
    output: Vec<f32>,
    failed: Option<RunError>,
}

impl<'s> Batch<'s> {
    fn new(session: &'s mut Session, rows: usize) -> Self {
        let row_size = session.model().input().row_elements();
        let output = room(rows * session.model().output().row_elements());
        Self {
            session,
            row: room(row_size),
            row_size,
            input: Hasher::new(),
            output,
            failed: None,
        }
    }

    /// How much memory a batch takes, in bytes.
    pub(super) fn memory_bytes(model: &Model, rows: usize) -> usize {
        let output = rows.saturating_mul(model.output().row_elements());
        size_of::<f32>() * model.input().row_elements().saturating_add(output)
    }

    pub(super) fn take(&mut self, number: f32) {
        self.row.push(number);
        self.input.update(&number.to_le_bytes());
        if self.row.len() < self.row_size {
            return;
        }
        // After an error the rest is only read: it may be broken in a way that is to be told instead.
        if self.failed.is_none() {
            match self.session.run_row(&self.row) {
                Ok(output) => self.output.extend_from_slice(output),
                Err(error) => self.failed = Some(error),
            }
        }
        self.row.clear();
    }

    /// The digest of the input, and the output.
    fn finish(self) -> Result<(Digest, Vec<f32>), Refusal> {
        match self.failed {
            None => Ok((self.input.finish(), self.output)),
            Some(error) => {
                let hint = "send numbers like those that the model was made for";
                Err(Refusal::invalid(error.to_string(), hint))
            }
        }
    }
}

pub(super) struct Predictions {
    session: String,
    model: Digest,
    admission: Digest,
    count: AtomicU64,
    record: Box<RecordHook>,
}

impl Predictions {
    pub(super) fn new(serving: &Serving, record: Box<RecordHook>) -> Self {
        Self {
            session: serving.session.clone(),
            model: serving.model_digest,
            admission: serving.admission,
            count: AtomicU64::new(0),
            record,
        }
    }

    fn next_id(&self) -> String {
        let count = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        format!("{}-{count}", self.session)
    }
}

/// What an answer carries of where it came from: as headers, and in v2 as parameters of the same names.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Marks {
    #[serde(rename = "modelward-model-digest")]
    model_digest: String,
    #[serde(rename = "modelward-admission")]
    admission: String,
    #[serde(rename = "modelward-prediction")]
    prediction: String,
}

impl Marks {
    pub(super) fn put_on(&self, response: &mut Response) {
        let marks = [
            ("modelward-model-digest", &self.model_digest),
            ("modelward-admission", &self.admission),
            ("modelward-prediction", &self.prediction),
        ];
        for (name, value) in marks {
            // Digests and sessions are plain ASCII: the latter was checked at the start.
            if let Ok(value) = HeaderValue::from_str(value) {
                response
                    .headers_mut()
                    .insert(HeaderName::from_static(name), value);
            }
        }
    }
}

fn largest(row: &[f32]) -> usize {
    let numbered = row.iter().enumerate();
    let first_largest = numbered.reduce(|best, next| if next.1 > best.1 { next } else { best });
    first_largest.map_or(0, |(at, _)| at)
}

fn digest_of(values: &[f32]) -> Digest {
    let mut hasher = Hasher::new();
    for value in values {
        hasher.update(&value.to_le_bytes());
    }
    hasher.finish()
}

/// The cause names the machine's paths perhaps, so only its kind goes out.
fn not_kept(error: &io::Error) -> Refusal {
    let code = match error.kind() {
        io::ErrorKind::StorageFull => Code::StoreFull,
        io::ErrorKind::ReadOnlyFilesystem => Code::StoreReadOnly,
        _ => Code::Io,
    };
    let message = format!(
        "the prediction could not be recorded ({}), so it is not given",
        error.kind()
    );
    let hint = "ask again later; whoever runs the server finds out with `modelward doctor`";
    Refusal::new(code, message, hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_the_largest_is_the_class() {
        for (row, class) in [
            (&[0.5][..], 0),
            (&[-2.0, -1.0, -3.0], 1),
            (&[1.0, 7.0, 7.0, 0.0], 1),
            (&[0.0, -0.0], 0),
        ] {
            assert_eq!(largest(row), class, "{row:?}");
        }
    }
}
