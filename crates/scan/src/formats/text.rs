//! Plain text, told by content: UTF-8 with no control characters, and nothing that some program would run.

use std::io;
use std::ops::ControlFlow;

use crate::input::Input;
use crate::report::Findings;
use crate::rules::Id;

/// Names that end so are code, which some loaders run.
const CODE: &[&str] = &[
    "py", "pyw", "ipynb", "sh", "bash", "zsh", "bat", "cmd", "ps1", "js", "mjs", "rb", "pl", "lua",
    "php", "r", "jl", "vbs", "desktop", "c", "cc", "cpp", "cu", "rs", "go",
];
/// Names that end so are for people to read.
const PROSE: &[&str] = &["md", "rst", "txt"];
/// Names that end so are data that some loader interprets and this version does not.
const INTERPRETED: &[&str] = &[
    "yaml", "yml", "xml", "pmml", "pbtxt", "prototxt", "html", "htm", "svg", "jinja", "jinja2",
    "j2", "tmpl", "mar", "reg", "plist",
];

/// What is known of a file that is text from the first byte to the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Text {
    /// Whether there is something in it that template engines act on.
    template: bool,
}

/// Reads a file as text; none if it is none.
pub(crate) fn read(input: &mut Input<'_>) -> io::Result<Option<Text>> {
    let mut text = Some(Text { template: false });
    let mut last = '\0';
    // The bytes of a character that the last piece cut off.
    let mut cut: Vec<u8> = Vec::new();
    input.stream(|piece| {
        let bytes = [&cut[..], piece].concat();
        let (whole, rest) = match str::from_utf8(&bytes) {
            Ok(whole) => (whole, &[][..]),
            Err(error) if error.error_len().is_none() => {
                let (whole, rest) = bytes.split_at(error.valid_up_to());
                (str::from_utf8(whole).unwrap_or_default(), rest)
            }
            Err(_) => {
                text = None;
                return ControlFlow::Break(());
            }
        };
        for c in whole.chars() {
            if c.is_control() && !matches!(c, '\t' | '\n' | '\r') {
                text = None;
                return ControlFlow::Break(());
            }
            if let ('{', '{' | '%', Some(text)) = (last, c, &mut text) {
                text.template = true;
            }
            last = c;
        }
        cut = rest.to_vec();
        ControlFlow::Continue(())
    })?;
    Ok(text.filter(|_| cut.is_empty()))
}

/// Judges a file that is text, by how it begins and what its name says it is for.
pub(crate) fn scan(
    input: &mut Input<'_>,
    text: Text,
    name: &str,
    findings: &mut Findings,
) -> io::Result<()> {
    let head = input.bytes_at(0, 4096)?;
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&head);
    let extension = extension(name);
    let start = head.trim_ascii_start();
    if head.starts_with(b"#!") || CODE.contains(&&*extension) {
        findings.add(Id::CodeBeside, 0, "source code");
    }
    let markup = [
        &b"<?xml"[..],
        b"<!DOCTYPE",
        b"<!doctype",
        b"<!ENTITY",
        b"<PMML",
        b"<net",
    ];
    let other = [&b"tree\n"[..], b"%YAML", b"--- ", b"---\n!"];
    if INTERPRETED.contains(&&*extension)
        || markup
            .iter()
            .chain(&other)
            .any(|magic| start.starts_with(magic))
    {
        findings.not_read("a text format that this version does not interpret");
    }
    if text.template && !is_prose(name) {
        findings.not_read("text that a template engine would act on");
    }
    Ok(())
}

/// What comes after the last dot of a name, in lower case; nothing if there is none.
pub(crate) fn extension(name: &str) -> String {
    let name = name.rsplit(['/', '\\']).next().unwrap_or(name);
    match name.rsplit_once('.') {
        Some((_, extension)) => extension.to_ascii_lowercase(),
        None => String::new(),
    }
}

/// Whether a name says that its content is for people, so that no loader acts on what is in it.
pub(crate) fn is_prose(name: &str) -> bool {
    PROSE.contains(&&*extension(name))
}

/// Judges text that may be a template for a template engine.
pub(crate) fn judge_template(text: &str, findings: &mut Findings) {
    if !text.contains("{{") && !text.contains("{%") {
        return;
    }
    let reaches = [
        "__", "|attr", "| attr", "lipsum", "cycler", "joiner", ".mro", "_module",
    ];
    match reaches.iter().find(|part| text.contains(*part)) {
        Some(part) => findings.add(
            Id::HostileTemplate,
            0,
            format!("a template with `{part}` in it"),
        ),
        None => findings.add(Id::Configured, 0, "holds a template"),
    }
}
