//! The formats this version reads, one module each.

pub(crate) mod json;
pub(crate) mod pickle;
pub(crate) mod safetensors;
pub(crate) mod text;
pub(crate) mod torch_zip;
