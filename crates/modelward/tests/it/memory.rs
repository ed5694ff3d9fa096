//! How much memory a model of many files takes, and a server of a small one.

use std::collections::BTreeMap;
use std::fs;
use std::process::{Child, Stdio};
use std::thread;
use std::time::Duration;

use crate::server::Server;
use crate::workshop::Workshop;

const FILES: usize = 30_000;
/// Besides the program itself, of which this build has more in memory. A release build with as many files as a model can
/// have: see `make bench`.
const HELD_KIB_MAX: u64 = 10 << 10;
/// The model here is small: a release build stays below 64 MiB. The program itself takes some 14 MiB more in this build.
const SERVING_PEAK_KIB_MAX: u64 = 76 << 10;

#[test]
fn many_small_files_take_little_memory_to_sign_verify_and_scan() {
    let workshop = Workshop::bare();
    for number in 0..FILES {
        let name = format!("model/layer-{:03}/weights-{number:06}.json", number % 100);
        workshop.write(&name, format!("{{\"n\":{number}}}"));
    }
    workshop.yes("store init");
    let key = workshop.allowed("key new laptop");
    workshop.write("key.pub", key["publicKey"].as_str().unwrap());
    for line in [
        "sign model --private-key .modelward/keys/laptop.key.pem",
        "verify model --public-key key.pub",
        "scan model --no-record",
        "scan model --no-record --json",
        "verify model --public-key key.pub",
    ] {
        let mut command = workshop.command(line);
        command.stdout(Stdio::null());
        let held_kib = held_kib(line, &mut command.spawn().unwrap());
        println!("{line}: {held_kib} KiB");
        assert!(held_kib < HELD_KIB_MAX, "{line}: {held_kib} KiB");
        assert!(held_kib > 1 << 10, "{line}: nothing was measured");
    }
}

/// What a server takes besides its model, whatever it is asked, and by however many at once.
#[test]
fn many_large_requests_take_little_memory_to_serve() {
    let workshop = Workshop::admitted();
    let server = Server::start(&workshop);
    let loads: [(usize, Vec<u8>); 6] = [
        // More values than are allowed, found out when all of it is here.
        (60, in_json(1024)),
        (60, in_json(300)),
        (16, in_bytes(1024)),
        (8, post("application/json", "", &vec![b' '; 15 << 20])),
        (
            24,
            post(
                "application/json",
                "",
                &[&b"{\"id\":\""[..], &b"\\n".repeat(7 << 20)].concat(),
            ),
        ),
        (500, cut(in_json(100))),
    ];
    for (clients, request) in &loads {
        let statuses = at_once(&server, *clients, request);
        let peak_kib = server.peak_kib();
        println!(
            "{clients} of {} bytes: {statuses:?}, {peak_kib} KiB",
            request.len()
        );
        assert!(peak_kib < SERVING_PEAK_KIB_MAX, "{clients}: {peak_kib} KiB");
    }
    assert_eq!(at_once(&server, 1, &in_json(300)), [(200, 1)].into());
    assert_eq!(server.stop().status, 0);
}

/// Asks all at once; how many got which status.
fn at_once(server: &Server, clients: usize, request: &[u8]) -> BTreeMap<u16, usize> {
    let mut statuses = BTreeMap::new();
    thread::scope(|scope| {
        let ask = || server.status_of(request);
        let asking: Vec<_> = (0..clients).map(|_| scope.spawn(ask)).collect();
        for asked in asking {
            *statuses.entry(asked.join().unwrap()).or_default() += 1;
        }
    });
    statuses
}

fn in_json(rows: usize) -> Vec<u8> {
    let data = vec!["0.5"; rows * 784].join(", ");
    let tensor = format!(r#""name":"image","shape":[{rows},1,28,28],"datatype":"FP32""#);
    let body = format!(r#"{{"inputs":[{{{tensor},"data":[{data}]}}]}}"#);
    post("application/json", "", body.as_bytes())
}

fn in_bytes(rows: usize) -> Vec<u8> {
    let data = 0.5_f32.to_le_bytes().repeat(rows * 784);
    let tensor = format!(r#""name":"image","shape":[{rows},1,28,28],"datatype":"FP32""#);
    let size = data.len();
    let head = format!(r#"{{"inputs":[{{{tensor},"parameters":{{"binary_data_size":{size}}}}}]}}"#);
    let length = format!("inference-header-content-length: {}\r\n", head.len());
    let body = [head.as_bytes(), &data].concat();
    post("application/octet-stream", &length, &body)
}

fn post(media_type: &str, header: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST /v2/models/bands/infer HTTP/1.1\r\nhost: localhost\r\ncontent-type: {media_type}\r\n{header}content-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// Without its last bytes, for which the server waits.
fn cut(mut request: Vec<u8>) -> Vec<u8> {
    request.truncate(request.len() - 10);
    request
}

/// The most that was held, but for pages of files such as the program. The kernel keeps the peak, and forgets it with the
/// process: what was read last is what counts.
fn held_kib(line: &str, child: &mut Child) -> u64 {
    let status = format!("/proc/{}/status", child.id());
    let mut held = 0;
    loop {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let kib = |what| {
            let told = text.lines().find_map(|told| told.strip_prefix(what))?;
            told.split_whitespace().next()?.parse::<u64>().ok()
        };
        if let (Some(peak), Some(files)) = (kib("VmHWM:"), kib("RssFile:")) {
            held = peak.saturating_sub(files);
        }
        if let Some(end) = child.try_wait().unwrap() {
            assert!(end.success(), "{line}: {end}");
            return held;
        }
        thread::sleep(Duration::from_millis(2));
    }
}
