//! What each trick of a pickle comes to.

use scan::{Format, Verdict};

use crate::assembler::Pickle;
use crate::{expect, scan_bytes};

use Verdict::{Clean, Inconclusive, Malicious, Suspicious};

fn p(version: u8) -> Pickle {
    Pickle::protocol(version)
}

#[test]
fn plain_data_and_allowed_uses_are_clean() {
    let dtype = |p: Pickle| {
        p.global("numpy", "dtype")
            .text("f4")
            .raw(b"\x89\x88\x87R(")
            .int(3)
            .text("<")
            .raw(b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb")
    };
    let array = dtype(
        p(2).global("numpy.core.multiarray", "_reconstruct")
            .global("numpy", "ndarray")
            .raw(b"K\0\x85")
            .bytes(b"b")
            .raw(b"\x87R(K\x01K\x01\x85"),
    );
    for (case, bytes) in [
        ("a dict", p(2).raw("}").text("a").int(1).raw("s").stop()),
        (
            "protocol 0",
            b"(lp0\nI1\naI0x10\naI00\naL5L\naF1.5\naS'x'\naVy\na.".to_vec(),
        ),
        ("a set", p(4).raw([0x8f]).raw("(").int(1).raw([0x90]).stop()),
        (
            "an ordered dict",
            p(2).global("collections", "OrderedDict")
                .raw(")R")
                .text("k")
                .int(1)
                .raw("s")
                .stop(),
        ),
        (
            "a Python 2 set",
            p(2).global("__builtin__", "set")
                .raw("](")
                .int(1)
                .raw(b"e\x85")
                .raw("R")
                .stop(),
        ),
        (
            "bytes in Python 2's way",
            p(2).global("_codecs", "encode")
                .text("\u{e9}")
                .text("latin1")
                .raw(b"\x86R")
                .stop(),
        ),
        (
            "an array",
            array.raw(b"\x89").bytes(&[0; 4]).raw("tb").stop(),
        ),
        (
            "a default dict",
            p(2).global("collections", "defaultdict")
                .global("__builtin__", "list")
                .raw(b"\x85R")
                .stop(),
        ),
        (
            "two streams",
            [p(2).int(1).stop(), p(2).int(2).stop()].concat(),
        ),
        ("a mark that is popped", p(2).raw("(0N").stop()),
        (
            "memoize counts entries",
            p(4).text("a").put(5).raw([0x94]).raw("0").get(1).stop(),
        ),
    ] {
        // The memo case stores 5 first: MEMOIZE then takes 1, because there is one entry.
        expect(case, "model.pkl", &bytes, Clean, None);
    }
}

#[test]
fn every_way_to_reach_a_hostile_name_is_malicious() {
    let call = |pickle: Pickle| pickle.call_with("echo inert").stop();
    for (case, bytes) in [
        ("GLOBAL and REDUCE", call(p(2).global("os", "system"))),
        ("an import alone", p(2).global("subprocess", "Popen").stop()),
        (
            "an import that is popped",
            p(2).global("posix", "system").raw("0N").stop(),
        ),
        (
            "a call that is popped",
            p(2).global("os", "system").call_with("x").raw("0N").stop(),
        ),
        ("STACK_GLOBAL", call(p(4).stack_global("os", "system"))),
        (
            "names by the memo",
            call(
                p(4).text("system")
                    .put(1)
                    .raw("0")
                    .text("os")
                    .get(1)
                    .raw([0x93]),
            ),
        ),
        (
            "a memo entry that is replaced",
            call(
                p(4).text("len")
                    .put(0)
                    .text("system")
                    .put(0)
                    .raw("00")
                    .text("os")
                    .get(0)
                    .raw([0x93]),
            ),
        ),
        (
            "DUP",
            p(4).text("os")
                .raw("2")
                .raw("0")
                .text("system")
                .raw([0x93])
                .stop(),
        ),
        (
            "quoted names",
            call(p(2).raw("S'o\\x73'\nS\"system\"\n").raw([0x93])),
        ),
        (
            "raw unicode names",
            call(p(2).raw("Vo\\u0073\nVsystem\n").raw([0x93])),
        ),
        ("INST", p(0).raw("(S'x'\n").inst("os", "system").stop()),
        (
            "OBJ",
            p(1).raw("(")
                .global("os", "system")
                .text("x")
                .raw("o")
                .stop(),
        ),
        (
            "NEWOBJ",
            p(2).global("os", "system")
                .text("x")
                .raw(b"\x85\x81")
                .stop(),
        ),
        (
            "NEWOBJ_EX",
            p(4).global("os", "system")
                .text("x")
                .raw(b"\x85}\x92")
                .stop(),
        ),
        (
            "a list for arguments",
            p(2).global("os", "system")
                .raw("]")
                .text("x")
                .raw("aR")
                .stop(),
        ),
        (
            "Python 2's name",
            call(p(2).global("commands", "getoutput")),
        ),
        (
            "Python 2's reduce",
            call(p(2).global("__builtin__", "reduce")),
        ),
        (
            "renames after a later PROTO",
            call(p(5).raw([0x80, 2]).global("cPickle", "loads")),
        ),
        ("a dotted name", call(p(4).global("logging", "os.getcwd"))),
        (
            "a dotted name into a package",
            call(p(4).global("torch", "hub.load")),
        ),
        (
            "the interpreter's own names",
            p(4).global("numpy", "__builtins__").stop(),
        ),
        (
            "items on the environment",
            p(2).global("os", "environ")
                .text("A")
                .text("B")
                .raw("s")
                .stop(),
        ),
        (
            "items on an unlisted import",
            p(2).global("pkg", "registry")
                .text("A")
                .text("B")
                .raw("s")
                .stop(),
        ),
        (
            "BUILD with a callable",
            p(2).global("numpy", "prod")
                .raw("}")
                .text("a")
                .global("pkg", "f")
                .raw("sb")
                .stop(),
        ),
        (
            "a computed callee",
            p(2).global("pkg", "f").raw(")R)R").stop(),
        ),
        (
            "a computed name",
            p(4).global("pkg", "f")
                .raw(")R")
                .text("x")
                .raw([0x93])
                .stop(),
        ),
        (
            "add_extension",
            p(2).global("copyreg", "add_extension")
                .text("os")
                .text("system")
                .raw(b"K\x01\x87R0\x83\x01\0)R")
                .stop(),
        ),
        (
            "a second stream",
            [p(2).int(1).stop(), call(p(2).global("os", "system"))].concat(),
        ),
        ("no STOP", p(2).global("os", "system").call_with("x").0),
        (
            "a broken tail",
            p(2).global("os", "system").call_with("x").raw([0xff]).0,
        ),
        (
            "after a broken stream",
            [p(2).raw([0xff, 0xff]).0, call(p(2).global("os", "system"))].concat(),
        ),
        (
            "a frame that lies",
            call(
                p(4).raw([0x95, 1, 0, 0, 0, 0, 0, 0, 0])
                    .global("os", "system"),
            ),
        ),
        (
            "hexadecimal junk first",
            p(0).0[..0]
                .iter()
                .copied()
                .chain(*b"I0x10\n0cposix\nsystem\n(S'x'\ntR.")
                .collect(),
        ),
        (
            "a pickle in bytes",
            p(3).bytes(&call(p(2).global("os", "system"))).stop(),
        ),
        (
            "a pickle in text",
            p(2).text("\u{80}\u{2}cos\nsystem\n.").stop(),
        ),
        (
            "a name that is a lazy caller",
            p(2).global("itertools", "imap").stop(),
        ),
        (
            "a missing memo entry after the call",
            p(2).global("os", "system").call_with("x").get(9).0,
        ),
    ] {
        let report = scan_bytes("model.pkl", &bytes);
        assert_eq!(report.verdict, Malicious, "{case}: {report:#?}");
    }
}

#[test]
fn what_is_not_known_is_suspicious() {
    let cases: [(&str, Vec<u8>, &str); 14] = [
        (
            "an unlisted import",
            p(2).global("pkg", "f").stop(),
            "unlisted_import",
        ),
        (
            "an unlisted class",
            p(2).global("sklearn.x", "Y")
                .raw(b")\x81}")
                .text("a")
                .int(1)
                .raw("sb")
                .stop(),
            "unlisted_import",
        ),
        (
            "a homoglyph",
            p(2).global("\u{43e}s", "system").call_with("x").stop(),
            "unlisted_import",
        ),
        (
            "an old name in a new protocol",
            p(4).stack_global("__builtin__", "set").stop(),
            "unlisted_import",
        ),
        (
            "a dotted allowed name",
            p(4).global("collections", "OrderedDict.fromkeys").stop(),
            "unlisted_import",
        ),
        (
            "another codec",
            p(2).global("_codecs", "encode")
                .text("x")
                .text("rot13")
                .raw(b"\x86R")
                .stop(),
            "unusual_use",
        ),
        (
            "a factory that is not allowed",
            p(2).global("collections", "defaultdict")
                .global("pkg", "f")
                .raw(b"\x85R")
                .stop(),
            "unusual_use",
        ),
        (
            "items on a tensor",
            p(2).global("torch", "device")
                .call_with("cpu")
                .int(0)
                .int(1)
                .raw("s")
                .stop(),
            "unusual_use",
        ),
        (
            "BUILD on a class",
            p(2).global("numpy", "dtype")
                .raw("}")
                .text("a")
                .int(1)
                .raw("sb")
                .stop(),
            "built_import",
        ),
        ("EXT1", p(2).raw(b"\x82\x01").stop(), "extension_registry"),
        ("PERSID", p(2).raw("Pabc\n").stop(), "persistent_id"),
        (
            "BINPERSID",
            p(2).text("abc").raw("Q").stop(),
            "persistent_id",
        ),
        (
            "a list in itself",
            p(2).raw("]").put(0).raw("(").get(0).get(0).raw("e").stop(),
            "expansion",
        ),
        (
            "a frame past the end",
            p(4).raw([0x95, 99, 0, 0, 0, 0, 0, 0, 0]).raw("N").stop(),
            "frame_length",
        ),
    ];
    for (case, bytes, rule) in cases {
        expect(case, "model.pkl", &bytes, Suspicious, Some(rule));
    }
}

#[test]
fn a_tree_of_copies_is_a_bomb_and_a_small_one_is_not() {
    let tree = |levels: usize| {
        let start = p(2).raw("(".repeat(levels)).text("lol");
        let level = |pickle: Pickle, _| pickle.raw("2".repeat(9)).raw("l");
        (0..levels).fold(start, level).stop()
    };
    expect(
        "ten levels",
        "a.pkl",
        &tree(10),
        Suspicious,
        Some("expansion"),
    );
    expect("three levels", "a.pkl", &tree(3), Clean, None);
}

#[test]
fn what_breaks_is_never_clean() {
    for (case, bytes) in [
        ("cut", p(2).raw("}").text("a").0),
        ("trailing bytes", p(2).int(1).raw(".\0\0").0),
        ("underflow", p(2).raw("0").stop()),
        ("no mark", p(2).raw("t").stop()),
        ("a pop below the mark", p(2).int(1).raw("(R").stop()),
        ("no memo entry", p(2).get(3).stop()),
        ("protocol 6", p(6).raw("N").stop()),
        ("no integer", p(2).raw("Ixyz\n").stop()),
        ("no quotes", p(2).raw("Sxyz\n").stop()),
        ("a number as a name", p(4).int(1).int(2).raw([0x93]).stop()),
        ("a call of a number", p(2).int(1).raw(")R").stop()),
        (
            "length past the end",
            p(2).raw(b"X\xff\xff\xff\x7fabc").stop(),
        ),
        ("negative length", p(2).raw(b"T\xff\xff\xff\xff").stop()),
        (
            "64-bit length",
            p(4).raw(b"\x8e\xff\xff\xff\xff\xff\xff\xff\xff").stop(),
        ),
        ("buffers elsewhere", p(5).raw([0x97]).stop()),
        ("a name that is no text", b"cmod\n\xf8\n".to_vec()),
    ] {
        expect(case, "model.pkl", &bytes, Inconclusive, None);
    }
}

#[test]
fn the_call_is_shown_with_its_arguments() {
    let bytes = p(2)
        .global("posix", "system")
        .call_with("echo \u{1b}[2J")
        .stop();
    let report = scan_bytes("model.pkl", &bytes);
    assert_eq!(report.format, Format::Pickle);
    let what: Vec<_> = report
        .findings
        .iter()
        .map(|finding| &*finding.what)
        .collect();
    assert_eq!(what[0], "imports `posix.system`, which runs code");
    assert_eq!(what[1], r#"calls `posix.system("echo \u{1b}[2J")`"#);
    assert_eq!(report.findings[0].offset, 2);
}

#[test]
fn each_cut_keeps_what_happened_before_it() {
    let bytes = p(2)
        .global("posix", "system")
        .call_with("echo inert")
        .raw("0")
        .text("more")
        .stop();
    let imported = b"\x80\x02cposix\nsystem\n".len();
    for cut in 1..bytes.len() {
        let verdict = scan_bytes("model.pkl", &bytes[..cut]).verdict;
        let expected = if cut < imported {
            Inconclusive
        } else {
            Malicious
        };
        assert_eq!(verdict, expected, "cut at {cut}");
    }
}

/// Magic number, protocol, system, object, keys, and the storage itself.
fn legacy_torch() -> Vec<u8> {
    let magic = [
        0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19,
    ];
    [
        p(2).raw(magic).stop(),
        p(2).raw([b'M', 0xe9, 0x03]).stop(),
        p(2).raw("}").text("little_endian").raw(b"\x88s").stop(),
        p(2).raw("(")
            .text("storage")
            .global("torch", "FloatStorage")
            .text("k")
            .text("cpu")
            .int(2)
            .raw("NtQ")
            .stop(),
        p(2).raw("](").text("k").raw("e").stop(),
        2u64.to_le_bytes().to_vec(),
        vec![0; 8],
    ]
    .concat()
}

#[test]
fn older_torch_files_are_read_to_the_last_byte() {
    let good = legacy_torch();
    expect("whole", "model.bin", &good, Clean, None);
    assert_eq!(scan_bytes("model.bin", &good).format, Format::TorchLegacy);
    let mut longer = good.clone();
    longer.push(0);
    expect("longer", "model.bin", &longer, Inconclusive, None);
    expect(
        "shorter",
        "model.bin",
        &good[..good.len() - 1],
        Inconclusive,
        None,
    );
    let mut other_count = good.clone();
    let at = good.len() - 16;
    other_count[at] = 3;
    expect(
        "another count",
        "model.bin",
        &other_count,
        Inconclusive,
        None,
    );
    let computed = [
        p(2).global("__builtin__", "eval")
            .call_with("0x1950A86A20F9469CFC6C")
            .stop(),
        good,
    ]
    .concat();
    assert_eq!(scan_bytes("model.bin", &computed).verdict, Malicious);
}
