"""Writes pictures/NAME.png and pictures/NAME.grey: the 784 bytes that Pillow makes of it by
`convert("L").resize((28, 28), BILINEAR)`. The committed files were written with Pillow 12.3.0.

Pillow 13 differs in pictures that are reduced much more in height than in width, here `grey1-33x40`: it resizes these
columns first, and the two roundings fall otherwise by one level. We keep the order of all versions before.

    python pictures.py
"""
import io
import pathlib
import random
import struct
import zlib

from PIL import Image

GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6
SAMPLES = {GREY: 1, RGB: 3, PALETTE: 1, GREY_ALPHA: 2, RGBA: 4}
ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
HERE = pathlib.Path(__file__).parent / "pictures"


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def packed(samples, depth):
    bits = "".join(format(sample, f"0{depth}b") for sample in samples)
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


def rows_of(pixels, width, height, depth, interlaced):
    passes = ADAM7 if interlaced else [(0, 0, 1, 1)]
    for x0, y0, dx, dy in passes:
        for y in range(y0, height, dy):
            row = [sample for x in range(x0, width, dx) for sample in pixels[y][x]]
            if row:
                yield b"\0" + packed(row, depth)


def png(width, height, depth, color, pixels, between=b"", interlaced=False):
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, int(interlaced))
    data = zlib.compress(b"".join(rows_of(pixels, width, height, depth, interlaced)), 9)
    signature = b"\x89PNG\r\n\x1a\n"
    return signature + chunk(b"IHDR", header) + between + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def noise(rng, width, height, depth, color, top=None):
    top = top or 2**depth - 1
    return [[[rng.randint(0, top) for _ in range(SAMPLES[color])] for _ in range(width)] for _ in range(height)]


def edges(width, height):
    """Black and white in blocks: the extremes, where rounding and clamping show."""
    return [[[255 if (x // 7 + y // 5) % 2 else 0] for x in range(width)] for y in range(height)]


def palette(rng, colors):
    return chunk(b"PLTE", bytes(rng.randint(0, 255) for _ in range(3 * colors)))


def cases():
    rng = random.Random(7)
    for name, width, height, depth, color in [
        ("grey8-28x28", 28, 28, 8, GREY),
        ("grey8-75x61", 75, 61, 8, GREY),
        ("grey8-10x13", 10, 13, 8, GREY),
        ("grey8-90x28", 90, 28, 8, GREY),
        ("grey8-28x57", 28, 57, 8, GREY),
        ("grey8-1x1", 1, 1, 8, GREY),
        ("grey8-29x27", 29, 27, 8, GREY),
        ("grey8-300x3", 300, 3, 8, GREY),
        ("grey1-33x40", 33, 40, 1, GREY),
        ("grey2-31x30", 31, 30, 2, GREY),
        ("grey4-35x28", 35, 28, 4, GREY),
        ("grey16-30x31", 30, 31, 16, GREY),
        ("rgb8-64x48", 64, 48, 8, RGB),
        ("rgb8-28x28", 28, 28, 8, RGB),
        ("rgb16-31x29", 31, 29, 16, RGB),
        ("rgba8-40x41", 40, 41, 8, RGBA),
        ("rgba16-28x28", 28, 28, 16, RGBA),
        ("grey-alpha8-44x33", 44, 33, 8, GREY_ALPHA),
        ("grey-alpha16-28x28", 28, 28, 16, GREY_ALPHA),
    ]:
        yield name, png(width, height, depth, color, noise(rng, width, height, depth, color))
    shallow = noise(rng, 28, 28, 16, GREY, top=300)
    yield "grey16-dark-28x28", png(28, 28, 16, GREY, shallow)
    shallow = noise(rng, 28, 28, 16, GREY, top=300)
    yield "grey16-transparent-28x28", png(28, 28, 16, GREY, shallow, chunk(b"tRNS", b"\0\x20"))
    yield "edges-100x90", png(100, 90, 8, GREY, edges(100, 90))
    yield "palette8-50x37", png(50, 37, 8, PALETTE, noise(rng, 50, 37, 8, PALETTE, 199), palette(rng, 200))
    yield "palette4-29x29", png(29, 29, 4, PALETTE, noise(rng, 29, 29, 4, PALETTE), palette(rng, 16))
    yield "palette1-28x28", png(28, 28, 1, PALETTE, noise(rng, 28, 28, 1, PALETTE), palette(rng, 2))
    between = palette(rng, 8) + chunk(b"tRNS", bytes([0, 128, 255]))
    yield "palette8-transparent-30x30", png(30, 30, 8, PALETTE, noise(rng, 30, 30, 8, PALETTE, 7), between)
    between = chunk(b"tRNS", struct.pack(">HHH", 1, 2, 3))
    yield "rgb8-transparent-28x28", png(28, 28, 8, RGB, noise(rng, 28, 28, 8, RGB), between)
    between = chunk(b"gAMA", struct.pack(">I", 100000)) + chunk(b"tRNS", b"\0\x05")
    yield "grey4-transparent-28x28", png(28, 28, 4, GREY, noise(rng, 28, 28, 4, GREY), between)
    yield "rgb8-interlaced-37x29", png(37, 29, 8, RGB, noise(rng, 37, 29, 8, RGB), interlaced=True)


def main():
    for name, encoded in cases():
        picture = Image.open(io.BytesIO(encoded)).convert("L").resize((28, 28), Image.Resampling.BILINEAR)
        (HERE / f"{name}.png").write_bytes(encoded)
        (HERE / f"{name}.grey").write_bytes(picture.tobytes())


main()
