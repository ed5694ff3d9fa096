//! How long a log takes for ten thousand lines, each durable and under a signed head before it is acknowledged.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::time::Instant;

use digest::Digest;
use host::log::{NotTaken, Placed, Sequencer, open_or_create};
use trust::log::Entry;

use crate::table::{Bar, Row, Table, Unit};
use crate::{Bench, Result};

const LINES: usize = 10_000;
/// Ten thousand a second are asked for.
const BAR: Bar = Bar::Absolute(1000.0);
const ROUNDS: usize = 5;
const TOKEN: &str = "0123456789abcdef0123456789abcdef";
const THREADS: usize = 4;
const CONNECTIONS: usize = 128;

pub(crate) fn measure(bench: &Bench, table: &mut Table) -> Result<()> {
    let here = median(|| in_process(&bench.folder.path().join("log-here")))?;
    let there = {
        let server = Server::start(bench)?;
        median(|| by_http(&server.address))?
    };
    for (what, ours) in [
        ("10,000 lines added to a log, durable, wall", here),
        ("10,000 lines added by HTTP, 512 clients, wall", there),
    ] {
        table.add(&Row {
            what,
            unit: Unit::Milliseconds,
            ours,
            peer: None,
            bar: BAR,
        });
    }
    Ok(())
}

fn median(mut measure: impl FnMut() -> Result<()>) -> Result<f64> {
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let started = Instant::now();
        measure()?;
        times.push(started.elapsed().as_secs_f64() * 1000.0);
    }
    times.sort_by(f64::total_cmp);
    times
        .get(ROUNDS / 2)
        .copied()
        .ok_or_else(|| "nothing was measured".into())
}

fn line(number: usize) -> Result<Vec<u8>> {
    let subject = Digest::of(&number.to_le_bytes());
    let entry = Entry::new(
        Digest::of(b"bundle"),
        "https://slsa.dev/provenance/v1",
        [subject],
    );
    Ok(entry?.to_bytes())
}

/// The writer that the server has, without the server.
fn in_process(folder: &Path) -> Result<()> {
    let (log, signer) = open_or_create(folder, "bench.example/log")?;
    let sequencer = Sequencer::start(log, signer)?;
    let (tell, told) = channel();
    for number in 0..LINES {
        let line = line(number)?;
        loop {
            let tell = tell.clone();
            // Who hears no more has failed already.
            let answer = move |placed: std::result::Result<Placed, _>| {
                let _ = tell.send(placed.is_ok());
            };
            match sequencer.submit(line.clone(), Box::new(answer)) {
                Ok(()) => break,
                Err(NotTaken::Full) => std::thread::yield_now(),
                Err(cause) => return Err(cause.into()),
            }
        }
    }
    drop(tell);
    drop(sequencer);
    let placed = told.iter().filter(|is_placed| *is_placed).count();
    if placed == LINES {
        Ok(())
    } else {
        Err(format!("{placed} of {LINES} were acknowledged").into())
    }
}

struct Server {
    child: Child,
    address: String,
}

impl Server {
    fn start(bench: &Bench) -> Result<Self> {
        let tokens = bench.folder.path().join("tokens");
        std::fs::write(&tokens, TOKEN)?;
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(&tokens, mode)?;
        let mut child = Command::new(&bench.modelward)
            .args([
                "serve",
                "--role",
                "log",
                "--http",
                "127.0.0.1:0",
                "--json",
                "--log",
            ])
            .arg(bench.folder.path().join("log-there"))
            .arg("--accept-entries")
            .arg(tokens)
            .stdout(Stdio::piped())
            .spawn()?;
        let mut said = String::new();
        let stdout = child.stdout.take().ok_or("the server says nothing")?;
        BufReader::new(stdout).read_line(&mut said)?;
        let said: serde_json::Value = serde_json::from_str(&said)?;
        let address = said["address"]
            .as_str()
            .ok_or("the server has no address")?
            .to_owned();
        Ok(Self { child, address })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It ends with the benches, whatever becomes of it here.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Each client sends a line when the one before was acknowledged. A thread has many.
fn by_http(address: &str) -> Result<()> {
    let share = LINES / THREADS;
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..THREADS)
            .map(|thread| {
                scope.spawn(move || add(address, thread * share, share).map_err(|e| e.to_string()))
            })
            .collect();
        for client in clients {
            client.join().map_err(|_| "a client panicked")??;
        }
        Ok(())
    })
}

fn add(address: &str, first: usize, count: usize) -> Result<()> {
    let mut streams = Vec::new();
    for _ in 0..CONNECTIONS {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        streams.push(BufReader::new(stream));
    }
    // All ask, and who has its answer asks again.
    let mut numbers = first..first + count;
    let mut waiting = 0;
    for (stream, number) in streams.iter_mut().zip(&mut numbers) {
        ask(stream, number)?;
        waiting += 1;
    }
    for at in (0..waiting).cycle() {
        if waiting == 0 {
            break;
        }
        let stream = streams.get_mut(at).ok_or("a client is gone")?;
        acknowledged(stream)?;
        match numbers.next() {
            Some(number) => ask(stream, number)?,
            None => waiting -= 1,
        }
    }
    Ok(())
}

fn ask(stream: &mut BufReader<TcpStream>, number: usize) -> Result<()> {
    let line = line(number)?;
    let head = format!(
        "POST /add HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\ncontent-length: {}\r\n\r\n",
        line.len()
    );
    Ok(stream
        .get_mut()
        .write_all(&[head.as_bytes(), &line].concat())?)
}

fn acknowledged(stream: &mut BufReader<TcpStream>) -> Result<()> {
    let (mut line, mut length) = (String::new(), 0);
    stream.read_line(&mut line)?;
    if !line.starts_with("HTTP/1.1 200") {
        return Err(format!("answered {line}").into());
    }
    while line != "\r\n" {
        line.clear();
        stream.read_line(&mut line)?;
        if let Some(value) = line.strip_prefix("content-length: ") {
            length = value.trim().parse()?;
        }
    }
    stream.read_exact(&mut vec![0; length])?;
    Ok(())
}
