//! A little registry on this machine, which answers as each test has it.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use digest::Digest;
use serde_json::{Value, json};

use super::{MANIFEST, descriptor};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(super) const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

/// What it answers.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(super) fn ok(body: impl Into<Vec<u8>>) -> Self {
        Self::status(200, body)
    }

    pub(super) fn status(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: body.into(),
        }
    }

    pub(super) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }
}

/// A question: its path, with what follows `?`, and its `Authorization`.
pub(super) type Question = (String, Option<String>);

#[derive(Default)]
struct State {
    answers: BTreeMap<String, Answer>,
    asked: Vec<Question>,
    /// Nothing is answered without this token.
    token: Option<String>,
}

/// A registry with answers by path; others are 404.
pub(super) struct Registry {
    pub(super) address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl Registry {
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::<Mutex<State>>::default();
        let shared = Arc::clone(&state);
        // It ends with the test's process.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let _ = serve(stream, &shared);
            }
        });
        Self { address, state }
    }

    pub(super) fn answer(&self, path: &str, answer: Answer) {
        self.state
            .lock()
            .unwrap()
            .answers
            .insert(path.to_owned(), answer);
    }

    pub(super) fn wants(&self, token: &str) {
        self.state.lock().unwrap().token = Some(token.to_owned());
    }

    pub(super) fn asked(&self) -> Vec<Question> {
        std::mem::take(&mut self.state.lock().unwrap().asked)
    }

    /// Pushes bytes as a blob and as a manifest.
    pub(super) fn push(&self, bytes: &[u8]) -> Digest {
        let digest = Digest::of(bytes);
        for kind in ["blobs", "manifests"] {
            self.answer(&format!("/v2/m/{kind}/{digest}"), Answer::ok(bytes));
        }
        digest
    }

    /// Pushes a manifest that holds a bundle about a subject, and says how a list names it.
    pub(super) fn push_bundle(&self, bundle: &[u8], subject: &[u8]) -> Value {
        self.push(bundle);
        let manifest = bundle_manifest(bundle, subject).to_string();
        self.push(manifest.as_bytes());
        referrer(&manifest)
    }

    pub(super) fn list(&self, subject: Digest, referrers: &[Value]) {
        self.answer(
            &format!("/v2/m/referrers/{subject}"),
            Answer::ok(index(referrers)),
        );
    }

    pub(super) fn name(&self, version: &str) -> String {
        format!("oci://{}/m{version}", self.address)
    }
}

pub(super) fn bundle_manifest(bundle: &[u8], subject: &[u8]) -> Value {
    json!({"schemaVersion": 2, "mediaType": MANIFEST, "artifactType": BUNDLE,
           "config": descriptor("application/vnd.oci.empty.v1+json", b"{}"),
           "layers": [descriptor(BUNDLE, bundle)], "subject": descriptor(MANIFEST, subject)})
}

pub(super) fn referrer(manifest: &str) -> Value {
    let mut referrer = descriptor(MANIFEST, manifest.as_bytes());
    referrer["artifactType"] = json!(BUNDLE);
    referrer
}

pub(super) fn index(manifests: &[Value]) -> String {
    json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests}).to_string()
}

fn serve(mut stream: TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut authorization = None;
    loop {
        let mut line = String::new();
        if reader.by_ref().take(1 << 16).read_line(&mut line)? <= 2 {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("authorization")
        {
            authorization = Some(value.trim().to_owned());
        }
    }
    let answer = {
        let mut state = state.lock().unwrap();
        state.asked.push((path.clone(), authorization.clone()));
        let is_free = !path.starts_with("/v2/");
        let known = state.token.as_ref().map(|token| format!("Bearer {token}"));
        match known {
            Some(known) if !is_free && authorization.as_ref() != Some(&known) => {
                state.answers.get("/challenge").cloned()
            }
            _ => state.answers.get(&path).cloned(),
        }
    };
    let answer = answer.unwrap_or_else(|| Answer::status(404, "{}"));
    write!(
        stream,
        "HTTP/1.1 {} X\r\nconnection: close\r\n",
        answer.status
    )?;
    for (name, value) in &answer.headers {
        write!(stream, "{name}: {value}\r\n")?;
    }
    write!(stream, "content-length: {}\r\n\r\n", answer.body.len())?;
    stream.write_all(&answer.body)
}
