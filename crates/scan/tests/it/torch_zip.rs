//! Zip containers, each trick beside the container it was made from.

use scan::{Format, Verdict};

use crate::assembler::{Member, Pickle, zip, zip_with_gap};
use crate::{expect, scan_bytes};

fn tensor(elements: u8, size: u8) -> Vec<u8> {
    Pickle::protocol(2)
        .global("torch._utils", "_rebuild_tensor_v2")
        .raw("((")
        .text("storage")
        .global("torch", "FloatStorage")
        .text("0")
        .text("cpu")
        .int(elements)
        .raw("tQK\0")
        .int(size)
        .raw(b"\x85K\x01\x85\x89")
        .global("collections", "OrderedDict")
        .raw(")RtR")
        .stop()
}

fn hostile() -> Vec<u8> {
    Pickle::protocol(2)
        .global("posix", "system")
        .call_with("echo inert")
        .stop()
}

fn members() -> Vec<Member> {
    vec![
        Member::new("m/data.pkl", &tensor(4, 4)),
        Member::new("m/data/0", &[0; 16]),
        Member::new("m/version", b"3\n"),
        Member::new("m/.data/serialization_id", b"0123456789"),
    ]
}

#[test]
fn a_container_as_torch_writes_it_is_clean() {
    let bytes = zip(&members());
    expect("whole", "model.pt", &bytes, Verdict::Clean, None);
    assert_eq!(scan_bytes("model.pt", &bytes).format, Format::TorchZip);
}

#[test]
fn each_change_to_it_is_found() {
    let changed = |change: fn(&mut Vec<Member>)| {
        let mut members = members();
        change(&mut members);
        zip(&members)
    };
    let polyglot = [&[0; 40][..], &zip(&members())].concat();
    let cases: [(&str, Vec<u8>, &str); 13] = [
        ("checksum", changed(|m| m[1].crc_error = 1), "zip_checksum"),
        ("flag 0x1", changed(|m| m[0].flags = 1), "zip_encrypted"),
        ("flag 0x20", changed(|m| m[0].flags = 0x20), "zip_encrypted"),
        ("flag 0x40", changed(|m| m[0].flags = 0x40), "zip_encrypted"),
        (
            "two names",
            changed(|m| m[0].local_name = Some("m/data.pxl".into())),
            "zip_disagrees",
        ),
        ("twice", changed(|m| m.push(m[1].clone())), "zip_duplicate"),
        (
            "a gap",
            zip_with_gap(&members(), b"hidden"),
            "zip_hidden_bytes",
        ),
        (
            "a comment",
            [zip(&members()), b"x".to_vec()].concat(),
            "zip_hidden_bytes",
        ),
        ("a prefix", polyglot, "polyglot"),
        (
            "a short storage",
            changed(|m| m[1].data.truncate(12)),
            "storage_size",
        ),
        (
            "a long storage",
            changed(|m| m[1].data.push(0)),
            "storage_size",
        ),
        (
            "a view past its storage",
            changed(|m| m[0].data = tensor(4, 5)),
            "unusual_use",
        ),
        (
            "code",
            changed(|m| m.push(Member::new("m/code/x.py", b"import os\n"))),
            "code_beside_model",
        ),
    ];
    for (case, mut bytes, rule) in cases {
        if case == "a comment" {
            let at = bytes.len() - 3;
            bytes[at] = 1;
        }
        let report = scan_bytes("model.pt", &bytes);
        assert!(report.verdict != Verdict::Clean, "{case}: {report:#?}");
        assert!(
            report.findings.iter().any(|found| found.rule.id == rule),
            "{case}: {report:#?}"
        );
    }
}

#[test]
fn hostile_members_are_malicious_whatever_the_container_says() {
    let with = |change: &dyn Fn(&mut Vec<Member>)| {
        let mut members = members();
        change(&mut members);
        zip(&members)
    };
    let bad = |name: &str| Member::new(name, &hostile());
    let cases: [(&str, Vec<u8>); 10] = [
        ("data.pkl", with(&|m| m[0].data = hostile())),
        ("another member", with(&|m| m.push(bad("m/extra.txt")))),
        ("a storage", with(&|m| m[1].data = hostile())),
        (
            "wrong checksum",
            with(&|m| {
                m[0].data = hostile();
                m[0].crc_error = 9
            }),
        ),
        (
            "marked as encrypted",
            with(&|m| {
                m[0].data = hostile();
                m[0].flags = 1
            }),
        ),
        ("the second of two", with(&|m| m.push(bad("m/data.pkl")))),
        (
            "four deep",
            zip(&[Member::new(
                "a",
                &zip(&[Member::new("b", &zip(&[bad("c.pkl")]))]),
            )]),
        ),
        (
            "a path that leaves",
            with(&|m| m.push(Member::new("../x", b"x"))),
        ),
        (
            "an absolute path",
            with(&|m| m.push(Member::new("/etc/x", b"x"))),
        ),
        (
            "a link that leaves",
            with(&|m| {
                m.push(Member {
                    unix_mode: 0o120_777,
                    ..Member::new("l", b"../../x")
                })
            }),
        ),
    ];
    for (case, bytes) in cases {
        let report = scan_bytes("model.pt", &bytes);
        assert_eq!(report.verdict, Verdict::Malicious, "{case}: {report:#?}");
    }
    let report = scan_bytes("model.pt", &with(&|m| m[0].data = hostile()));
    assert_eq!(report.findings[0].place, "m/data.pkl");
}

#[test]
fn two_directories_are_never_clean() {
    // One reader goes by the offset in the last record, another by where the record stands.
    let real = zip(&members());
    let decoy = zip(&members());
    let end = real.len() - 22;
    let two = [&real[..end], &decoy[..]].concat();
    let report = scan_bytes("model.pt", &two);
    assert_eq!(report.verdict, Verdict::Inconclusive, "{report:#?}");
    let hidden = zip_with_gap(&members(), &hostile());
    expect(
        "a gap",
        "model.pt",
        &hidden,
        Verdict::Malicious,
        Some("nested_pickle"),
    );
}

/// The same container with the records that torch writes: 64-bit ones before the last.
fn wide(locator_error: u64) -> Vec<u8> {
    let bytes = zip(&members());
    let (body, last) = bytes.split_at(bytes.len() - 22);
    let count = u64::try_from(members().len()).unwrap().to_le_bytes();
    let size = u64::from(u32::from_le_bytes(last[12..16].try_into().unwrap())).to_le_bytes();
    let at = u64::from(u32::from_le_bytes(last[16..20].try_into().unwrap())).to_le_bytes();
    let record = [
        &b"PK\x06\x06"[..],
        &44u64.to_le_bytes(),
        &[0; 12],
        &count,
        &count,
        &size,
        &at,
    ];
    let record_at = (u64::try_from(body.len()).unwrap() + locator_error).to_le_bytes();
    let locator = [&b"PK\x06\x07\0\0\0\0"[..], &record_at, &1u32.to_le_bytes()];
    let full = [&last[..8], &[0xff; 12], &[0; 2]];
    [body, &record.concat(), &locator.concat(), &full.concat()].concat()
}

#[test]
fn wide_records_are_read_and_have_to_agree() {
    expect("agrees", "model.pt", &wide(0), Verdict::Clean, None);
    expect(
        "elsewhere",
        "model.pt",
        &wide(1),
        Verdict::Inconclusive,
        None,
    );
}

#[test]
fn what_cannot_be_read_is_inconclusive() {
    let missing = zip(&members()[..1]);
    expect(
        "no storage",
        "model.pt",
        &missing,
        Verdict::Inconclusive,
        None,
    );
    let other = zip(&[Member::new("weights.bin", &[0, 1, 2, 3])]);
    expect(
        "another kind",
        "model.zip",
        &other,
        Verdict::Inconclusive,
        None,
    );
    let whole = zip(&members());
    expect(
        "no end",
        "model.pt",
        &whole[..whole.len() - 5],
        Verdict::Inconclusive,
        None,
    );
}
