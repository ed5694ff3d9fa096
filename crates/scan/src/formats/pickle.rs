//! Pickle: streams of opcodes for a stack machine, run here on values that stand for the real ones.
//!
//! Effects count when they happen: a result that is thrown away, a stream that breaks later or a second stream after
//! the first change nothing about what a loader has done by then.

mod allowed;
mod cursor;
mod hostile;
mod judge;
mod literal;
mod machine;
mod memo;
pub(crate) mod names;
mod opcode;
mod renames;
mod render;
mod stack;
mod value;

use std::collections::BTreeMap;
use std::io;

use crate::input::Input;
use crate::report::{Findings, Format};
use crate::rules::Id;
use cursor::{Broken, Cursor};
use judge::Judge;
pub(crate) use judge::Storages;
use machine::Machine;
use value::Value;

/// The most opcodes of one file.
const OPCODES_MAX: u64 = 1 << 31;
/// How far into what can't be read hidden pickles are looked for.
const HIDDEN_BYTES_MAX: u64 = 16 << 20;
/// The version that torch writes after its magic number.
const TORCH_PROTOCOL: i64 = 1001;

/// How far the reading of a file as pickles came.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Pickle, or torch's older format of pickles and storages.
    pub(crate) format: Format,
    /// How many imports, calls and changes there were.
    pub(crate) effects: u64,
    /// How many streams ended with `STOP`.
    pub(crate) streams: usize,
    /// What torch's persistent ids named.
    pub(crate) storages: Storages,
}

/// Reads a file as one pickle after another; in a torch container persistent ids are storages.
pub(crate) fn scan(
    input: &mut Input<'_>,
    torch: bool,
    findings: &mut Findings,
) -> io::Result<Outcome> {
    let mut judge = Judge::new(findings, torch);
    let mut streams = Streams::default();
    let mut opcodes = OPCODES_MAX;
    let mut budget = Budget::default();
    let mut nested = |judge: &mut Judge<'_>, at: u64, data: &[u8]| {
        hidden_in_constant(data, at, &mut budget, judge.findings);
    };
    let broken = loop {
        if streams.end == input.size() {
            break None;
        }
        if streams.legacy_storages_follow() {
            break None;
        }
        let cursor = Cursor::new(input, streams.end);
        let mut machine = Machine::new(cursor, &mut judge, &mut nested);
        let result = machine.run(&mut opcodes);
        let position = machine.cursor.position();
        match result {
            Ok(value) => streams.ended(position, &value),
            Err(error) => break Some((error, position)),
        }
        judge.torch = torch || streams.is_legacy();
    };
    let effects = judge.effects;
    let storages = std::mem::take(&mut judge.storages);
    if let Some((error, position)) = broken {
        if let Broken::Io(error) = error {
            return Err(error);
        }
        findings.not_read(format!("the pickle breaks off at byte {position}: {error}"));
        hidden_after(input, position, findings)?;
    } else if streams.legacy_storages_follow() {
        read_legacy_storages(input, &streams, &storages, findings)?;
    }
    Ok(Outcome {
        format: match streams.is_legacy() {
            true => Format::TorchLegacy,
            false => Format::Pickle,
        },
        effects,
        streams: streams.count,
        storages,
    })
}

/// The streams of a file so far, and whether they are those of torch's older format: its magic number, its protocol,
/// the system, the object, and the keys of the storages that follow as raw bytes.
#[derive(Default)]
struct Streams {
    count: usize,
    end: u64,
    legacy: bool,
    keys: Option<Vec<String>>,
}

impl Streams {
    fn ended(&mut self, end: u64, value: &Value) {
        self.end = end;
        self.legacy = match self.count {
            0 => matches!(value, Value::TorchMagic),
            1 => self.legacy && matches!(value, Value::Int(TORCH_PROTOCOL)),
            _ => self.legacy,
        };
        if self.count == 4 && self.legacy {
            self.keys = keys(value);
        }
        self.count += 1;
    }

    fn is_legacy(&self) -> bool {
        self.legacy && self.count >= 2
    }

    fn legacy_storages_follow(&self) -> bool {
        self.count == 5 && self.keys.is_some()
    }
}

fn keys(value: &Value) -> Option<Vec<String>> {
    let Value::Container(list) = value else {
        return None;
    };
    let items = list.items.borrow();
    let keys: Option<Vec<_>> = items
        .iter()
        .map(|key| Some(key.as_text()?.to_owned()))
        .collect();
    // A key that was not kept is counted in the size, which counts the list as well.
    keys.filter(|keys| keys.len() as u64 + 1 == value.logical_size())
}

/// Each storage: how many elements as 64 bits, then the elements; together they reach the end of the file.
fn read_legacy_storages(
    input: &mut Input<'_>,
    streams: &Streams,
    storages: &Storages,
    findings: &mut Findings,
) -> io::Result<()> {
    let keys = streams.keys.as_deref().unwrap_or_default();
    let mut at = streams.end;
    for key in keys {
        let count = input.bytes_at(at, 8)?;
        let described = storages.get(key);
        let Some(size) = described.filter(|size| count == size.elements.to_le_bytes()) else {
            findings.not_read(format!(
                "the storage {key:?} is not described or is cut off"
            ));
            return Ok(());
        };
        at = at.saturating_add(8).saturating_add(size.size_bytes);
    }
    if at != input.size() || keys.len() != storages.len() {
        findings.not_read(format!(
            "the storages end at byte {at}, and the file does not"
        ));
    }
    Ok(())
}

/// Looks for hostile pickles after a place where the reading broke, or in a file that is no known format.
pub(crate) fn hidden_after(
    input: &mut Input<'_>,
    from: u64,
    findings: &mut Findings,
) -> io::Result<()> {
    const PIECE_BYTES: usize = 64 << 10;
    let mut budget = Budget::default();
    let end = input.size().min(from.saturating_add(HIDDEN_BYTES_MAX));
    let mut at = from;
    while at < end {
        let piece = input.bytes_at(at, PIECE_BYTES + 1)?;
        for start in starts(&piece) {
            run_hidden(input, at + start, at + start, &mut budget, findings);
        }
        at += PIECE_BYTES as u64;
    }
    Ok(())
}

/// Looks for hostile pickles in a constant. Nothing that is allowed to be called reads its constants as pickles, so
/// that giving up here loses an explanation and no verdict.
fn hidden_in_constant(data: &[u8], at: u64, budget: &mut Budget, findings: &mut Findings) {
    for start in starts(data) {
        let mut file = io::Cursor::new(data);
        if let Ok(mut input) = Input::whole(&mut file) {
            run_hidden(&mut input, start, at, budget, findings);
        }
    }
}

/// Where a protocol 2 to 5 pickle may begin.
fn starts(bytes: &[u8]) -> impl Iterator<Item = u64> {
    let is_start = |pair: &[u8]| pair[0] == 0x80 && (2..=5).contains(&pair[1]);
    let pairs = bytes.windows(2).enumerate();
    pairs
        .filter(move |(_, pair)| is_start(pair))
        .map(|(at, _)| at as u64)
}

/// What may be spent on pickles that lie where none belongs.
struct Budget {
    tries: u32,
    opcodes: u64,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            tries: 4096,
            opcodes: 1 << 21,
        }
    }
}

fn run_hidden(
    input: &mut Input<'_>,
    from: u64,
    reported_at: u64,
    budget: &mut Budget,
    findings: &mut Findings,
) {
    let Some(tries) = budget.tries.checked_sub(1) else {
        return;
    };
    budget.tries = tries;
    let mut apart = findings.apart();
    let mut judge = Judge::new(&mut apart, false);
    let mut ignored = |_: &mut Judge<'_>, _: u64, _: &[u8]| {};
    let mut machine = Machine::new(Cursor::new(input, from), &mut judge, &mut ignored);
    // How it ends does not matter: what it did until then does.
    let _ = machine.run(&mut budget.opcodes);
    findings.absorb_hostile(&apart, reported_at);
}

/// Whether what lies where tensor bytes belong starts like a hostile pickle.
pub(crate) fn look_at_start(input: &mut Input<'_>, findings: &mut Findings) -> io::Result<()> {
    let head = input.bytes_at(0, 2)?;
    if starts(&head).next().is_some() {
        run_hidden(input, 0, 0, &mut Budget::default(), findings);
    }
    Ok(())
}

/// Compares the storages that a torch pickle names with the members that hold them.
pub(crate) fn check_storages(
    named: &Storages,
    held: &BTreeMap<String, u64>,
    findings: &mut Findings,
) {
    for (key, size) in named {
        let size = size.size_bytes;
        match held.get(key) {
            Some(held) if *held == size => {}
            Some(held) => {
                let what = format!("storage {key:?} has {held} bytes and is described with {size}");
                findings.add(Id::StorageSize, 0, what);
            }
            None => findings.not_read(format!("the storage {key:?} is not in the file")),
        }
    }
}
