//! A verified model and a tensor to a tensor
