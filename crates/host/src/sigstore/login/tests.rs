//! A test plays the browser and the provider.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread;

use super::*;

const NOW: i64 = 1_767_225_600;

/// What a provider does, given what it was asked: its discovery document or its answer to a code.
type Answer = dyn Fn(&str, &str) -> String + Send;

/// A provider that answers so many requests.
fn provider(requests: usize, answer: Box<Answer>) -> (String, thread::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let own = base.clone();
    let answering = thread::spawn(move || {
        let mut heard = Vec::new();
        for _ in 0..requests {
            let (mut stream, _) = listener.accept().unwrap();
            let request = read(&mut stream);
            let page = answer(&own, &request);
            let length = page.len();
            write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{page}"
            )
            .unwrap();
            heard.push(request);
        }
        heard
    });
    (base, answering)
}

/// A request with its body.
fn read(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    let mut buffer = [0; 4096];
    loop {
        let count = stream.read(&mut buffer).unwrap();
        text.push_str(std::str::from_utf8(&buffer[..count]).unwrap());
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head.lines().find_map(|line| {
            line.to_lowercase()
                .strip_prefix("content-length: ")?
                .parse()
                .ok()
        });
        if body.len() >= length.unwrap_or(0) || count == 0 {
            return text;
        }
    }
}

fn discovery(base: &str) -> String {
    format!(
        "{{\"issuer\":\"{base}\",\"authorization_endpoint\":\"{base}/auth\",\"token_endpoint\":\"{base}/token\"}}"
    )
}

fn token(claims: &str) -> String {
    let claims = BASE64URL_NOPAD.encode(claims.as_bytes());
    format!("{{\"access_token\":\"x\",\"id_token\":\"e30.{claims}.c2ln\"}}")
}

fn asked(url: &str) -> BTreeMap<String, String> {
    let query = url.split_once('?').unwrap().1;
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap();
        let value = value
            .replace("%3A", ":")
            .replace("%2F", "/")
            .replace("%20", " ");
        (name.to_owned(), value)
    };
    query.split('&').map(pair).collect()
}

/// Signs in; the browser comes back with what `back` says of what was asked, and the token has what `claims` says.
fn sign_in(
    asker: Asker,
    back: impl Fn(&BTreeMap<String, String>) -> String,
    claims: impl Fn(&str, &str) -> String + Send + 'static,
) -> (Result<String, String>, Vec<String>) {
    let (nonce_sender, nonce) = std::sync::mpsc::channel::<String>();
    let answer = move |base: &str, request: &str| match request.starts_with("GET /.well-known/") {
        true => discovery(base),
        false => token(&claims(base, &nonce.recv().unwrap())),
    };
    let (base, answering) = provider(2, Box::new(answer));
    let services = Services::at_provider(&base);
    let redirect = Redirect::listen().unwrap();
    let mut login = Login::begin(&services, asker, Some(redirect)).unwrap();
    let asked = asked(login.url());
    nonce_sender.send(asked["nonce"].clone()).unwrap();
    let target = back(&asked);
    let authority = asked["redirect_uri"].split('/').nth(2).unwrap().to_owned();
    let port = authority.split_once(':').unwrap().1.to_owned();
    let browser = thread::spawn(move || {
        let mut stream = TcpStream::connect(format!("127.0.0.1:{port}")).unwrap();
        write!(
            stream,
            "GET /auth/callback?{target} HTTP/1.1\r\nHost: {authority}\r\n\r\n"
        )
        .unwrap();
        let mut page = String::new();
        stream.read_to_string(&mut page).unwrap();
        page
    });
    let code = login.code(Duration::from_secs(20));
    browser.join().unwrap();
    let code = match code {
        Ok(code) => code.unwrap(),
        // The provider still waits for somebody with a code.
        Err(error) => return (Err(error.to_string()), vec![]),
    };
    let token = login.finish(&code, Time::from_unix(NOW));
    let token = token.map(|token| token.subject().to_owned());
    (token.map_err(|e| e.to_string()), answering.join().unwrap())
}

fn right(base: &str, nonce: &str) -> String {
    let until = NOW + 60;
    format!(
        "{{\"iss\":\"{base}\",\"aud\":\"sigstore\",\"exp\":{until},\"sub\":\"me\",\"nonce\":\"{nonce}\"}}"
    )
}

fn back(asked: &BTreeMap<String, String>) -> String {
    format!("code=the%2Fcode&state={}", asked["state"])
}

#[test]
fn a_browser_brings_the_code_back() {
    let (token, heard) = sign_in(Asker::default(), back, right);
    assert_eq!(token, Ok("me".to_owned()));
    let form = heard[1].split_once("\r\n\r\n").unwrap().1;
    for part in [
        "grant_type=authorization_code&",
        "redirect_uri=http%3A%2F%2Flocalhost%3A",
        "&code=the%2Fcode&",
        "&client_id=sigstore",
    ] {
        assert!(form.contains(part), "{part}: {form}");
    }
    assert!(!heard[1].to_lowercase().contains("authorization:"));
}

/// What was asked binds the code to a secret that was not sent before.
#[test]
fn the_code_is_bound_to_this_program() {
    let challenge = std::sync::Mutex::new(String::new());
    let (_, heard) = sign_in(
        Asker::default(),
        |asked| {
            assert_eq!(asked["code_challenge_method"], "S256");
            assert_eq!(asked["response_type"], "code");
            *challenge.lock().unwrap() = asked["code_challenge"].clone();
            back(asked)
        },
        right,
    );
    let verifier = heard[1].split("code_verifier=").nth(1).unwrap();
    let verifier = verifier.split('&').next().unwrap();
    let of = BASE64URL_NOPAD.encode(Digest::of(verifier.as_bytes()).raw());
    assert_eq!(of, *challenge.lock().unwrap());
}

#[test]
fn a_program_with_a_secret_says_it_in_the_head() {
    let asker = Asker {
        id: "team".into(),
        secret: Some(Zeroizing::new("p&w".into())),
    };
    let claims = |base: &str, nonce: &str| right(base, nonce).replace("sigstore", "team");
    let (token, heard) = sign_in(asker, back, claims);
    assert_eq!(token, Ok("me".to_owned()));
    let credentials = format!("Basic {}", BASE64.encode(b"team:p%26w"));
    assert!(heard[1].contains(&credentials), "{}", heard[1]);
    assert!(!heard[1].contains("client_id="), "{}", heard[1]);
}

#[test]
fn what_is_not_of_this_sign_in_gives_no_token() {
    let of_another = |_: &BTreeMap<String, String>| "code=a&state=another".to_owned();
    let (said, _) = sign_in(Asker::default(), of_another, right);
    assert!(said.unwrap_err().contains("another sign-in"));
    let declined =
        |asked: &BTreeMap<String, String>| format!("error=access_denied&state={}", asked["state"]);
    let (said, _) = sign_in(Asker::default(), declined, right);
    assert!(said.unwrap_err().contains("access_denied"));
    for (from, to, words) in [
        ("\"nonce\":\"", "\"nonce\":\"x", "another sign-in"),
        ("\"nonce\"", "\"other\"", "another sign-in"),
        ("\"iss\":\"", "\"iss\":\"x", "another provider"),
        ("\"iss\"", "\"is\"", "another provider"),
        ("\"sigstore\"", "\"other\"", "not made for `sigstore`"),
        ("\"aud\"", "\"au\"", "not made for `sigstore`"),
        ("\"exp\":", "\"exp\":-", "was valid until"),
    ] {
        let claims = move |base: &str, nonce: &str| {
            let bad = right(base, nonce).replacen(from, to, 1);
            assert_ne!(bad, right(base, nonce));
            bad
        };
        let (said, _) = sign_in(Asker::default(), back, claims);
        let said = said.unwrap_err();
        assert!(said.contains(words), "{from} -> {to}: {said}");
    }
}

#[test]
fn what_is_opened_is_a_page() {
    for bad in [
        "file:///bin/sh",
        "javascript:1",
        "--help",
        "http://example.com/auth",
        "a b",
    ] {
        let answer = |base: &str, _: &str| discovery(base).replace(&format!("{base}/auth"), bad);
        let (base, answering) = provider(1, Box::new(answer));
        let begun = Login::begin(&Services::at_provider(&base), Asker::default(), None);
        assert!(begun.is_err(), "{bad}");
        answering.join().unwrap();
    }
}

#[test]
fn a_code_is_one_value() {
    assert_eq!(encoded("a-b&c=d e\u{e9}"), "a-b%26c%3Dd%20e%C3%A9");
}
