//! A server of a log, started as a person would, and requests to it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Stdio;
use std::time::Duration;

use digest::Digest;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use trust::log::Entry;

use crate::schema;
use crate::workshop::{Held, Workshop};

pub(crate) const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// A running server. It is killed when it is let go.
pub(crate) struct LogServer {
    child: Held,
    pub(crate) started: Value,
}

impl LogServer {
    pub(crate) fn start(workshop: &Workshop, flags: &str) -> Self {
        let line = format!("serve --role log --http 127.0.0.1:0 {flags} --json");
        let mut command = workshop.command(&line);
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = Held(command.spawn().unwrap());
        let mut line = String::new();
        let mut stdout = BufReader::new(child.0.stdout.take().unwrap());
        stdout.read_line(&mut line).unwrap();
        let started = schema::strict(line.as_bytes());
        schema::check("serve-log", &started);
        Self { child, started }
    }

    /// One that takes lines into a log of its own.
    pub(crate) fn adding(workshop: &Workshop, folder: &str) -> Self {
        workshop.write("tokens", format!("{TOKEN}\n"));
        let path = workshop.file("tokens");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(path, mode).unwrap();
        let flags = format!("--log {folder} --log-name example.com/log --accept-entries tokens");
        Self::start(workshop, &flags)
    }

    pub(crate) fn address(&self) -> String {
        self.started["address"].as_str().unwrap().to_owned()
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    pub(crate) fn key(&self) -> &str {
        self.started["log"].as_str().unwrap()
    }

    pub(crate) fn get(&self, path: &str) -> Option<(u16, Vec<u8>)> {
        ask(&self.address(), &format!("GET {path} HTTP/1.1\r\n"), b"")
    }

    /// Where the line stands, if that was acknowledged.
    pub(crate) fn add(&self, line: &[u8]) -> Option<u64> {
        add(&self.address(), line)
    }

    pub(crate) fn kill(mut self) {
        self.child.0.kill().unwrap();
        self.child.0.wait().unwrap();
    }

    /// Ends it as a service manager does.
    pub(crate) fn stop(mut self) -> i32 {
        let id = Pid::from_raw(self.child.0.id().cast_signed()).unwrap();
        kill_process(id, Signal::TERM).unwrap();
        self.child.0.wait().unwrap().code().unwrap_or(-1)
    }
}

pub(crate) fn add(address: &str, line: &[u8]) -> Option<u64> {
    let head = format!("POST /add HTTP/1.1\r\nauthorization: Bearer {TOKEN}\r\n");
    let (status, body) = ask(address, &head, line)?;
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
    let answer: Value = serde_json::from_slice(&body).unwrap();
    answer["index"].as_u64()
}

/// None if the connection ends before the answer does.
fn ask(address: &str, head: &str, body: &[u8]) -> Option<(u16, Vec<u8>)> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .ok()?;
    let length = body.len();
    let head =
        format!("{head}host: localhost\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n");
    stream.write_all(&[head.as_bytes(), body].concat()).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = String::from_utf8(answer[..end].to_vec())
        .unwrap()
        .to_lowercase();
    let length = head.split("content-length: ").nth(1)?.lines().next()?;
    let body = answer[end + 4..].to_vec();
    (body.len() == length.parse::<usize>().unwrap()).then_some(())?;
    Some((head.split(' ').nth(1)?.parse().ok()?, body))
}

/// A line about something.
pub(crate) fn line(about: &str) -> Vec<u8> {
    let bundle = Digest::of(format!("the bundle about {about}").as_bytes());
    let subject = about
        .parse()
        .unwrap_or_else(|_| Digest::of(about.as_bytes()));
    Entry::new(bundle, "https://example.com/t", [subject])
        .unwrap()
        .to_bytes()
}
