//! `model_signing hand-over METHOD MODEL_PATH`: verifies a model, and gives its tensors to who started it: the Python
//! package. Each file of tensors is read once, into memory that can't change any more; what is hashed is that memory.
//!
//! Standard input is a `SOCK_SEQPACKET` socket. One packet for each file, `{"name":…,"size":…}` with the descriptor of its
//! sealed memory; then one `{"end":true,…}` with who signed. Nothing is sent before all of the model is verified.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::path::Path;

use digest::{Listing, Measured, Method, Sealed};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use serde_json::{Value, json};
use trust::predicate::Form;

use super::methods::VerifyMethod;
use super::refused::{self, Refused, file_error, not_a_file};
use super::voice::Voice;
use super::{measure, verify};

const TENSORS_ENDING: &str = ".safetensors";

/// Verifies a model and hands its tensors over, or says why not.
pub(super) fn run(method: &VerifyMethod, voice: &Voice) -> Result<(), Refused> {
    let (target, believed) = verify::believed(method, voice)?;
    let signature = verify::believe(target, &believed, voice)?;
    let signed = &signature.value().predicate;
    if signed.method() != Method::WHOLE_SHA256 || signed.follows_links() {
        return Err(Refused::new(
            "only models that were signed whole, by SHA-256 and without links, are loaded",
            "sign the model again, or verify it first and load it yourself",
        ));
    }
    let (left_out, _) = verify::what_is_looked_at(target, &signature)?;
    let model = target.model.path();
    let form = measure::form(&model, false)?;
    let names = match form {
        Form::Folder => digest::names(&model, &|name| left_out.has(name))?,
        Form::SingleFile => vec![measure::name(&model)?],
    };
    let (listing, sealed) = read(&model, form, names)?;
    let name = measure::name(&model)?;
    trust::verify_tree(&signature, listing, form)
        .map_err(|differences| refused::mismatch(&name, &differences))?;
    verify::tell(target, &signature, &left_out, voice);
    for (name, sealed) in &sealed {
        let size = sealed.measured().size_bytes();
        send(&json!({"name": name, "size": size}), Some(sealed.file()))?;
    }
    let signer = &signature.proof().key_name;
    send(
        &json!({"end": true, "signer": signer, "root": signed.root().hex()}),
        None,
    )
}

/// Measures every file: tensors as they lie in sealed memory, all else on disk.
fn read(
    model: &Path,
    form: Form,
    names: Vec<String>,
) -> Result<(Listing, BTreeMap<String, Sealed>), Refused> {
    let (mut listing, mut all) = (Listing::new(), BTreeMap::new());
    for name in names {
        let path = match form {
            Form::Folder => model.join(&name),
            Form::SingleFile => model.to_owned(),
        };
        let measured: Measured = if name.ends_with(TENSORS_ENDING) {
            let sealed = seal(&path)?;
            let measured = sealed.measured();
            all.insert(name.clone(), sealed);
            measured
        } else {
            digest::measure_file(&path).map_err(digest::WalkError::from)?
        };
        listing.insert(&name, measured);
    }
    Ok((listing, all))
}

fn seal(path: &Path) -> Result<Sealed, Refused> {
    let mut file = digest::open_file(path).map_err(digest::WalkError::from)?;
    let size = file.metadata().map_err(|e| file_error(path, &e))?.len();
    Sealed::fill(&mut file, size).map_err(|e| not_a_file(path, &e.to_string()))
}

/// Sends one packet, whole, with a descriptor or without.
fn send(said: &Value, file: Option<&File>) -> Result<(), Refused> {
    let text = said.to_string();
    let descriptors: Vec<_> = file.iter().map(|file| file.as_fd()).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut beside = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() {
        beside.push(SendAncillaryMessage::ScmRights(&descriptors));
    }
    let packet = [IoSlice::new(text.as_bytes())];
    let sent = sendmsg(io::stdin(), &packet, &mut beside, SendFlags::NOSIGNAL);
    sent.map(drop).map_err(|e| {
        let text = format!("nobody takes the tensors: {}", io::Error::from(e));
        Refused::new(text, "`modelward.load` of the Python package asks for them")
    })
}
