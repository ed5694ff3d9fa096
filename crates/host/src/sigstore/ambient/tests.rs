//! Each place, played by a server and by programs of our own.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;

use super::*;

/// A server that answers each request with what stands for the first of these that it has in it, else with a no.
fn server(answers: Vec<(&'static str, &'static str)>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = vec![0; 4096];
            let count = stream.read(&mut request).unwrap();
            let request = String::from_utf8_lossy(&request[..count]).into_owned();
            let mut found = answers.iter();
            let found =
                found.find(|(asked, _)| asked.split('|').all(|part| request.contains(part)));
            let (status, body) = found.map_or(("401 No", "no"), |(_, body)| ("200 OK", body));
            let length = body.len();
            let _ = write!(
                stream,
                "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            );
        }
    });
    address
}

fn said(
    variables: &[(&str, &str)],
    product: &str,
    impersonation: &str,
) -> Result<Option<String>, String> {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), product).unwrap();
    let variable = |name: &str| {
        let mut variables = variables.iter();
        let found = variables.find(|(own, _)| *own == name);
        found.map(|(_, value)| (*value).to_owned())
    };
    let place = Place {
        variable: &variable,
        product_file: file.path(),
        impersonation,
    };
    let token = place.token().map_err(|error| error.to_string());
    token.map(|token| token.map(|token| token.to_string()))
}

#[test]
fn where_nothing_is_said_there_is_none() {
    assert_eq!(said(&[], "Laptop", ""), Ok(None));
    let own = said(&[("SIGSTORE_ID_TOKEN", "t"), ("GITLAB_CI", "true")], "", "");
    assert_eq!(own, Ok(Some("t".to_owned())));
}

#[test]
fn a_job_of_github_asks_for_it() {
    let address = server(vec![(
        "GET /job?v=2&audience=sigstore |earer secret\r\n",
        "{\"value\":\"t\"}",
    )]);
    let url = format!("http://{address}/job?v=2");
    let job = |secret| {
        said(
            &[
                ("GITHUB_ACTIONS", "true"),
                ("ACTIONS_ID_TOKEN_REQUEST_URL", &url),
                ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", secret),
            ],
            "",
            "",
        )
    };
    assert_eq!(job("secret"), Ok(Some("t".to_owned())));
    assert!(job("other").is_err());
    let without = said(&[("GITHUB_ACTIONS", "true")], "", "").unwrap_err();
    assert!(without.contains("id-token: write"), "{without}");
}

#[test]
fn a_job_of_gitlab_is_told_what_it_lacks() {
    let without = said(&[("GITLAB_CI", "true")], "", "").unwrap_err();
    assert!(without.contains("id_tokens"), "{without}");
}

#[test]
fn a_machine_of_google_asks_its_metadata_server() {
    let own = "GET /computeMetadata/v1/instance/service-accounts/default";
    let identity = format!("{own}/identity?audience=sigstore&format=full |etadata-|: Google\r\n");
    let access =
        format!("{own}/token?scopes=https://www.googleapis.com/auth/cloud-platform |: Google\r\n");
    let (identity, access): (&'static str, &'static str) = (identity.leak(), access.leak());
    let host = server(vec![
        (identity, "machine"),
        (access, "{\"access_token\":\"a\"}"),
    ]);
    let at = ("GCE_METADATA_HOST", host.as_str());
    assert_eq!(said(&[at], "", ""), Ok(Some("machine".to_owned())));

    let asked = "POST /v1/projects/-/serviceAccounts/me@p.example.com:generateIdToken |earer a\r\n";
    let impersonation = format!("http://{}", server(vec![(asked, "{\"token\":\"t\"}")]));
    let account = |name| {
        said(
            &[at, ("GOOGLE_SERVICE_ACCOUNT_NAME", name)],
            "",
            &impersonation,
        )
    };
    assert_eq!(account("me@p.example.com"), Ok(Some("t".to_owned())));
    assert!(account("you@p.example.com").is_err());
    let odd = account("../me").unwrap_err();
    assert!(odd.contains("no account's name"), "{odd}");
    // What is neither here nor one of its names is not spoken to in the clear.
    let elsewhere = said(&[("GCE_METADATA_HOST", "example.com")], "Google\n", "");
    assert!(elsewhere.unwrap_err().contains("no identity token"));
}

/// A program that does this.
fn program(folder: &Path, script: &str) -> String {
    let path = folder.join("program");
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_places_own_program_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let ask = |script: &str, timeout: u64| {
        let program = program(folder.path(), script);
        let timeout = Duration::from_millis(timeout);
        let said = helper("Buildkite", &program, &["a", "b c"], timeout);
        said.map(|said| said.to_string()).map_err(|e| e.to_string())
    };
    assert_eq!(ask("echo \"$# $2\"", 20_000), Ok("2 b c".to_owned()));
    for (script, timeout, words) in [
        ("echo t; exit 3", 20_000, "ended with"),
        ("sleep 20", 100, "does not answer"),
        ("echo t; exec >&-; exec sleep 20", 300, "does not answer"),
    ] {
        let refused = ask(script, timeout).unwrap_err();
        assert!(refused.contains(words), "{script}: {refused}");
    }
    let none = helper("CircleCI", "/no/such", &[], HELPER_TIMEOUT).unwrap_err();
    assert!(
        none.to_string()
            .contains("CircleCI gives this job no identity token")
    );
    // A flood ends at the limit, and is no token.
    let flood = ask("head -c 100000 /dev/zero | tr '\\0' a", 20_000).unwrap_or_default();
    assert!(flood.len() <= 65_537);
}
