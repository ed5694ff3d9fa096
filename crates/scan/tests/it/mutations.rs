//! No input makes the scanner panic, and no hostile pickle is made clean by a change of one byte after its effect.

use scan::Verdict;

use crate::assembler::{Member, Pickle, safetensors, zip};
use crate::scan_bytes;

/// How many changed copies of each seed are tried.
const ROUNDS: u32 = 1500;

fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    let hostile = Pickle::protocol(4)
        .raw([0x95, 60, 0, 0, 0, 0, 0, 0, 0])
        .stack_global("os", "system")
        .raw([0x94])
        .call_with("x")
        .raw("}(")
        .text("k")
        .raw(b"\x8f(K\x01\x90Vz\nI7\nuN\x86")
        .stop();
    let benign = Pickle::protocol(2)
        .global("collections", "OrderedDict")
        .raw(")R(")
        .text("k")
        .bytes(b"\x80\x02N.")
        .raw(b"uL12L\nF1.5\nS'a\\x41'\n\x87")
        .stop();
    let members = [
        Member::new("m/data.pkl", &benign),
        Member::new("m/data/0", &[0; 16]),
        Member {
            flags: 8,
            ..Member::new("m/inner.zip", &zip(&[Member::new("x", &hostile)]))
        },
    ];
    vec![
        ("a.pkl", hostile),
        ("b.pkl", benign),
        ("c.pt", zip(&members)),
        ("d.safetensors", safetensors("F32", 2, &[0; 8])),
        (
            "e.json",
            br#"{"auto_map":[1,"\u00e9",{"x":null}]}"#.to_vec(),
        ),
        ("f.txt", "some text, \u{e9}\n".into()),
    ]
}

/// A small generator: the same numbers on every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 16).unwrap() % limit.max(1)
    }
}

fn mutate(bytes: &mut Vec<u8>, numbers: &mut Numbers) {
    let at = numbers.below(bytes.len());
    match numbers.below(6) {
        0 => bytes.truncate(at),
        1 => bytes.insert(at, u8::try_from(numbers.below(256)).unwrap()),
        2 if !bytes.is_empty() => {
            bytes.remove(at);
        }
        3 => {
            let end = (at + 1 + numbers.below(16)).min(bytes.len());
            let piece = bytes[at.min(end)..end].to_vec();
            let to = numbers.below(bytes.len());
            bytes.splice(to..to, piece);
        }
        4 if bytes.len() >= at + 8 => {
            let value = [0, u64::MAX, 1 << 31, 0xffff_ffff, 1 << 63][numbers.below(5)];
            bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
        }
        _ if !bytes.is_empty() => bytes[at] ^= 1 << numbers.below(8),
        _ => {}
    }
}

#[test]
fn no_input_makes_it_panic() {
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let mut seen = std::collections::BTreeSet::new();
    for (name, seed) in seeds() {
        for _ in 0..ROUNDS {
            let mut bytes = seed.clone();
            for _ in 0..=numbers.below(4) {
                mutate(&mut bytes, &mut numbers);
            }
            seen.insert(scan_bytes(name, &bytes).verdict.as_str());
        }
    }
    assert_eq!(seen.len(), 4, "the mutations reach every verdict: {seen:?}");
}

#[test]
fn every_byte_as_an_opcode_after_a_call_changes_nothing() {
    let start = Pickle::protocol(2).global("os", "system").call_with("x");
    for byte in 0..=u8::MAX {
        for tail in [&b""[..], b"\0\0\0\0\0\0\0\0\n\n.", &[0xff; 12]] {
            let bytes = start.clone().raw([byte]).raw(tail).0;
            assert_eq!(
                scan_bytes("a.pkl", &bytes).verdict,
                Verdict::Malicious,
                "{byte:#x}"
            );
        }
    }
}
