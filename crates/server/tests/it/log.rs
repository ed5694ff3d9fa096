//! A log that is shown to strangers, and added to by those who have a token.

use std::net::{SocketAddr, TcpListener};
use std::thread::JoinHandle;
use std::time::Duration;

use digest::Digest;
use host::log::Log;
use server::log::{Adding, Error, Limits, Serving, Tokens, serve};
use tempfile::TempDir;
use tokio::sync::oneshot;
use trust::log::{Checkpoint, Entry, LogSigner, parse_bundle};

use crate::client::{Answer, Connection};

const TOKEN: &str = "0123456789abcdef0123456789abcdef";
const ALLOWED: (&str, &str) = ("authorization", "Bearer 0123456789abcdef0123456789abcdef");

struct Running {
    dir: TempDir,
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    served: Option<JoinHandle<Result<(), Error>>>,
}

fn signer() -> LogSigner {
    LogSigner::from_seed("example.com/log", &[3; 32]).unwrap()
}

fn line(number: u64) -> Vec<u8> {
    let subject = Digest::of(&number.to_le_bytes());
    Entry::new(Digest::of(b"bundle"), "https://example.com/t", [subject])
        .unwrap()
        .to_bytes()
}

impl Running {
    fn start(lines: u64, adds: bool, limits: Limits) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("tmp")).unwrap();
        let log = Log::at(dir.path(), &dir.path().join("tmp"));
        if lines > 0 {
            let lines: Vec<Vec<u8>> = (0..lines).map(line).collect();
            log.append(&lines, &signer()).unwrap();
        }
        let adding = adds.then(|| Adding {
            signer: signer(),
            tokens: Tokens::parse(TOKEN).unwrap(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let served = std::thread::spawn(move || {
            serve(listener, Serving { log, adding }, limits, async {
                let _ = stopped.await;
            })
        });
        let (stop, served) = (Some(stop), Some(served));
        Self {
            dir,
            address,
            stop,
            served,
        }
    }

    fn get(&self, path: &str) -> Answer {
        Connection::open(self.address).ask("GET", path, &[], b"")
    }

    fn add(&self, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        Connection::open(self.address).ask("POST", "/add", headers, body)
    }

    fn log(&self) -> Log {
        Log::at(self.dir.path(), &self.dir.path().join("tmp"))
    }

    fn stop(mut self) -> Log {
        drop(self.stop.take());
        self.served.take().unwrap().join().unwrap().unwrap();
        let kept = self.dir.keep();
        Log::at(&kept, &kept.join("tmp"))
    }
}

#[test]
fn the_head_and_its_tiles_are_shown_with_what_caches_need() {
    let running = Running::start(300, false, Limits::default());
    let head = running.get("/checkpoint");
    assert_eq!(
        (head.status, head.header("cache-control")),
        (200, Some("no-cache"))
    );
    assert_eq!(
        head.header("content-type"),
        Some("text/plain; charset=utf-8")
    );
    let note = String::from_utf8(head.body).unwrap();
    assert_eq!(
        Checkpoint::open(&note, signer().key()).unwrap().head().size,
        300
    );
    for (path, size_bytes) in [
        ("/tile/0/000", 256 * 32),
        ("/tile/0/000.p/3", 3 * 32),
        ("/tile/0/001.p/44", 44 * 32),
        ("/tile/1/000.p/1", 32),
    ] {
        let tile = running.get(path);
        assert_eq!((tile.status, tile.body.len()), (200, size_bytes), "{path}");
        assert_eq!(
            tile.header("content-type"),
            Some("application/octet-stream")
        );
        let caching = tile.header("cache-control").unwrap();
        assert!(caching.contains("immutable"), "{caching}");
    }
    let entries = running.get("/tile/entries/001.p/44").body;
    let expected: Vec<Vec<u8>> = (256..300).map(line).collect();
    assert_eq!(parse_bundle(&entries, 44).unwrap(), expected);
}

#[test]
fn what_is_no_tile_is_not_found_and_nothing_else_of_the_disk_is_shown() {
    let running = Running::start(3, false, Limits::default());
    std::fs::write(running.dir.path().join("tile/secret"), "secret").unwrap();
    for path in [
        "/",
        "/checkpoints",
        "/lock",
        "/tile/",
        "/tile/secret",
        "/tile/0/000",
        "/tile/0/000.p/4",
        "/tile/0/000.p/0",
        "/tile/0/0.p/3",
        "/tile/00/000.p/3",
        "/tile/8/000.p/3",
        "/tile/0/001.p/1",
        "/tile/entries/../../checkpoint",
        "/tile/..%2fcheckpoints",
        "/tile/%2e%2e/checkpoints",
        "/tile/0/x18446744073709551615/000",
    ] {
        let answer = running.get(path);
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (404, "not_found"),
            "{path}"
        );
    }
    let posted = Connection::open(running.address).ask("POST", "/checkpoint", &[], b"x");
    assert_eq!(posted.code(), "method_not_allowed");
    assert_eq!(running.add(&[ALLOWED], &line(7)).code(), "not_offered");
    let empty = Running::start(0, false, Limits::default());
    assert_eq!(empty.get("/checkpoint").code(), "not_found");
}

#[test]
fn who_has_a_token_adds_lines_and_nothing_else() {
    let running = Running::start(0, true, Limits::default());
    for (number, body) in [line(0), line(1)].iter().enumerate() {
        let answer = running.add(&[ALLOWED], body);
        assert_eq!(
            (answer.status, &answer.json()["index"]),
            (200, &number.into())
        );
        let note = answer.json()["checkpoint"].as_str().unwrap().to_owned();
        let head = Checkpoint::open(&note, signer().key()).unwrap().head();
        assert_eq!(head.size, number as u64 + 1);
        assert_eq!(running.get("/checkpoint").body, note.as_bytes());
    }
    let spaced = [line(2), b"\n".to_vec()].concat();
    for (headers, body, code) in [
        (&[][..], line(2), "unauthorized"),
        (
            &[("authorization", "Bearer x")][..],
            line(2),
            "unauthorized",
        ),
        (&[ALLOWED], b"{}".to_vec(), "request_invalid"),
        (&[ALLOWED], spaced, "request_invalid"),
        (&[ALLOWED], Vec::new(), "request_invalid"),
        (&[ALLOWED], vec![b' '; 65_536], "too_large"),
        (
            &[ALLOWED, ("content-encoding", "gzip")],
            line(2),
            "media_type",
        ),
    ] {
        assert_eq!(running.add(headers, &body).code(), code);
    }
    let log = running.stop();
    let size = log
        .verify(signer().key(), &|_| ())
        .unwrap()
        .unwrap()
        .head()
        .size;
    assert_eq!(size, 2);
}

/// Many at once share heads, each is told its own place, and all told places are in the log when the server has stopped.
#[test]
fn many_add_at_once_and_every_acknowledged_line_is_there() {
    let running = Running::start(0, true, Limits::default());
    let placed: Vec<(u64, Vec<u8>)> = std::thread::scope(|scope| {
        let add = |client: u64| {
            let address = running.address;
            scope.spawn(move || {
                let mut connection = Connection::open(address);
                let mut add = |number| {
                    let line = line(client * 1000 + number);
                    let answer = connection.ask("POST", "/add", &[ALLOWED], &line);
                    assert_eq!(answer.status, 200);
                    (answer.json()["index"].as_u64().unwrap(), line)
                };
                (0..20).map(&mut add).collect::<Vec<_>>()
            })
        };
        let clients: Vec<_> = (0..16).map(add).collect();
        clients
            .into_iter()
            .flat_map(|client| client.join().unwrap())
            .collect()
    });
    let log = running.stop();
    let mut there = std::collections::BTreeMap::new();
    let mut visit = |index, entry: &[u8]| {
        there.insert(index, entry.to_vec());
        Ok::<_, host::log::LogError>(())
    };
    log.entries(signer().key(), 0, &mut visit).unwrap();
    assert_eq!(there.len(), 320);
    assert!(placed.iter().all(|(index, line)| there[index] == *line));
}

#[test]
fn a_log_that_is_damaged_is_told_as_such_and_an_idle_client_goes() {
    let limits = Limits {
        head_timeout: Duration::from_millis(300),
        ..Limits::default()
    };
    let running = Running::start(3, true, limits);
    let mut idle = Connection::open(running.address);
    idle.send(b"GET /che");
    assert!(idle.receive().is_none_or(|answer| answer.status == 408));
    let tile = running.dir.path().join("tile/0/000.p/3");
    std::fs::write(&tile, [0; 95]).unwrap();
    assert_eq!(running.get("/tile/0/000.p/3").code(), "log_inconsistent");
    let refused = running.add(&[ALLOWED], &line(3));
    assert_eq!(refused.code(), "log_inconsistent");
    assert_eq!(
        running.log().note().unwrap().unwrap().lines().nth(1),
        Some("3")
    );
}
