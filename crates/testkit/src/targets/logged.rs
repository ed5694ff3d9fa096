//! The log: notes, checkpoints, proofs, entries and tiles.

use std::sync::LazyLock;

use digest::Digest;
use trust::log::{
    AddCheckpoint, Checkpoint, Entry, Head, LogKey, LogSigner, Note, Proof, ProofError, TilePath,
    Watched, WitnessKey, Witnesses, bundle_to_bytes, consistency, hashes_to_bytes, inclusion,
    leaf_hash, parse_bundle, parse_hashes, root, verify_consistency, verify_inclusion,
};

use super::texts;

const NAME: &str = "example.com/log";
const ENTRIES: u64 = 40;
/// A witness and its cosignature of the log's head, made by OpenSSL and the specification's words.
const WITNESS: &str = "witness.example/w+abbb2669+BEOnLnFEAXYt9mtowm373yaCquyfJHTspGE+QkoPuv08";
const COSIGNED: &str = "\u{2014} witness.example/w q7smaQAAAABlU/EA26NXZVJ8ahDoLkNzCG4yXHOzsQQSiu97eRkj946Bxu+aX1hiwgLOy2KOALA5KG4zb3KZLzagTtUU+CxNyCZIAQ==\n";
const COSIGNED_AT: u64 = 1_700_000_000;

fn signer() -> &'static LogSigner {
    static SIGNER: LazyLock<LogSigner> = LazyLock::new(|| {
        LogSigner::from_seed(NAME, &[9; 32]).expect("a name and a seed make a key")
    });
    &SIGNER
}

fn entry_bytes(index: u64) -> Vec<u8> {
    let subject = Digest::of(&index.to_le_bytes());
    let entry = Entry::new(Digest::of(b"bundle"), "https://example.com/v1", [subject]);
    entry.expect("there is a subject").to_bytes()
}

/// The leaf hashes of the log that the seeds are from.
fn leaves() -> &'static [Digest] {
    static LEAVES: LazyLock<Vec<Digest>> = LazyLock::new(|| {
        (0..ENTRIES)
            .map(|index| leaf_hash(&entry_bytes(index)))
            .collect()
    });
    &LEAVES
}

/// The log's true head when it had `size` entries.
fn head(size: u64) -> Head {
    let leaves = leaves().get(..usize::try_from(size).unwrap_or(usize::MAX));
    let root = root(leaves.expect("the log had that many"));
    Head { size, root }
}

fn checkpoint() -> &'static Checkpoint {
    static CHECKPOINT: LazyLock<Checkpoint> =
        LazyLock::new(|| Checkpoint::sign(head(ENTRIES), signer()));
    &CHECKPOINT
}

/// The hash over a complete subtree of the log.
fn find(node: trust::log::Node) -> Result<Digest, ProofError> {
    let start = usize::try_from(node.index << node.level).unwrap_or(usize::MAX);
    let end = start + (1 << node.level);
    Ok(root(&leaves()[start..end]))
}

fn inclusion_proof(index: u64, size: u64) -> Vec<Digest> {
    inclusion(index, size, &mut find).expect("the index is in the log")
}

/// What the log's key opens is what the log signed, and no other bytes.
pub(super) fn note(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Ok(note) = Note::parse(text) {
        assert!(note.claimed_text().ends_with('\n') && text.starts_with(note.claimed_text()));
    }
    if let Ok(opened) = Checkpoint::open(text, signer().key()) {
        assert_eq!(opened.head(), checkpoint().head(), "nobody else signs");
        assert_eq!(Checkpoint::claimed_head(text), Ok(opened.head()));
    }
}

pub(super) fn note_seeds() -> Vec<Vec<u8>> {
    let note = checkpoint().note();
    let (text, line) = note.rsplit_once("\n\n").expect("a note has an empty line");
    let others = note.replace("\u{2014} example.com/log ", "\u{2014} example.com/other ");
    let (_, other_line) = others
        .rsplit_once("\n\n")
        .expect("a note has an empty line");
    texts(&[
        note,
        &others,
        &format!("{text}\n\n{other_line}{line}"),
        &note
            .replacen("\n40\n", "\n40\nextension\n", 1)
            .replacen('e', "E", 1),
    ])
}

/// What is accepted is written and read again; what is proved is true.
pub(super) fn proof(bytes: &[u8]) {
    let Some(proof) = std::str::from_utf8(bytes)
        .ok()
        .and_then(|text| Proof::parse(text).ok())
    else {
        return;
    };
    assert!(proof.hashes().len() <= 64);
    assert_eq!(Proof::parse(&proof.to_string()).as_ref(), Ok(&proof));
    for index in [0, 7, ENTRIES - 1] {
        if let Ok(logged) = proof.verify(&entry_bytes(index), signer().key()) {
            assert_eq!((logged.index(), logged.head()), (index, head(ENTRIES)));
            assert_eq!(proof.hashes(), inclusion_proof(index, ENTRIES));
        }
    }
}

pub(super) fn proof_seeds() -> Vec<Vec<u8>> {
    let proof =
        |index| Proof::new(index, inclusion_proof(index, ENTRIES), checkpoint()).to_string();
    let extra = proof(7).replacen("\nindex", "\nextra AAEC\nindex", 1);
    texts(&[&proof(0), &proof(ENTRIES - 1), &extra])
}

/// Three numbers and hashes, taken for proofs in the log: only the true ones prove anything.
pub(super) fn tree_proof(bytes: &[u8]) {
    let Some(([older, newer, index], hashes)) = bytes.split_first_chunk::<3>() else {
        return;
    };
    let (older, newer) = (u64::from(*older) % 41, u64::from(*newer) % 41);
    let index = u64::from(*index);
    let (chunks, _) = hashes.as_chunks::<32>();
    let hashes: Vec<Digest> = chunks.iter().map(|raw| Digest::from_raw(*raw)).collect();
    if verify_consistency(head(older), head(newer), &hashes).is_ok() {
        let truth: Result<_, ProofError> = consistency(older, newer, &mut find);
        assert_eq!(Ok(hashes.clone()), truth);
    }
    let leaf = leaves().get(usize::try_from(index).unwrap_or(usize::MAX));
    let leaf = leaf.copied().unwrap_or_else(|| Digest::of(b""));
    if verify_inclusion(leaf, index, head(newer), &hashes).is_ok() {
        assert_eq!(hashes, inclusion_proof(index, newer));
    }
    // Sizes that no log of ours has are refused, too, and not looped over.
    let far = Head {
        size: u64::MAX - older,
        root: head(newer).root,
    };
    assert!(verify_inclusion(leaf, index, far, &hashes).is_err());
    assert!(verify_consistency(head(newer), far, &hashes).is_err() || newer == 0);
}

pub(super) fn tree_proof_seeds() -> Vec<Vec<u8>> {
    let seed = |older: u8, newer: u8, index: u8, hashes: Vec<Digest>| {
        [vec![older, newer, index], hashes_to_bytes(&hashes)].concat()
    };
    let consistent = |older: u8, newer: u8| {
        let hashes: Result<_, ProofError> = consistency(older.into(), newer.into(), &mut find);
        seed(older, newer, 0, hashes.expect("the log only grew"))
    };
    let included =
        |index: u8, size: u8| seed(0, size, index, inclusion_proof(index.into(), size.into()));
    vec![
        consistent(7, 40),
        consistent(8, 33),
        consistent(40, 40),
        included(0, 40),
        included(38, 39),
        included(0, 1),
    ]
}

/// An entry has one spelling.
pub(super) fn entry(bytes: &[u8]) {
    if let Ok(entry) = Entry::parse(bytes) {
        assert_eq!(entry.to_bytes(), bytes);
        let subjects = entry.subjects().iter().copied();
        let again = Entry::new(entry.bundle(), entry.predicate_type(), subjects);
        assert!(entry.more() > 0 || again.as_ref() == Ok(&entry));
    }
}

pub(super) fn entry_seeds() -> Vec<Vec<u8>> {
    let subjects = [1_u8, 2].map(|n| Digest::of(&[n]));
    let two = Entry::new(Digest::of(b"b"), "https://slsa.dev/provenance/v1", subjects);
    vec![entry_bytes(0), two.expect("there are subjects").to_bytes()]
}

/// A verifier key has one spelling.
pub(super) fn log_key(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(key) = text.parse::<LogKey>() {
        assert_eq!(key.to_string(), text);
    }
}

pub(super) fn log_key_seeds() -> Vec<Vec<u8>> {
    let other = LogKey::new("a", [0; 32]).expect("a name and a key");
    texts(&[&signer().key().to_string(), &other.to_string()])
}

/// A witness's key has one spelling, and is no log's.
pub(super) fn witness_key(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(key) = text.parse::<WitnessKey>() {
        assert_eq!(key.to_string(), text);
        assert!(text.parse::<LogKey>().is_err());
    }
}

pub(super) fn witness_key_seeds() -> Vec<Vec<u8>> {
    texts(&[WITNESS])
}

/// What the witness cosigned is the log's true head, at the time that it said, whatever else stands in the note.
pub(super) fn cosignature(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let key: WitnessKey = WITNESS.parse().expect("it is a witness's");
    let Ok(note) = Note::parse(text) else {
        return;
    };
    if let Ok(Some(time)) = key.cosigned(&note) {
        let (signed, _) = checkpoint()
            .note()
            .split_once("\n\n")
            .expect("it is a note");
        assert_eq!(note.claimed_text(), format!("{signed}\n"));
        assert_eq!(time, COSIGNED_AT);
    }
    let witnesses = Witnesses::new(vec![key], 1).expect("one of one");
    if let Ok(opened) = Checkpoint::open(text, signer().key())
        && witnesses.check(&opened).is_ok()
    {
        assert!(text.contains("\u{2014} witness.example/w "));
    }
}

pub(super) fn cosignature_seeds() -> Vec<Vec<u8>> {
    let note = checkpoint().note();
    let stranger = COSIGNED.replace("example/w", "example/x");
    let both = format!("{note}{stranger}{COSIGNED}");
    texts(&[&format!("{note}{COSIGNED}"), &both, note])
}

/// A witness cosigns no head but the log's own, from the one that it saw.
pub(super) fn add_checkpoint(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let Ok(asked) = AddCheckpoint::parse(text) else {
        return;
    };
    assert_eq!(asked.to_string(), text);
    let seen = Checkpoint::sign(head(7), signer());
    if let Ok(checkpoint) = asked.judge(signer().key(), Some(&seen)) {
        assert_eq!(checkpoint.head(), head(ENTRIES));
    }
}

pub(super) fn add_checkpoint_seeds() -> Vec<Vec<u8>> {
    let ask = |old: u64| {
        let hashes: Result<_, ProofError> = consistency(old, ENTRIES, &mut find);
        AddCheckpoint::new(old, hashes.expect("the log only grew"), checkpoint()).to_string()
    };
    texts(&[&ask(0), &ask(7), &ask(ENTRIES)])
}

/// What a watch remembers has one spelling, and a head that the log signed.
pub(super) fn watched(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Ok(watched) = Watched::parse(text, signer().key()) {
        assert_eq!(watched.to_string(), text);
        assert_eq!(watched.checkpoint().head(), head(ENTRIES));
        assert!(watched.read() <= ENTRIES);
    }
}

pub(super) fn watched_seeds() -> Vec<Vec<u8>> {
    let all = Watched::new(ENTRIES, checkpoint().clone()).to_string();
    let none = Watched::new(0, checkpoint().clone()).to_string();
    texts(&[&all, &none])
}

/// A tile's path has one spelling, and leads nowhere else.
pub(super) fn tile_path(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(path) = text.parse::<TilePath>() {
        assert_eq!(path.to_string(), text);
        assert!(text.starts_with("tile/") && !text.contains("..") && !text.contains("//"));
        assert!((1..=256).contains(&path.width()));
    }
}

pub(super) fn tile_path_seeds() -> Vec<Vec<u8>> {
    texts(&[
        "tile/0/000",
        "tile/entries/x001/x234/067.p/8",
        "tile/7/x999/001.p/255",
        "tile/entries/256.p/256",
    ])
}

/// A width and the bytes of a tile: what is accepted is all of it, and is written back as it was.
pub(super) fn tile(bytes: &[u8]) {
    let Some((width, bytes)) = bytes.split_first() else {
        return;
    };
    let width = u64::from(*width) + 1;
    if let Ok(hashes) = parse_hashes(bytes, width) {
        assert_eq!(
            (hashes.len() as u64, hashes_to_bytes(&hashes)),
            (width, bytes.to_vec())
        );
    }
    if let Ok(entries) = parse_bundle(bytes, width) {
        assert_eq!(entries.len() as u64, width);
        assert_eq!(bundle_to_bytes(&entries).as_deref(), Ok(bytes));
    }
}

pub(super) fn tile_seeds() -> Vec<Vec<u8>> {
    let entries = bundle_to_bytes(&[entry_bytes(0), entry_bytes(1)]).expect("entries are short");
    vec![
        [&[1][..], &entries].concat(),
        [&[2][..], &hashes_to_bytes(&leaves()[..3])].concat(),
        vec![0, 0, 0],
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The witness that another program made is believed here, so that the target's promises are about something.
    #[test]
    fn the_witness_that_openssl_made_is_believed() {
        let note = Note::parse(&format!("{}{COSIGNED}", checkpoint().note())).expect("a note");
        let key: WitnessKey = WITNESS.parse().expect("a key");
        assert_eq!(key.cosigned(&note), Ok(Some(COSIGNED_AT)));
    }
}
