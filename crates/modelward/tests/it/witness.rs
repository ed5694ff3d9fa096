//! `serve --role witness` and `log cosign`: a head is cosigned if it goes on from the last, and a watch can ask for that.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use serde_json::Value;

use crate::log_server::LogServer;
use crate::schema;
use crate::workshop::{Held, Workshop};

pub(crate) struct Witness {
    _child: Held,
    pub(crate) started: Value,
}

impl Witness {
    pub(crate) fn start(workshop: &Workshop, name: &str) -> Self {
        let line = format!(
            "serve --role witness --http 127.0.0.1:0 --witness {name} --witness-name witness.example/{name} --json"
        );
        let mut command = workshop.command(&line);
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = Held(command.spawn().unwrap());
        let mut line = String::new();
        let mut stdout = BufReader::new(child.0.stdout.take().unwrap());
        stdout.read_line(&mut line).unwrap();
        let started = schema::strict(line.as_bytes());
        schema::check("serve-witness", &started);
        Self {
            _child: child,
            started,
        }
    }

    pub(crate) fn key(&self) -> &str {
        self.started["witness"].as_str().unwrap()
    }

    pub(crate) fn cosign(&self) -> String {
        let address = self.started["address"].as_str().unwrap();
        format!("log cosign --url http://{address} --witness {}", self.key())
    }
}

fn grow(workshop: &Workshop, name: &str) {
    workshop.write(name, name);
    workshop.yes(&format!("sign {name}"));
}

#[test]
fn a_head_that_enough_witnesses_saw_is_believed_and_one_that_grew_is_asked_about_again() {
    let workshop = Workshop::with_data();
    let (first, second) = (
        Witness::start(&workshop, "a"),
        Witness::start(&workshop, "b"),
    );
    let server = LogServer::start(&workshop, "");
    let both = format!(
        "log watch --url {} --state seen --witness {} --witness {}",
        server.url(),
        first.key(),
        second.key()
    );
    let one = format!("{both} --witnesses-needed 1");
    assert_eq!(workshop.denied(&one), ["log_unwitnessed"]);
    let size = workshop.allowed("log verify")["size"].clone();
    assert_eq!(workshop.allowed(&first.cosign())["size"], size);
    workshop.allowed(&one);
    assert_eq!(workshop.denied(&both), ["log_unwitnessed"]);
    workshop.allowed(&second.cosign());
    workshop.allowed(&first.cosign());
    workshop.allowed(&both);
    assert_eq!(
        workshop.error(&format!("{both} --witnesses-needed 3")),
        "usage"
    );
    // The store is as it was for everything else.
    workshop.allowed("log verify");
    grow(&workshop, "more");
    assert_eq!(workshop.denied(&one), ["log_unwitnessed"]);
    workshop.allowed(&second.cosign());
    workshop.allowed(&one);
    // A cosignature that was changed makes the head worthless.
    let path = ".modelward/log/cosigned";
    let cosigned = String::from_utf8(workshop.read(path)).unwrap();
    let (head, blob) = cosigned.trim_end().rsplit_once(' ').unwrap();
    let twin = blob.replacen('A', "B", 1);
    assert_ne!(twin, blob);
    workshop.write(path, format!("{head} {twin}\n"));
    assert_eq!(workshop.denied(&one), ["log_unwitnessed"]);
}

#[test]
fn another_history_is_never_cosigned_also_not_by_a_witness_that_was_started_again() {
    let workshop = Workshop::with_data();
    let other = workshop.copy();
    let witness = Witness::start(&workshop, "a");
    grow(&workshop, "one");
    grow(&workshop, "two");
    workshop.allowed(&witness.cosign());
    let key = witness.key().to_owned();
    // Shorter, as long, and longer.
    assert_eq!(other.denied(&witness.cosign()), ["log_rolled_back"]);
    grow(&other, "another");
    grow(&other, "history");
    assert_eq!(other.error(&witness.cosign()), "network");
    drop(witness);
    let again = Witness::start(&workshop, "a");
    assert_eq!(again.key(), key);
    grow(&other, "goes-on");
    assert_eq!(other.error(&again.cosign()), "network");
    grow(&workshop, "three");
    workshop.allowed(&again.cosign());
    // A log that it does not know, and a key that is another's.
    let stranger = Workshop::with_data();
    assert_eq!(stranger.error(&again.cosign()), "network");
    let imposter = Witness::start(&workshop, "b");
    let line = again.cosign().replace(again.key(), imposter.key());
    assert_eq!(workshop.denied(&line), ["log_unwitnessed"]);
    assert_eq!(workshop.error("serve --role witness"), "usage");
    assert_eq!(workshop.error("serve --role log --witness a"), "usage");
}
