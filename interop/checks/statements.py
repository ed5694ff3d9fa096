"""Statements: in-toto's and Sigstore's own types read everything that our chain signed."""

import base64
import json
from importlib.metadata import version

from google.protobuf import json_format
from in_toto_attestation.predicates.provenance.v1 import provenance_pb2
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.statement import Statement
from pydantic import ValidationError
from sigstore_models.bundle.v1 import Bundle

from . import bundles
from .chain import Chain
from .record import Record, expect, expect_raises

IN_TOTO = f"in-toto-attestation {version('in-toto-attestation')}"
SIGSTORE = f"sigstore-models {version('sigstore-models')}"
PROVENANCE = "https://slsa.dev/provenance/v1"


def check(record: Record, chain: Chain) -> None:
    found = {kind: path.read_bytes() for kind, path in chain.bundles().items()}
    for kind, bundle in found.items():
        with record.check(SIGSTORE, f"reads our bundle of {kind}"):
            read = Bundle.from_json(bundle)
            expect(base64.b64decode(read.to_dict()["dsseEnvelope"]["payload"]) == bundles.payload(bundle), "another payload")
        with record.check(IN_TOTO, f"takes our statement of {kind}"):
            statement(bundles.payload(bundle)).validate()
    check_refusals(record, found[PROVENANCE])
    check_provenance(record, chain, bundles.payload(found[PROVENANCE]))


def statement(payload: bytes) -> Statement:
    """Protobuf's reader refuses members that the type doesn't have."""
    return Statement.copy_from_pb(json_format.Parse(payload, statement_pb2.Statement()))


def check_refusals(record: Record, bundle: bytes) -> None:
    with record.check(SIGSTORE, "refuses our bundle with a member that isn't in the format"):
        changed = json.loads(bundle) | {"approved": True}
        with expect_raises(ValidationError, "approved"):
            Bundle.from_json(json.dumps(changed))
    with record.check(IN_TOTO, "refuses our statement without a digest"):
        changed = json.loads(bundles.payload(bundle))
        changed["subject"][0]["digest"] = {}
        with expect_raises(ValueError, "digest"):
            statement(json.dumps(changed).encode()).validate()


def check_provenance(record: Record, chain: Chain, payload: bytes) -> None:
    said = json.loads(payload)
    with record.check(IN_TOTO, "reads our provenance as SLSA v1, with nothing left over or lost"):
        read = json_format.ParseDict(said["predicate"], provenance_pb2.Provenance())
        again = json_format.MessageToDict(read)
        expect(again == said["predicate"], f"lost or changed: {differing(said['predicate'], again)}")
        expect(read.run_details.builder.id.endswith("/builder/workstation/v1"), "another builder")
    with record.check(IN_TOTO, "finds the files of our data set, by digest, among our provenance's dependencies"):
        used = {entry.name: entry.digest["sha256"] for entry in read.build_definition.resolved_dependencies}
        data_set = next(entry for entry in chain.entries() if entry["predicateType"].endswith("/dataset/v1"))
        told = {digest.removeprefix("sha256:") for digest in data_set["subjects"]}
        expect(told and told <= set(used.values()), f"{told} is not in {used}")
    with record.check(IN_TOTO, "refuses our provenance with a misspelt member"):
        changed = json.loads(payload)["predicate"]
        changed["buildDefinition"]["buildtype"] = changed["buildDefinition"].pop("buildType")
        with expect_raises(json_format.ParseError, "buildtype"):
            json_format.ParseDict(changed, provenance_pb2.Provenance())


def differing(first: dict, second: dict) -> list[str]:
    return [name for name in first.keys() | second.keys() if first.get(name) != second.get(name)]
