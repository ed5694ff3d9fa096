//! One worker with several streams at once.

use crate::ReadError;
use crate::lanes::{INITIAL, State, compress};
use crate::stream::Stream;

use super::Work;

const BLOCK_BYTES: usize = 64;
/// What padding adds at most.
const PADDING_BYTES: usize = 2 * BLOCK_BYTES;

/// Measures this piece and those that are still to be taken.
pub(super) fn measure(work: &Work<'_>, first: usize) -> Result<(), ReadError> {
    let mut next = Some(first);
    let (mut lanes, mut states) = (Vec::new(), Vec::new());
    let mut buffers = vec![vec![0; work.plan.lane_bytes + PADDING_BYTES]; work.plan.lanes];
    loop {
        // One is taken only where a lane is free for it: else another worker has it sooner.
        while let Some(buffer) = buffers.pop() {
            let taken = next.take().or_else(|| work.take().map(|(_, at)| at));
            let Some(at) = taken else {
                buffers.push(buffer);
                break;
            };
            lanes.push(Lane::open(work, at, buffer)?);
            states.push(INITIAL);
        }
        if lanes.is_empty() || work.is_over() {
            return Ok(());
        }
        compress_next(work, &mut lanes, &mut states)?;
        for at in (0..lanes.len())
            .rev()
            .filter(|at| lanes[*at].is_done())
            .collect::<Vec<_>>()
        {
            let (lane, state) = (lanes.swap_remove(at), states.swap_remove(at));
            buffers.push(lane.finish(work, &state)?);
        }
    }
}

/// Fills the lanes that are empty, and takes from each as many blocks as all of them have.
fn compress_next(
    work: &Work<'_>,
    lanes: &mut [Lane<'_>],
    states: &mut [State],
) -> Result<(), ReadError> {
    let mut common = usize::MAX;
    for lane in &mut *lanes {
        if lane.begin == lane.end {
            let filled = lane.fill(work.plan.lane_bytes)?;
            (work.order.progress)(filled as u64);
        }
        common = common.min(lane.end - lane.begin);
    }
    let blocks: Vec<&[u8]> = lanes
        .iter()
        .map(|lane| &lane.buffer[lane.begin..lane.begin + common])
        .collect();
    compress(work.order.kernels.for_streams(lanes.len()), states, &blocks);
    for lane in lanes {
        lane.begin += common;
    }
    Ok(())
}

/// A stream, and of what was read of it the blocks that are not hashed yet.
struct Lane<'a> {
    at: usize,
    size_bytes: u64,
    stream: Stream<'a>,
    buffer: Vec<u8>,
    begin: usize,
    end: usize,
    is_padded: bool,
}

impl<'a> Lane<'a> {
    fn open(work: &Work<'a>, at: usize, buffer: Vec<u8>) -> Result<Self, ReadError> {
        let (piece, stream) = work.open(at)?;
        Ok(Self {
            at,
            size_bytes: piece.size_bytes(),
            stream,
            buffer,
            begin: 0,
            end: 0,
            is_padded: false,
        })
    }

    /// Reads so many bytes, or the last ones with their padding: whole blocks in either case. Gives how many were read.
    fn fill(&mut self, lane_bytes: usize) -> Result<usize, ReadError> {
        let filled = self.stream.fill(&mut self.buffer[..lane_bytes])?;
        (self.begin, self.end) = (0, filled);
        if self.stream.left_bytes() == 0 {
            self.pad();
        }
        Ok(filled)
    }

    /// A one bit, zeros, and the number of bits (FIPS 180-4, §5.1.1).
    fn pad(&mut self) {
        let padded = (self.end + 1 + size_of::<u64>()).next_multiple_of(BLOCK_BYTES);
        let size_bits = self.size_bytes.wrapping_mul(8);
        self.buffer[self.end..padded].fill(0);
        self.buffer[self.end] = 0x80;
        self.buffer[padded - size_of::<u64>()..padded].copy_from_slice(&size_bits.to_be_bytes());
        self.end = padded;
        self.is_padded = true;
    }

    const fn is_done(&self) -> bool {
        self.is_padded && self.begin == self.end
    }

    /// Notes the digest, and gives the buffer back.
    fn finish(self, work: &Work<'_>, state: &State) -> Result<Vec<u8>, ReadError> {
        work.end(self.at, self.stream)?;
        let mut raw = [0; 32];
        for (four, word) in raw.as_chunks_mut::<4>().0.iter_mut().zip(state) {
            *four = word.to_be_bytes();
        }
        work.note(self.at, &raw);
        Ok(self.buffer)
    }
}
