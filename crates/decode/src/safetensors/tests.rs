use super::*;
use crate::json;

fn file(header: &str, data: &[u8]) -> Vec<u8> {
    let length = u64::try_from(header.len()).unwrap().to_le_bytes();
    [&length, header.as_bytes(), data].concat()
}

const TWO: &str = r#"{"__metadata__":{"by":"us"},"b":{"dtype":"U8","shape":[3],"data_offsets":[4,7]},"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}"#;
const DATA: &[u8] = &[0, 0, 128, 63, 1, 2, 3];

#[test]
fn reads_tensors_in_the_order_of_the_data() {
    let bytes = file(TWO, DATA);
    let layout = read(&bytes).unwrap();
    let names: Vec<_> = layout.tensors().map(|(info, _)| &info.name).collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(layout.header.metadata, [("by".into(), "us".into())]);
    let (info, data) = layout.tensor("b").unwrap();
    assert_eq!(
        (info.dtype, &info.shape[..], data),
        (Dtype::U8, &[3][..], &[1, 2, 3][..])
    );
    assert!(layout.tensor("c").is_none());
    assert_eq!(
        read_header(&bytes[..bytes.len() - DATA.len()], bytes.len() as u64).unwrap(),
        layout.header
    );
}

#[test]
fn accepts_what_the_format_allows() {
    assert!(read(&file("{}", &[])).is_ok());
    assert!(read(&file("{}   ", &[])).is_ok(), "padded");
    let empty = r#"{"e":{"dtype":"F64","shape":[0,7],"data_offsets":[0,0]},"a":{"dtype":"I8","shape":[1],"data_offsets":[0,1]}}"#;
    assert!(
        read(&file(empty, &[0])).is_ok(),
        "a tensor without elements"
    );
    let dots = TWO.replace("\"a\"", "\"a..b/c\"");
    assert!(read(&file(&dots, DATA)).is_ok(), "dots inside a component");
}

/// Tells one error from the others.
type Is = fn(&Error) -> bool;

/// Each case is [`TWO`] with one thing changed; unchanged it is accepted above.
#[test]
fn refuses_each_broken_twin() {
    let cases: &[(&str, &str, Is)] = &[
        ("{\"__m", " {\"__m", |e| matches!(e, Error::HeaderStart)),
        ("{\"by\":\"us\"}", "{\"by\":1}", |e| {
            matches!(e, Error::Metadata)
        }),
        ("{\"by\":\"us\"}", "[]", |e| matches!(e, Error::Metadata)),
        ("\"b\":", "\"\":", |e| matches!(e, Error::Name { .. })),
        ("\"b\":", "\"/b\":", |e| matches!(e, Error::Name { .. })),
        ("\"b\":", "\"C:b\":", |e| matches!(e, Error::Name { .. })),
        ("\"b\":", "\"x/../b\":", |e| matches!(e, Error::Name { .. })),
        ("\"b\":", "\"x\\\\..\\\\b\":", |e| {
            matches!(e, Error::Name { .. })
        }),
        ("\"b\":", "\"b\\u0000\":", |e| {
            matches!(e, Error::Name { .. })
        }),
        ("\"b\":", "\"a\":", |e| {
            matches!(e, Error::HeaderJson(json::Error::DuplicateKey { .. }))
        }),
        ("\"U8\"", "\"U7\"", |e| {
            matches!(e, Error::UnknownDtype { .. })
        }),
        ("\"U8\"", "8", |e| matches!(e, Error::Description { .. })),
        ("\"U8\"", "\"U8\",\"x\":1", |e| {
            matches!(e, Error::Description { .. })
        }),
        ("[4,7]", "[4,7,8]", |e| {
            matches!(e, Error::Description { .. })
        }),
        ("[4,7]", "[4.0,7]", |e| {
            matches!(e, Error::Description { .. })
        }),
        ("[4,7]", "[-4,7]", |e| {
            matches!(e, Error::Description { .. })
        }),
        ("[4,7]", "[7,4]", |e| matches!(e, Error::Backwards { .. })),
        ("[3]", "[4]", |e| matches!(e, Error::Span { .. })),
        ("[3]", "[4294967296,4294967296,3]", |e| {
            matches!(e, Error::Span { .. })
        }),
        ("[4,7]", "[3,6]", |e| matches!(e, Error::NotAdjacent { .. })),
        ("[4,7]", "[5,8]", |e| matches!(e, Error::NotAdjacent { .. })),
        ("[4,7]", "[0,3]", |e| matches!(e, Error::NotAdjacent { .. })),
        ("us\"}", "us\"}}", |e| matches!(e, Error::HeaderJson(_))),
        ("us\"}", "us\",\"d\":[[[[[[[[[]]]]]]]]]}", |e| {
            matches!(e, Error::HeaderJson(json::Error::TooDeep { .. }))
        }),
    ];
    for (from, to, expected) in cases {
        let header = TWO.replacen(from, to, 1);
        assert_ne!(header, TWO);
        let error = read(&file(&header, DATA)).unwrap_err();
        assert!(expected(&error), "{from} to {to}: {error:?}");
    }
}

#[test]
fn refuses_lengths_that_lie() {
    let good = file(TWO, DATA);
    for cut in 0..good.len() {
        assert!(read(&good[..cut]).is_err(), "cut at {cut}");
    }
    assert_eq!(
        read(&[&good[..], &[0]].concat()),
        Err(Error::DataLength {
            tensors_end: 7,
            data_bytes: 8
        })
    );
    let mut long = good.clone();
    long[..8].copy_from_slice(&(HEADER_BYTES_MAX + 1).to_le_bytes());
    assert!(matches!(read(&long), Err(Error::HeaderTooLong { .. })));
    long[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    assert!(matches!(read(&long), Err(Error::HeaderTooLong { .. })));
    long[..8].copy_from_slice(&1000u64.to_le_bytes());
    assert!(matches!(read(&long), Err(Error::HeaderPastEnd { .. })));
    assert!(matches!(
        read_header(&good[..20], good.len() as u64),
        Err(Error::HeaderPastEnd { .. })
    ));
}

#[test]
fn refuses_a_header_that_is_not_text() {
    let mut bytes = file(TWO, DATA);
    bytes[12] = 0xff;
    assert!(matches!(read(&bytes), Err(Error::HeaderJson(_))));
}
