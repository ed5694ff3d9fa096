//! What a cache's file says, as text: pure, so that every way in which it can be damaged can be tried.
//!
//! A line for whose boot it is, one for each file and method, and the SHA-256 of all of that.

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};
use std::num::NonZeroU64;

use digest::{Algorithm, Digest, Method, ResourceDigest};

/// A file that was hashed, as the system knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Stamp {
    pub(super) mount: u64,
    pub(super) device: u64,
    pub(super) inode: u64,
    pub(super) size_bytes: u64,
    pub(super) modified: (i64, u32),
    pub(super) changed: (i64, u32),
}

impl Stamp {
    /// Which file it is, whatever was written to it.
    pub(super) const fn identity(&self) -> (u64, u64, u64) {
        (self.mount, self.device, self.inode)
    }
}

/// A file, and how it was hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) stamp: Stamp,
    algorithm: Algorithm,
    shard_size: Option<NonZeroU64>,
}

impl Key {
    pub(super) const fn new(stamp: Stamp, method: Method) -> Self {
        let Method {
            algorithm,
            shard_size,
        } = method;
        Self {
            stamp,
            algorithm,
            shard_size,
        }
    }

    /// How many digests a file of this size has.
    fn pieces(&self) -> u64 {
        self.shard_size
            .map_or(1, |size| self.stamp.size_bytes.div_ceil(size.get()))
    }
}

/// The digests of each file or of its pieces, in their order.
pub(super) type Entries = BTreeMap<Key, Vec<ResourceDigest>>;

/// What stands in the way of using a cache's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unfit {
    /// They were written before the machine was started last.
    OtherBoot,
    /// They are not what was written.
    Damaged,
}

const FIRST_WORDS: &str = "modelward cache v1 ";
const NO_DIGEST: &str = "-";

/// Writes entries that hold until the machine is started again.
pub(super) fn write(entries: &Entries, boot: &str, out: &mut dyn Write) -> io::Result<()> {
    let mut out = BufWriter::new(out);
    let body = |out: &mut dyn Write| {
        writeln!(out, "{FIRST_WORDS}{boot}")?;
        entries.iter().try_for_each(|entry| write_entry(entry, out))
    };
    let sum = digest::measure_written(&mut out, body)?.digest();
    writeln!(out, "{sum}")?;
    out.flush()
}

fn write_entry(
    (key, digests): (&Key, &Vec<ResourceDigest>),
    out: &mut dyn Write,
) -> io::Result<()> {
    let Stamp {
        mount,
        device,
        inode,
        size_bytes,
        modified,
        changed,
    } = key.stamp;
    let digests: Vec<String> = digests.iter().map(ResourceDigest::hex).collect();
    let digests = match digests.is_empty() {
        true => NO_DIGEST.to_owned(),
        false => digests.join(","),
    };
    let line = format!(
        "{mount} {device} {inode} {size_bytes} {} {} {} {} {} {} {digests}
",
        modified.0,
        modified.1,
        changed.0,
        changed.1,
        key.algorithm.as_str(),
        key.shard_size.map_or(0, NonZeroU64::get),
    );
    out.write_all(line.as_bytes())
}

/// Reads what [`write`] wrote during this boot.
pub(super) fn read(bytes: &[u8], boot: &str) -> Result<Entries, Unfit> {
    let text = std::str::from_utf8(bytes).map_err(|_| Unfit::Damaged)?;
    let body = text.strip_suffix('\n').ok_or(Unfit::Damaged)?;
    let end = body.rfind('\n').ok_or(Unfit::Damaged)? + 1;
    let (body, sum) = body.split_at_checked(end).ok_or(Unfit::Damaged)?;
    if Digest::of(body.as_bytes()).to_string() != sum {
        return Err(Unfit::Damaged);
    }
    let mut lines = body.lines();
    let first = lines.next().and_then(|line| line.strip_prefix(FIRST_WORDS));
    if first.ok_or(Unfit::Damaged)? != boot {
        return Err(Unfit::OtherBoot);
    }
    let entries: Option<Entries> = lines.map(entry).collect();
    entries.ok_or(Unfit::Damaged)
}

fn entry(line: &str) -> Option<(Key, Vec<ResourceDigest>)> {
    let words: Vec<&str> = line.split(' ').collect();
    let [
        mount,
        device,
        inode,
        size_bytes,
        modified,
        modified_ns,
        changed,
        changed_ns,
        algorithm,
        shard_size,
        digests,
    ] = words.as_slice()
    else {
        return None;
    };
    let stamp = Stamp {
        mount: mount.parse().ok()?,
        device: device.parse().ok()?,
        inode: inode.parse().ok()?,
        size_bytes: size_bytes.parse().ok()?,
        modified: (modified.parse().ok()?, modified_ns.parse().ok()?),
        changed: (changed.parse().ok()?, changed_ns.parse().ok()?),
    };
    let algorithm = Algorithm::from_word(algorithm)?;
    let shard_size = NonZeroU64::new(shard_size.parse().ok()?);
    let key = Key {
        stamp,
        algorithm,
        shard_size,
    };
    let digests: Option<Vec<ResourceDigest>> = digests
        .split(',')
        .filter(|digest| *digest != NO_DIGEST)
        .map(|digest| ResourceDigest::from_hex(algorithm, digest))
        .collect();
    let digests = digests?;
    (digests.len() as u64 == key.pieces()).then_some((key, digests))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(entries: &Entries, boot: &str) -> Vec<u8> {
        let mut text = Vec::new();
        write(entries, boot, &mut text).unwrap();
        text
    }

    fn entries() -> Entries {
        let stamp = |inode| Stamp {
            mount: 1,
            device: 2,
            inode,
            size_bytes: 10,
            modified: (-3, 4),
            changed: (5, 6),
        };
        let digest = |text: &str| ResourceDigest::from(Digest::of(text.as_bytes()));
        let pieces = Method {
            algorithm: Algorithm::Sha256,
            shard_size: NonZeroU64::new(5),
        };
        let empty = Stamp {
            size_bytes: 0,
            ..stamp(3)
        };
        BTreeMap::from([
            (
                Key::new(stamp(1), Method::WHOLE_SHA256),
                vec![digest("whole")],
            ),
            (Key::new(stamp(2), pieces), vec![digest("a"), digest("b")]),
            (Key::new(empty, pieces), vec![]),
        ])
    }

    #[test]
    fn what_was_written_is_read_in_the_same_boot() {
        let bytes = text(&entries(), "boot");
        assert_eq!(read(&bytes, "boot"), Ok(entries()));
        assert_eq!(read(&bytes, "another"), Err(Unfit::OtherBoot));
        assert_eq!(
            read(&text(&Entries::new(), "boot"), "boot"),
            Ok(Entries::new())
        );
    }

    #[test]
    fn every_damage_is_noticed() {
        let good = text(&entries(), "boot");
        for length in 0..good.len() {
            assert_eq!(read(&good[..length], "boot"), Err(Unfit::Damaged));
        }
        for at in 0..good.len() {
            for bit in 0..8 {
                let mut bad = good.clone();
                bad[at] ^= 1 << bit;
                assert_eq!(read(&bad, "boot"), Err(Unfit::Damaged), "{at} {bit}");
            }
        }
        assert_eq!(
            read(&[&good[..], b"\n"].concat(), "boot"),
            Err(Unfit::Damaged)
        );
    }

    /// Whoever can write the sum can't make lines of another shape.
    #[test]
    fn lines_of_another_shape_are_refused() {
        let sha = Digest::of(b"").hex();
        for line in [
            String::new(),
            "1 2 3".to_owned(),
            format!("1 2 3 4 5 6 7 8 sha256 0 {sha} more"),
            format!("1 2 3 4 5 6 7 8 sha256 0 {sha},{sha}"),
            format!("1 2 3 4 5 6 7 8 sha256 2 {sha}"),
            format!("1 2 3 4 5 6 7 8 blake2b 0 {sha}"),
            format!("1 2 3 4 5 6 7 8 md5 0 {sha}"),
            format!("x 2 3 4 5 6 7 8 sha256 0 {sha}"),
            "1 2 3 4 5 6 7 8 sha256 0 -".to_owned(),
        ] {
            let body = format!("{FIRST_WORDS}boot\n{line}\n");
            let sum = Digest::of(body.as_bytes());
            let bytes = format!("{body}{sum}\n");
            assert_eq!(
                read(bytes.as_bytes(), "boot"),
                Err(Unfit::Damaged),
                "{line}"
            );
        }
    }
}
