//! The records at the end of a zip container: where the directory is, and what it lists.

use std::io;

use crate::formats::pickle;
use crate::input::Input;
use crate::report::Findings;
use crate::rules::Id;

/// How far from the end the last record may begin: its own size and the longest comment.
const TAIL_BYTES_MAX: u64 = 22 + 65_535;
/// The largest directory that is read.
const DIRECTORY_BYTES_MAX: u64 = 2 << 20;

/// Where the directory of a container is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Directory {
    /// Where it begins in the file.
    at: u64,
    size: u64,
    count: u64,
    /// What has to be added to every offset in it: some writers put something before the container afterwards.
    shift: u64,
    /// How many bytes stand before the first member.
    pub(crate) front: u64,
    /// Where the records after the directory begin.
    end: u64,
    /// Whether its records name two places, so that readers take different ones.
    doubtful: bool,
}

/// One member, as the directory lists it.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) raw_name: Vec<u8>,
    pub(super) flags: u16,
    pub(super) method: u16,
    pub(super) crc: u32,
    pub(super) packed: u64,
    pub(super) size: u64,
    pub(super) local_at: u64,
    /// The file type of Unix, as in a file's mode.
    pub(super) unix_type: u32,
}

impl Directory {
    /// Looks for a container that ends with the file; none is found where none ends.
    pub(crate) fn find(input: &mut Input<'_>) -> io::Result<Option<Self>> {
        let tail_size = input.size().min(TAIL_BYTES_MAX);
        let tail_at = input.size() - tail_size;
        let tail = input.bytes_at(tail_at, usize::try_from(tail_size).unwrap_or(0))?;
        for (at, record) in tail.windows(22).enumerate().rev() {
            if record.starts_with(b"PK\x05\x06")
                && let Some(found) = Self::from_record(input, tail_at + at as u64, record)?
            {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    fn from_record(input: &mut Input<'_>, at: u64, record: &[u8]) -> io::Result<Option<Self>> {
        let mut found = Self {
            count: number(record, 10, 2),
            size: number(record, 12, 4),
            at: number(record, 16, 4),
            shift: 0,
            front: 0,
            end: at,
            doubtful: false,
        };
        let is_wide = found.count == 0xffff || found.size == 0xffff_ffff || found.at == 0xffff_ffff;
        let wide = found.wide_record(input)?;
        match wide {
            Some(wide) => found = wide,
            None if is_wide => return Ok(None),
            None => {}
        }
        let Some(real) = found.end.checked_sub(found.size) else {
            return Ok(None);
        };
        let Some(shift) = real.checked_sub(found.at) else {
            return Ok(None);
        };
        let begins = input.bytes_at(real, 4)? == b"PK\x01\x02";
        if !begins && found.count > 0 {
            return Ok(None);
        }
        // Some readers go by the offset alone: there must be no second directory.
        found.doubtful |= shift > 0 && input.bytes_at(found.at, 4)? == b"PK\x01\x02";
        found.at = real;
        found.shift = shift;
        found.front = found.first_member(input)?;
        Ok(Some(found))
    }

    /// The record with 64-bit fields, where a container has one.
    fn wide_record(&self, input: &mut Input<'_>) -> io::Result<Option<Self>> {
        let Some(locator_at) = self.end.checked_sub(20) else {
            return Ok(None);
        };
        let locator = input.bytes_at(locator_at, 20)?;
        if !locator.starts_with(b"PK\x06\x07") {
            return Ok(None);
        }
        // The record stands right before its locator; the offset in there may be shifted.
        let Some(record_at) = locator_at.checked_sub(56) else {
            return Ok(None);
        };
        let record = input.bytes_at(record_at, 56)?;
        if !record.starts_with(b"PK\x06\x06") {
            return Ok(None);
        }
        let wide = Self {
            count: number(&record, 32, 8),
            size: number(&record, 40, 8),
            at: number(&record, 48, 8),
            end: record_at,
            ..*self
        };
        let agrees = |short: u64, full: u64, wide: u64| short == full || short == wide;
        let doubtful = number(&locator, 8, 8) != record_at
            || !agrees(self.count, 0xffff, wide.count)
            || !agrees(self.size, 0xffff_ffff, wide.size)
            || !agrees(self.at, 0xffff_ffff, wide.at);
        Ok(Some(Self { doubtful, ..wide }))
    }

    fn first_member(&self, input: &mut Input<'_>) -> io::Result<u64> {
        let starts = |head: Vec<u8>| head.starts_with(b"PK\x03\x04");
        match starts(input.bytes_at(0, 4)?) {
            true => Ok(0),
            false if self.shift > 0 => Ok(self.shift),
            false => {
                let head = input.bytes_at(self.at, 46)?;
                Ok(number(&head, 42, 4).min(self.at))
            }
        }
    }

    /// Where the directory begins.
    pub(super) fn begins(&self) -> u64 {
        self.at
    }

    /// The members that the directory lists, in the order of their places.
    pub(super) fn entries(
        &self,
        input: &mut Input<'_>,
        findings: &mut Findings,
    ) -> io::Result<Vec<Entry>> {
        if self.size > DIRECTORY_BYTES_MAX {
            findings.not_read("the directory of the zip container is larger than 2 MiB");
            return Ok(Vec::new());
        }
        let bytes = input.bytes_at(self.at, usize::try_from(self.size).unwrap_or(0))?;
        let mut rest = &bytes[..];
        let mut entries = Vec::new();
        while let Some((entry, after)) = entry(rest, self.shift) {
            entries.push(entry);
            rest = after;
        }
        if !rest.is_empty() || entries.len() as u64 != self.count {
            findings.not_read("the directory of the zip container does not list what it says");
        }
        if self.doubtful {
            findings.not_read("the zip container has two directories");
        }
        let tail = input.size() - self.end;
        let comment = u64::from(input.bytes_at(input.size().saturating_sub(2), 2)? != [0, 0]);
        if comment > 0 || !matches!(tail, 22 | 98) {
            let what = "bytes after the directory of the zip container, or a comment";
            findings.add(Id::ZipHidden, self.end, what);
            pickle::hidden_after(&mut input.window(self.end, tail), 0, findings)?;
        }
        entries.sort_by_key(|entry| entry.local_at);
        Ok(entries)
    }
}

fn entry(bytes: &[u8], shift: u64) -> Option<(Entry, &[u8])> {
    let (head, rest) = bytes.split_at_checked(46)?;
    if !head.starts_with(b"PK\x01\x02") {
        return None;
    }
    let length = |at| usize::try_from(number(head, at, 2)).unwrap_or(0);
    let (raw_name, rest) = rest.split_at_checked(length(28))?;
    let (extra, rest) = rest.split_at_checked(length(30))?;
    let (_comment, rest) = rest.split_at_checked(length(32))?;
    let mut wide = Wide::of(extra);
    let size = wide.or(number(head, 24, 4));
    let packed = wide.or(number(head, 20, 4));
    let local_at = wide.or(number(head, 42, 4));
    let small = |at, width| u32::try_from(number(head, at, width)).unwrap_or(0);
    let entry = Entry {
        name: String::from_utf8_lossy(raw_name).into_owned(),
        raw_name: raw_name.to_vec(),
        flags: small(8, 2) as u16,
        method: small(10, 2) as u16,
        crc: small(16, 4),
        packed,
        size,
        local_at: local_at.saturating_add(shift),
        unix_type: (small(38, 4) >> 16) & 0o170_000,
    };
    Some((entry, rest))
}

/// The 64-bit fields of an extra field, in order; each stands there only where the short one is full.
pub(super) struct Wide<'a>(&'a [u8]);

impl<'a> Wide<'a> {
    pub(super) fn of(mut extra: &'a [u8]) -> Self {
        while let Some((head, rest)) = extra.split_at_checked(4) {
            let length = usize::try_from(number(head, 2, 2)).unwrap_or(0);
            let Some((body, rest)) = rest.split_at_checked(length) else {
                break;
            };
            if number(head, 0, 2) == 1 {
                return Self(body);
            }
            extra = rest;
        }
        Self(&[])
    }

    pub(super) fn or(&mut self, short: u64) -> u64 {
        if short != 0xffff_ffff {
            return short;
        }
        match self.0.split_at_checked(8) {
            Some((wide, rest)) => {
                self.0 = rest;
                number(wide, 0, 8)
            }
            None => short,
        }
    }
}

/// A little-endian number in a record; missing bytes are zero.
pub(super) fn number(record: &[u8], at: usize, size_bytes: usize) -> u64 {
    let bytes = record.get(at..at + size_bytes).unwrap_or_default();
    let place = |value: u64, byte: &u8| value << 8 | u64::from(*byte);
    bytes.iter().rev().fold(0, place)
}
