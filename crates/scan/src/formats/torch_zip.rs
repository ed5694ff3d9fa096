//! Zip containers, as torch writes them and as attackers do.
//!
//! Central directory and local headers are both read, and have to agree; what lies between members is a finding.
//! torch ignores checksums and flag bits, so a member is read whatever they say.

mod directory;
mod member;

use std::collections::{BTreeMap, HashSet};
use std::io;

pub(crate) use directory::Directory;
use directory::Entry;
use member::Content;

use crate::formats::pickle;
use crate::input::Input;
use crate::report::{Findings, Format};
use crate::rules::Id;
use crate::sniff;

/// Reads every member of a container.
pub(crate) fn scan(
    input: &mut Input<'_>,
    directory: Directory,
    depth: u8,
    findings: &mut Findings,
) -> io::Result<Format> {
    let entries = directory.entries(input, findings)?;
    check_names(&entries, findings);
    let ends = member::check_tiling(input, &directory, &entries, findings)?;
    let root = entries
        .iter()
        .find_map(|entry| entry.name.strip_suffix("data.pkl"));
    let root = root.filter(|root| root.is_empty() || root.ends_with('/'));
    let mut torch = Torch {
        root,
        ..Torch::default()
    };
    for (entry, data) in entries.iter().zip(ends) {
        let Some(data) = data else { continue };
        findings.within(&entry.name, |findings| {
            let content = member::read(input, entry, data, findings)?;
            torch.scan_member(input, entry, content, depth, findings)
        })?;
    }
    if root.is_none() {
        findings.not_read("a zip container of a kind that this version does not know");
        return Ok(Format::Zip);
    }
    pickle::check_storages(&torch.named, &torch.held, findings);
    Ok(Format::TorchZip)
}

/// What is known of the torch container whose members are being read.
#[derive(Default)]
struct Torch<'e> {
    /// The folder of `data.pkl`, with its `/`; none if this is no torch container.
    root: Option<&'e str>,
    named: pickle::Storages,
    held: BTreeMap<String, u64>,
}

impl Torch<'_> {
    fn scan_member(
        &mut self,
        input: &mut Input<'_>,
        entry: &Entry,
        content: Content,
        depth: u8,
        findings: &mut Findings,
    ) -> io::Result<()> {
        let mut file;
        let mut window = match content {
            Content::Stored { from, size } => input.window(from, size),
            Content::Inflated(bytes) => {
                file = io::Cursor::new(bytes);
                Input::whole(&mut file)?
            }
            Content::Nothing => return Ok(()),
        };
        let within = self.root.and_then(|root| entry.name.strip_prefix(root));
        match within {
            Some("data.pkl") => {
                let outcome = pickle::scan(&mut window, true, findings)?;
                self.named.extend(outcome.storages);
            }
            Some(path) if path.starts_with("data/") => {
                let key = path.trim_start_matches("data/").to_owned();
                pickle::look_at_start(&mut window, findings)?;
                self.held.insert(key, window.size());
            }
            Some("version" | "byteorder" | ".format_version" | ".storage_alignment")
            | Some(".data/serialization_id") => scan_label(&mut window, findings)?,
            _ => {
                sniff::scan_nested(&mut window, &entry.name, depth + 1, findings)?;
            }
        }
        Ok(())
    }
}

/// The small members in which torch says how it wrote the others: a word or a number.
fn scan_label(window: &mut Input<'_>, findings: &mut Findings) -> io::Result<()> {
    const LABEL_BYTES_MAX: usize = 64;
    let label = window.bytes_at(0, LABEL_BYTES_MAX + 1)?;
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || byte.is_ascii_whitespace();
    if label.len() > LABEL_BYTES_MAX || !label.iter().all(plain) {
        findings.not_read("a label that is not a word");
    }
    Ok(())
}

fn check_names(entries: &[Entry], findings: &mut Findings) {
    let mut seen = HashSet::new();
    for entry in entries {
        if !seen.insert(entry.name.as_str()) {
            let what = format!("the member {:?} stands twice", entry.name);
            findings.add(Id::ZipDuplicate, entry.local_at, what);
        }
        if leaves_folder(&entry.name) {
            let what = format!("the member {:?} leaves the folder", entry.name);
            findings.add(Id::MemberPath, entry.local_at, what);
        }
    }
}

fn leaves_folder(name: &str) -> bool {
    let mut components = name.split(['/', '\\']);
    name.starts_with(['/', '\\'])
        || name.contains('\0')
        || name.get(1..2) == Some(":")
        || components.any(|component| component == "..")
}
