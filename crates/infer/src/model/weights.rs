//! The tensors of a safetensors file, each taken once.

use std::collections::HashSet;

use decode::safetensors::{self, Dtype, Layout};

use super::{LoadError, PARAMETERS_MAX};

/// How many unused tensors an error names.
const NAMED_MAX: usize = 8;

pub(super) struct Weights<'a> {
    layout: Layout<'a>,
    used: HashSet<String>,
    parameters: usize,
}

impl<'a> Weights<'a> {
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, LoadError> {
        Ok(Self {
            layout: safetensors::read(bytes)?,
            used: HashSet::new(),
            parameters: 0,
        })
    }

    /// The shape and the numbers of a tensor whose shape is as wanted; `None` is any size from 1 on.
    pub(super) fn take(
        &mut self,
        name: &str,
        want: &[Option<usize>],
    ) -> Result<(Vec<usize>, Vec<f32>), LoadError> {
        let owned = || name.to_owned();
        let (info, bytes) = self
            .layout
            .tensor(name)
            .ok_or_else(|| LoadError::Missing { name: owned() })?;
        if info.dtype != Dtype::F32 {
            let dtype = info.dtype.as_str();
            return Err(LoadError::Dtype {
                name: owned(),
                dtype,
            });
        }
        let shape = matched(&info.shape, want).ok_or_else(|| LoadError::Shape {
            name: owned(),
            want: written(want),
            got: info.shape.clone(),
        })?;
        self.parameters += bytes.len() / 4;
        if self.parameters > PARAMETERS_MAX {
            return Err(LoadError::Parameters { name: owned() });
        }
        if !self.used.insert(owned()) {
            return Err(LoadError::UsedTwice { name: owned() });
        }
        let (chunks, _) = bytes.as_chunks::<4>();
        let floats: Vec<f32> = chunks
            .iter()
            .map(|chunk| f32::from_le_bytes(*chunk))
            .collect();
        if floats.iter().all(|value| value.is_finite()) {
            Ok((shape, floats))
        } else {
            Err(LoadError::NotFinite { name: owned() })
        }
    }

    /// The number of parameters, when every tensor was taken.
    pub(super) fn finish(self) -> Result<usize, LoadError> {
        let tensors = self.layout.tensors().map(|(info, _)| &info.name);
        let unused = tensors.filter(|name| !self.used.contains(*name));
        let names: Vec<String> = unused.take(NAMED_MAX).cloned().collect();
        if names.is_empty() {
            Ok(self.parameters)
        } else {
            Err(LoadError::Unused { names })
        }
    }
}

fn matched(shape: &[u64], want: &[Option<usize>]) -> Option<Vec<usize>> {
    if shape.len() != want.len() {
        return None;
    }
    let sizes = shape.iter().zip(want);
    sizes
        .map(|(size, want)| {
            let size = usize::try_from(*size).ok().filter(|size| *size > 0)?;
            want.is_none_or(|want| want == size).then_some(size)
        })
        .collect()
}

fn written(want: &[Option<usize>]) -> String {
    let sizes = want
        .iter()
        .map(|size| size.map_or("*".to_owned(), |size| size.to_string()));
    format!("[{}]", sizes.collect::<Vec<_>>().join(", "))
}
