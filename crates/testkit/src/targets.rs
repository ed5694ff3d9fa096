//! What is fuzzed: a function for every parser of foreign bytes, with the inputs it starts from.
//!
//! The functions are plain, so that the same ones run under libFuzzer (`fuzz/`) and, with a corpus and a bounded number
//! of mutations, in this crate's tests. Each asserts more than that nothing panics: what was accepted is written and
//! read again, keeps its limits, and was not forged.

mod certified;
mod decoded;
mod inferred;
mod keyless;
mod keys;
mod logged;
mod named;
mod ruled;
mod scanned;
mod stated;

/// A parser under test.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name, which is that of its file in `fuzz/fuzz_targets` and of its folder in `fuzz/corpus`.
    pub name: &'static str,
    /// Reads the bytes.
    ///
    /// # Panics
    /// The parser broke a promise.
    pub run: fn(&[u8]),
    /// Inputs that lead deep into the parser; most are accepted.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// Every target, in the order of the rooms.
pub const ALL: &[Target] = &[
    target("json", decoded::json, decoded::json_seeds),
    target(
        "safetensors",
        decoded::safetensors,
        decoded::safetensors_seeds,
    ),
    target("bundle", stated::bundle, stated::bundle_seeds),
    target("statement", stated::statement, stated::statement_seeds),
    target("manifest", stated::manifest, stated::manifest_seeds),
    target(
        "oci_manifest",
        named::oci_manifest,
        named::oci_manifest_seeds,
    ),
    target("oci_index", named::oci_index, named::oci_index_seeds),
    target(
        "oci_reference",
        named::oci_reference,
        named::oci_reference_seeds,
    ),
    target("tree_path", stated::tree_path, stated::tree_path_seeds),
    target("time", stated::time, stated::time_seeds),
    target("trust_root", keys::trust_root, keys::trust_root_seeds),
    target("public_key", keys::public_key, keys::public_key_seeds),
    target("private_key", keys::private_key, keys::private_key_seeds),
    target("token_uri", keys::token_uri, keys::token_uri_seeds),
    target(
        "certificate_chain",
        certified::certificate_chain,
        certified::certificate_chain_seeds,
    ),
    target(
        "certificate_pem",
        certified::certificate_pem,
        certified::certificate_pem_seeds,
    ),
    target(
        "timestamp",
        certified::timestamp,
        certified::timestamp_seeds,
    ),
    target("identity", certified::identity, certified::identity_seeds),
    target(
        "sigstore_root",
        keyless::sigstore_root,
        keyless::sigstore_root_seeds,
    ),
    target(
        "keyless_bundle",
        keyless::keyless_bundle,
        keyless::keyless_bundle_seeds,
    ),
    target("update", keyless::update, keyless::update_seeds),
    target("note", logged::note, logged::note_seeds),
    target("proof", logged::proof, logged::proof_seeds),
    target("tree_proof", logged::tree_proof, logged::tree_proof_seeds),
    target("entry", logged::entry, logged::entry_seeds),
    target("log_key", logged::log_key, logged::log_key_seeds),
    target(
        "witness_key",
        logged::witness_key,
        logged::witness_key_seeds,
    ),
    target(
        "cosignature",
        logged::cosignature,
        logged::cosignature_seeds,
    ),
    target(
        "add_checkpoint",
        logged::add_checkpoint,
        logged::add_checkpoint_seeds,
    ),
    target("watched", logged::watched, logged::watched_seeds),
    target("tile_path", logged::tile_path, logged::tile_path_seeds),
    target("tile", logged::tile, logged::tile_seeds),
    target("scan", scanned::scan, scanned::scan_seeds),
    target(
        "publish_policies",
        ruled::publish_policies,
        ruled::publish_policies_seeds,
    ),
    target(
        "deployment_policies",
        ruled::deployment_policies,
        ruled::deployment_policies_seeds,
    ),
    target(
        "dependency_policy",
        ruled::dependency_policy,
        ruled::dependency_policy_seeds,
    ),
    target("gate_policy", ruled::gate_policy, ruled::gate_policy_seeds),
    target("gate_cases", ruled::gate_cases, ruled::gate_cases_seeds),
    target(
        "architecture",
        inferred::architecture,
        inferred::architecture_seeds,
    ),
    target("picture", inferred::picture, inferred::picture_seeds),
    target("tensor", inferred::tensor, inferred::tensor_seeds),
];

const fn target(name: &'static str, run: fn(&[u8]), seeds: fn() -> Vec<Vec<u8>>) -> Target {
    Target { name, run, seeds }
}

/// Runs the target of this name; what the programs in `fuzz/fuzz_targets` call.
///
/// # Panics
/// There is no such target, or the parser broke a promise.
pub fn run(name: &str, bytes: &[u8]) {
    let target = ALL.iter().find(|target| target.name == name);
    (target.expect("each fuzz program names a target").run)(bytes);
}

/// Texts as seeds.
fn texts(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}
