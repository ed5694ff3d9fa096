//! The file that a signature goes to: what is there already is not lost by a slip of the hand.

use std::io::Read;
use std::path::Path;

use trust::Code;

use crate::answer::Failure;
use crate::model::{unreadable, unwritable};

/// Words of which every bundle has one near its beginning, and no model or key.
const OF_A_BUNDLE: [&str; 5] = [
    "verificationMaterial",
    "verification_material",
    "dsseEnvelope",
    "dsse_envelope",
    "dev.sigstore.bundle",
];
const BEGINNING_BYTES: u64 = 4 << 10;

/// Found out before anything is signed: once the statement is in the log, it stays there.
///
/// # Errors
/// Nothing can be written there, or something is there that is no signature: the key or the model itself, perhaps.
pub(crate) fn check_target(target: &Path) -> Result<(), Failure> {
    if target.is_dir() {
        let message = format!(
            "`{}` is a folder, and the signature is a file",
            target.display()
        );
        let hint = "name another file, or move the folder away";
        return Err(Failure::error(Code::Io, message, hint));
    }
    host::named_file::check(target).map_err(|e| unwritable(target, &e))?;
    check_replaceable(target)
}

/// # Errors
/// Something is there that is no signature.
pub(crate) fn check_replaceable(target: &Path) -> Result<(), Failure> {
    let is_file = std::fs::metadata(target).is_ok_and(|metadata| metadata.is_file());
    if !is_file {
        return Ok(());
    }
    let mut beginning = Vec::new();
    std::fs::File::open(target)
        .and_then(|file| file.take(BEGINNING_BYTES).read_to_end(&mut beginning))
        .map_err(|e| unreadable(target, &e))?;
    let text = String::from_utf8_lossy(&beginning);
    let is_signature = OF_A_BUNDLE.iter().any(|word| text.contains(word));
    if beginning.iter().all(u8::is_ascii_whitespace) || is_signature {
        return Ok(());
    }
    Err(Failure::error(
        Code::Usage,
        format!("`{}` is there, and is no signature", target.display()),
        "name another file for the signature; or move this one away, if it may go",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_signatures_and_empty_files_are_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let check = |text: &str| {
            let file = folder.path().join("file");
            std::fs::write(&file, text).unwrap();
            check_target(&file).is_ok()
        };
        assert!(check_target(&folder.path().join("new")).is_ok());
        assert!(check("") && check("\n"));
        assert!(check(
            r#"{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json"}"#
        ));
        assert!(check(r#"{ "dsseEnvelope": {"payload": "…"} }"#));
        assert!(!check("-----BEGIN PRIVATE KEY-----"));
        assert!(!check(r#"{"architectures": ["BertModel"]}"#));
        assert!(!check(
            r#"{"mediaType":"application/vnd.oci.image.manifest.v1+json"}"#
        ));
        assert!(check_target(folder.path()).is_err());
    }
}
