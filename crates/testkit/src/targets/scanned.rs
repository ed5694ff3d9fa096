//! The scanner, over every format and under several names.

use std::io::{self, Cursor, Read, Seek, SeekFrom};

use ::scan::{Coverage, Report, Verdict, scan_file};

use crate::files;

const NAMES: [&str; 8] = [
    "model.safetensors",
    "model.pkl",
    "model.pt",
    "config.json",
    "README.md",
    "model.bin",
    "tokenizer.py",
    "model",
];

/// A name's number and a file. The verdict is what was found and read; a clean file was read to its last byte.
pub(super) fn scan(bytes: &[u8]) {
    let Some((number, bytes)) = bytes.split_first() else {
        return;
    };
    let name = NAMES[usize::from(*number) % NAMES.len()];
    let mut furthest = 0;
    let report = scan_file(name, &mut Cursor::new(bytes), &mut |at| furthest = at);
    assert!(furthest <= bytes.len() as u64);
    assert_eq!(report.verdict, combined(&report));
    assert!(report.findings.len() <= 256);
    if report.verdict == Verdict::Clean {
        assert!(report.findings.is_empty() && report.not_read.is_empty());
        for at in [bytes.len() - 1, bytes.len() / 2] {
            let mut torn = Torn {
                file: Cursor::new(bytes),
                at: at as u64,
            };
            let report = scan_file(name, &mut torn, &mut |_| {});
            assert_ne!(report.verdict, Verdict::Clean, "byte {at} was not read");
        }
    }
}

fn combined(report: &Report) -> Verdict {
    let worst = report.findings.iter().map(|finding| finding.severity).max();
    let coverage = match report.not_read.as_slice() {
        [] => Coverage::Complete,
        _ => Coverage::Incomplete,
    };
    Verdict::combine(worst, coverage)
}

/// A file whose byte at `at` can't be read.
struct Torn<'a> {
    file: Cursor<&'a [u8]>,
    at: u64,
}

impl Read for Torn<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let before = self.at.checked_sub(self.file.position());
        let readable = match before {
            Some(0) => return Err(io::Error::other("the disk is torn here")),
            Some(before) => usize::try_from(before)
                .unwrap_or(usize::MAX)
                .min(buffer.len()),
            None => buffer.len(),
        };
        self.file.read(&mut buffer[..readable])
    }
}

impl Seek for Torn<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

pub(super) fn scan_seeds() -> Vec<Vec<u8>> {
    let hostile = b"\x80\x02cos\nsystem\nX\x04\0\0\0true\x85R.".to_vec();
    let stacked =
        b"\x80\x04\x95\x1a\0\0\0\0\0\0\0\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R.".to_vec();
    let benign = b"\x80\x02ccollections\nOrderedDict\n)R(X\x01\0\0\0kK\x01u.".to_vec();
    let plain = b"(dp0\nS'a'\nI1\ns.".to_vec();
    let inner = files::zip(&[("x", &hostile)]);
    let torch = files::zip(&[
        ("m/data.pkl", &benign),
        ("m/version", b"3\n"),
        ("m/data/0", &[0; 8]),
    ]);
    let bad_torch = files::zip(&[("m/data.pkl", &benign), ("m/inner.zip", &inner)]);
    let weights = files::weights(&[("w", &[2], &[0.5, 1.5])]);
    let named = |number: u8, file: Vec<u8>| [vec![number], file].concat();
    vec![
        named(0, weights),
        named(1, hostile),
        named(1, stacked),
        named(1, benign),
        named(5, plain),
        named(2, torch),
        named(2, bad_torch),
        named(
            3,
            br#"{"auto_map":{"AutoModel":"m.M"},"a":[1,"\u00e9"]}"#.to_vec(),
        ),
        named(4, "Some *text*, \u{e9}.\n".into()),
        named(6, b"import os\nos.system('true')\n".to_vec()),
    ]
}
