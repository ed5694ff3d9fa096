//! Every fuzz target on its corpus, and on a bounded number of changes to it: what `make fuzz` does without end.

use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use testkit::targets::{self, Target};

use crate::mutate::{Numbers, mutated};

/// How many changed inputs each target reads.
const ROUNDS: usize = 100_000;

#[test]
fn every_target_keeps_its_promises() {
    let next = AtomicUsize::new(0);
    let failures: Vec<String> = std::thread::scope(|scope| {
        let work = || {
            let mut failures = Vec::new();
            while let Some(target) = targets::ALL.get(next.fetch_add(1, Ordering::Relaxed)) {
                failures.extend(replay(target).err());
            }
            failures
        };
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    });
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn every_seed_stands_in_the_corpus() {
    for target in targets::ALL {
        let corpus: BTreeSet<Vec<u8>> = corpus(target).into_iter().collect();
        let seeds = (target.seeds)();
        assert!(!seeds.is_empty(), "{} starts from nothing", target.name);
        let is_missing = seeds.iter().any(|seed| !corpus.contains(seed));
        assert!(
            !is_missing,
            "`cargo run -p modelward-testkit --example corpus` writes {}'s seeds",
            target.name
        );
    }
}

fn replay(target: &Target) -> Result<(), String> {
    let corpus = corpus(target);
    for input in &corpus {
        run(target, input)?;
    }
    let hash = digest::Digest::of(target.name.as_bytes());
    let seed = u64::from_le_bytes(*hash.raw().first_chunk().unwrap());
    let mut numbers = Numbers::new(seed);
    for _ in 0..ROUNDS {
        let [input, other] = [(); 2].map(|()| &corpus[numbers.below(corpus.len())]);
        run(target, &mutated(input, other, &mut numbers))?;
    }
    Ok(())
}

fn run(target: &Target, input: &[u8]) -> Result<(), String> {
    let outcome = catch_unwind(AssertUnwindSafe(|| (target.run)(input)));
    outcome.map_err(|_| format!("{} on b\"{}\"", target.name, input.escape_ascii()))
}

fn corpus(target: &Target) -> Vec<Vec<u8>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../fuzz/corpus")
        .join(target.name);
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}
