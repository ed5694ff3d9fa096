//! safetensors, JSON and text, each with the twins that are not.

use scan::{Format, Verdict};

use crate::assembler::{Pickle, safetensors};
use crate::{expect, scan_bytes};

use Verdict::{Clean, Inconclusive, Malicious, Suspicious};

/// Elements that are not finite, each as its bytes.
type Elements = &'static [&'static [u8]];

#[test]
fn tensors_without_numbers_are_found_in_every_float_type() {
    let cases: [(&str, &[u8], Elements); 10] = [
        ("F16", &[0xff, 0x7b], &[&[0, 0x7c], &[1, 0xfc]]),
        ("BF16", &[0x7f, 0x7f], &[&[0x80, 0x7f], &[0xc0, 0xff]]),
        (
            "F32",
            &[0xff, 0xff, 0x7f, 0x7f],
            &[&[0, 0, 0x80, 0x7f], &[1, 0, 0x80, 0xff]],
        ),
        ("F64", &[0xff; 8], &[&[0, 0, 0, 0, 0, 0, 0xf0, 0x7f]]),
        ("F8_E5M2", &[0x7b], &[&[0x7c], &[0xff]]),
        ("F8_E4M3", &[0x7e], &[&[0x7f], &[0xff]]),
        ("F8_E4M3FNUZ", &[0xff], &[&[0x80]]),
        ("F8_E5M2FNUZ", &[0x7f], &[&[0x80]]),
        ("F8_E8M0", &[0xfe], &[&[0xff]]),
        (
            "C64",
            &[0xff, 0xff, 0x7f, 0x7f, 0, 0, 0, 0],
            &[
                &[0, 0, 0x80, 0x7f, 0, 0, 0, 0],
                &[0, 0, 0, 0, 1, 0, 0x80, 0xff],
            ],
        ),
    ];
    for (dtype, largest, others) in cases {
        let largest = if dtype == "F64" {
            &f64::MAX.to_le_bytes()
        } else {
            largest
        };
        let good = safetensors(dtype, 2, &[largest, largest].concat());
        expect(dtype, "m.safetensors", &good, Clean, None);
        for other in others {
            let bad = safetensors(dtype, 2, &[largest, other].concat());
            expect(
                dtype,
                "m.safetensors",
                &bad,
                Suspicious,
                Some("non_finite_value"),
            );
            let finding = &scan_bytes("m.safetensors", &bad).findings[0];
            assert_eq!(finding.offset, (bad.len() - other.len()) as u64);
        }
    }
    let integers = safetensors("I32", 1, &[0xff; 4]);
    expect("integers", "m.safetensors", &integers, Clean, None);
}

#[test]
fn a_value_is_found_wherever_the_pieces_are_cut() {
    let count = 300_000;
    let mut data = vec![0; count * 4];
    let at = 65_536 * 4 + 3 - 3;
    data[at..at + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    let bytes = safetensors("F32", count, &data);
    let report = scan_bytes("m.safetensors", &bytes);
    assert!(
        report.findings[0].what.contains("index 65536"),
        "{report:?}"
    );
}

#[test]
fn broken_safetensors_are_inconclusive() {
    let good = safetensors("U8", 3, &[1, 2, 3]);
    expect("good", "m.safetensors", &good, Clean, None);
    for cut in 1..good.len() {
        let report = scan_bytes("m.safetensors", &good[..cut]);
        // One byte alone is a text under a wrong name.
        let expected = if cut == 1 { Suspicious } else { Inconclusive };
        assert_eq!(report.verdict, expected, "cut at {cut}: {report:#?}");
    }
    expect(
        "longer",
        "m.safetensors",
        &[&good[..], b"x"].concat(),
        Inconclusive,
        None,
    );
    let mut long = good;
    long[..8].copy_from_slice(&(2u64 << 20).to_le_bytes());
    expect("long header", "m.safetensors", &long, Inconclusive, None);
}

#[test]
fn names_that_lie_are_found() {
    let tensors = safetensors("U8", 1, &[1]);
    let pickle = Pickle::protocol(2).int(1).stop();
    for (name, bytes) in [
        ("m.safetensors", &pickle),
        ("config.json", &pickle),
        ("README.md", &pickle),
        ("model.pkl", &tensors),
        ("model.pt", &tensors),
    ] {
        expect(name, name, bytes, Suspicious, Some("name_mismatch"));
    }
    expect("no extension", "model", &pickle, Clean, None);
    expect("any extension", "model.bin", &tensors, Clean, None);
}

#[test]
fn configurations_are_clean_unless_they_name_code() {
    for text in [
        "{}",
        r#"{"format":1,"layers":[{"kind":"dense","units":10}]}"#,
        " [1, 2]\n",
        r#"{"trust_remote_code":false}"#,
    ] {
        expect(text, "config.json", text.as_bytes(), Clean, None);
    }
    for text in [
        r#"{"auto_map":{"AutoModel":"x.Y"}}"#,
        r#"{"a":[{"trust_remote_code":true}]}"#,
        r#"{"_target_":"os.system"}"#,
        r#"{"class_name":"Lambda"}"#,
        r#"{"chat_template":"hello"}"#,
        r#"{"x":"{{ messages }}"}"#,
    ] {
        expect(
            text,
            "config.json",
            text.as_bytes(),
            Suspicious,
            Some("code_by_configuration"),
        );
    }
    let template = br#"{"x":"{{ ''.__class__.__mro__ }}"}"#;
    expect(
        "a template",
        "config.json",
        template,
        Malicious,
        Some("hostile_template"),
    );
    for text in ["{\"a\":1,\"a\":2}", "{} {}", "{", "[1,]"] {
        expect(text, "config.json", text.as_bytes(), Inconclusive, None);
    }
}

#[test]
fn text_is_clean_unless_something_would_run_it() {
    for (name, text) in [
        (
            "README.md",
            "# A model\n\nMade by us. {{ not a template here }}\n",
        ),
        ("README.md", "[link](x) and more\n"),
        ("notes", "Plain words, \u{e9}\u{4e2d}\u{1f600}.\n"),
        ("model.bin", "hello world\nhello world\n"),
        ("LICENSE", "Permission is granted\nto anyone.\n"),
        ("notes.txt", "can be read by anyone\nwho wants to\n"),
    ] {
        expect(text, name, text.as_bytes(), Clean, None);
        assert_eq!(scan_bytes(name, text.as_bytes()).format, Format::Text);
    }
    for (name, text) in [("run", "#!/bin/sh\ntrue\n"), ("model.py", "x = 1\n")] {
        expect(
            text,
            name,
            text.as_bytes(),
            Suspicious,
            Some("code_beside_model"),
        );
    }
    for (name, text) in [
        ("a.yaml", "x: 1\n"),
        ("a.pmml", "<?xml version='1.0'?><PMML/>"),
        ("template", "{% if x %}y{% endif %}"),
        ("model.txt", "tree\nversion=v4\n"),
        ("notes.txt", "a\u{1b}[2J"),
        ("notes.txt", "a\0b"),
        ("notes.txt", ""),
    ] {
        expect(text, name, text.as_bytes(), Inconclusive, None);
    }
    expect("cut", "notes.txt", b"abc \xe4\xb8", Inconclusive, None);
    expect(
        "as text and as a pickle",
        "notes.txt",
        b"cos\nsystem\n(S'x'\ntR.",
        Malicious,
        Some("hostile_import"),
    );
    expect(
        "a pickle that is text",
        "notes.txt",
        b"cpkg\nname\n.",
        Suspicious,
        Some("unlisted_import"),
    );
}

#[test]
fn characters_are_read_across_pieces() {
    let mut text = "x".repeat((256 << 10) - 1);
    text.push_str("\u{1f600} end");
    expect("whole", "notes.txt", text.as_bytes(), Clean, None);
    let mut bytes = text.into_bytes();
    bytes[(256 << 10) + 1] = b'x';
    expect("broken", "notes.txt", &bytes, Inconclusive, None);
}

#[test]
fn programs_and_unknown_formats_are_never_clean() {
    let program = [&b"\x7fELF"[..], &[0; 60]].concat();
    expect(
        "a program",
        "model.bin",
        &program,
        Malicious,
        Some("executable"),
    );
    let hidden = Pickle::protocol(2)
        .global("os", "system")
        .call_with("x")
        .stop();
    let wrapped = [&[0x93, 0, 7, 1][..], &hidden].concat();
    expect(
        "hidden",
        "model.xyz",
        &wrapped,
        Malicious,
        Some("nested_pickle"),
    );
    expect(
        "noise",
        "model.xyz",
        &[0x93, 0, 7, 1, 9],
        Inconclusive,
        None,
    );
}
