//! The services of the little Sigstore, on a port of this machine: provider, authority, log and stamps.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};
use testkit::certificates::Stamp;
use testkit::sigstore::{IDENTITY, PROVIDER, certify, config, enter};

/// What one of the services says, where it is not what it should: given what it was about to say.
pub(crate) type Change = dyn Fn(&str, Vec<u8>) -> Vec<u8> + Send + Sync;

pub(crate) struct Services {
    pub(crate) base: String,
    /// Every request, with its body.
    pub(crate) heard: Arc<Mutex<Vec<String>>>,
}

impl Services {
    pub(crate) fn start() -> Self {
        Self::changed(Box::new(|_, answer| answer))
    }

    pub(crate) fn changed(change: Box<Change>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let heard = Arc::new(Mutex::new(vec![]));
        let (own, hears) = (base.clone(), Arc::clone(&heard));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let Some((head, body)) = read(&mut stream) else {
                    continue;
                };
                let said = format!("{head}\r\n\r\n{}", String::from_utf8_lossy(&body));
                hears.lock().unwrap().push(said);
                let target = head.split(' ').nth(1).unwrap();
                let answer = change(target, answer(&own, target, &body));
                let status = if answer.is_empty() {
                    "404 No"
                } else {
                    "200 OK"
                };
                let length = answer.len();
                let head = format!(
                    "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
                );
                let _ = stream.write_all(&[head.as_bytes(), &answer].concat());
            }
        });
        Self { base, heard }
    }

    /// As a `ClientTrustConfig`.
    pub(crate) fn config(&self) -> String {
        config(&self.base).to_string()
    }
}

fn answer(base: &str, target: &str, body: &[u8]) -> Vec<u8> {
    let json = || serde_json::from_slice::<Value>(body).unwrap();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let answer = match path {
        "/.well-known/openid-configuration" => {
            json!({"issuer": PROVIDER, "authorization_endpoint": format!("{base}/auth"), "token_endpoint": format!("{base}/token")})
        }
        // The sign-in page shows its code at once: it keeps what it was asked in there.
        "/auth" => return BASE64URL_NOPAD.encode(query.as_bytes()).into_bytes(),
        "/token" => redeemed(&String::from_utf8_lossy(body)),
        "/api/v2/signingCert" => certify(
            json()["publicKeyRequest"]["publicKey"]["content"]
                .as_str()
                .unwrap(),
        ),
        "/api/v2/log/entries" => enter(&json()),
        "/stamp" => return Stamp::answer(body),
        _ => return vec![],
    };
    answer.to_string().into_bytes()
}

fn redeemed(form: &str) -> Value {
    let form = pairs(form);
    let asked = BASE64URL_NOPAD.decode(form["code"].as_bytes()).unwrap();
    let asked = pairs(std::str::from_utf8(&asked).unwrap());
    let challenge = digest::Digest::of(form["code_verifier"].as_bytes());
    let challenge = BASE64URL_NOPAD.encode(challenge.raw());
    let is_right =
        asked["code_challenge"] == challenge && asked["redirect_uri"] == form["redirect_uri"];
    match is_right {
        true => json!({"id_token": token(&asked["nonce"])}),
        false => json!({"error": "invalid_grant"}),
    }
}

/// A token of the provider's.
pub(crate) fn token(nonce: &str) -> String {
    let claims = json!({"iss": PROVIDER, "aud": "sigstore", "sub": "1", "email": IDENTITY, "email_verified": true,
                        "exp": 4_000_000_000_u64, "nonce": nonce});
    let claims = BASE64URL_NOPAD.encode(claims.to_string().as_bytes());
    format!("e30.{claims}.c2ln")
}

/// The members of a form, as they were written.
pub(crate) fn pairs(form: &str) -> BTreeMap<String, String> {
    let pairs = form.split('&').filter_map(|pair| pair.split_once('='));
    pairs
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// What is at an address, asked for as browsers do.
pub(crate) fn get(url: &str) -> String {
    let (authority, target) = url
        .strip_prefix("http://")
        .unwrap()
        .split_once('/')
        .unwrap();
    let mut stream = TcpStream::connect(authority.replace("localhost", "127.0.0.1")).unwrap();
    write!(
        stream,
        "GET /{target} HTTP/1.1\r\nHost: {authority}\r\n\r\n"
    )
    .unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).unwrap();
    page.split_once("\r\n\r\n").unwrap().1.to_owned()
}

fn read(stream: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let count = stream.read(&mut buffer).ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&buffer[..count]);
        let Some(end) = bytes.windows(4).position(|end| end == b"\r\n\r\n") else {
            continue;
        };
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let length = head.lines().find_map(|line| {
            let length = line.to_lowercase();
            length
                .strip_prefix("content-length: ")?
                .parse::<usize>()
                .ok()
        });
        if bytes.len() >= end + 4 + length.unwrap_or(0) {
            return Some((head, bytes[end + 4..].to_vec()));
        }
    }
}
