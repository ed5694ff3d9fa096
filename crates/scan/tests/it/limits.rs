//! Errors while reading, progress, and what is refused for its size.

use std::io::{self, Read, Seek, SeekFrom};

use scan::{Verdict, fold, scan_file};

use crate::assembler::{Pickle, safetensors};
use crate::scan_bytes;

/// A file that can't be read past a place.
struct Failing {
    file: io::Cursor<Vec<u8>>,
    from: u64,
}

impl Read for Failing {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.from.saturating_sub(self.file.position())).unwrap();
        if left == 0 {
            return Err(io::Error::other("the disk is gone"));
        }
        let wanted = left.min(buffer.len());
        self.file.read(&mut buffer[..wanted])
    }
}

impl Seek for Failing {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

#[test]
fn a_file_that_cannot_be_read_is_inconclusive() {
    let bytes = safetensors("U8", 500_000, &vec![1; 500_000]);
    for from in [0, 4, 300_000] {
        let file = io::Cursor::new(bytes.clone());
        let mut file = Failing { file, from };
        let report = scan_file("m.safetensors", &mut file, &mut |_| {});
        assert_eq!(report.verdict, Verdict::Inconclusive);
        assert!(
            report.not_read[0].contains("the disk is gone"),
            "{report:?}"
        );
    }
}

#[test]
fn progress_goes_forward_to_the_end() {
    let bytes = safetensors("U8", 500_000, &vec![1; 500_000]);
    let mut places = Vec::new();
    let report = scan_file("m", &mut io::Cursor::new(&bytes), &mut |at| places.push(at));
    assert_eq!(report.verdict, Verdict::Clean);
    assert!(places.is_sorted());
    assert_eq!(places.last(), Some(&(bytes.len() as u64)));
}

#[test]
fn limits_are_named() {
    let marks = Pickle::protocol(2).raw(vec![b'('; 200_000]).stop();
    let memo = (0..300_000)
        .fold(Pickle::protocol(4).raw("N"), |p, _| p.raw([0x94]))
        .stop();
    let tuples = Pickle::protocol(2).raw(")2222222".repeat(40_000)).stop();
    for (bytes, limit) in [(marks, "stack"), (memo, "memo"), (tuples, "stack")] {
        let report = scan_bytes("a.pkl", &bytes);
        assert_eq!(report.verdict, Verdict::Inconclusive);
        assert!(report.not_read[0].contains(limit), "{report:?}");
    }
}

#[test]
fn large_pickles_of_data_are_read_whole() {
    let mut large = Pickle::protocol(4).raw("](");
    for number in 0..120_000_u32 {
        let text = format!("a word of the vocabulary, number {number}");
        large = large.text(&text).raw([0x94]).int(1).raw([0x86, 0x94]);
        if number % 1000 == 999 {
            large = large.raw("e(");
        }
    }
    let report = scan_bytes("vocabulary.pkl", &large.raw("e").stop());
    assert_eq!(report.verdict, Verdict::Clean, "{report:?}");
}

#[test]
fn deep_nesting_is_bounded() {
    let deep = Pickle::protocol(2)
        .raw("N")
        .raw(vec![0x85; 1_000_000])
        .stop();
    assert_eq!(scan_bytes("a.pkl", &deep).verdict, Verdict::Clean);
    let doubled = Pickle::protocol(2)
        .raw("N")
        .raw([b'2', 0x86].repeat(100_000))
        .stop();
    let report = scan_bytes("a.pkl", &doubled);
    assert_eq!(report.findings[0].rule.id, "expansion");
}

#[test]
fn a_folder_without_files_is_not_clean() {
    assert_eq!(fold([]), Verdict::Inconclusive);
}
