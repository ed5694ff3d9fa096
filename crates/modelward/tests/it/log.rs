//! `log`: what stands in it, and proofs that anybody can check without it.

use crate::workshop::{Workshop, blob};

#[test]
fn a_line_can_be_proved_offline_and_its_mutated_twins_not() {
    let workshop = Workshop::with_model();
    let entries = workshop.allowed("log show")["entries"].clone();
    let bundle = |index: usize| blob(entries[index]["bundle"].as_str().unwrap());
    for index in 0..entries.as_array().unwrap().len() {
        workshop.write("proof", workshop.yes(&format!("log proof {index}")).stdout);
        let checked = workshop.allowed(&format!("log check proof {}", bundle(index)));
        assert_eq!(checked["index"], index);
    }
    // Offline: another store that knows the log's key, and has none of its lines.
    let other = Workshop::bare();
    other.yes("store init");
    other.write(
        ".modelward/trust.toml",
        workshop.read(".modelward/trust.toml"),
    );
    other.write("proof", workshop.yes("log proof 1").stdout);
    other.write("bundle", workshop.read(&bundle(1)));
    other.yes("log check proof bundle");
    // (1) Another line's bundle, (2) another root of trust, (3) each line of the proof changed.
    other.write("other", workshop.read(&bundle(2)));
    assert_eq!(other.denied("log check proof other"), ["log_inconsistent"]);
    let stranger = Workshop::with_data();
    stranger.write("proof", other.read("proof"));
    stranger.write("bundle", other.read("bundle"));
    assert!(
        ["log_inconsistent", "log_key_unknown"]
            .contains(&stranger.denied("log check proof bundle")[0].as_str())
    );
    let proof = String::from_utf8(other.read("proof")).unwrap();
    for (number, line) in proof
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.is_empty())
    {
        let middle = line.len() / 2;
        let mutated: String = line
            .char_indices()
            .map(|(at, c)| if at == middle { flip(c) } else { c })
            .collect();
        assert_ne!(line, mutated);
        other.write("mutated", proof.replacen(line, &mutated, 1));
        let answer = other.json("log check mutated bundle");
        assert_eq!(
            answer["result"], "denied",
            "line {number}, `{line}` to `{mutated}`: {answer:#}"
        );
    }
    other.write("mutated", proof + "more\n");
    assert_ne!(other.run("log check mutated bundle").status, 0);
}

fn flip(c: char) -> char {
    match c {
        'A' => 'B',
        '0' => '1',
        _ => {
            if c.is_ascii_digit() {
                '0'
            } else {
                'A'
            }
        }
    }
}

#[test]
fn a_log_that_was_rewritten_stops_every_gate() {
    let workshop = Workshop::admitted();
    let before = Workshop::with_model();
    // The whole log of another store, key and all, in place of ours.
    std::fs::remove_dir_all(workshop.file(".modelward/log")).unwrap();
    let status = std::process::Command::new("cp")
        .args([
            "-r".as_ref(),
            before.file(".modelward/log").as_os_str(),
            workshop.file(".modelward/log").as_os_str(),
        ])
        .status();
    assert!(status.unwrap().success());
    // The index remembers a longer log, and without it the log's key is a stranger's.
    assert_eq!(workshop.denied("audit out/digits"), ["log_rolled_back"]);
    std::fs::remove_file(workshop.file(".modelward/index.sqlite")).unwrap();
    for line in [
        "audit out/digits",
        "log verify",
        &crate::workshop::admit("prod", crate::workshop::PROD),
    ] {
        let answer = workshop.json(line);
        let code = answer["code"].as_str().unwrap();
        assert!(
            ["log_inconsistent", "log_key_unknown"].contains(&code),
            "{line}: {answer:#}"
        );
        assert_eq!(answer["result"], "denied");
    }
}

#[test]
fn lines_are_numbered_and_name_what_they_are_about() {
    let workshop = Workshop::with_model();
    let shown = workshop.yes("log show").stdout;
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!(lines.len(), 4);
    for (number, (line, kind)) in lines
        .iter()
        .zip(["dataset", "provenance", "scan", "signature"])
        .enumerate()
    {
        assert!(
            line.trim_start().starts_with(&number.to_string()) && line.contains(kind),
            "{line}"
        );
    }
    let head = workshop.allowed("log verify");
    assert_eq!(head["size"], 4);
}

/// A checkpoint that was kept elsewhere shows later that nothing before it was changed.
#[test]
fn a_kept_checkpoint_shows_that_the_log_only_grew() {
    let workshop = Workshop::with_model();
    workshop.write("kept", workshop.yes("log checkpoint").stdout);
    workshop.yes("recall builder https://example.org/other --reason other");
    let grown = workshop.allowed("log grown kept");
    assert_eq!((&grown["from"], &grown["to"]), (&4.into(), &5.into()));
    workshop.flip("kept", 25);
    assert_eq!(workshop.denied("log grown kept"), ["log_inconsistent"]);
    let stranger = Workshop::with_model();
    workshop.write("kept", stranger.yes("log checkpoint").stdout);
    assert_eq!(workshop.run("log grown kept").status, 1);
}
