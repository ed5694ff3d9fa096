//! `help`, `--help`, `--version`, and what is generated from the same definitions.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::bands::house;
use crate::workshop::{Workshop, words};

/// Commands that another program calls so, and no command with a subcommand.
const OF_SEVERAL_WORDS: [&str; 6] = [
    "what-if",
    "break-glass",
    "generate-key-pair",
    "attest-blob",
    "verify-attestation",
    "verify-blob-attestation",
];

/// Every command and subcommand that has a man page, as it is typed.
pub(crate) fn commands(workshop: &Workshop) -> Vec<String> {
    workshop.yes("man --to man");
    let mut commands = Vec::new();
    for entry in fs::read_dir(workshop.file("man")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let name = name.strip_suffix(".1").unwrap();
        commands.push(typed(name.trim_start_matches("modelward")));
    }
    commands.sort();
    commands
}

/// A command as it is typed, by its words joined with what some of them have inside.
pub(crate) fn typed(joined: &str) -> String {
    let mut typed = joined.replace('-', " ");
    for word in OF_SEVERAL_WORDS {
        typed = typed.replace(&word.replace('-', " "), word);
    }
    typed.trim().to_owned()
}

/// What a command says of itself is reviewed like code. `UPDATE=1` writes the snapshots anew.
#[test]
fn help_texts_are_those_that_were_reviewed() {
    let workshop = Workshop::bare();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/snapshots");
    let update = std::env::var_os("UPDATE").is_some();
    let mut known = BTreeSet::new();
    for command in commands(&workshop) {
        let text = workshop.yes(&format!("help {command}")).stdout;
        let name = format!("help {command}").trim_end().replace(' ', "-") + ".txt";
        let path = folder.join(&name);
        if update {
            fs::write(&path, &text).unwrap();
        }
        let reviewed = fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(
            text, reviewed,
            "{name} differs; look at it, and run again with UPDATE=1"
        );
        known.insert(name);
    }
    for entry in fs::read_dir(&folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(known.contains(&name), "{name} is of no command");
    }
}

#[test]
fn every_command_explains_itself_both_ways() {
    let workshop = Workshop::bare();
    let commands = commands(&workshop);
    assert!(commands.len() > 25, "{commands:?}");
    for command in commands {
        let long = workshop.yes(&format!("help {command}")).stdout;
        let flag = workshop.yes(&format!("{command} --help"));
        assert_eq!(
            (flag.stdout.as_str(), flag.stderr.as_str()),
            (long.as_str(), ""),
            "{command}"
        );
        assert!(long.contains("Usage: modelward"), "{command}: {long}");
        let is_group = [
            "", "approve", "bundle", "dataset", "key", "log", "policy", "store", "demo",
        ]
        .contains(&command.as_str());
        assert!(
            is_group || long.contains("Example: modelward"),
            "{command}: {long}"
        );
        // In words: the short form is set in columns, and may have more blanks.
        let count = |text: &str| text.split_whitespace().count();
        let short = workshop.yes(&format!("{command} -h")).stdout;
        assert!(count(&short) <= count(&long), "{command}: {short}");
    }
}

#[test]
fn every_code_has_a_page_that_can_be_asked_for() {
    let workshop = Workshop::bare();
    let list = workshop.allowed("help error");
    let codes = list["codes"].as_array().unwrap();
    assert!(codes.len() > 70);
    let text = workshop.yes("help error").stdout;
    for code in codes {
        let word = code["code"].as_str().unwrap();
        let page = workshop.yes(&format!("help error {word}")).stdout;
        assert!(page.starts_with(&format!("# {word}\n")), "{page}");
        assert!(page.contains(code["summary"].as_str().unwrap()));
        let facts = format!("exit {} · HTTP {}", code["exit"], code["http"]);
        assert!(page.contains(&facts), "{word}: {page}");
        assert!(text.contains(word));
    }
}

#[test]
fn the_nearest_word_is_offered() {
    let workshop = Workshop::bare();
    let table = [
        ("help error recaled", "did you mean `recalled`?"),
        ("help error level-too-low", "did you mean `level_too_low`?"),
        ("help error zzz", "`modelward help error` lists all codes"),
        ("sing digits", "did you mean `sign`?"),
        ("help sing", "did you mean `sign`?"),
        ("help dataset ad", "did you mean `add`?"),
        ("help zzz", "`modelward help` lists the commands"),
        ("store verfy", "did you mean `verify`?"),
        ("sign m --keyy x", "did you mean `--key`?"),
        ("scan", "the usage is `modelward scan --json <MODEL>`"),
        ("", "`modelward help` lists the commands"),
        ("completions csh", "did you mean `zsh`?"),
    ];
    for (line, hint) in table {
        let answer = workshop.json(line);
        assert_eq!(
            (&answer["result"], &answer["hint"]),
            (&"error".into(), &hint.into()),
            "{line}: {answer:#}"
        );
    }
}

/// A bare `modelward` is a newcomer: the commands are shown, and yet it is no answer.
#[test]
fn the_bare_program_shows_its_commands() {
    let outcome = Workshop::bare().run("");
    assert_eq!((outcome.status, outcome.stdout.as_str()), (2, ""));
    for word in [
        "dataset",
        "train",
        "admit",
        "serve",
        "audit",
        "recall",
        "error: [usage] a command is missing",
    ] {
        assert!(outcome.stderr.contains(word), "{word}: {outcome:?}");
    }
}

#[test]
fn the_version_is_one_line() {
    let workshop = Workshop::bare();
    let wanted = format!("modelward {}\n", env!("CARGO_PKG_VERSION"));
    for line in ["--version", "-V"] {
        assert_eq!(workshop.yes(line).stdout, wanted);
    }
}

/// The README, the pages of `docs/errors` and the hints name no command or flag that is not there.
#[test]
fn commands_in_the_error_pages_are_there() {
    let workshop = Workshop::bare();
    let known: BTreeSet<String> = commands(&workshop).into_iter().collect();
    let mut seen = 0;
    for entry in fs::read_dir(house().join("docs/errors")).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        // The example of an unknown command is meant to be one.
        for line in text.lines().filter(|line| !line.contains("sing")) {
            for quoted in line.split("modelward ").skip(1) {
                let line = quoted.split(['`', '#', ';', '|']).next().unwrap();
                check_line(&words(line), &known, &workshop, &path);
                seen += 1;
            }
        }
    }
    assert!(seen > 50, "{seen}");
}

fn check_line(line: &[String], known: &BTreeSet<String>, workshop: &Workshop, path: &Path) {
    let first = line.first().map(String::as_str).unwrap_or_default();
    let first = if first.starts_with('-') { "" } else { first };
    if !known.contains(first) || first == "help" {
        let prose = line.iter().all(|word| !word.starts_with("--"));
        assert!(prose, "{}: `{line:?}`", path.display());
        return;
    }
    let words = |count| {
        line.iter()
            .take(count)
            .cloned()
            .collect::<Vec<_>>()
            .join(" ")
    };
    let longest = [3, 2].map(words).into_iter();
    let mut longest = longest.filter(|command| known.contains(command));
    let command = longest.next().unwrap_or_else(|| first.to_owned());
    let help = workshop.yes(&format!("help {command}")).stdout;
    let ours = line.iter().take_while(|word| *word != "--");
    for flag in ours.filter(|word| word.starts_with("--")) {
        let flag = flag.trim_end_matches(['.', ',', ')', '…']);
        let there = help.contains(&format!("{flag} ")) || help.contains(&format!("{flag}\n"));
        assert!(there, "{}: `{command}` has no `{flag}`", path.display());
    }
}

#[test]
fn completions_are_made_for_every_shell() {
    let workshop = Workshop::bare();
    let table = [
        ("bash", "complete -F _modelward"),
        ("zsh", "#compdef modelward"),
        ("fish", "complete -c modelward"),
    ];
    for (shell, sign) in table {
        let script = workshop.yes(&format!("completions {shell}")).stdout;
        assert!(script.contains(sign), "{shell}");
        for word in ["dataset", "recall", "--service-account"] {
            assert!(
                script.contains(word.trim_start_matches('-')),
                "{shell}: {word}"
            );
        }
        let path = Path::new("/bin").join(shell);
        if path.exists() && shell != "fish" {
            workshop.write("completions", &script);
            let checked = std::process::Command::new(path)
                .arg("-n")
                .arg(workshop.file("completions"))
                .output()
                .unwrap();
            assert!(checked.status.success(), "{checked:?}");
        }
    }
}

#[test]
fn man_pages_are_made_for_every_command() {
    let workshop = Workshop::bare();
    for command in commands(&workshop) {
        let name = format!("modelward {command}").trim_end().replace(' ', "-");
        let page = String::from_utf8(workshop.read(&format!("man/{name}.1"))).unwrap();
        assert!(page.contains(".TH ") && page.contains(".SH NAME"), "{name}");
    }
    assert_eq!(workshop.error("man --to /proc/nowhere"), "io");
}

/// Every variable that the program reads stands in one list.
#[test]
fn the_list_of_variables_is_whole() {
    let workshop = Workshop::bare();
    let list = workshop.allowed("help environment");
    let listed: BTreeSet<&str> = list["variables"]
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let mut used = BTreeSet::from(["COSIGN_PASSWORD", "NO_COLOR"]);
    let sources: String = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    for part in sources.split("\"MODELWARD_").skip(1) {
        let end = part.find('"').unwrap();
        let name = &part[..end];
        // These are told to a step, not read.
        if !["INPUTS", "OUTPUTS", "RESULTS"].contains(&name) {
            let start = sources.find(&format!("\"MODELWARD_{name}\"")).unwrap() + 1;
            used.insert(&sources[start..start + "MODELWARD_".len() + name.len()]);
        }
    }
    let house = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let all = sources.clone() + &self::sources(&house.join("host/src"));
    let others: BTreeSet<&str> = listed.difference(&used).copied().collect();
    for name in &others {
        assert!(all.contains(&format!("\"{name}\"")), "nobody reads {name}");
    }
    for name in OF_OTHERS {
        assert!(others.contains(name), "{name} is read, and not listed");
    }
    assert!(used.is_subset(&listed), "{used:?}");
}

/// Variables of other programs that say how keyless signing is done.
const OF_OTHERS: [&str; 5] = [
    "SIGSTORE_ID_TOKEN",
    "ACTIONS_ID_TOKEN_REQUEST_URL",
    "SSL_CERT_FILE",
    "XDG_DATA_HOME",
    "DISPLAY",
];

fn sources(folder: &Path) -> String {
    let mut text = String::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            text += &sources(&path);
        } else {
            text += &fs::read_to_string(&path).unwrap();
        }
    }
    text
}
