//! The models that are measured.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::Result;

const GIB: usize = 1 << 30;
/// As many tensors as a large language model has, and some.
const TENSORS: usize = 512;

/// A safetensors file of 1 GiB, each byte of it written.
pub(crate) fn safetensors(folder: &Path) -> Result<PathBuf> {
    let path = folder.join("model.safetensors");
    let tensor_bytes = GIB / TENSORS;
    let tensors: Vec<_> = (0..TENSORS)
        .map(|at| (format!("layer.{at}.weight"), vec![tensor_bytes / 4]))
        .collect();
    let mut file = BufWriter::with_capacity(1 << 20, File::create(&path)?);
    file.write_all(&header(&tensors))?;
    numbers(&mut file, GIB / 4)?;
    file.into_inner()?.sync_all()?;
    Ok(path)
}

/// The start of a safetensors file with these tensors of `F32`, one after the other.
pub(crate) fn header(tensors: &[(String, Vec<usize>)]) -> Vec<u8> {
    let mut begin = 0;
    let mut entries = serde_json::Map::new();
    for (name, shape) in tensors {
        let end = begin + shape.iter().product::<usize>() * 4;
        let entry =
            serde_json::json!({"dtype": "F32", "shape": shape, "data_offsets": [begin, end]});
        entries.insert(name.clone(), entry);
        begin = end;
    }
    let text = serde_json::Value::Object(entries).to_string();
    let text = format!("{text:<width$}", width = text.len().next_multiple_of(8));
    [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat()
}

/// So many numbers of `F32` between -0.01 and 0.01, each time the same.
pub(crate) fn numbers(out: &mut dyn Write, count: usize) -> Result<()> {
    let mut state = 1_u32;
    for _ in 0..count {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let unit = f64::from(state) / f64::from(u32::MAX);
        out.write_all(&((unit * 0.02 - 0.01) as f32).to_le_bytes())?;
    }
    Ok(())
}

/// A pickle that holds one string of 1 GiB (`PROTO 4`, `BINBYTES8`, `STOP`); nearly all of it is a hole in the file.
pub(crate) fn pickle(folder: &Path) -> Result<PathBuf> {
    let path = folder.join("model.pkl");
    let mut file = File::create(&path)?;
    file.write_all(b"\x80\x04\x8e")?;
    file.write_all(&(GIB as u64).to_le_bytes())?;
    let data_start = 11;
    file.set_len(data_start + GIB as u64)?;
    std::os::unix::fs::FileExt::write_all_at(&file, b".", data_start + GIB as u64)?;
    Ok(path)
}

/// So many files of so many bytes, no two of them the same.
pub(crate) fn parts(folder: &Path, count: usize, size_bytes: usize) -> Result<Vec<PathBuf>> {
    std::fs::create_dir(folder)?;
    let paths: Vec<_> = (0..count)
        .map(|at| folder.join(format!("part-{at:05}")))
        .collect();
    for (at, path) in paths.iter().enumerate() {
        let mut file = BufWriter::with_capacity(1 << 20, File::create(path)?);
        file.write_all(&(at as u64).to_le_bytes())?;
        numbers(&mut file, size_bytes / 4 - 2)?;
        file.into_inner()?;
    }
    Ok(paths)
}

/// A model of as many files as a model can have, no two of them the same.
pub(crate) fn shards(folder: &Path) -> Result<PathBuf> {
    let path = folder.join("shards");
    for layer in 0..100 {
        let layer = path.join(format!("layer-{layer:03}"));
        std::fs::create_dir_all(&layer)?;
        for at in 0..1_000 {
            let text = format!("[{at}, \"{}\"]", layer.display());
            std::fs::write(layer.join(format!("weights-{at:06}.json")), text)?;
        }
    }
    Ok(path)
}
