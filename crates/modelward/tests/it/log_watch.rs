//! `log watch`: a log that is followed honestly, and logs that are not honest.

use std::io::{Read, Write};
use std::net::TcpListener;

use crate::log_server::{LogServer, line};
use crate::workshop::Workshop;

/// A store whose trust root knows the log that these servers show.
fn knowing(workshop: &Workshop, key: &str) {
    let mut root = String::from_utf8(workshop.read(".modelward/trust.toml")).unwrap();
    root += &format!("\n[[log]]\nverifier_key = \"{key}\"\n");
    workshop.write(".modelward/trust.toml", root);
}

fn copy(workshop: &Workshop, from: &str, to: &str) {
    let copied = std::process::Command::new("cp")
        .arg("-a")
        .args([workshop.file(from), workshop.file(to)])
        .status();
    assert!(copied.unwrap().success());
}

#[test]
fn a_log_that_only_grew_is_read_on_from_where_it_was() {
    let workshop = Workshop::with_data();
    let server = LogServer::adding(&workshop, "own");
    knowing(&workshop, server.key());
    for number in 0..300 {
        server.add(&line(&format!("{number}"))).unwrap();
    }
    let watch = format!("log watch --url {} --state seen", server.url());
    let first = workshop.allowed(&watch);
    assert_eq!(
        [&first["from"], &first["to"], &first["size"]],
        [0, 300, 300]
    );
    assert_eq!(workshop.allowed(&watch)["from"], 300);
    server.add(&line("one more")).unwrap();
    let more = workshop.allowed(&watch);
    assert_eq!([&more["from"], &more["to"]], [300, 301]);
    // The store's own log is followed as well.
    let own = workshop.allowed("log watch --state own-seen");
    assert_eq!(own["size"], workshop.allowed("log verify")["size"]);
    // One file is for one log.
    assert_eq!(workshop.error("log watch --state seen"), "settings_invalid");
}

#[test]
fn what_others_say_of_mine_is_told_until_it_is_mine() {
    let workshop = Workshop::with_data();
    let server = LogServer::adding(&workshop, "own");
    knowing(&workshop, server.key());
    let mine = workshop.allowed("dataset list")["datasets"][0]["digest"].clone();
    server.add(&line("theirs")).unwrap();
    let watch = format!("log watch --url {} --state seen", server.url());
    workshop.allowed(&watch);
    server.add(&line(mine.as_str().unwrap())).unwrap();
    server.add(&line("theirs, too")).unwrap();
    assert_eq!(workshop.denied(&watch), ["log_unexpected"]);
    assert_eq!(
        workshop.denied(&watch),
        ["log_unexpected"],
        "it is told again"
    );
    // Whoever names what else is theirs hears of that too.
    let theirs = digest::Digest::of(b"theirs");
    let named = format!(
        "log watch --url {} --state named --subject {theirs}",
        server.url()
    );
    assert_eq!(
        workshop.denied(&named),
        ["log_unexpected", "log_unexpected"]
    );
    // A line of a statement that the store has is no surprise.
    let entries = workshop.allowed("log show")["entries"].clone();
    let said = entries[0]["subjects"][0].as_str().unwrap();
    workshop.allowed(&format!("log watch --state own-seen --subject {said}"));
}

#[test]
fn two_histories_and_lost_lines_are_denied() {
    let workshop = Workshop::with_data();
    let server = LogServer::adding(&workshop, "own");
    knowing(&workshop, server.key());
    for number in 0..5 {
        server.add(&line(&format!("{number}"))).unwrap();
    }
    assert_eq!(server.stop(), 0);
    copy(&workshop, "own", "five");
    copy(&workshop, "own", "other");
    let grown = LogServer::adding(&workshop, "own");
    let other = LogServer::adding(&workshop, "other");
    let five = LogServer::adding(&workshop, "five");
    for about in ["a", "b"] {
        grown.add(&line(about)).unwrap();
        other.add(&line(&format!("not {about}"))).unwrap();
    }
    let watch = |server: &LogServer, state: &str| {
        format!("log watch --url {} --state {state}", server.url())
    };
    workshop.allowed(&watch(&grown, "seen"));
    let seen = workshop.read("seen");
    // As long, and longer, and shorter.
    assert_eq!(workshop.denied(&watch(&other, "seen")), ["log_split"]);
    other.add(&line("c")).unwrap();
    assert_eq!(workshop.denied(&watch(&other, "seen")), ["log_split"]);
    assert_eq!(workshop.denied(&watch(&five, "seen")), ["log_rolled_back"]);
    assert_eq!(
        workshop.read("seen"),
        seen,
        "what was seen is not forgotten over it"
    );
    // Who only ever saw five lines can't tell, and follows either.
    for server in [&grown, &other] {
        let state = format!("of-{}", server.address().replace(':', "-"));
        workshop.allowed(&watch(&five, &state));
        workshop.allowed(&watch(server, &state));
    }
    // What was remembered is not believed when it was changed.
    let text = String::from_utf8(seen).unwrap();
    workshop.write("seen", text.replacen("\n7\n", "\n6\n", 1));
    assert_eq!(workshop.error(&watch(&grown, "seen")), "settings_invalid");
    // A log that nobody trusts, and witnesses who saw nothing.
    let stranger = LogServer::adding(&workshop, "stranger");
    stranger.add(&line("x")).unwrap();
    assert_eq!(
        workshop.denied(&watch(&stranger, "fresh")),
        ["log_key_unknown"]
    );
    let witness = "witness.example/w+b2fd8a0c+BIqI49Opwlp9LG1U8/PjFb9rm3DvYDkPrEJqXwj9BDbJ";
    let line = format!("{} --witness {witness}", watch(&grown, "fresh"));
    assert_eq!(workshop.error(&line), "usage", "its id is wrong");
}

/// Answers every request with these bytes, for ever repeating the tail.
fn hostile(head: &'static str, tail: Vec<u8>, times: usize) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 4096];
            let _ = stream.read(&mut request);
            let _ = stream.write_all(head.as_bytes());
            for _ in 0..times {
                if stream.write_all(&tail).is_err() {
                    break;
                }
            }
        }
    });
    format!("http://{address}")
}

#[test]
fn servers_that_are_no_logs_are_answered_in_bounded_work() {
    let workshop = Workshop::with_data();
    let note = workshop.allowed("log checkpoint")["checkpoint"].clone();
    let note = format!("{}\n", note.as_str().unwrap().trim_end());
    let endless = "HTTP/1.1 200 OK\r\n\r\n";
    let moved = "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/checkpoint\r\ncontent-length: 0\r\n\r\n";
    let cut = "HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n";
    for (url, code) in [
        (hostile(endless, vec![b'x'; 1 << 16], 1 << 20), "too_large"),
        (hostile(moved, vec![], 0), "network"),
        (hostile(cut, b"example.com/log\n".to_vec(), 1), "network"),
        (hostile(endless, vec![0xff], 1), "log_inconsistent"),
        ("http://127.0.0.1:1".to_owned(), "network"),
        ("http://log.example/".to_owned(), "network"),
    ] {
        let answer = workshop.json(&format!("log watch --url {url} --state seen"));
        assert_eq!(answer["code"], code, "{answer:#}");
    }
    // The head for every tile: signed, and no tile.
    let url = hostile(endless, note.into_bytes(), 1);
    let answer = workshop.json(&format!("log watch --url {url} --state seen"));
    assert!(
        ["log_inconsistent", "too_large"].contains(&answer["code"].as_str().unwrap()),
        "{answer:#}"
    );
    assert!(!workshop.file("seen").exists());
}
