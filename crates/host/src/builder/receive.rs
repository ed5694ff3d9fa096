//! What the observer saw, brought to its place under its name.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use digest::Digest;

use super::error::Error;
use super::message::{Look, Sight};
use super::process::Process;
use super::run_folder::RunFolder;
use super::step::{Observed, Step};

type Outputs = BTreeMap<String, Observed>;
type Claims = BTreeMap<String, String>;

/// Has the observer look at the folders of outputs and results, and puts its copies into the staged folder.
pub(super) fn outputs(
    observer: &Process,
    step: &Step,
    folder: &RunFolder,
    [out, results]: &[OwnedFd; 2],
) -> Result<(Outputs, Claims), Error> {
    let failed = |cause| observer.failed("measuring the outputs", cause);
    let received = File::open(folder.received()).map_err(failed)?;
    let look = Look {
        output_size_bytes_max: step.limits.output_bytes,
        output_files_max: step.limits.output_files,
    };
    let folders = [out.as_fd(), results.as_fd(), received.as_fd()];
    observer
        .channel
        .send_with(&look, &folders)
        .map_err(failed)?;
    let (mut outputs, mut claims) = (Outputs::new(), Claims::new());
    loop {
        let sight = observer.channel.receive().map_err(failed)?;
        match sight.ok_or_else(|| failed(io::ErrorKind::UnexpectedEof.into()))? {
            Sight::Output {
                path,
                sha256,
                size_bytes,
                number,
            } => {
                stage(folder, &path, number).map_err(failed)?;
                let digest = Digest::from_hex(&sha256);
                let digest = digest.map_err(|e| failed(io::Error::other(e)))?;
                outputs.insert(path, Observed { digest, size_bytes });
            }
            Sight::Claim { name, text } => {
                claims.insert(name, text);
            }
            Sight::RefusedOutput { path, why } => return Err(Error::OutputRefused { path, why }),
            Sight::RefusedClaim { name, why } => return Err(Error::ClaimRefused { name, why }),
            Sight::Done => return Ok((outputs, claims)),
        }
    }
}

/// The observer gives numbers, so that it needs no folders of its own in ours.
fn stage(folder: &RunFolder, path: &str, number: u32) -> io::Result<()> {
    if !path.split('/').all(super::inputs::is_component) {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let target = folder.staged().join(path);
    if let Some(above) = target.parent() {
        fs::create_dir_all(above)?;
    }
    fs::rename(folder.received().join(number.to_string()), target)
}
