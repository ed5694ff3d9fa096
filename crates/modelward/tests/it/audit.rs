//! `audit`: what is missing is said, and names are shown harmlessly.

use crate::workshop::{TRAIN, Workshop};

#[test]
fn a_model_from_nowhere_has_a_gap() {
    let workshop = Workshop::with_data();
    workshop.write("stranger/model.bin", "x");
    assert_eq!(workshop.error("audit stranger"), "not_found");
    workshop.yes("sign stranger");
    let trace = workshop.allowed("audit stranger");
    assert_eq!(trace["backward"]["name"], "stranger");
    let gaps = trace["backward"]["gaps"].to_string();
    assert!(gaps.contains("no provenance"), "{gaps}");
    assert!(workshop.yes("audit stranger").stdout.contains("gap "));
}

/// A model is called what it was called when it was trained, signed or scanned.
#[test]
fn models_have_their_names() {
    let workshop = Workshop::with_data();
    workshop.yes(&TRAIN.replace("--name digits", "--name 'my digits'"));
    assert_eq!(
        workshop.allowed("audit out/digits")["backward"]["name"],
        "my digits"
    );
}

/// A name may try to be markup or an escape sequence; a picture and a terminal show it as text.
#[test]
fn a_hostile_name_is_only_a_name() {
    let workshop = Workshop::with_data();
    let name = "a\"]; click n0 <script>";
    let line = TRAIN.replace("--name digits", &format!("--name '{name}'"));
    workshop.yes(&line);
    let picture = workshop.yes("audit out/digits --mermaid").stdout;
    assert!(!picture.contains("<script>"), "{picture}");
    assert!(workshop.yes("audit out/digits").stdout.contains(name));
    // What a terminal would obey is refused before anything is trained.
    let escape = TRAIN.replace("--name digits", "--name '\u{1b}[31m'");
    let outcome = workshop.run(&escape);
    assert_eq!(outcome.status, 2);
    assert!(!outcome.stderr.contains("step: "), "{outcome:?}");
}

/// One file of a data set leads forward to what was made of it.
#[test]
fn one_file_leads_to_all_that_was_made_of_it() {
    let workshop = Workshop::with_model();
    let trace = workshop.allowed("audit data/weights");
    assert_eq!(trace["forward"][0]["name"], "digits");
    let digest = digest::Digest::of(&workshop.read("data/weights"));
    let trace = workshop.allowed(&format!("audit {digest}"));
    assert_eq!(trace["forward"][0]["name"], "digits");
}

/// Keys end and are removed; what they said stays in the chain, and is told as what nobody believes any more.
#[test]
fn the_chain_is_shown_when_its_key_is_gone() {
    let changes = [
        (
            "key set laptop --valid-from 2020-01-01T00:00:00Z --valid-until 2020-01-02T00:00:00Z",
            "was valid until 2020-01-02",
        ),
        ("key set laptop --remove", "has no key"),
    ];
    for (change, why) in changes {
        let workshop = Workshop::with_model();
        let before = workshop.yes("audit bands").stdout;
        assert!(before.contains("went into") && !before.contains("not believed"));
        workshop.yes(change);
        let told = workshop.yes("audit bands").stdout;
        assert!(told.contains("went into"), "{told}");
        assert!(
            told.contains("not believed: ") && told.contains(why),
            "{told}"
        );
        let trace = workshop.allowed("audit out/digits");
        assert_eq!(trace["backward"]["name"], "digits");
        if change.ends_with("--remove") {
            // A key without a name is shown by its id: people see its first digits, programs the whole.
            let id = trace["backward"]["facts"][0]["by"].as_str().unwrap();
            let short = format!("[by {}, log line", &id["sha256:".len()..][..12]);
            assert!(id.len() == 71 && told.contains(&short), "{id}: {told}");
            assert!(!told.contains(&id[..20]), "{told}");
        }
        let gaps = trace["backward"]["gaps"].to_string();
        assert_eq!(gaps, "[\"no provenance that is believed now\"]");
        let facts = trace["backward"]["facts"].as_array().unwrap().clone();
        assert_eq!(facts.len(), 3);
        assert!(facts.iter().all(|fact| fact["doubt"].is_string()));
    }
}
