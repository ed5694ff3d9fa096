//! The network: two convolutions and two linear layers, 421,642 numbers to learn.

use std::collections::BTreeMap;

use burn::{
    module::{Module, Param},
    nn::{
        Dropout, DropoutConfig, Linear, LinearConfig, PaddingConfig2d,
        conv::{Conv2d, Conv2dConfig},
        pool::{MaxPool2d, MaxPool2dConfig},
    },
    tensor::{Device, Tensor, activation::relu},
};

use crate::safetensors;

/// Turns pictures into ten scores, one for each digit.
#[derive(Module, Debug)]
pub(crate) struct Network {
    conv1: Conv2d,
    conv2: Conv2d,
    fc1: Linear,
    fc2: Linear,
    pool: MaxPool2d,
    dropout1: Dropout,
    dropout2: Dropout,
}

impl Network {
    /// An untrained network; the device's seed decides its first weights.
    ///
    /// Weights and biases start uniformly within ±1/√(inputs of the neuron), as in torch.
    pub(crate) fn new(device: &Device) -> Self {
        let convolution = |channels| {
            let padding = PaddingConfig2d::Explicit(1, 1, 1, 1);
            Conv2dConfig::new(channels, [3, 3])
                .with_padding(padding)
                .init(device)
        };
        Self {
            conv1: convolution([1, 32]),
            conv2: convolution([32, 64]),
            fc1: LinearConfig::new(64 * 7 * 7, 128).init(device),
            fc2: LinearConfig::new(128, 10).init(device),
            pool: MaxPool2dConfig::new([2, 2]).with_strides([2, 2]).init(),
            dropout1: DropoutConfig::new(0.25).init(),
            dropout2: DropoutConfig::new(0.5).init(),
        }
    }

    /// Scores for pictures of shape `[batch, 1, 28, 28]`. Dropout works in training alone.
    pub(crate) fn forward(&self, pictures: Tensor<4>) -> Tensor<2> {
        let x = self.pool.forward(relu(self.conv1.forward(pictures)));
        let x = self.pool.forward(relu(self.conv2.forward(x)));
        let x = self.dropout1.forward(x).flatten(1, 3);
        let x = self.dropout2.forward(relu(self.fc1.forward(x)));
        self.fc2.forward(x)
    }

    /// The weights by the names and in the layout of torch.
    ///
    /// burn keeps linear weights as `[in, out]`, torch as `[out, in]`: hence the transposition.
    pub(crate) fn tensors(&self) -> BTreeMap<&'static str, safetensors::Tensor> {
        BTreeMap::from([
            ("conv1.weight", copy(self.conv1.weight.val())),
            ("conv1.bias", bias(self.conv1.bias.as_ref())),
            ("conv2.weight", copy(self.conv2.weight.val())),
            ("conv2.bias", bias(self.conv2.bias.as_ref())),
            ("fc1.weight", copy(self.fc1.weight.val().transpose())),
            ("fc1.bias", bias(self.fc1.bias.as_ref())),
            ("fc2.weight", copy(self.fc2.weight.val().transpose())),
            ("fc2.bias", bias(self.fc2.bias.as_ref())),
        ])
    }
}

/// Describes the same network to whoever loads its weights.
pub(crate) const ARCHITECTURE: &str = include_str!("architecture.json");

fn bias(bias: Option<&Param<Tensor<1>>>) -> safetensors::Tensor {
    copy(bias.expect("every layer is made with a bias").val())
}

fn copy<const D: usize>(tensor: Tensor<D>) -> safetensors::Tensor {
    let shape = tensor.dims().to_vec();
    let values = tensor
        .into_data()
        .try_to_vec()
        .expect("weights are made as 32-bit floats");
    safetensors::Tensor { shape, values }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn exports_the_shapes_of_torch() {
        let shapes: Vec<_> = Network::new(&Device::flex())
            .tensors()
            .into_iter()
            .map(|(name, tensor)| {
                assert_eq!(tensor.shape.iter().product::<usize>(), tensor.values.len());
                (name, tensor.shape)
            })
            .collect();
        let want = [
            ("conv1.bias", vec![32]),
            ("conv1.weight", vec![32, 1, 3, 3]),
            ("conv2.bias", vec![64]),
            ("conv2.weight", vec![64, 32, 3, 3]),
            ("fc1.bias", vec![128]),
            ("fc1.weight", vec![128, 3136]),
            ("fc2.bias", vec![10]),
            ("fc2.weight", vec![10, 128]),
        ];
        assert_eq!(shapes, want);
    }

    /// The exported numbers, used the way torch uses them, give the last layer's scores.
    #[test]
    fn transposes_linear_weights() {
        let device = Device::flex();
        let network = Network::new(&device);
        let input: Vec<f32> = (0..128).map(|i| (i as f32 * 0.37).sin()).collect();
        let scores = network
            .fc2
            .forward(Tensor::<1>::from_floats(&input[..], &device).reshape([1, 128]));
        let scores: Vec<f32> = scores.into_data().try_to_vec().unwrap();
        let tensors = network.tensors();
        let rows = tensors["fc2.weight"].values.chunks_exact(128);
        for ((row, bias), score) in rows.zip(&tensors["fc2.bias"].values).zip(scores) {
            let sum: f32 = row
                .iter()
                .zip(&input)
                .map(|(weight, value)| weight * value)
                .sum();
            assert!(
                (sum + bias - score).abs() < 1e-4,
                "{} is not {score}",
                sum + bias
            );
        }
    }

    #[test]
    fn names_the_same_tensors_in_its_description() {
        let description: serde_json::Value = serde_json::from_str(ARCHITECTURE).unwrap();
        let named: BTreeSet<&str> = description["layers"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|layer| [&layer["weight"], &layer["bias"]])
            .filter_map(|name| name.as_str())
            .collect();
        let network = Network::new(&Device::flex());
        assert_eq!(named, network.tensors().into_keys().collect());
    }
}
