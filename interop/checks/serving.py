"""Serving: Triton's client and requests ask our server, and numpy computes what it should have said."""

import base64
import json
import struct
import subprocess
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version

import numpy
import requests
from tritonclient import http as triton
from tritonclient.utils import InferenceServerException

from .chain import PIXELS_PER_BAND, SERVICE_ACCOUNT, Chain
from .commands import environment
from .record import Record, expect, expect_raises

TRITON = f"tritonclient {version('tritonclient')}"
REQUESTS = f"requests {version('requests')}"
NAME = "bands"
WAIT_SECONDS = 20


def check(record: Record, chain: Chain) -> None:
    with serving(chain) as (address, model):
        client = triton.InferenceServerClient(address)
        check_metadata(record, client)
        check_inference(record, client, chain)
        check_refusals(record, client)
        check_classify(record, address, model)
        check_recall(record, client, address, chain, model)


@contextmanager
def serving(chain: Chain) -> Iterator[tuple[str, str]]:
    """The server's address and the model's digest. It must end by itself when it is asked to."""
    command = chain.ours.command("serve", chain.model, "--http", "127.0.0.1:0", "--environment", "prod",
                                 "--service-account", SERVICE_ACCOUNT, "--name", NAME)
    server = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, env=environment())
    try:
        said = json.loads(server.stdout.readline())
        expect(said["result"] == "allowed", f"did not start: {said}")
        yield said["address"], said["model"]
        server.terminate()
        expect(server.wait(WAIT_SECONDS) == 0, "did not stop as asked")
    finally:
        server.kill()
        server.wait()


def check_metadata(record: Record, client: triton.InferenceServerClient) -> None:
    with record.check(TRITON, "finds our server live, ready, and the model ready"):
        expect(client.is_server_live() and client.is_server_ready(), "not live and ready")
        expect(client.is_model_ready(NAME), "the model is not ready")
    with record.check(TRITON, "reads our server's and the model's metadata"):
        expect("binary_tensor_data" in client.get_server_metadata()["extensions"], "no binary data")
        said = client.get_model_metadata(NAME)
        expect(said["inputs"] == [{"name": "image", "datatype": "FP32", "shape": [-1, 1, 28, 28]}], f"said {said}")
        expect(said["outputs"] == [{"name": "logits", "datatype": "FP32", "shape": [-1, 10]}], f"said {said}")


def check_inference(record: Record, client: triton.InferenceServerClient, chain: Chain) -> None:
    rows = numpy.random.default_rng(3).normal(size=(5, 1, 28, 28)).astype(numpy.float32)
    weight, bias = chain.weights["w"].astype(numpy.float64), chain.weights["b"]
    expected = rows.reshape(5, 784) @ weight.T + bias
    for sent in (False, True):
        for answered in (False, True):
            forms = f"{form(sent)} and answered in {form(answered)}"
            with record.check(TRITON, f"infers with rows sent as {forms}, to what numpy computes"):
                said = ask(client, rows, sent, answered).as_numpy("logits")
                expect(said.shape == (5, 10) and numpy.abs(said - expected).max() < 1e-4, f"said {said}")
    with record.check(TRITON, "gets other logits for other rows"):
        said = ask(client, -rows, True, True).as_numpy("logits")
        expect(numpy.abs(said - expected).max() > 1, "the answer doesn't depend on the rows")


def form(binary: bool) -> str:
    return "binary data" if binary else "JSON"


def ask(client: triton.InferenceServerClient, rows: numpy.ndarray, sent: bool, answered: bool) -> triton.InferResult:
    tensor = triton.InferInput("image", rows.shape, "FP32")
    tensor.set_data_from_numpy(rows, binary_data=sent)
    wanted = triton.InferRequestedOutput("logits", binary_data=answered)
    return client.infer(NAME, [tensor], outputs=[wanted])


def check_refusals(record: Record, client: triton.InferenceServerClient) -> None:
    with record.check(TRITON, "is told that another model is not there"):
        expect(not client.is_model_ready("other"), "it is ready")
        with expect_raises(InferenceServerException, "no such model"):
            client.get_model_metadata("other")
    with record.check(TRITON, "is refused rows of another shape"):
        with expect_raises(InferenceServerException, "shape"):
            ask(client, numpy.zeros((1, 1, 27, 28), numpy.float32), True, True)


def check_classify(record: Record, address: str, model: str) -> None:
    url = f"http://{address}/classify/v0"
    with record.check(REQUESTS, "has pictures of all ten digits classified, each answer with the model's digest"):
        for digit in range(10):
            said = requests.post(url, json={"image": base64.b64encode(picture(digit)).decode()}, timeout=WAIT_SECONDS)
            expect(said.status_code == 200 and said.json() == {"predicted_digit": digit}, f"{digit}: {said.text}")
            expect(said.headers["modelward-model-digest"] == model, f"of another model: {said.headers}")
            expect(said.headers["modelward-prediction"], "no prediction's id")
    with record.check(REQUESTS, "is refused a picture with a changed byte"):
        broken = bytearray(picture(3))
        broken[len(broken) // 2] ^= 0xFF
        said = requests.post(url, json={"image": base64.b64encode(broken).decode()}, timeout=WAIT_SECONDS)
        expect(400 <= said.status_code < 500 and "predicted_digit" not in said.text, f"{said.status_code}: {said.text}")


def check_recall(record: Record, client: triton.InferenceServerClient, address: str, chain: Chain, model: str) -> None:
    with record.check(TRITON, "finds the model no longer ready after its recall, and gets no inference"):
        chain.ours.allowed("recall", "model", model, "--reason", "for this check")
        until = time.monotonic() + WAIT_SECONDS
        while client.is_model_ready(NAME) and time.monotonic() < until:
            time.sleep(0.1)
        expect(not client.is_model_ready(NAME), "it is still ready")
        with expect_raises(InferenceServerException, "recalled"):
            ask(client, numpy.zeros((1, 1, 28, 28), numpy.float32), True, True)


def picture(digit: int) -> bytes:
    """A grey PNG whose band of this digit is white, and the rest black."""
    pixels = numpy.zeros(784, numpy.uint8)
    pixels[digit * PIXELS_PER_BAND : (digit + 1) * PIXELS_PER_BAND] = 255
    lines = b"".join(b"\0" + line.tobytes() for line in pixels.reshape(28, 28))
    header = struct.pack(">IIBBBBB", 28, 28, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )
