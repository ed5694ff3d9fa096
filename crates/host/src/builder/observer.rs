//! The observer: measures what the step left, after every process of the step is dead.
//!
//! It has the outputs as an open folder and nothing else of the step; the step never had anything of it. It copies
//! while it hashes, so that what was measured is what is kept.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::thread::{CapabilitySet, UnshareFlags};

use super::channel::Channel;
use super::message::{Entry, Failure, Look, Sight};
use super::process;

/// Serves one run.
pub(super) fn serve() -> io::Result<()> {
    let channel = Channel::inherited()?;
    let signer = Channel::inherited_second()?;
    if let Err(failure) = start(&channel) {
        return channel.send(&Entry::Failed(failure));
    }
    channel.send(&Entry::Ready)?;
    let Some((look, folders)) = channel.receive_with::<Look>()? else {
        return Ok(());
    };
    let [out, results, received] =
        <[OwnedFd; 3]>::try_from(folders).map_err(|_| io::ErrorKind::InvalidData)?;
    // The signer first: when the control plane has heard that this was all, it ends this process. Without a key there
    // is no signer to hear it.
    let say = |sight: &Sight| {
        if matches!(sight, Sight::Output { .. } | Sight::Done) {
            let _ = signer.send(sight);
        }
        channel.send(sight)
    };
    match observe(&look, &out, &results, &received, &say) {
        Ok(()) => say(&Sight::Done),
        Err(Stop::Refused(sight)) => channel.send(&sight),
        Err(Stop::Failed(cause)) => Err(cause),
    }
}

/// It reads whatever modes the step set on its files, and that is all it can do beyond its own.
fn start(channel: &Channel) -> Result<(), Failure> {
    let user = process::enter(channel, NAMESPACES)?;
    process::settle(user, CapabilitySet::DAC_READ_SEARCH)
}

const NAMESPACES: UnshareFlags = UnshareFlags::NEWUSER
    .union(UnshareFlags::NEWNET)
    .union(UnshareFlags::NEWIPC);

fn observe(
    look: &Look,
    out: &OwnedFd,
    results: &OwnedFd,
    received: &OwnedFd,
    say: &dyn Fn(&Sight) -> io::Result<()>,
) -> Result<(), Stop> {
    let mut outputs = Outputs {
        look,
        received,
        say,
        files: 0,
        size_bytes: 0,
    };
    outputs.walk(out, "", 0)?;
    read_claims(results, say)
}

/// Why looking ended early.
enum Stop {
    Refused(Sight),
    Failed(io::Error),
}

impl<E: Into<io::Error>> From<E> for Stop {
    fn from(cause: E) -> Self {
        Self::Failed(cause.into())
    }
}

struct Outputs<'a> {
    look: &'a Look,
    received: &'a OwnedFd,
    say: &'a dyn Fn(&Sight) -> io::Result<()>,
    files: u32,
    size_bytes: u64,
}

impl Outputs<'_> {
    fn walk(&mut self, folder: &OwnedFd, prefix: &str, depth: u32) -> Result<(), Stop> {
        if depth > DEPTH_MAX {
            return Err(refused(prefix, "it is too deep"));
        }
        for name in names(folder, prefix)? {
            let path = format!("{prefix}{name}");
            let status = look_at(folder, &name)?;
            match FileType::from_raw_mode(status.st_mode) {
                FileType::Directory => {
                    let below = open(folder, &name, OFlags::DIRECTORY)?;
                    self.walk(&below, &format!("{path}/"), depth + 1)?;
                }
                FileType::RegularFile => self.take(folder, &name, path)?,
                FileType::Symlink => return Err(refused(&path, "it is a symbolic link")),
                _ => return Err(refused(&path, "it is neither a file nor a folder")),
            }
        }
        Ok(())
    }

    fn take(&mut self, folder: &OwnedFd, name: &str, path: String) -> Result<(), Stop> {
        let file = File::from(open(folder, name, OFlags::NONBLOCK)?);
        // Looked at again through the open file: this is what is read, whatever the name stands for now.
        let status = rustix::fs::fstat(&file)?;
        self.check(&status, &path)?;
        let number = self.files;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(0o444);
        let copy = rustix::fs::openat(self.received, number.to_string(), flags, mode)?;
        let size_bytes_max = self
            .look
            .output_size_bytes_max
            .saturating_sub(self.size_bytes);
        let measured = digest::measure_reader(
            &mut (&file).take(size_bytes_max.saturating_add(1)),
            &mut File::from(copy),
        )?;
        if measured.size_bytes() != u64::try_from(status.st_size).unwrap_or(u64::MAX) {
            return Err(refused(&path, "it changed while it was read"));
        }
        self.files += 1;
        self.size_bytes += measured.size_bytes();
        (self.say)(&Sight::Output {
            path,
            sha256: measured.digest().hex(),
            size_bytes: measured.size_bytes(),
            number,
        })?;
        Ok(())
    }

    fn check(&self, status: &Stat, path: &str) -> Result<(), Stop> {
        let size_bytes = u64::try_from(status.st_size).unwrap_or(u64::MAX);
        let all = self.size_bytes.saturating_add(size_bytes);
        let why = if FileType::from_raw_mode(status.st_mode) != FileType::RegularFile {
            "it is not a regular file"
        } else if status.st_nlink != 1 {
            "it has another name somewhere (a hard link)"
        } else if Mode::from_raw_mode(status.st_mode).intersects(Mode::SUID | Mode::SGID) {
            "it changes the user or group that executes it"
        } else if all > self.look.output_size_bytes_max {
            "with it, the outputs are larger than allowed"
        } else if u64::from(self.files) >= self.look.output_files_max {
            "there are more files than allowed"
        } else {
            return Ok(());
        };
        Err(refused(path, why))
    }
}

const DEPTH_MAX: u32 = 32;

/// What the step says of itself: `/results`, a few short texts.
fn read_claims(results: &OwnedFd, say: &dyn Fn(&Sight) -> io::Result<()>) -> Result<(), Stop> {
    let names = names(results, "")?;
    for (count, name) in names.into_iter().enumerate() {
        let refused = |why: &str| {
            Stop::Refused(Sight::RefusedClaim {
                name: name.clone(),
                why: why.into(),
            })
        };
        if count == CLAIMS_MAX {
            return Err(refused("there are more than 64"));
        }
        let status = look_at(results, &name)?;
        let is_file = FileType::from_raw_mode(status.st_mode) == FileType::RegularFile;
        if !is_file || status.st_nlink != 1 {
            return Err(refused("it is not a plain file"));
        }
        let mut bytes = Vec::new();
        File::from(open(results, &name, OFlags::NONBLOCK)?)
            .take(CLAIM_SIZE_BYTES_MAX + 1)
            .read_to_end(&mut bytes)?;
        if bytes.len() as u64 > CLAIM_SIZE_BYTES_MAX {
            return Err(refused("it is longer than 4096 bytes"));
        }
        let text = String::from_utf8(bytes).map_err(|_| refused("it is not UTF-8"))?;
        say(&Sight::Claim { name, text })?;
    }
    Ok(())
}

const CLAIMS_MAX: usize = 64;
const CLAIM_SIZE_BYTES_MAX: u64 = 4096;

/// The names in a folder, in order. One that would not survive being written down is refused.
fn names(folder: &OwnedFd, prefix: &str) -> Result<Vec<String>, Stop> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let bytes = entry.file_name().to_bytes();
        if matches!(bytes, b"." | b"..") {
            continue;
        }
        let name = std::str::from_utf8(bytes)
            .ok()
            .filter(|name| !name.contains(|c: char| c.is_control() || c == '\\'));
        let shown = || format!("{prefix}{}", String::from_utf8_lossy(bytes).escape_debug());
        names.push(
            name.ok_or_else(|| refused(&shown(), "its name is not plain UTF-8"))?
                .to_owned(),
        );
    }
    names.sort_unstable();
    Ok(names)
}

fn look_at(folder: &OwnedFd, name: &str) -> io::Result<Stat> {
    Ok(rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?)
}

/// One component, no link, no mount, never outside the folder.
fn open(folder: &OwnedFd, name: &str, flags: OFlags) -> io::Result<OwnedFd> {
    let flags = flags | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH
        | ResolveFlags::NO_SYMLINKS
        | ResolveFlags::NO_MAGICLINKS
        | ResolveFlags::NO_XDEV;
    let opened = rustix::fs::openat2(folder.as_fd(), name, flags, Mode::empty(), resolve);
    Ok(opened?)
}

fn refused(path: &str, why: &str) -> Stop {
    Stop::Refused(Sight::RefusedOutput {
        path: path.to_owned(),
        why: why.to_owned(),
    })
}
