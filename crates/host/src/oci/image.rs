//! One file out of an image's layers, as a container that starts from it would see it: what upper layers put away or hide is not
//! there, links lead inside the image, and nothing is unpacked but that file.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use digest::{Measured, measure_reader};
use trust::oci::{Descriptor, Manifest};

use super::{ReadError, Registry};

/// A layer unpacks to no more than this.
const UNPACKED_SIZE_BYTES_MAX: u64 = 64 << 30;
const MEMBERS_MAX: usize = 1_000_000;
const LINKS_MAX: usize = 8;
const DEPTH_MAX: usize = 256;
const WHITEOUT: &str = ".wh.";
const OPAQUE: &str = ".wh..wh..opq";

/// What a layer says of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Word {
    /// It is a file, which was taken.
    File(Measured),
    /// It is the same file as this path, here or below.
    HardLink(String),
    /// The first so many names of it lead to this path.
    Symlink(usize, String),
    /// It is put away, or hidden by something that is no file.
    Gone,
    /// Nothing: the layer below may.
    Nothing,
}

/// Takes a file out of an image into a new one. Each layer that is looked at is held against its digest before, from the top.
///
/// # Errors
/// The image has no such file, its layers are not what they should be, or the disk fails.
pub fn take(
    registry: &Registry,
    manifest: &Manifest,
    path: &str,
    folder: &Path,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<(Measured, PathBuf), ReadError> {
    let taken = folder.join("taken");
    let layers = manifest.layers();
    let not_found = || ReadError::NotFound {
        what: path.chars().take(200).collect(),
        place: "the image".to_owned(),
    };
    let mut here = plain(path).ok_or_else(not_found)?;
    let mut top = layers.len();
    let mut links = 0;
    loop {
        let mut word = Word::Nothing;
        let mut at = top;
        while word == Word::Nothing && at > 0 {
            at -= 1;
            let Some(layer) = layers.get(at) else { break };
            let file = fetched(registry, layer, folder, progress)?;
            word = look(layer, &file, &here, &taken)?;
        }
        links += 1;
        match word {
            Word::File(measured) => return Ok((measured, taken)),
            Word::Gone | Word::Nothing => return Err(not_found()),
            Word::HardLink(_) | Word::Symlink(..) if links > LINKS_MAX => return Err(not_found()),
            Word::HardLink(target) => {
                top = at + 1;
                here = plain(&target).ok_or_else(not_found)?;
            }
            Word::Symlink(count, target) => {
                top = layers.len();
                here = resolved(&here, count, &target).ok_or_else(not_found)?;
            }
        }
    }
}

/// A layer's archive, which is fetched once.
fn fetched(
    registry: &Registry,
    layer: &Descriptor,
    folder: &Path,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<PathBuf, ReadError> {
    let path = folder.join(layer.digest.hex());
    if !path.exists() {
        registry.download(layer, &path, progress)?;
    }
    Ok(path)
}

/// What a layer says of a path. All of it is looked through: a later member takes the place of an earlier one.
fn look(
    layer: &Descriptor,
    archive: &Path,
    wanted: &[String],
    taken: &Path,
) -> Result<Word, ReadError> {
    let unfit = |cause| ReadError::Io {
        path: archive.to_owned(),
        cause,
    };
    let file = File::open(archive).map_err(unfit)?;
    let unpacked = unpacked(layer, file)?.take(UNPACKED_SIZE_BYTES_MAX);
    let mut archive = tar::Archive::new(unpacked);
    let mut found = Word::Nothing;
    let mut is_cut = false;
    for (count, member) in archive.entries().map_err(unfit)?.enumerate() {
        let mut member = member.map_err(unfit)?;
        if count >= MEMBERS_MAX {
            return Err(ReadError::TooLarge {
                what: layer.digest.to_string(),
                size_bytes_max: UNPACKED_SIZE_BYTES_MAX,
            });
        }
        let name = String::from_utf8_lossy(&member.path_bytes()).into_owned();
        let Some(name) = plain(&name) else { continue };
        is_cut |= puts_away(&name, wanted);
        if !wanted.starts_with(&name) || name.is_empty() {
            continue;
        }
        let link = member.link_name_bytes();
        let link = link.map(|link| String::from_utf8_lossy(&link).into_owned());
        let kind = member.header().entry_type();
        let is_whole = name.len() == wanted.len();
        found = match link {
            Some(target) if kind.is_symlink() => Word::Symlink(name.len(), target),
            Some(target) if kind.is_hard_link() && is_whole => Word::HardLink(target),
            _ if kind.is_dir() && !is_whole => match found {
                // A folder in the place of a link or a file.
                Word::Symlink(count, _) if count == name.len() => Word::Nothing,
                found => found,
            },
            _ if (kind.is_file() || kind.is_contiguous()) && is_whole => {
                Word::File(copied(&mut member, taken)?)
            }
            _ => Word::Gone,
        };
    }
    Ok(match found {
        Word::Nothing if is_cut => Word::Gone,
        found => found,
    })
}

fn copied(member: &mut dyn Read, taken: &Path) -> Result<Measured, ReadError> {
    let failed = |cause| ReadError::Io {
        path: taken.to_owned(),
        cause,
    };
    if taken.exists() {
        fs::remove_file(taken).map_err(failed)?;
    }
    let mut file = File::create_new(taken).map_err(failed)?;
    let measured = measure_reader(member, &mut file).map_err(failed)?;
    file.sync_all().map_err(failed)?;
    Ok(measured)
}

/// Whether a member takes away what layers below have of a path: it, or a folder above it.
fn puts_away(name: &[String], wanted: &[String]) -> bool {
    let Some((last, folder)) = name.split_last() else {
        return false;
    };
    if last == OPAQUE {
        return folder.len() < wanted.len() && wanted.starts_with(folder);
    }
    let Some(gone) = last.strip_prefix(WHITEOUT) else {
        return false;
    };
    wanted.starts_with(folder) && wanted.get(folder.len()).is_some_and(|part| part == gone)
}

fn unpacked(layer: &Descriptor, file: File) -> Result<Box<dyn Read>, ReadError> {
    let media_type = layer.media_type.as_str();
    let unfit = |cause: io::Error| ReadError::Io {
        path: layer.digest.to_string().into(),
        cause,
    };
    let file = io::BufReader::new(file);
    let is = |endings: &[&str]| endings.iter().any(|ending| media_type.ends_with(ending));
    if is(&["+gzip", ".gzip", ".tar.gz"]) {
        return Ok(Box::new(flate2::bufread::MultiGzDecoder::new(file)));
    }
    if is(&["+zstd"]) {
        let decoder = ruzstd::decoding::StreamingDecoder::new(file);
        let decoder = decoder.map_err(|e| unfit(io::Error::other(e.to_string())))?;
        return Ok(Box::new(decoder));
    }
    if is(&[".tar"]) {
        return Ok(Box::new(file));
    }
    let other = format!("a layer is `{media_type}`, which is no archive that is read");
    Err(unfit(io::Error::new(io::ErrorKind::InvalidData, other)))
}

/// A path's names, without `.`; none if it leads above, or nowhere.
fn plain(path: &str) -> Option<Vec<String>> {
    let parts = path
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".");
    let parts: Vec<String> = parts.map(ToOwned::to_owned).collect();
    let fits = |part: &String| part != ".." && !part.contains('\0');
    parts.iter().all(fits).then_some(parts)
}

/// Where a path leads of which the first names are a link: inside the image, whatever the link says.
fn resolved(path: &[String], count: usize, target: &str) -> Option<Vec<String>> {
    let (before, rest) = (path.get(..count.checked_sub(1)?)?, path.get(count..)?);
    let mut here = match target.starts_with('/') {
        true => Vec::new(),
        false => before.to_vec(),
    };
    for part in target
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".")
    {
        match part {
            ".." => drop(here.pop()),
            part => here.push(part.to_owned()),
        }
    }
    here.extend(rest.iter().cloned());
    (!here.is_empty() && here.len() <= DEPTH_MAX).then_some(here)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use digest::Digest;

    use super::*;

    const TAR: &str = "application/vnd.oci.image.layer.v1.tar";

    /// A member: its path, its kind, and its bytes or where it leads.
    type Member<'a> = (&'a str, tar::EntryType, &'a str);

    const FILE: tar::EntryType = tar::EntryType::Regular;
    const LINK: tar::EntryType = tar::EntryType::Symlink;
    const HARD: tar::EntryType = tar::EntryType::Link;
    const DIR: tar::EntryType = tar::EntryType::Directory;

    fn archive(members: &[Member<'_>]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (path, kind, text) in members {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(*kind);
            header.set_mode(0o644);
            let bytes = match *kind {
                FILE => text.as_bytes(),
                _ => &[],
            };
            header.set_size(bytes.len() as u64);
            if [LINK, HARD].contains(kind) {
                header.set_link_name(text).unwrap();
            }
            builder.append_data(&mut header, path, bytes).unwrap();
        }
        builder.into_inner().unwrap()
    }

    fn word(media_type: &str, layer: &[u8], path: &str) -> Result<Word, ReadError> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("layer");
        fs::write(&file, layer).unwrap();
        let descriptor = Descriptor::of(media_type, layer);
        look(
            &descriptor,
            &file,
            &plain(path).unwrap(),
            &folder.path().join("taken"),
        )
    }

    fn is_file(word: &Word, text: &str) -> bool {
        matches!(word, Word::File(measured) if measured.digest() == Digest::of(text.as_bytes()))
    }

    #[test]
    fn a_layer_says_what_a_container_would_see() {
        let link = |count, target: &str| Word::Symlink(count, target.to_owned());
        for (members, path, want) in [
            (&[("b", FILE, "1")][..], "a", Word::Nothing),
            (&[(".wh.a", FILE, "")], "a", Word::Gone),
            (&[(".wh.a", FILE, "")], "b", Word::Nothing),
            (&[(".wh.d", FILE, "")], "d/a", Word::Gone),
            (&[("d/.wh..wh..opq", FILE, "")], "d/e/a", Word::Gone),
            (&[("d/.wh..wh..opq", FILE, "")], "e/a", Word::Nothing),
            (&[("d", FILE, "1")], "d/a", Word::Gone),
            (&[("d/", DIR, "")], "d/a", Word::Nothing),
            (&[("a/", DIR, "")], "a", Word::Gone),
            (&[("d", LINK, "/e")], "d/a", link(1, "/e")),
            (&[("d/a", LINK, "../b")], "d/a", link(2, "../b")),
            (&[("d", LINK, "/e"), ("d/", DIR, "")], "d/a", Word::Nothing),
            (&[("d/a", HARD, "c")], "d/a", Word::HardLink("c".to_owned())),
            (&[("a", tar::EntryType::Fifo, "")], "a", Word::Gone),
        ] {
            let got = word(TAR, &archive(members), path).unwrap();
            assert_eq!(got, want, "{path} in {members:?}");
        }
        // What is put away below may be put here, and the last of two counts.
        let here = [
            ("d/.wh..wh..opq", FILE, ""),
            ("d/a", FILE, "1"),
            ("./d/a", FILE, "2"),
        ];
        assert!(is_file(&word(TAR, &archive(&here), "/d/a").unwrap(), "2"));
    }

    #[test]
    fn layers_are_read_as_they_are_packed() {
        let tar = archive(&[("a", FILE, "text")]);
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&tar).unwrap();
        let gzip = gzip.finish().unwrap();
        let zstd = ruzstd::encoding::compress_to_vec(
            &tar[..],
            ruzstd::encoding::CompressionLevel::Fastest,
        );
        let docker = "application/vnd.docker.image.rootfs.diff.tar.gzip";
        for (media_type, layer) in [
            (TAR.to_owned(), &tar),
            (format!("{TAR}+gzip"), &gzip),
            (docker.to_owned(), &gzip),
            (format!("{TAR}+zstd"), &zstd),
        ] {
            assert!(
                is_file(&word(&media_type, layer, "a").unwrap(), "text"),
                "{media_type}"
            );
            let (cut, _) = layer.split_at(layer.len() / 3);
            assert!(word(&media_type, cut, "a").is_err(), "{media_type}");
        }
        for (media_type, layer) in [
            ("application/json", &tar),
            ("x+zstd", &gzip),
            ("x+gzip", &zstd),
        ] {
            assert!(word(media_type, layer, "a").is_err(), "{media_type}");
        }
    }

    #[test]
    fn links_lead_inside_the_image() {
        let path = plain("/a/b/c").unwrap();
        for (count, target, want) in [
            (3, "d", "a/b/d"),
            (3, "/d", "d"),
            (2, "../x", "x/c"),
            (1, "../../../etc", "etc/b/c"),
            (3, "../../../../..", ""),
        ] {
            let got = resolved(&path, count, target).map_or(String::new(), |path| path.join("/"));
            assert_eq!(got, want, "{target}");
        }
        assert!(plain("/a/../b").is_none() && plain("a\0").is_none());
    }
}
