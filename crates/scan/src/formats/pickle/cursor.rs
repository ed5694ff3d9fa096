//! A pickle's bytes in order, buffered, with every length checked against what is left before anything is kept.

use std::io;

use crate::input::Input;

/// Data longer than this is counted and passed over; its content is not kept.
pub(super) const KEPT_BYTES_MAX: u64 = 64 << 10;

const BUFFER_BYTES: usize = 64 << 10;

/// Why a stream can't be read any further.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    #[error("it ends in the middle of a pickle")]
    Cut,
    #[error("the byte 0x{0:02x} is no opcode")]
    UnknownOpcode(u8),
    #[error("an opcode takes more from the stack than there is")]
    Underflow,
    #[error("an opcode looks for a mark and there is none")]
    NoMark,
    #[error("the memo entry {0} was never stored")]
    NoMemo(u64),
    #[error("protocol {0} is not known")]
    Protocol(u8),
    #[error("an operand is not what its opcode needs")]
    Operand,
    #[error("more than {0}, which is the limit of this version")]
    Limit(&'static str),
    #[error("reading failed: {0}")]
    Io(#[from] io::Error),
}

/// Where a stream is being read.
pub(super) struct Cursor<'i, 'f> {
    input: &'i mut Input<'f>,
    buffer: Vec<u8>,
    /// Where the buffer begins in the input.
    start: u64,
    /// The next byte in the buffer.
    next: usize,
}

impl<'i, 'f> Cursor<'i, 'f> {
    pub(super) fn new(input: &'i mut Input<'f>, at: u64) -> Self {
        Self {
            input,
            buffer: Vec::new(),
            start: at,
            next: 0,
        }
    }

    pub(super) fn position(&self) -> u64 {
        self.start + self.next as u64
    }

    pub(super) fn left(&self) -> u64 {
        self.input.size().saturating_sub(self.position())
    }

    #[inline]
    pub(super) fn byte(&mut self) -> Result<u8, Broken> {
        if self.next == self.buffer.len() {
            self.refill()?;
        }
        let byte = self.buffer.get(self.next).copied().ok_or(Broken::Cut)?;
        self.next += 1;
        Ok(byte)
    }

    /// An unsigned little-endian number of up to eight bytes.
    #[inline]
    pub(super) fn number(&mut self, size_bytes: u8) -> Result<u64, Broken> {
        let mut value = 0;
        for place in 0..u32::from(size_bytes) {
            value |= u64::from(self.byte()?) << (8 * place);
        }
        Ok(value)
    }

    /// The bytes up to a line feed, which is passed over.
    pub(super) fn line(&mut self) -> Result<Vec<u8>, Broken> {
        let mut line = Vec::new();
        loop {
            if self.next == self.buffer.len() {
                self.refill()?;
            }
            let rest = self.buffer.get(self.next..).unwrap_or_default();
            let end = rest.iter().position(|byte| *byte == b'\n');
            let piece = &rest[..end.unwrap_or(rest.len())];
            if (line.len() + piece.len()) as u64 > KEPT_BYTES_MAX {
                return Err(Broken::Limit("64 KiB in a line"));
            }
            line.extend_from_slice(piece);
            self.next += piece.len() + usize::from(end.is_some());
            if end.is_some() {
                return Ok(line);
            }
        }
    }

    /// Passes over data of that length, and keeps it if it is short.
    pub(super) fn data(&mut self, size_bytes: u64) -> Result<Option<Vec<u8>>, Broken> {
        if size_bytes > self.left() {
            return Err(Broken::Cut);
        }
        if size_bytes > KEPT_BYTES_MAX {
            self.start = self.position() + size_bytes;
            self.buffer.clear();
            self.next = 0;
            return Ok(None);
        }
        let mut data = Vec::new();
        while (data.len() as u64) < size_bytes {
            if self.next == self.buffer.len() {
                self.refill()?;
            }
            let wanted = usize::try_from(size_bytes).unwrap_or(usize::MAX) - data.len();
            let rest = self.buffer.get(self.next..).unwrap_or_default();
            let piece = &rest[..wanted.min(rest.len())];
            data.extend_from_slice(piece);
            self.next += piece.len();
        }
        Ok(Some(data))
    }

    fn refill(&mut self) -> Result<(), Broken> {
        self.start += self.buffer.len() as u64;
        self.next = 0;
        self.buffer = {
            let mut buffer = std::mem::take(&mut self.buffer);
            buffer.resize(BUFFER_BYTES, 0);
            let read = self.input.read_at(self.start, &mut buffer)?;
            buffer.truncate(read);
            buffer
        };
        match self.buffer.is_empty() {
            true => Err(Broken::Cut),
            false => Ok(()),
        }
    }
}
