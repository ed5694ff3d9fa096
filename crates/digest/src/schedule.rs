//! Many streams over all cores: longest first, so that no long one is left over when the others are done.
//!
//! ```text
//! pieces, longest first ─► each worker takes the next when a lane is free ─► fill lanes ─► compress ─► finish
//! ```
//! Memory is bounded whatever there is to read: so many workers, each with so many buffers, are within `BUFFERS_BYTES`.

mod many;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::beneath::Tree;
use crate::lanes::Kernel;
use crate::method::AnyHasher;
use crate::stream::Stream;
use crate::walk::Files;
use crate::{Algorithm, Kernels, ReadError};

/// A file, or a part of one, that gets a digest of its own.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Piece {
    /// Which of the files.
    pub(crate) file: usize,
    pub(crate) start: u64,
    /// Exclusive.
    pub(crate) end: u64,
}

impl Piece {
    pub(crate) const fn size_bytes(&self) -> u64 {
        self.end - self.start
    }
}

/// What is to be read, and how.
pub(crate) struct Order<'a> {
    pub(crate) tree: &'a Tree,
    pub(crate) files: &'a Files,
    /// Pieces of the files; where there are none, each file is one.
    pub(crate) shards: Option<&'a [Piece]>,
    pub(crate) algorithm: Algorithm,
    pub(crate) kernels: Kernels,
    pub(crate) progress: &'a (dyn Fn(u64) + Sync),
}

impl Order<'_> {
    pub(crate) fn len(&self) -> usize {
        self.shards.map_or(self.files.len(), <[_]>::len)
    }

    pub(crate) fn piece(&self, at: usize) -> Piece {
        self.shards.map_or_else(
            || Piece {
                file: at,
                start: 0,
                end: self.files.entry(at).stamp.size_bytes(),
            },
            |shards| shards[at],
        )
    }
}

/// The raw digests of many pieces, one behind the other: there may be a million.
#[derive(Debug, Default)]
pub(crate) struct Digests {
    raw: Vec<u8>,
    size_bytes: usize,
}

impl Digests {
    /// Zeros, until they are put there.
    fn of(pieces: usize, algorithm: Algorithm) -> Self {
        let size_bytes = algorithm.size_bytes();
        Self {
            raw: vec![0; pieces * size_bytes],
            size_bytes,
        }
    }

    fn get(&self, at: usize) -> &[u8] {
        let start = at * self.size_bytes;
        &self.raw[start..start + self.size_bytes]
    }

    fn put(&mut self, at: usize, digest: &[u8]) {
        let start = at * self.size_bytes;
        self.raw[start..start + self.size_bytes].copy_from_slice(digest);
    }

    /// In order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.raw.chunks_exact(self.size_bytes.max(1))
    }
}

/// Measures each piece; the digests are in the pieces' order. `progress` hears of bytes as they are read.
pub(crate) fn measure(order: &Order<'_>) -> Result<Digests, ReadError> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let work = Work::new(order, cores);
    let results: Vec<_> = std::thread::scope(|scope| {
        let others: Vec<_> = (1..work.plan.workers)
            .map(|_| scope.spawn(|| work.run()))
            .collect();
        let mine = work.run();
        let joined = others.into_iter().map(|other| match other.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        std::iter::once(mine).chain(joined).collect()
    });
    results.into_iter().collect::<Result<(), _>>()?;
    work.read_touched_again()?;
    Ok(work
        .done
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner))
}

/// What the workers share.
struct Work<'a> {
    order: &'a Order<'a>,
    /// Places of pieces, longest first: numbers of half a word, for there may be many.
    queue: Vec<u32>,
    plan: Plan,
    next: AtomicUsize,
    /// Those that are to be read again.
    touched: Mutex<Vec<usize>>,
    done: Mutex<Digests>,
    /// One of them failed, so that the others need not go on.
    is_over: AtomicBool,
}

impl<'a> Work<'a> {
    fn new(order: &'a Order<'a>, cores: usize) -> Self {
        let mut queue: Vec<u32> = (0..).take(order.len()).collect();
        let size = |at: &u32| order.piece(*at as usize).size_bytes();
        queue.sort_unstable_by_key(|at| (std::cmp::Reverse(size(at)), *at));
        let sizes: Vec<u64> = queue.iter().map(size).collect();
        Self {
            order,
            plan: Plan::new(&sizes, order.algorithm, order.kernels, cores),
            queue,
            next: AtomicUsize::new(0),
            touched: Mutex::default(),
            done: Mutex::new(Digests::of(order.len(), order.algorithm)),
            is_over: AtomicBool::new(false),
        }
    }

    fn run(&self) -> Result<(), ReadError> {
        let result = self.work();
        if result.is_err() {
            self.is_over.store(true, Ordering::Relaxed);
        }
        result
    }

    fn work(&self) -> Result<(), ReadError> {
        let mut buffer = Vec::new();
        while let Some((turn, at)) = self.take() {
            if turn >= self.plan.alone {
                drop(buffer);
                return many::measure(self, at);
            }
            buffer.resize(ALONE_BYTES, 0);
            self.measure_alone(at, &mut buffer)?;
        }
        Ok(())
    }

    /// The next turn, and whose it is.
    fn take(&self) -> Option<(usize, usize)> {
        if self.is_over() {
            return None;
        }
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        self.queue.get(turn).map(|at| (turn, *at as usize))
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    fn open(&self, at: usize) -> Result<(Piece, Stream<'a>), ReadError> {
        let piece = self.order.piece(at);
        let file = self.order.files.entry(piece.file);
        let part = (piece.start, piece.end);
        Stream::open(self.order.tree, file, part, self.plan.drops_cache)
            .map(|stream| (piece, stream))
    }

    /// Nothing comes of it when all is over.
    fn measure_alone(&self, at: usize, buffer: &mut [u8]) -> Result<(), ReadError> {
        let (piece, mut stream) = self.open(at)?;
        let mut hasher = AnyHasher::new(self.order.algorithm);
        while stream.left_bytes() > 0 {
            let filled = stream.fill(buffer)?;
            hasher.update(&buffer[..filled]);
            (self.order.progress)(filled as u64);
            if self.is_over() {
                return Ok(());
            }
        }
        self.end(at, stream)?;
        let digest = hasher.finish(piece.size_bytes()).digest();
        self.note(at, digest.raw());
        Ok(())
    }

    /// Ends a stream, and notes whether it is to be read again.
    fn end(&self, at: usize, stream: Stream<'_>) -> Result<(), ReadError> {
        if stream.finish()? {
            let mut touched = self.touched.lock().unwrap_or_else(PoisonError::into_inner);
            touched.push(at);
        }
        Ok(())
    }

    /// Reads those again to whose files something was done: that they got another name changes no byte of them.
    fn read_touched_again(&self) -> Result<(), ReadError> {
        let digests = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        let touched = self.touched.lock().unwrap_or_else(PoisonError::into_inner);
        let mut buffer = Vec::new();
        for at in touched.iter() {
            buffer.resize(ALONE_BYTES, 0);
            let (piece, mut stream) = self.open(*at)?;
            let mut hasher = AnyHasher::new(self.order.algorithm);
            while stream.left_bytes() > 0 {
                let filled = stream.fill(&mut buffer)?;
                hasher.update(&buffer[..filled]);
            }
            if hasher.finish(piece.size_bytes()).digest().raw() != digests.get(*at) {
                return Err(stream.changed());
            }
            let _ = stream.finish()?;
        }
        Ok(())
    }

    /// Whose digest this is.
    fn note(&self, at: usize, digest: &[u8]) {
        let done = self.done.lock();
        done.unwrap_or_else(PoisonError::into_inner).put(at, digest);
    }
}

/// How the work is spread.
#[derive(Debug, PartialEq, Eq)]
struct Plan {
    workers: usize,
    /// So many of the longest pieces go alone, by a hasher of one stream.
    alone: usize,
    /// Into how many lanes a worker takes pieces.
    lanes: usize,
    /// How many bytes a lane reads at once.
    lane_bytes: usize,
    /// Whether pages leave the page cache if they were not in it before.
    drops_cache: bool,
}

impl Plan {
    /// For pieces of these sizes, longest first.
    fn new(sizes: &[u64], algorithm: Algorithm, kernels: Kernels, cores: usize) -> Self {
        let total = sizes
            .iter()
            .fold(0, |sum: u64, size| sum.saturating_add(*size));
        let one_by_one =
            algorithm != Algorithm::Sha256 || kernels.for_streams(sizes.len()) == Kernel::OneByOne;
        let alone = if one_by_one {
            sizes.len()
        } else if kernels.loses_alone() {
            longer_than_the_rest_is_wide(sizes, total)
        } else {
            0
        };
        let rest = sizes.len() - alone;
        let workers = cores
            .min(WORKERS_MAX)
            .min(alone + rest.div_ceil(kernels.lanes_worthwhile()))
            .max(1);
        let share = rest.div_ceil(workers.saturating_sub(alone).max(1));
        let lanes = share.clamp(1, kernels.lanes_max());
        let lane_bytes = (BUFFERS_BYTES / (workers * lanes)).clamp(LANE_BYTES_MIN, LANE_BYTES_MAX);
        Self {
            workers,
            alone,
            lanes,
            lane_bytes: lane_bytes / PAGE_BYTES * PAGE_BYTES,
            drops_cache: total > free_memory_bytes() / 2,
        }
    }
}

/// How many of the longest are each more than a third of what is left with it: beside so long a one most lanes would
/// stand empty, and a third of the lanes is no faster than one stream alone.
fn longer_than_the_rest_is_wide(sizes: &[u64], total: u64) -> usize {
    let mut left = total;
    let long = sizes.iter().take_while(|size| {
        let is_long = size.saturating_mul(3) > left;
        left -= **size;
        is_long
    });
    long.count()
}

/// What nobody uses, not even as cache.
fn free_memory_bytes() -> u64 {
    let info = rustix::system::sysinfo();
    #[expect(
        clippy::useless_conversion,
        reason = "it is narrower on other architectures"
    )]
    let free = u64::from(info.freeram);
    free.saturating_mul(u64::from(info.mem_unit))
}

const BUFFERS_BYTES: usize = 8 << 20;
const ALONE_BYTES: usize = 256 << 10;
/// More than these would outrun the memory.
const WORKERS_MAX: usize = BUFFERS_BYTES / ALONE_BYTES;
const LANE_BYTES_MIN: usize = 16 << 10;
const LANE_BYTES_MAX: usize = 64 << 10;
const PAGE_BYTES: usize = 4096;

#[cfg(test)]
mod tests;
