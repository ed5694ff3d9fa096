//! Many who append at once: one thread takes all that wait, and makes them durable together.
//!
//! ```text
//! submit ─► queue (bounded) ─► writer: all that wait, up to a batch ─► Log::append ─► each one's answer
//! ```
//! The disk is flushed once for a batch and not once for an entry, so that the more there are the faster it goes. Nobody
//! waits for a batch to fill: it is what came while the one before was written.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use trust::log::{Checkpoint, ENTRY_SIZE_BYTES_MAX, LogSigner};

use super::{Log, LogError};

/// How many entries one signature covers at most.
const BATCH_ENTRIES_MAX: usize = 4096;
/// How many bytes of entries one batch has, but for the last entry of it.
const BATCH_SIZE_BYTES_MAX: usize = 8 << 20;
/// How many entries may wait.
const QUEUE_MAX: usize = 8192;

/// Appends for many. Dropped, it ends once all it has taken is answered.
pub struct Sequencer {
    queue: Option<SyncSender<Waiting>>,
    writer: Option<JoinHandle<()>>,
}

/// Where an entry stands, durably.
#[derive(Debug, Clone)]
pub struct Placed {
    /// The entry's index.
    pub index: u64,
    /// A head that commits to it.
    pub checkpoint: Arc<Checkpoint>,
}

/// Who is told what became of an entry, on the writer's thread.
pub type Answer = Box<dyn FnOnce(Result<Placed, Arc<LogError>>) + Send>;

struct Waiting {
    entry: Vec<u8>,
    answer: Answer,
}

impl Sequencer {
    /// Starts the writer of a log.
    ///
    /// # Errors
    /// The machine gives no thread.
    pub fn start(log: Log, signer: LogSigner) -> io::Result<Self> {
        let (queue, waiting) = sync_channel(QUEUE_MAX);
        let writer = std::thread::Builder::new()
            .name("log-writer".to_owned())
            .spawn(move || write(&log, &signer, &waiting))?;
        Ok(Self {
            queue: Some(queue),
            writer: Some(writer),
        })
    }

    /// Takes an entry, to be answered once it is durable, or once it is known that it may not be.
    ///
    /// # Errors
    /// It is not taken: it is too long, or too many wait. Then there is no answer.
    pub fn submit(&self, entry: Vec<u8>, answer: Answer) -> Result<(), NotTaken> {
        if entry.len() > ENTRY_SIZE_BYTES_MAX {
            return Err(NotTaken::Long {
                size_bytes: entry.len(),
            });
        }
        let queue = self.queue.as_ref().ok_or(NotTaken::Stopped)?;
        queue
            .try_send(Waiting { entry, answer })
            .map_err(|e| match e {
                TrySendError::Full(_) => NotTaken::Full,
                TrySendError::Disconnected(_) => NotTaken::Stopped,
            })
    }
}

impl Drop for Sequencer {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(writer) = self.writer.take() {
            // What a writer that panicked had taken is not acknowledged.
            let _ = writer.join();
        }
    }
}

impl fmt::Debug for Sequencer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sequencer")
    }
}

fn write(log: &Log, signer: &LogSigner, queue: &Receiver<Waiting>) {
    while let Ok(first) = queue.recv() {
        let (entries, answers) = batch(first, queue);
        match log.append(&entries, signer) {
            Ok(appended) => {
                let checkpoint = Arc::new(appended.checkpoint);
                for (index, answer) in (appended.first_index..).zip(answers) {
                    let checkpoint = Arc::clone(&checkpoint);
                    answer(Ok(Placed { index, checkpoint }));
                }
            }
            Err(cause) => {
                let cause = Arc::new(cause);
                for answer in answers {
                    answer(Err(Arc::clone(&cause)));
                }
            }
        }
    }
}

/// What waits now, the first of which is here already.
fn batch(first: Waiting, queue: &Receiver<Waiting>) -> (Vec<Vec<u8>>, Vec<Answer>) {
    let mut size_bytes = first.entry.len();
    let (mut entries, mut answers) = (vec![first.entry], vec![first.answer]);
    while entries.len() < BATCH_ENTRIES_MAX && size_bytes < BATCH_SIZE_BYTES_MAX {
        let Ok(next) = queue.try_recv() else {
            break;
        };
        size_bytes += next.entry.len();
        entries.push(next.entry);
        answers.push(next.answer);
    }
    (entries, answers)
}

/// Why an entry was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotTaken {
    /// Longer than an entry can be.
    #[error("an entry has {size_bytes} bytes, more than the {ENTRY_SIZE_BYTES_MAX} a log can hold")]
    Long {
        /// Its size.
        size_bytes: usize,
    },
    /// As many wait as may.
    #[error("as many entries wait as may")]
    Full,
    /// The writer has ended.
    #[error("the log's writer has ended")]
    Stopped,
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    /// Each of many is told its own place, under a head that the log then has, and there are fewer heads than entries.
    #[test]
    fn many_are_made_durable_together_and_told_where_each_stands() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("tmp")).unwrap();
        let log = Log::at(dir.path(), &dir.path().join("tmp"));
        let signer = || LogSigner::from_seed("example.com/log", &[3; 32]).unwrap();
        let sequencer = Sequencer::start(log.clone(), signer()).unwrap();
        let (tell, told) = channel();
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let (tell, sequencer) = (tell.clone(), &sequencer);
                scope.spawn(move || {
                    for number in 0..100 {
                        let entry = format!("{thread} {number}").into_bytes();
                        let (tell, name) = (tell.clone(), entry.clone());
                        let answer = move |placed: Result<Placed, _>| {
                            tell.send((placed.unwrap(), name)).unwrap();
                        };
                        sequencer.submit(entry, Box::new(answer)).unwrap();
                    }
                });
            }
        });
        drop((sequencer, tell));
        let mut placed: Vec<(Placed, Vec<u8>)> = told.iter().collect();
        placed.sort_by_key(|(placed, _)| placed.index);
        assert_eq!(placed.len(), 800);
        let mut count = 0;
        let mut visit = |index, entry: &[u8]| {
            let (placed, name) = &placed[usize::try_from(index).unwrap()];
            assert_eq!((placed.index, name.as_slice()), (index, entry));
            assert!(placed.checkpoint.head().size > index);
            count += 1;
            Ok::<_, LogError>(())
        };
        log.entries(signer().key(), 0, &mut visit).unwrap();
        assert_eq!(count, 800);
        log.verify(signer().key(), &|_| ()).unwrap().unwrap();
        let heads = std::fs::read_to_string(dir.path().join("checkpoints")).unwrap();
        assert!(heads.matches("example.com/log\n").count() < 400, "{heads}");
    }

    #[test]
    fn what_is_too_long_is_not_taken_and_a_broken_log_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let log = Log::at(dir.path(), &dir.path().join("no such folder"));
        let signer = LogSigner::from_seed("example.com/log", &[3; 32]).unwrap();
        let sequencer = Sequencer::start(log, signer).unwrap();
        let long = vec![0; ENTRY_SIZE_BYTES_MAX + 1];
        let refused = sequencer.submit(long, Box::new(|_| panic!("it was not taken")));
        assert_eq!(refused, Err(NotTaken::Long { size_bytes: 65_536 }));
        let (tell, told) = channel();
        let answer = move |placed: Result<Placed, _>| tell.send(placed.is_err()).unwrap();
        sequencer.submit(vec![1], Box::new(answer)).unwrap();
        assert_eq!(told.recv(), Ok(true));
    }
}
