//! A registry on this machine that takes what is pushed, as the distribution specification has it, and lies where a test has it.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use digest::Digest;
use serde_json::{Value, json};

use super::registry::index;

/// How it behaves.
#[derive(Clone, Default)]
pub(super) struct Manners {
    /// It keeps the list of referrers itself.
    pub(super) lists: bool,
    /// It gives these bytes under every tag that was pushed.
    pub(super) swaps: Option<Vec<u8>>,
    /// It takes only the half of the first parts of uploads, and hangs up.
    pub(super) loses_parts: bool,
    /// It gives only so many bytes of a blob at once, and hangs up.
    pub(super) breaks_off: Option<usize>,
    /// It sends whatever it is asked for whole.
    pub(super) has_no_ranges: bool,
    /// It takes its time to write a list.
    pub(super) slow_lists: Duration,
    /// `Authorization`, and what it asks whoever has another.
    pub(super) door: Option<(String, String)>,
    /// It turns one bit of every blob over.
    pub(super) flips: bool,
}

#[derive(Default)]
struct State {
    manners: Manners,
    blobs: BTreeMap<Digest, Vec<u8>>,
    /// By repository and tag or digest.
    manifests: BTreeMap<(String, String), Vec<u8>>,
    uploads: BTreeMap<String, Vec<u8>>,
    /// How many uploads there ever were.
    begun: usize,
    asked: Vec<Asked>,
    lost: usize,
}

/// A request: its method, its path, and its `Authorization`.
pub(super) type Asked = (String, String, Option<String>);

pub(super) struct Hub {
    pub(super) address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl Hub {
    pub(super) fn start(manners: Manners) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State {
            manners,
            ..State::default()
        }));
        let shared = Arc::clone(&state);
        // It ends with the test's process.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                thread::spawn(move || {
                    let _ = serve(stream, &shared);
                });
            }
        });
        Self { address, state }
    }

    pub(super) fn name(&self, version: &str) -> String {
        format!("oci://{}/m{version}", self.address)
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut Manners)) {
        change(&mut self.state.lock().unwrap().manners);
    }

    pub(super) fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.state.lock().unwrap().asked)
    }

    pub(super) fn manifest(&self, name: &str) -> Option<Value> {
        let state = self.state.lock().unwrap();
        let bytes = state.manifests.get(&("m".to_owned(), name.to_owned()))?;
        Some(serde_json::from_slice(bytes).unwrap())
    }

    /// Puts a manifest in as somebody else would.
    pub(super) fn put(&self, name: &str, bytes: &[u8]) {
        let mut state = self.state.lock().unwrap();
        let digest = Digest::of(bytes).to_string();
        for name in [name, &digest] {
            let key = ("m".to_owned(), name.to_owned());
            state.manifests.insert(key, bytes.to_vec());
        }
    }

    pub(super) fn put_blob(&self, bytes: &[u8]) {
        let mut state = self.state.lock().unwrap();
        state.blobs.insert(Digest::of(bytes), bytes.to_vec());
    }

    pub(super) fn has_blob(&self, bytes: &[u8]) -> bool {
        let state = self.state.lock().unwrap();
        state.blobs.contains_key(&Digest::of(bytes))
    }
}

struct Request {
    method: String,
    path: String,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    /// So much of the body is sent.
    sent: usize,
}

impl Reply {
    fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        Self {
            status,
            headers: Vec::new(),
            sent: body.len(),
            body,
        }
    }

    fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }
}

fn serve(mut stream: TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    while let Some(request) = read(&mut reader)? {
        let Some(reply) = answer(&request, state) else {
            return Ok(());
        };
        write!(stream, "HTTP/1.1 {} X\r\n", reply.status)?;
        for (name, value) in &reply.headers {
            write!(stream, "{name}: {value}\r\n")?;
        }
        if reply.status != 204 {
            write!(stream, "content-length: {}\r\n", reply.body.len())?;
        }
        write!(stream, "\r\n")?;
        if request.method != "HEAD" {
            stream.write_all(&reply.body[..reply.sent])?;
        }
        if reply.sent < reply.body.len() {
            return Ok(());
        }
    }
    Ok(())
}

fn read(reader: &mut BufReader<TcpStream>) -> std::io::Result<Option<Request>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split(' ').map(ToOwned::to_owned);
    let (method, path) = (
        words.next().unwrap_or_default(),
        words.next().unwrap_or_default(),
    );
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        if reader.by_ref().take(1 << 16).read_line(&mut line)? <= 2 {
            break;
        }
        if let Some((name, value)) = line.split_once(':') {
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
    }
    let length = headers.get("content-length");
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    reader.read_exact(&mut body)?;
    Ok(Some(Request {
        method,
        path,
        headers,
        body,
    }))
}

/// None hangs up.
fn answer(request: &Request, state: &Mutex<State>) -> Option<Reply> {
    let mut guard = state.lock().unwrap();
    let known = request.headers.get("authorization").cloned();
    let asked = (request.method.clone(), request.path.clone(), known.clone());
    guard.asked.push(asked);
    if let Some((wanted, challenge)) = &guard.manners.door
        && known.as_ref() != Some(wanted)
    {
        return Some(Reply::new(401, "{}").with("www-authenticate", challenge.as_str()));
    }
    let path = request.path.strip_prefix("/v2/")?.to_owned();
    let (path, query) = path.split_once('?').unwrap_or((&path, ""));
    if let Some((repository, name)) = path.split_once("/manifests/") {
        let slow = guard.manners.slow_lists;
        if request.method == "PUT" && name.starts_with("sha256-") && !slow.is_zero() {
            drop(guard);
            thread::sleep(slow);
            guard = state.lock().unwrap();
        }
        return Some(manifest(request, repository, name, &mut guard));
    }
    if path.contains("/blobs/uploads/") {
        return upload(request, path, query, &mut guard);
    }
    if let Some((_, digest)) = path.split_once("/blobs/") {
        return Some(blob(request, digest, &guard));
    }
    let (repository, digest) = path.split_once("/referrers/")?;
    match guard.manners.lists {
        true => Some(Reply::new(200, referrers(repository, digest, &guard))),
        false => Some(Reply::new(404, "404 page not found")),
    }
}

fn manifest(request: &Request, repository: &str, name: &str, state: &mut State) -> Reply {
    let key = |name: &str| (repository.to_owned(), name.to_owned());
    if request.method == "PUT" {
        let digest = Digest::of(&request.body).to_string();
        let value: Value = serde_json::from_slice(&request.body).unwrap();
        for name in [name, &digest] {
            state.manifests.insert(key(name), request.body.clone());
        }
        let reply = Reply::new(201, "").with("docker-content-digest", digest);
        let subject = value["subject"]["digest"].as_str();
        return match subject.filter(|_| state.manners.lists) {
            Some(subject) => reply.with("oci-subject", subject),
            None => reply,
        };
    }
    let is_tag = !name.starts_with("sha256");
    match (state.manifests.get(&key(name)), &state.manners.swaps) {
        (Some(_), Some(swapped)) if is_tag => Reply::new(200, swapped.clone()),
        (Some(bytes), _) => Reply::new(200, bytes.clone()),
        (None, _) => Reply::new(404, "{}"),
    }
}

fn upload(request: &Request, path: &str, query: &str, state: &mut State) -> Option<Reply> {
    let location = |at: &str| format!("/v2/{at}?_state=x");
    let range = |bytes: &[u8]| format!("0-{}", bytes.len().saturating_sub(1));
    match request.method.as_str() {
        "POST" => {
            state.begun += 1;
            let name = format!("{path}{}", state.begun);
            state.uploads.insert(name.clone(), Vec::new());
            Some(Reply::new(202, "").with("location", location(&name)))
        }
        "PATCH" => {
            let mut body = request.body.as_slice();
            let is_lost = state.manners.loses_parts && state.lost < 3 && body.len() > 1024;
            let bytes = state.uploads.get_mut(path)?;
            let begins = request.headers["content-range"].split('-').next().unwrap();
            if begins.parse() != Ok(bytes.len()) {
                return Some(Reply::new(416, "{}"));
            }
            if is_lost {
                body = &body[..body.len() / 2];
            }
            bytes.extend_from_slice(body);
            let range = range(bytes);
            if is_lost {
                state.lost += 1;
                return None;
            }
            let reply = Reply::new(202, "").with("location", location(path));
            Some(reply.with("range", range))
        }
        "GET" => {
            let range = range(state.uploads.get(path)?);
            let reply = Reply::new(204, "").with("location", location(path));
            Some(reply.with("range", range))
        }
        _ => {
            let bytes = state.uploads.remove(path)?;
            let named = query.rsplit_once("digest=")?.1.replace("%3A", ":");
            let digest = Digest::of(&bytes);
            if digest.to_string() != named {
                return Some(Reply::new(400, "{}"));
            }
            state.blobs.insert(digest, bytes);
            Some(Reply::new(201, "").with("docker-content-digest", digest.to_string()))
        }
    }
}

fn blob(request: &Request, digest: &str, state: &State) -> Reply {
    let digest = digest.parse().ok();
    let Some(bytes) = digest.and_then(|digest| state.blobs.get(&digest)) else {
        return Reply::new(404, "{}");
    };
    let mut bytes = bytes.clone();
    if state.manners.flips && !bytes.is_empty() {
        bytes[0] ^= 1;
    }
    let range = request.headers.get("range");
    let range = range.filter(|_| !state.manners.has_no_ranges);
    let begin = |range: &String| {
        let begin = range.trim_start_matches("bytes=").trim_end_matches('-');
        begin.parse::<usize>().unwrap()
    };
    let mut reply = match range.map(begin) {
        None => Reply::new(200, bytes),
        Some(begin) => {
            let whole = bytes.len();
            let range = format!("bytes {begin}-{}/{whole}", whole - 1);
            Reply::new(206, bytes[begin..].to_vec()).with("content-range", range)
        }
    };
    if let Some(most) = state.manners.breaks_off {
        reply.sent = reply.sent.min(most);
    }
    reply
}

fn referrers(repository: &str, digest: &str, state: &State) -> String {
    let refers = |bytes: &[u8]| {
        let value: Value = serde_json::from_slice(bytes).unwrap();
        value["subject"]["digest"] == json!(digest)
    };
    let manifests = state.manifests.iter();
    let referring = manifests.filter(|((at, name), bytes)| {
        at == repository && name.starts_with("sha256:") && refers(bytes)
    });
    let listed = referring.map(|(_, bytes)| std::str::from_utf8(bytes).unwrap());
    let listed: Vec<Value> = listed.map(super::registry::referrer).collect();
    index(&listed)
}
