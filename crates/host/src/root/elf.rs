//! What a program or library needs: its loader and its libraries, read from its ELF headers (64 bit, little endian).

/// What an ELF file asks of the machine it runs on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elf {
    /// The machine it is for (`e_machine`).
    pub machine: u16,
    /// The program that loads it (`PT_INTERP`).
    pub interpreter: Option<String>,
    /// The libraries it needs (`DT_NEEDED`), in order.
    pub needed: Vec<String>,
    /// Where it looks for them first (`DT_RUNPATH`, or `DT_RPATH` where there is none), before variables are replaced.
    pub search: Vec<String>,
}

/// Reads the headers of an ELF file.
///
/// # Errors
/// It is none, is for another kind of machine, or is damaged.
pub fn parse(bytes: &[u8]) -> Result<Elf, Error> {
    if bytes.get(..4) != Some(MAGIC) {
        return Err(Error::NotElf);
    }
    if bytes.get(4..6) != Some(&[CLASS_64, LITTLE_ENDIAN]) {
        return Err(Error::OtherMachine);
    }
    let segments = segments(bytes)?;
    let interpreter = match segments.iter().find(|segment| segment.kind == PT_INTERP) {
        Some(segment) => Some(text(segment.bytes(bytes)?, 0)?),
        None => None,
    };
    let dynamic = match segments.iter().find(|segment| segment.kind == PT_DYNAMIC) {
        Some(segment) => Dynamic::read(bytes, &segments, segment.bytes(bytes)?)?,
        None => Dynamic::default(),
    };
    Ok(Elf {
        machine: u16_at(bytes, 18)?,
        interpreter,
        needed: dynamic.needed,
        search: dynamic.search,
    })
}

/// Whether a file says that it is ELF.
#[must_use]
pub fn is_elf(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC)
}

/// Why a file's needs aren't known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It is something else.
    #[error("it is not an ELF file")]
    NotElf,
    /// 32 bit or big endian.
    #[error("it is for another kind of machine than 64 bit little endian")]
    OtherMachine,
    /// A header points outside the file or is over a limit.
    #[error("its headers are damaged")]
    Damaged,
}

struct Segment {
    kind: u32,
    offset: u64,
    address: u64,
    size: u64,
}

impl Segment {
    fn bytes<'a>(&self, file: &'a [u8]) -> Result<&'a [u8], Error> {
        slice(file, self.offset, self.size)
    }
}

fn segments(bytes: &[u8]) -> Result<Vec<Segment>, Error> {
    let (offset, size) = (u64_at(bytes, 32)?, u16_at(bytes, 54)?);
    let count = u16_at(bytes, 56)?;
    if usize::from(size) < SEGMENT_SIZE_BYTES || count > SEGMENTS_MAX {
        return Err(Error::Damaged);
    }
    let table = slice(bytes, offset, u64::from(size) * u64::from(count))?;
    table
        .chunks_exact(size.into())
        .map(|header| {
            Ok(Segment {
                kind: u32_at(header, 0)?,
                offset: u64_at(header, 8)?,
                address: u64_at(header, 16)?,
                size: u64_at(header, 32)?,
            })
        })
        .collect()
}

#[derive(Default)]
struct Dynamic {
    needed: Vec<String>,
    search: Vec<String>,
}

impl Dynamic {
    fn read(file: &[u8], segments: &[Segment], table: &[u8]) -> Result<Self, Error> {
        let mut needed = Vec::new();
        let (mut strings, mut strings_size, mut rpath, mut runpath) = (None, None, None, None);
        for entry in table.chunks_exact(DYNAMIC_SIZE_BYTES).take(DYNAMIC_MAX) {
            let (tag, value) = (u64_at(entry, 0)?, u64_at(entry, 8)?);
            match tag {
                DT_NULL => break,
                DT_NEEDED => needed.push(value),
                DT_STRTAB => strings = Some(value),
                DT_STRSZ => strings_size = Some(value),
                DT_RPATH => rpath = Some(value),
                DT_RUNPATH => runpath = Some(value),
                _ => {}
            }
        }
        if needed.len() > NEEDED_MAX {
            return Err(Error::Damaged);
        }
        let search = runpath.or(rpath);
        if needed.is_empty() && search.is_none() {
            return Ok(Self::default());
        }
        let address = strings.ok_or(Error::Damaged)?;
        let size = strings_size.ok_or(Error::Damaged)?;
        let strings = slice(file, offset_of(segments, address)?, size)?;
        let needed = needed.into_iter().map(|at| text(strings, at));
        let search = search.map(|at| text(strings, at)).transpose()?;
        Ok(Self {
            needed: needed.collect::<Result<_, _>>()?,
            search: search
                .iter()
                .flat_map(|folders| folders.split(':'))
                .filter(|folder| !folder.is_empty())
                .map(str::to_owned)
                .collect(),
        })
    }
}

fn offset_of(segments: &[Segment], address: u64) -> Result<u64, Error> {
    segments
        .iter()
        .filter(|segment| segment.kind == PT_LOAD)
        .find_map(|segment| {
            let inside = address.checked_sub(segment.address)?;
            (inside < segment.size).then(|| segment.offset.checked_add(inside))?
        })
        .ok_or(Error::Damaged)
}

/// The text at `at`, up to its zero byte.
fn text(bytes: &[u8], at: u64) -> Result<String, Error> {
    let at = usize::try_from(at).map_err(|_| Error::Damaged)?;
    let rest = bytes.get(at..).ok_or(Error::Damaged)?;
    let rest = rest.get(..TEXT_SIZE_BYTES_MAX).unwrap_or(rest);
    let end = rest
        .iter()
        .position(|byte| *byte == 0)
        .ok_or(Error::Damaged)?;
    let text = rest
        .get(..end)
        .and_then(|text| std::str::from_utf8(text).ok());
    text.filter(|text| !text.is_empty())
        .map(str::to_owned)
        .ok_or(Error::Damaged)
}

fn slice(bytes: &[u8], offset: u64, size: u64) -> Result<&[u8], Error> {
    let start = usize::try_from(offset).map_err(|_| Error::Damaged)?;
    let size = usize::try_from(size).map_err(|_| Error::Damaged)?;
    let end = start.checked_add(size).ok_or(Error::Damaged)?;
    bytes.get(start..end).ok_or(Error::Damaged)
}

fn array_at<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N], Error> {
    let rest = bytes.get(at..).ok_or(Error::Damaged)?;
    rest.first_chunk().copied().ok_or(Error::Damaged)
}

fn u16_at(bytes: &[u8], at: usize) -> Result<u16, Error> {
    array_at(bytes, at).map(u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Result<u32, Error> {
    array_at(bytes, at).map(u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> Result<u64, Error> {
    array_at(bytes, at).map(u64::from_le_bytes)
}

const MAGIC: &[u8] = b"\x7fELF";
const CLASS_64: u8 = 2;
const LITTLE_ENDIAN: u8 = 1;
const PT_LOAD: u32 = 1;
const PT_DYNAMIC: u32 = 2;
const PT_INTERP: u32 = 3;
const DT_NULL: u64 = 0;
const DT_NEEDED: u64 = 1;
const DT_STRTAB: u64 = 5;
const DT_STRSZ: u64 = 10;
const DT_RPATH: u64 = 15;
const DT_RUNPATH: u64 = 29;
const SEGMENT_SIZE_BYTES: usize = 56;
const DYNAMIC_SIZE_BYTES: usize = 16;
const SEGMENTS_MAX: u16 = 128;
const DYNAMIC_MAX: usize = 4096;
const NEEDED_MAX: usize = 512;
const TEXT_SIZE_BYTES_MAX: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    fn this_program() -> Vec<u8> {
        std::fs::read("/proc/self/exe").unwrap()
    }

    #[test]
    fn reads_a_real_program() {
        let elf = parse(&this_program()).unwrap();
        assert!(elf.interpreter.unwrap().contains("ld-linux"));
        assert!(
            elf.needed
                .iter()
                .any(|library| library.starts_with("libc.so"))
        );
    }

    #[test]
    fn damage_is_an_error_and_never_a_panic() {
        let good = this_program();
        // Headers, program headers and interpreter are in the first pages; the rest of a program is not looked at.
        let cut = &good[..good.len().min(64 << 10)];
        for size in (0..4096).chain([cut.len() - 1]) {
            assert!(parse(&cut[..size]).is_err(), "{size}");
        }
        let mut noise = 0x2545_f491_4f6c_dd1d_u64;
        for _ in 0..20_000 {
            let mut bytes = cut.to_vec();
            for _ in 0..8 {
                noise ^= noise << 13;
                noise ^= noise >> 7;
                noise ^= noise << 17;
                let at = usize::try_from(noise % 1024).unwrap();
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = noise.to_le_bytes()[5];
                }
            }
            let _ = parse(&bytes);
        }
    }

    #[test]
    fn other_files_are_refused() {
        assert_eq!(parse(b"#!/bin/sh\n"), Err(Error::NotElf));
        let mut narrow = this_program();
        narrow[4] = 1;
        assert_eq!(parse(&narrow), Err(Error::OtherMachine));
    }
}
