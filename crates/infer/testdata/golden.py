"""Computes golden.json: what the network of digits.architecture.json answers, with the weights and the input that
`Sequence` below makes, in float64 and by loops over the definition. Needs nothing but Python.

    python golden.py > golden.json
"""
import json

SHAPES = [  # name, shape, scale: a power of two, so that every weight is exact in float32
    ("conv1.weight", [32, 1, 3, 3], 0.5),
    ("conv1.bias", [32], 0.5),
    ("conv2.weight", [64, 32, 3, 3], 0.125),
    ("conv2.bias", [64], 0.5),
    ("fc1.weight", [128, 3136], 0.0625),
    ("fc1.bias", [128], 0.5),
    ("fc2.weight", [10, 128], 0.125),
    ("fc2.bias", [10], 0.5),
]


class Sequence:
    """Numbers from -scale to scale: the upper 24 bits of Knuth's 64-bit linear congruential sequence."""

    def __init__(self, seed):
        self.state = seed

    def take(self, count, scale):
        return [self.next() * scale for _ in range(count)]

    def next(self):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (self.state >> 40) / 2**23 - 1.0


def conv(planes, weight, bias, size):
    inside = range(size)
    out = []
    for channel, start in enumerate(bias):
        kernels = weight[channel * len(planes) * 9 : (channel + 1) * len(planes) * 9]
        plane = [[start] * size for _ in inside]
        for c, source in enumerate(planes):
            for ky in range(3):
                for kx in range(3):
                    factor = kernels[c * 9 + ky * 3 + kx]
                    for y in inside:
                        if y + ky - 1 in inside:
                            row = source[y + ky - 1]
                            for x in range(max(0, 1 - kx), min(size, size + 1 - kx)):
                                plane[y][x] += factor * row[x + kx - 1]
        out.append(plane)
    return out


def relu_and_pool(planes, size):
    half = range(size // 2)
    return [
        [[max(0, *p[2 * y][2 * x : 2 * x + 2], *p[2 * y + 1][2 * x : 2 * x + 2]) for x in half] for y in half]
        for p in planes
    ]


def linear(row, weight, bias):
    size = len(row)
    return [start + sum(map(float.__mul__, weight[o * size : (o + 1) * size], row)) for o, start in enumerate(bias)]


def main():
    sequence = Sequence(42)
    weights = {}
    for name, shape, scale in SHAPES:
        count = 1
        for size in shape:
            count *= size
        weights[name] = sequence.take(count, scale)
    pixels = sequence.take(784, 1.0)
    planes = [[pixels[28 * y : 28 * y + 28] for y in range(28)]]
    planes = relu_and_pool(conv(planes, weights["conv1.weight"], weights["conv1.bias"], 28), 28)
    planes = relu_and_pool(conv(planes, weights["conv2.weight"], weights["conv2.bias"], 14), 14)
    row = [float(value) for plane in planes for line in plane for value in line]
    row = [max(0.0, value) for value in linear(row, weights["fc1.weight"], weights["fc1.bias"])]
    logits = linear(row, weights["fc2.weight"], weights["fc2.bias"])
    print(json.dumps({"seed": 42, "logits": logits}, indent=1))


main()
