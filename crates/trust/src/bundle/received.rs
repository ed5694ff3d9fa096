//! A bundle that is written again as it was received: its proofs are not ours to put in order.

use std::io::{self, Write};
use std::ops::Range;

use crate::base64::Encoded;

/// All but the payload, which the envelope has: of many files it is long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    before: Vec<u8>,
    /// None where the payload stands before it too, since it was written otherwise than we would.
    after: Option<Vec<u8>>,
}

impl Received {
    /// Of the bundle's bytes, and where among them the payload's base64 is, if that is as we write it.
    pub(super) fn new(bytes: &[u8], payload: Option<&Range<usize>>) -> Self {
        let parts = payload.and_then(|at| Some((bytes.get(..at.start)?, bytes.get(at.end..)?)));
        let (before, after) = match parts {
            Some((before, after)) => (before, Some(after.to_vec())),
            None => (bytes, None),
        };
        Self {
            before: before.to_vec(),
            after,
        }
    }

    pub(super) fn write(&self, payload: &[u8], out: &mut dyn Write) -> io::Result<()> {
        out.write_all(&self.before)?;
        match &self.after {
            Some(after) => {
                write!(out, "{}", Encoded(payload))?;
                out.write_all(after)
            }
            None => Ok(()),
        }
    }
}
