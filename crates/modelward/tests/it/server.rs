//! A server that was started as a person would, and questions to it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{ChildStdout, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::schema;
use crate::workshop::{Held, Outcome, PROD, Workshop, serve};

/// A running server. It is killed when it is let go.
pub(crate) struct Server {
    child: Held,
    stdout: BufReader<ChildStdout>,
    /// The line that it announced itself with.
    pub(crate) started: Value,
}

impl Server {
    /// Starts a server of the workshop's model, and waits until it says where it is.
    pub(crate) fn start(workshop: &Workshop) -> Self {
        Self::start_with(workshop, "")
    }

    pub(crate) fn start_with(workshop: &Workshop, flags: &str) -> Self {
        let mut command = workshop.command(&format!("{} {flags} --json", serve(PROD)));
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = Held(command.spawn().unwrap());
        let mut stdout = BufReader::new(child.0.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let started = schema::strict(line.as_bytes());
        schema::check("serve", &started);
        Self {
            child,
            stdout,
            started,
        }
    }

    /// The most memory that it ever had, by the kernel's count.
    pub(crate) fn peak_kib(&self) -> u64 {
        let status = format!("/proc/{}/status", self.child.0.id());
        let status = std::fs::read_to_string(status).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let peak = peak.and_then(|peak| peak.split_whitespace().next());
        peak.unwrap().parse().unwrap()
    }

    /// Sends bytes on a connection of their own, and gives the status of what is answered. Who is refused early may not get
    /// rid of all of it.
    pub(crate) fn status_of(&self, request: &[u8]) -> u16 {
        let mut stream = TcpStream::connect(self.started["address"].as_str().unwrap()).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        let _ = stream.write_all(request);
        let mut head = [0; 12];
        let _ = stream.read_exact(&mut head);
        let head = String::from_utf8_lossy(&head);
        head.split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok())
            .unwrap_or(0)
    }

    /// One request, one connection, one answer.
    pub(crate) fn ask(&self, method: &str, path: &str, body: &str) -> (u16, String, Value) {
        let mut stream = TcpStream::connect(self.started["address"].as_str().unwrap()).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let body = serde_json::from_str(body).unwrap_or(Value::Null);
        (status, head.to_lowercase(), body)
    }

    pub(crate) fn infer(&self, digit: usize) -> (u16, String, Value) {
        self.ask(
            "POST",
            "/v2/models/bands/infer",
            &crate::bands::request(digit),
        )
    }

    /// Ends it as a service manager does, and gives what it said after its start.
    pub(crate) fn stop(mut self) -> Outcome {
        let id = Pid::from_raw(self.child.0.id().cast_signed()).unwrap();
        kill_process(id, Signal::TERM).unwrap();
        let mut stdout = String::new();
        self.stdout.read_to_string(&mut stdout).unwrap();
        let mut stderr = String::new();
        let mut said = self.child.0.stderr.take().unwrap();
        said.read_to_string(&mut stderr).unwrap();
        let status = self.child.0.wait().unwrap().code().unwrap_or(-1);
        Outcome {
            status,
            stdout,
            stderr,
        }
    }
}

/// The value of a header in a head that was made small.
pub(crate) fn header(head: &str, name: &str) -> String {
    let line = head
        .lines()
        .find_map(|line| line.strip_prefix(&format!("{name}: ")));
    line.unwrap_or_else(|| panic!("no `{name}` in {head}"))
        .to_owned()
}
