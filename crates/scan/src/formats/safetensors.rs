//! safetensors: the header by its decoder, then every value of every tensor.

use std::io;
use std::ops::ControlFlow;

use decode::safetensors::{Dtype, Header, TensorInfo, prefix_size_bytes, read_header};

use crate::input::Input;
use crate::report::Findings;
use crate::rules::Id;

/// The longest header that is read here; the format allows 100 MB, and no model has needed this much.
const HEADER_BYTES_MAX: u64 = 1 << 20;

/// Whether a file begins as one: a length within the format's limit, and the start of an object.
pub(crate) fn is_likely(head: &[u8]) -> bool {
    let length = head.first_chunk().copied().map(u64::from_le_bytes);
    length.is_some_and(|length| length <= decode::safetensors::HEADER_BYTES_MAX)
        && head.get(8) == Some(&b'{')
}

/// Reads one to the last byte.
pub(crate) fn scan(input: &mut Input<'_>, findings: &mut Findings) -> io::Result<()> {
    let file_size_bytes = input.size();
    let start = input.bytes_at(0, 8)?;
    let prefix = match prefix_size_bytes(&start, file_size_bytes) {
        Ok(prefix) if prefix <= HEADER_BYTES_MAX + 8 => prefix,
        Ok(_) => {
            findings.not_read("the safetensors header is longer than 1 MiB");
            return Ok(());
        }
        Err(error) => return refused(&error, findings),
    };
    let prefix = usize::try_from(prefix).unwrap_or(usize::MAX);
    let header = match read_header(&input.bytes_at(0, prefix)?, file_size_bytes) {
        Ok(header) => header,
        Err(error) => return refused(&error, findings),
    };
    for info in &header.tensors {
        scan_tensor(input, &header, info, findings)?;
    }
    Ok(())
}

fn refused(error: &decode::safetensors::Error, findings: &mut Findings) -> io::Result<()> {
    let cause = std::error::Error::source(error);
    let cause = cause.map(|cause| format!(": {cause}")).unwrap_or_default();
    findings.not_read(format!("not a whole safetensors file: {error}{cause}"));
    Ok(())
}

fn scan_tensor(
    input: &mut Input<'_>,
    header: &Header,
    info: &TensorInfo,
    findings: &mut Findings,
) -> io::Result<()> {
    let from = header.data_start + info.bytes.start;
    let mut window = input.window(from, info.bytes.end - info.bytes.start);
    let is_finite = finite(info.dtype);
    let element_bytes = usize::try_from(info.dtype.size_bytes()).unwrap_or(1);
    let (mut seen, mut bad, mut first) = (0, 0_u64, None);
    // Pieces are whole numbers of elements, and so is the tensor.
    window.stream(|piece| {
        let Some(is_finite) = is_finite else {
            return ControlFlow::Continue(());
        };
        for element in piece.chunks_exact(element_bytes) {
            if !is_finite(element) {
                bad += 1;
                first.get_or_insert(seen);
            }
            seen += 1;
        }
        ControlFlow::Continue(())
    })?;
    if let Some(first) = first {
        let what = format!(
            "tensor {:?} holds {bad} values that are NaN or infinite, the first at index {first}",
            info.name
        );
        let at = from + first * info.dtype.size_bytes();
        findings.add(Id::NonFinite, at, what);
    }
    Ok(())
}

/// How to tell whether an element is a number; none for elements that always are.
fn finite(dtype: Dtype) -> Option<fn(&[u8]) -> bool> {
    Some(match dtype {
        Dtype::F16 => |element| half_word(element) & 0x7c00 != 0x7c00,
        Dtype::Bf16 => |element| half_word(element) & 0x7f80 != 0x7f80,
        Dtype::F32 => |element| word(element) & 0x7f80_0000 != 0x7f80_0000,
        Dtype::F64 => |element| {
            let bytes = element.first_chunk().copied().unwrap_or_default();
            f64::from_le_bytes(bytes).is_finite()
        },
        Dtype::F8E5M2 => |element| element.first().is_some_and(|byte| byte & 0x7c != 0x7c),
        Dtype::F8E4M3 => |element| element.first().is_some_and(|byte| byte & 0x7f != 0x7f),
        // Where zero has no sign, its place is the only one for what is no number.
        Dtype::F8E4M3Fnuz | Dtype::F8E5M2Fnuz => |element| element != [0x80],
        Dtype::F8E8M0 => |element| element != [0xff],
        Dtype::C64 => |element| {
            element
                .chunks(4)
                .all(|part| word(part) & 0x7f80_0000 != 0x7f80_0000)
        },
        _ => return None,
    })
}

fn half_word(element: &[u8]) -> u16 {
    u16::from_le_bytes(element.first_chunk().copied().unwrap_or_default())
}

fn word(element: &[u8]) -> u32 {
    u32::from_le_bytes(element.first_chunk().copied().unwrap_or_default())
}
