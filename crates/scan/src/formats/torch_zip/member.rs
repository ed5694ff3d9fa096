//! One member of a zip container: its own header, and what it holds.

use std::io::{self, Read};
use std::ops::ControlFlow;

use flate2::Crc;
use flate2::read::DeflateDecoder;

use super::directory::{Directory, Entry, Wide, number};
use crate::formats::pickle;
use crate::input::Input;
use crate::report::Findings;
use crate::rules::Id;

/// The largest member that is unpacked.
const INFLATED_BYTES_MAX: u64 = 2 << 20;
/// A member that unfolds to more than so many times its size, and is large, is a bomb.
const RATIO_MAX: u64 = 250;
const BOMB_BYTES_MIN: u64 = 16 << 20;
/// The file type of a symbolic link.
const SYMLINK: u32 = 0o120_000;

/// Where the data of a member is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Data {
    from: u64,
}

/// What a member holds.
pub(super) enum Content {
    /// Bytes that lie in the container as they are.
    Stored { from: u64, size: u64 },
    /// Bytes that were packed.
    Inflated(Vec<u8>),
    /// Nothing that can be looked at.
    Nothing,
}

/// Compares every local header with the directory, and shows that the members lie one after another with nothing
/// between; gives where the data of each is. The entries are in the order of their places.
pub(super) fn check_tiling(
    input: &mut Input<'_>,
    directory: &Directory,
    entries: &[Entry],
    findings: &mut Findings,
) -> io::Result<Vec<Option<Data>>> {
    let mut expected = directory.front;
    let mut places = Vec::new();
    for entry in entries {
        let data = check_local(input, entry, findings)?;
        places.push(data);
        let Some(data) = data else {
            findings.not_read(format!(
                "the member {:?} has no header of its own",
                entry.name
            ));
            continue;
        };
        if entry.local_at != expected {
            let what = format!("members overlap or leave a gap before {:?}", entry.name);
            findings.add(Id::ZipHidden, entry.local_at, what);
            look_between(input, expected, entry.local_at, findings)?;
        }
        let end = data.from.saturating_add(entry.packed);
        expected = end.saturating_add(descriptor_size(input, entry, end)?);
    }
    let directory_at = directory.begins();
    if expected != directory_at {
        let what = "bytes between the last member and the directory";
        findings.add(Id::ZipHidden, expected, what);
        look_between(input, expected, directory_at, findings)?;
    }
    Ok(places)
}

/// A reader that goes by an offset may be led to what stands between members.
fn look_between(
    input: &mut Input<'_>,
    from: u64,
    to: u64,
    findings: &mut Findings,
) -> io::Result<()> {
    let mut window = input.window(from, to.saturating_sub(from));
    pickle::hidden_after(&mut window, 0, findings)
}

fn check_local(
    input: &mut Input<'_>,
    entry: &Entry,
    findings: &mut Findings,
) -> io::Result<Option<Data>> {
    let head = input.bytes_at(entry.local_at, 30)?;
    if head.len() < 30 || !head.starts_with(b"PK\x03\x04") {
        return Ok(None);
    }
    let name_size = number(&head, 26, 2);
    let extra_size = number(&head, 28, 2);
    let from = entry.local_at + 30 + name_size + extra_size;
    let names = input.bytes_at(entry.local_at + 30, usize::from(u16::MAX) * 2)?;
    let split = usize::try_from(name_size).unwrap_or(0).min(names.len());
    let (name, rest) = names.split_at(split);
    let extra = rest
        .get(..usize::try_from(extra_size).unwrap_or(0))
        .unwrap_or_default();
    if name != entry.raw_name {
        let what = format!(
            "the member {:?} calls itself {:?}",
            entry.name,
            String::from_utf8_lossy(name)
        );
        findings.add(Id::ZipDisagrees, entry.local_at, what);
    }
    let mut wide = Wide::of(extra);
    let size = wide.or(number(&head, 22, 4));
    let packed = wide.or(number(&head, 18, 4));
    let deferred = entry.flags & 8 != 0 && size == 0 && packed == 0;
    let same_sizes = deferred || (size == entry.size && packed == entry.packed);
    let same_crc = number(&head, 14, 4) == u64::from(entry.crc) || entry.flags & 8 != 0;
    let same_kind = number(&head, 6, 2) == u64::from(entry.flags)
        && number(&head, 8, 2) == u64::from(entry.method);
    if !(same_sizes && same_crc && same_kind) {
        let what = format!(
            "the member {:?} and the directory differ about it",
            entry.name
        );
        findings.add(Id::ZipDisagrees, entry.local_at, what);
    }
    Ok((from <= input.size()).then_some(Data { from }))
}

/// How long the record after the data is, in which some writers repeat sizes and checksum.
fn descriptor_size(input: &mut Input<'_>, entry: &Entry, at: u64) -> io::Result<u64> {
    if entry.flags & 8 == 0 {
        return Ok(0);
    }
    let record = input.bytes_at(at, 24)?;
    let signature = if record.starts_with(b"PK\x07\x08") {
        4
    } else {
        0
    };
    let crc = number(&record, signature, 4) == u64::from(entry.crc);
    for width in [8, 4] {
        let packed = number(&record, signature + 4, width);
        let size = number(&record, signature + 4 + width, width);
        if crc && packed == entry.packed && size == entry.size {
            return Ok((signature + 4 + 2 * width) as u64);
        }
    }
    Ok(0)
}

/// Reads a member, and says what is wrong with it; its content is looked at all the same.
pub(super) fn read(
    input: &mut Input<'_>,
    entry: &Entry,
    data: Data,
    findings: &mut Findings,
) -> io::Result<Content> {
    if entry.name.ends_with('/') && entry.size == 0 && entry.packed == 0 {
        return Ok(Content::Nothing);
    }
    if entry.packed > input.size().saturating_sub(data.from) {
        findings.not_read("the member runs past the end of the file");
        return Ok(Content::Nothing);
    }
    let marked = entry.flags & (1 | 1 << 5 | 1 << 6 | 1 << 13) != 0;
    if marked {
        findings.add(
            Id::ZipEncrypted,
            entry.local_at,
            format!("flag bits {:#06x}", entry.flags),
        );
    }
    if entry.unix_type == SYMLINK {
        check_symlink(&input.bytes_at(data.from, 4096)?, entry, findings);
        return Ok(Content::Nothing);
    }
    match entry.method {
        0 => stored(input, entry, data, marked, findings),
        8 => inflated(input, entry, data, findings),
        method => {
            findings.not_read(format!("packed by method {method}, which is not known"));
            Ok(Content::Nothing)
        }
    }
}

fn stored(
    input: &mut Input<'_>,
    entry: &Entry,
    data: Data,
    marked: bool,
    findings: &mut Findings,
) -> io::Result<Content> {
    if entry.packed != entry.size {
        let what = "a stored member whose two sizes differ";
        findings.add(Id::ZipDisagrees, entry.local_at, what);
    }
    let mut crc = Crc::new();
    input.window(data.from, entry.packed).stream(|piece| {
        crc.update(piece);
        ControlFlow::Continue(())
    })?;
    if crc.sum() != entry.crc {
        findings.add(
            Id::ZipChecksum,
            entry.local_at,
            "the checksum is another one",
        );
        if marked {
            findings.not_read("the member is encrypted");
        }
    }
    Ok(Content::Stored {
        from: data.from,
        size: entry.packed,
    })
}

fn inflated(
    input: &mut Input<'_>,
    entry: &Entry,
    data: Data,
    findings: &mut Findings,
) -> io::Result<Content> {
    if entry.size > BOMB_BYTES_MIN && entry.size / entry.packed.max(1) > RATIO_MAX {
        let what = format!("{} bytes unfold to {}", entry.packed, entry.size);
        findings.add(Id::ZipBomb, entry.local_at, what);
    }
    let mut packed = Packed {
        input: input.window(data.from, entry.packed),
        at: 0,
    };
    let mut bytes = Vec::new();
    let mut decoder = DeflateDecoder::new(&mut packed).take(INFLATED_BYTES_MAX + 1);
    let broken = decoder.read_to_end(&mut bytes).is_err();
    if bytes.len() as u64 > INFLATED_BYTES_MAX {
        findings.not_read("the member unfolds to more than 2 MiB");
        return Ok(Content::Nothing);
    }
    let mut crc = Crc::new();
    crc.update(&bytes);
    if broken || bytes.len() as u64 != entry.size {
        findings.not_read("the member cannot be unpacked");
    } else if crc.sum() != entry.crc {
        findings.add(
            Id::ZipChecksum,
            entry.local_at,
            "the checksum is another one",
        );
    }
    Ok(Content::Inflated(bytes))
}

fn check_symlink(target: &[u8], entry: &Entry, findings: &mut Findings) {
    let target = String::from_utf8_lossy(target);
    let what = format!("a link to {target:?}");
    if super::leaves_folder(&target) {
        findings.add(Id::MemberPath, entry.local_at, what);
    } else {
        findings.not_read(what);
    }
}

/// The bytes of a packed member, read in order.
struct Packed<'a> {
    input: Input<'a>,
    at: u64,
}

impl Read for Packed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read_at(self.at, buffer)?;
        self.at += read as u64;
        Ok(read)
    }
}
