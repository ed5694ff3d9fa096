//! `conformance/bad-input/cli.toml`: each row is a good folder with one thing wrong, and what must be said of it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde::Deserialize;

use crate::bands::house;
use crate::workshop::{Outcome, Workshop, json_of};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    case: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    case: String,
    #[serde(default)]
    base: Base,
    write: Option<Text>,
    append: Option<Text>,
    edit: Option<Edit>,
    cut: Option<Cut>,
    flip: Option<Flip>,
    remove: Option<String>,
    mode: Option<Mode>,
    rename: Option<Pair>,
    link: Option<Pair>,
    fifo: Option<String>,
    sparse: Option<Cut>,
    before: Option<String>,
    #[serde(default)]
    env_before: BTreeMap<String, String>,
    command: String,
    #[serde(default)]
    env: BTreeMap<String, String>,
    code: String,
    exit: i32,
    says: String,
    mended: Option<String>,
}

#[derive(Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Base {
    Bare,
    Data,
    #[default]
    Model,
    Admitted,
}

impl Base {
    fn workshop(self) -> Workshop {
        match self {
            Self::Bare => Workshop::bare(),
            Self::Data => Workshop::with_data(),
            Self::Model => Workshop::with_model(),
            Self::Admitted => Workshop::admitted(),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    file: String,
    text: String,
    #[serde(default = "once")]
    times: usize,
}

const fn once() -> usize {
    1
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Edit {
    file: String,
    from: String,
    to: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cut {
    file: String,
    size_bytes: usize,
}

/// From one name to another.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pair {
    from: String,
    to: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Flip {
    file: String,
    at: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Mode {
    file: String,
    mode: u32,
}

#[test]
fn every_row_of_bad_input_is_answered_as_it_says() {
    let text = fs::read_to_string(house().join("conformance/bad-input/cli.toml")).unwrap();
    let table: Table = toml::from_str(&text).unwrap();
    assert!(table.case.len() > 80, "{}", table.case.len());
    let bases =
        [Base::Bare, Base::Data, Base::Model, Base::Admitted].map(|base| (base, base.workshop()));
    let bases = BTreeMap::from(bases);
    let run = |case: &Case| {
        let workshop = bases[&case.base].copy();
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| check(case, &workshop))).is_err()
    };
    let failed: Vec<&str> = table
        .case
        .iter()
        .filter(|case| run(case))
        .map(|case| case.case.as_str())
        .collect();
    assert!(failed.is_empty(), "{failed:#?}");
}

fn check(case: &Case, workshop: &Workshop) {
    spoil(case, workshop);
    let mut command = workshop.command(&crate::workshop::with_json(&case.command));
    command.envs(&case.env);
    let answer = json_of(&case.command, &mut command);
    let name = &case.case;
    assert_eq!(answer["code"], case.code.as_str(), "{name}: {answer:#}");
    let text = answer.to_string().replace("\\\"", "\"");
    assert!(
        text.contains(&case.says),
        "{name}: no `{}` in {answer:#}",
        case.says
    );
    // A person reads the same, and is told what to do.
    let outcome = Outcome::of(workshop.command(&case.command).envs(&case.env));
    assert_eq!(outcome.status, case.exit, "{name}: {outcome:?}");
    let listed = trust::Code::from_word(&case.code).map(|code| code.kind().exit_status());
    assert_eq!(listed.map(i32::from), Some(case.exit), "{name}: the table");
    assert!(
        outcome.stderr.contains(&format!("[{}]", case.code)),
        "{name}: {outcome:?}"
    );
    let has_way = ["hint: ", "way to yes: "]
        .iter()
        .any(|word| outcome.stderr.contains(word));
    let says_it_itself = case.code == "usage";
    assert!(
        has_way || says_it_itself,
        "{name}: what is to be done? {outcome:?}"
    );
    assert!(!outcome.stderr.contains("panicked"), "{name}: {outcome:?}");
    if let Some(line) = &case.mended {
        workshop.yes(line);
        workshop.is_sound();
    }
}

fn spoil(case: &Case, workshop: &Workshop) {
    if let Some(Text { file, text, times }) = &case.write {
        let _ = fs::remove_file(workshop.file(file));
        workshop.write(file, text.repeat(*times));
    }
    if let Some(Text { file, text, times }) = &case.append {
        let text = text.repeat(*times);
        workshop.write(file, [workshop.read(file), text.into_bytes()].concat());
    }
    if let Some(Edit { file, from, to }) = &case.edit {
        workshop.replace(file, from, to);
    }
    if let Some(Cut { file, size_bytes }) = &case.cut {
        let bytes = workshop.read(file);
        assert!(bytes.len() > *size_bytes, "{file} is not longer");
        workshop.write(file, bytes.get(..*size_bytes).unwrap());
    }
    if let Some(Flip { file, at }) = &case.flip {
        workshop.flip(file, *at);
    }
    if let Some(line) = &case.before {
        let outcome = Outcome::of(workshop.command(line).envs(&case.env_before));
        assert_eq!(outcome.status, 0, "{}: {outcome:?}", case.case);
    }
    if let Some(file) = &case.remove {
        let path = workshop.file(file);
        if path.is_dir() {
            fs::remove_dir_all(path).unwrap();
        } else {
            fs::remove_file(path).unwrap();
        }
    }
    put(case, workshop);
    if let Some(Mode { file, mode }) = &case.mode {
        fs::set_permissions(workshop.file(file), fs::Permissions::from_mode(*mode)).unwrap();
    }
}

/// What is there in the end, and is no file as others are.
fn put(case: &Case, workshop: &Workshop) {
    if let Some(Pair { from, to }) = &case.rename {
        fs::rename(workshop.file(from), workshop.file(to)).unwrap();
        assert!(!workshop.file(from).exists(), "{from} is {to} here");
    }
    if let Some(Pair { from, to }) = &case.link {
        std::os::unix::fs::symlink(to, workshop.file(from)).unwrap();
    }
    if let Some(file) = &case.fifo {
        let _ = fs::remove_file(workshop.file(file));
        let made = std::process::Command::new("mkfifo")
            .arg(workshop.file(file))
            .status();
        assert!(made.unwrap().success());
    }
    if let Some(Cut { file, size_bytes }) = &case.sparse {
        let size_bytes = u64::try_from(*size_bytes).unwrap();
        fs::File::create(workshop.file(file))
            .and_then(|file| file.set_len(size_bytes))
            .unwrap();
    }
}
