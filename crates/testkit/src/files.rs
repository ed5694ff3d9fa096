//! Small files of foreign formats, put together byte by byte: for seeds, and for what must be refused.

use std::io::Write;

use flate2::write::ZlibEncoder;
use flate2::{Compression, Crc};

/// A safetensors file with this header, whether it is right or wrong, and this data.
#[must_use]
pub fn safetensors(header: &str, data: &[u8]) -> Vec<u8> {
    [
        &(header.len() as u64).to_le_bytes(),
        header.as_bytes(),
        data,
    ]
    .concat()
}

/// A safetensors file of `F32` tensors, one after another.
#[must_use]
pub fn weights(tensors: &[(&str, &[usize], &[f32])]) -> Vec<u8> {
    let mut data: Vec<u8> = Vec::new();
    let mut described = Vec::new();
    for (name, shape, values) in tensors {
        let start = data.len();
        data.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        let end = data.len();
        described.push(format!(
            r#""{name}":{{"dtype":"F32","shape":{shape:?},"data_offsets":[{start},{end}]}}"#
        ));
    }
    safetensors(&format!("{{{}}}", described.join(",")), &data)
}

/// A picture in PNG: 8-bit grey of this size whose rows unpack from `pixels`, each row with a filter byte before it.
/// The size may be a lie.
#[must_use]
pub fn png(width: u32, height: u32, pixels: &[u8]) -> Vec<u8> {
    let mut header = [width.to_be_bytes(), height.to_be_bytes()].concat();
    header.extend([8, 0, 0, 0, 0]);
    let mut out = b"\x89PNG\r\n\x1a\n".to_vec();
    for (kind, data) in [
        (b"IHDR", header),
        (b"IDAT", zlib(pixels)),
        (b"IEND", vec![]),
    ] {
        out.extend(png_chunk(kind, &data));
    }
    out
}

/// The same picture, in which the checksum of each chunk is that of its bytes.
#[must_use]
pub fn png_with_right_checksums(png: &[u8]) -> Vec<u8> {
    let mut out = png.to_vec();
    let mut at = 8;
    while let Some(size) = out.get(at..).and_then(|chunk| chunk.first_chunk::<4>()) {
        let end = at + 8 + u32::from_be_bytes(*size) as usize;
        if out.len() < end + 4 {
            break;
        }
        let mut crc = Crc::new();
        crc.update(&out[at + 4..end]);
        out[end..end + 4].copy_from_slice(&crc.sum().to_be_bytes());
        at = end + 4;
    }
    out
}

fn png_chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let size = u32::try_from(data.len()).expect("the pictures of tests are small");
    let mut crc = Crc::new();
    crc.update(kind);
    crc.update(data);
    [
        &size.to_be_bytes(),
        &kind[..],
        data,
        &crc.sum().to_be_bytes(),
    ]
    .concat()
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    let packed = encoder.write_all(bytes).and_then(|()| encoder.finish());
    packed.expect("memory takes what is written to it")
}

/// A zip container of members that are stored as they are.
#[must_use]
pub fn zip(members: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for (name, data) in members {
        let at = size(&out);
        let about = about_member(name, data);
        out.extend([b"PK\x03\x04\x14\0", &about[..], name.as_bytes(), data].concat());
        directory.extend([b"PK\x01\x02\x14\x03\x14\0", &about[..]].concat());
        directory.extend([&[0; 10][..], &at, name.as_bytes()].concat());
    }
    let count = u16::try_from(members.len()).expect("the containers of tests are small");
    let (at, length) = (size(&out), size(&directory));
    let count = count.to_le_bytes();
    let end = [
        &b"PK\x05\x06\0\0\0\0"[..],
        &count,
        &count,
        &length,
        &at,
        &[0; 2],
    ]
    .concat();
    [out, directory, end].concat()
}

/// What both of a member's headers say: flags, method, time, date, checksum, sizes, and the lengths of name and extra.
fn about_member(name: &str, data: &[u8]) -> Vec<u8> {
    let mut crc = Crc::new();
    crc.update(data);
    let length = u16::try_from(name.len()).expect("the names in tests are short");
    let times = [0_u16, 0, 0, 0x21].map(u16::to_le_bytes).concat();
    let sizes = [size(data), size(data)].concat();
    let lengths = [length.to_le_bytes(), [0; 2]].concat();
    [times, crc.sum().to_le_bytes().to_vec(), sizes, lengths].concat()
}

fn size(bytes: &[u8]) -> [u8; 4] {
    let size = u32::try_from(bytes.len());
    size.expect("the containers of tests are small")
        .to_le_bytes()
}
