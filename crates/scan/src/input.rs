//! Windows onto a file that is read by position and never held.

use std::io::{self, Read, Seek, SeekFrom};
use std::ops::ControlFlow;

/// What a scan reads from: bytes with a position.
pub trait ReadSeek: Read + Seek {}

impl<T: Read + Seek + ?Sized> ReadSeek for T {}

/// A range of a file, read as if it were a file of its own.
pub(crate) struct Input<'a> {
    file: &'a mut dyn ReadSeek,
    start: u64,
    size: u64,
}

impl<'a> Input<'a> {
    /// The whole of a file.
    pub(crate) fn whole(file: &'a mut dyn ReadSeek) -> io::Result<Self> {
        let size = file.seek(SeekFrom::End(0))?;
        Ok(Self {
            file,
            start: 0,
            size,
        })
    }

    /// How many bytes there are.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// A range of this one, cut to what there is.
    pub(crate) fn window(&mut self, from: u64, size: u64) -> Input<'_> {
        let from = from.min(self.size);
        Input {
            start: self.start + from,
            size: size.min(self.size - from),
            file: &mut *self.file,
        }
    }

    /// Fills as much of the buffer as there are bytes from this position, and says how many.
    pub(crate) fn read_at(&mut self, at: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.size.saturating_sub(at);
        let wanted = usize::try_from(left)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        if wanted == 0 {
            return Ok(0);
        }
        self.file.seek(SeekFrom::Start(self.start + at))?;
        let mut filled = 0;
        while filled < wanted {
            match self.file.read(&mut buffer[filled..wanted]) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if filled < wanted {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the file became shorter while it was read",
            ));
        }
        Ok(filled)
    }

    /// Up to `size` bytes from this position.
    pub(crate) fn bytes_at(&mut self, at: u64, size: usize) -> io::Result<Vec<u8>> {
        let left = usize::try_from(self.size.saturating_sub(at)).unwrap_or(usize::MAX);
        let mut bytes = vec![0; size.min(left)];
        self.read_at(at, &mut bytes)?;
        Ok(bytes)
    }

    /// Hands everything to `take`, piece by piece, until it breaks off; every piece but the last is as long as the
    /// buffer.
    pub(crate) fn stream(
        &mut self,
        mut take: impl FnMut(&[u8]) -> ControlFlow<()>,
    ) -> io::Result<()> {
        let mut buffer = vec![0; PIECE_BYTES];
        let mut at = 0;
        while at < self.size {
            let read = self.read_at(at, &mut buffer)?;
            if take(&buffer[..read]).is_break() {
                break;
            }
            at += read as u64;
        }
        Ok(())
    }
}

/// How much is read at once; a multiple of every element size.
const PIECE_BYTES: usize = 256 << 10;

/// Tells how far a file has been read; never goes back.
pub(crate) struct Watched<'a> {
    pub(crate) file: &'a mut dyn ReadSeek,
    pub(crate) progress: &'a mut dyn FnMut(u64),
    pub(crate) furthest: u64,
}

impl Read for Watched<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        let position = self.file.stream_position()?;
        if position > self.furthest {
            self.furthest = position;
            (self.progress)(position);
        }
        Ok(read)
    }
}

impl Seek for Watched<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}
