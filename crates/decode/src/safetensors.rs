//! The safetensors container, read to the last byte.
