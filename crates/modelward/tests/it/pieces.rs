//! Signatures of pieces, and files that have none.

use serde_json::json;

use crate::workshop::Workshop;

const SIGN: &str = "sign model --private-key key.pem --shard-size 5";
const VERIFY: &str = "verify model --public-key key.pub";

fn workshop() -> Workshop {
    let workshop = Workshop::bare();
    workshop.write_key_pair();
    workshop.write("model/weights", "weights");
    workshop
}

/// It would be in the model, and in no signature: nobody could tell it from one that came later.
#[test]
fn an_empty_file_is_not_signed_in_pieces() {
    let workshop = workshop();
    workshop.write("model/pkg/__init__.py", "");
    for line in [
        SIGN,
        &format!("{SIGN} --cache cached"),
        &format!("{SIGN} --hash blake3"),
    ] {
        assert_eq!(workshop.error(line), "model_invalid", "{line}");
        let said = workshop.run(line).stderr;
        assert!(said.contains("`pkg/__init__.py` is empty"), "{said}");
        assert!(!workshop.file("model.sig").exists());
    }
    let drop_in = "oms sign key model --private_key key.pem --shard_size 5";
    let outcome = workshop.run(drop_in);
    assert!(
        outcome.status == 1 && outcome.stderr.contains("is empty"),
        "{outcome:?}"
    );
    // What it says to do does it.
    workshop.yes(&format!("{SIGN} --ignore pkg/__init__.py"));
    workshop.yes("sign model --private-key key.pem");
    workshop.yes(VERIFY);
    // Of nothing but empty files nothing at all would be signed.
    std::fs::remove_file(workshop.file("model/weights")).unwrap();
    assert_eq!(workshop.error(SIGN), "model_invalid");
    workshop.write("alone", "");
    let alone = "sign alone --private-key key.pem --shard-size 5";
    assert_eq!(workshop.error(alone), "model_invalid");
}

/// The specification has such signatures verified, and other tools make them: what they can't cover is told.
#[test]
fn empty_files_beside_signed_pieces_are_told() {
    let workshop = workshop();
    workshop.yes(SIGN);
    assert_eq!(workshop.allowed(VERIFY)["ignored"], json!([]));
    workshop.write("model/evil.safetensors", "");
    workshop.write("model/a/sitecustomize.py", "");
    let told = json!(["a/sitecustomize.py", "evil.safetensors"]);
    let cached = format!("{VERIFY} --cache cached");
    for line in [VERIFY, cached.as_str(), cached.as_str()] {
        let answer = workshop.allowed(line);
        assert_eq!((&answer["ignored"], &answer["files"]), (&told, &json!(1)));
        let said = workshop.yes(line).stdout;
        let line = "covered by no signature: a/sitecustomize.py, evil.safetensors";
        assert!(said.contains(line), "{said}");
    }
    let drop_in = "oms verify key model --signature model.sig --public_key key.pub";
    let said = workshop.yes(drop_in).stderr;
    assert!(
        said.contains("a/sitecustomize.py, evil.safetensors"),
        "{said}"
    );
    // With something in it, it is a file that was not signed.
    workshop.write("model/evil.safetensors", "x");
    assert_eq!(workshop.denied(VERIFY), ["file_extra"]);
}
