//! The README's commands do what it says, as they stand there.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use crate::bands::house;
use crate::workshop::{Outcome, program};

/// The server of the README runs in a terminal of its own: here it is started beside the rest, and ended with it.
const BESIDE: &str = " &
server=$!
trap 'kill $server; wait $server' EXIT
for try in $(seq 300); do curl -so /dev/null http://ADDRESS/v2/health/live && break; sleep 0.1; done";

#[test]
fn the_readmes_commands_run_as_they_stand() {
    for tool in ["bash", "curl", "awk"] {
        if !Path::new("/usr/bin").join(tool).exists() {
            println!("skipped: there is no {tool} here");
            return;
        }
    }
    let home = tempfile::tempdir().unwrap();
    let outcome = Outcome::of(
        shell()
            .args(["-euo", "pipefail", "-c", &script()])
            .env("HOME", home.path())
            .current_dir(house()),
    );
    assert_eq!(outcome.status, 0, "{outcome:#?}");
    for said in [
        "the step claims: accuracy 1",
        "verified: 2 files",
        "as `registry.example/me/fruit` for prod",
        "admitted sha256:",
        "\"scores\"",
        "data set `fruit`",
        "recalled",
    ] {
        assert!(outcome.stdout.contains(said), "{said}: {outcome:#?}");
    }
    // And what they left is what the README says of it.
    let mut again = program();
    again.current_dir(home.path().join("fruit"));
    let outcome = Outcome::of(again.args(["admit", "out/fruit"]));
    assert_eq!(outcome.status, 1, "{outcome:?}");
    assert!(outcome.stderr.contains("[recalled]"), "{outcome:?}");
}

/// All that "Use it" tells to type, in its order.
fn script() -> String {
    let readme = std::fs::read_to_string(house().join("README.md")).unwrap();
    let (_, use_it) = readme.split_once("## Use it\n").unwrap();
    let (use_it, _) = use_it.split_once("\n## ").unwrap();
    let blocks = use_it.split("```sh\n").skip(1);
    let blocks: Vec<&str> = blocks
        .map(|block| block.split_once("```").unwrap().0)
        .collect();
    assert_eq!(blocks.len(), 3, "{blocks:#?}");
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap().to_string();
    let serve = "--http 127.0.0.1:8081\n";
    let typed = blocks.concat();
    assert!(typed.contains(serve));
    typed
        .replace(serve, &format!("{}{BESIDE}\n", serve.trim_end()))
        .replace("127.0.0.1:8081", &address)
        .replace("ADDRESS", &address)
}

/// A shell that finds this program first, with an environment that says nothing.
fn shell() -> Command {
    let program = program();
    let mut shell = Command::new("bash");
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    let folder = Path::new(env!("CARGO_BIN_EXE_modelward")).parent().unwrap();
    let path = std::env::var("PATH").unwrap_or_default();
    shell.env("PATH", format!("{}:{path}", folder.display()));
    shell
}
