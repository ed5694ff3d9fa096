//! What a file is: by content first, by name second, and by every reading that some loader would take.

use std::io;

use crate::formats::text::extension;
use crate::formats::{json, pickle, safetensors, text, torch_zip};
use crate::input::Input;
use crate::report::{Findings, Format};
use crate::rules::Id;
use crate::verdict::Severity;

/// How many archives may lie in one another.
const DEPTH_MAX: u8 = 4;

/// Reads a file in every way that a loader would.
pub(crate) fn scan(
    input: &mut Input<'_>,
    name: &str,
    findings: &mut Findings,
) -> io::Result<Format> {
    scan_nested(input, name, 0, findings)
}

/// As [`scan`], for a file that lies in so many archives.
pub(crate) fn scan_nested(
    input: &mut Input<'_>,
    name: &str,
    depth: u8,
    findings: &mut Findings,
) -> io::Result<Format> {
    if input.size() == 0 {
        findings.not_read("the file is empty");
        return Ok(Format::Unknown);
    }
    let format = match torch_zip::Directory::find(input)? {
        Some(_) if depth == DEPTH_MAX => {
            findings.not_read("archives lie in archives more than four deep");
            Format::Zip
        }
        Some(directory) => {
            let front = directory.front;
            let format = torch_zip::scan(input, directory, depth, findings)?;
            if front > 0 {
                let what = format!("{front} bytes stand before a zip container");
                findings.add(Id::Polyglot, 0, what);
                scan_single(input, name, findings)?;
            }
            format
        }
        None => scan_single(input, name, findings)?,
    };
    check_name(name, format, findings);
    Ok(format)
}

/// Something that is no zip container.
fn scan_single(input: &mut Input<'_>, name: &str, findings: &mut Findings) -> io::Result<Format> {
    let head = input.bytes_at(0, 64)?;
    if let Some(kind) = executable(&head) {
        findings.add(Id::Executable, 0, kind);
        findings.not_read(format!("{kind}, which no model is"));
        return Ok(Format::Unknown);
    }
    if head.starts_with(b"PK\x03\x04") {
        findings.not_read("a zip container without its end");
        pickle::hidden_after(input, 0, findings)?;
        return Ok(Format::Zip);
    }
    if safetensors::is_likely(&head) {
        safetensors::scan(input, findings)?;
        return Ok(Format::Safetensors);
    }
    if head.starts_with(b"\x80") {
        return Ok(pickle::scan(input, false, findings)?.format);
    }
    if json::is_likely(&head) && !text::is_prose(name) {
        json::scan(input, findings)?;
        check_code_name(name, findings);
        return Ok(Format::Json);
    }
    scan_unmarked(input, name, findings)
}

/// Something that does not say what it is: protocol 0 and 1 pickles, text, or nothing known.
fn scan_unmarked(input: &mut Input<'_>, name: &str, findings: &mut Findings) -> io::Result<Format> {
    let mut apart = findings.apart();
    let outcome = pickle::scan(input, false, &mut apart)?;
    let text = text::read(input)?;
    if outcome.effects > 0 || (outcome.streams > 0 && text.is_none()) {
        findings.absorb(apart);
        return Ok(outcome.format);
    }
    if outcome.streams > 0 && apart.is_complete() {
        // A protocol 0 pickle of plain data, read to its end: both readings are harmless.
        findings.absorb(apart);
        return Ok(Format::Pickle);
    }
    if apart.worst() == Some(Severity::Malicious) {
        findings.absorb(apart);
    }
    if let Some(text) = text {
        text::scan(input, text, name, findings)?;
        return Ok(Format::Text);
    }
    if extension(name) == "safetensors" {
        safetensors::scan(input, findings)?;
    }
    findings.not_read("a format that this version does not know");
    pickle::hidden_after(input, 0, findings)?;
    Ok(Format::Unknown)
}

fn executable(head: &[u8]) -> Option<&'static str> {
    let magics: [(&[u8], &str); 7] = [
        (b"\x7fELF", "an ELF program"),
        (b"\xfe\xed\xfa\xce", "a Mach-O program"),
        (b"\xfe\xed\xfa\xcf", "a Mach-O program"),
        (b"\xce\xfa\xed\xfe", "a Mach-O program"),
        (b"\xcf\xfa\xed\xfe", "a Mach-O program"),
        (b"\0asm", "a WebAssembly program"),
        (b"dex\n", "an Android program"),
    ];
    let windows = head.starts_with(b"MZ") && head.len() == 64 && head.contains(&0);
    let found = magics.iter().find(|(magic, _)| head.starts_with(magic));
    found
        .map(|(_, kind)| *kind)
        .or(windows.then_some("a Windows program"))
}

/// Code that is written as JSON, as notebooks are.
fn check_code_name(name: &str, findings: &mut Findings) {
    if extension(name) == "ipynb" {
        findings.add(Id::CodeBeside, 0, "a notebook");
    }
}

/// Names that promise one format, and what their content may be.
fn check_name(name: &str, format: Format, findings: &mut Findings) {
    use Format::{Json, Pickle, Safetensors, Text, TorchLegacy, TorchZip, Zip};
    let extension = extension(name);
    let expected: &[Format] = match extension.as_str() {
        "safetensors" => &[Safetensors],
        "json" => &[Json],
        "txt" | "md" | "rst" | "csv" | "tsv" => &[Text, Json],
        "pkl" | "pickle" => &[Pickle, TorchLegacy, TorchZip, Zip],
        "pt" | "pth" | "ckpt" => &[TorchZip, TorchLegacy, Pickle, Zip],
        "zip" | "npz" | "keras" => &[Zip, TorchZip],
        _ => return,
    };
    if !expected.contains(&format) && format != Format::Unknown {
        let what = format!("named `.{extension}`, and is {}", format.as_str());
        findings.add(Id::NameMismatch, 0, what);
    }
}
