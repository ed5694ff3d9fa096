//! What a step prints: line by line for whoever watches, and the last of it for the record.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};

use super::step::Stream;

/// One stream of a step.
pub(super) struct Lines {
    stream: Stream,
    pipe: io::PipeReader,
    line: Vec<u8>,
    tail: VecDeque<u8>,
    is_open: bool,
}

impl Lines {
    pub(super) fn new(stream: Stream, pipe: io::PipeReader) -> Self {
        Self {
            stream,
            pipe,
            line: Vec::new(),
            tail: VecDeque::new(),
            is_open: true,
        }
    }

    /// Whether anything can still come.
    pub(super) const fn is_open(&self) -> bool {
        self.is_open
    }

    /// Takes what is there now; to be called when there is something, or the end.
    pub(super) fn take(&mut self, on_line: &mut dyn FnMut(Stream, &str)) -> io::Result<()> {
        let mut piece = [0; PIECE_SIZE_BYTES];
        let filled = match self.pipe.read(&mut piece) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => return Ok(()),
            filled => filled?,
        };
        self.is_open = filled > 0;
        for byte in piece.iter().take(filled) {
            self.add(*byte, on_line);
        }
        if !self.is_open && !self.line.is_empty() {
            self.flush(on_line);
        }
        Ok(())
    }

    fn add(&mut self, byte: u8, on_line: &mut dyn FnMut(Stream, &str)) {
        if self.tail.len() == TAIL_SIZE_BYTES {
            self.tail.pop_front();
        }
        self.tail.push_back(byte);
        if byte == b'\n' {
            self.flush(on_line);
        } else {
            self.line.push(byte);
            if self.line.len() == LINE_SIZE_BYTES_MAX {
                self.flush(on_line);
            }
        }
    }

    fn flush(&mut self, on_line: &mut dyn FnMut(Stream, &str)) {
        on_line(self.stream, &String::from_utf8_lossy(&self.line));
        self.line.clear();
    }

    /// The last of what came.
    pub(super) fn tail(&self) -> String {
        let bytes: Vec<u8> = self.tail.iter().copied().collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl AsFd for Lines {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pipe.as_fd()
    }
}

const PIECE_SIZE_BYTES: usize = 16 * 1024;
const TAIL_SIZE_BYTES: usize = 64 * 1024;
/// A line that is longer arrives in pieces.
const LINE_SIZE_BYTES_MAX: usize = 8 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn gives_lines_and_keeps_the_last() {
        let (reader, mut writer) = io::pipe().unwrap();
        let long = "x".repeat(LINE_SIZE_BYTES_MAX + 1);
        let text = format!("one\n\nhalf\u{fffd}\n{long}");
        let writing = std::thread::spawn(move || {
            writer
                .write_all(text.replace('\u{fffd}', "").as_bytes())
                .unwrap();
            writer.write_all(&vec![b'y'; TAIL_SIZE_BYTES]).unwrap();
        });
        let mut lines = Lines::new(Stream::Out, reader);
        let mut seen = Vec::new();
        while lines.is_open() {
            lines
                .take(&mut |_, line| seen.push(line.to_owned()))
                .unwrap();
        }
        writing.join().unwrap();
        assert_eq!(seen[..3], ["one", "", "half"]);
        assert!(seen.iter().all(|line| line.len() <= LINE_SIZE_BYTES_MAX));
        assert_eq!(lines.tail(), "y".repeat(TAIL_SIZE_BYTES));
    }
}
