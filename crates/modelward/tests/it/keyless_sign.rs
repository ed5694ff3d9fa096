//! Signing keylessly at the little Sigstore, which a test plays from the browser to the log.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use testkit::certificates::Stamp;
use testkit::sigstore::certify;
use trust::{PrivateKey, Signer as _};

use crate::services::{self, Services, get, pairs, token};
use crate::workshop::{Outcome, Workshop};

const SIGN: &str = "sign model --keyless --trust-config config.json";
const WHO: &str = "--identity signer@example.com --identity-provider https://issuer.example.com --trust-config config.json";

fn workshop(services: &Services) -> Workshop {
    let workshop = Workshop::bare();
    workshop.write("model/config.json", "{}");
    workshop.write("config.json", services.config());
    workshop
}

/// The program, without what the machine of this test is.
fn bare(workshop: &Workshop, line: &str) -> Command {
    let mut command = workshop.command(line);
    for name in [
        "SIGSTORE_ID_TOKEN",
        "ACTIONS_ID_TOKEN_REQUEST_URL",
        "GITHUB_ACTIONS",
        "GITLAB_CI",
        "BUILDKITE",
        "CIRCLECI",
        "DISPLAY",
        "WAYLAND_DISPLAY",
    ] {
        command.env_remove(name);
    }
    command
}

/// Signs as somebody who opens the address that is shown; what they do there gives what is typed, if anything.
fn signing_in(workshop: &Workshop, line: &str, open: impl Fn(&str) -> Option<String>) -> Outcome {
    let mut command = bare(workshop, line);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap());
    let mut url = String::new();
    while !url.trim_start().starts_with("http") {
        url.clear();
        assert_ne!(said.read_line(&mut url).unwrap(), 0, "no address was shown");
    }
    if let Some(typed) = open(url.trim()) {
        writeln!(child.stdin.take().unwrap(), "{typed}").unwrap();
    }
    let rest = std::thread::spawn(move || {
        let mut rest = String::new();
        std::io::Read::read_to_string(&mut said, &mut rest).unwrap();
        rest
    });
    let output = child.wait_with_output().unwrap();
    let mut outcome = Outcome::from(output);
    outcome.stderr = rest.join().unwrap();
    outcome
}

/// What a browser does: it opens the page, and goes where the provider sends it.
fn browse(url: &str) -> Option<String> {
    let code = get(url);
    let asked = pairs(url.split_once('?').unwrap().1);
    let back = asked["redirect_uri"]
        .replace("%3A", ":")
        .replace("%2F", "/");
    let page = get(&format!("{back}?code={code}&state={}", asked["state"]));
    assert!(page.contains("You have signed in"), "{page}");
    None
}

#[test]
fn who_signs_in_with_a_browser_signs() {
    let services = Services::start();
    let workshop = workshop(&services);
    for (line, open) in [
        (
            format!("{SIGN} --sign-in=browser"),
            browse as fn(&str) -> Option<String>,
        ),
        // Nobody looks at a screen here: the code is typed.
        (format!("{SIGN} --sign-in"), |url| Some(get(url))),
        (format!("{SIGN} --sign-in=code"), |url| Some(get(url))),
        (
            "oms sign model --trust_config config.json --oauth_force_oob --signature model.sig"
                .to_owned(),
            |url| Some(get(url)),
        ),
    ] {
        let outcome = signing_in(&workshop, &line, open);
        assert_eq!(outcome.status, 0, "{line}: {outcome:?}");
        workshop.yes(&format!("verify model {WHO}"));
        std::fs::remove_file(workshop.file("model.sig")).unwrap();
    }
}

#[test]
fn another_answer_than_this_sign_ins_signs_nothing() {
    let services = Services::start();
    let workshop = workshop(&services);
    let other_state = |url: &str| {
        let asked = pairs(url.split_once('?').unwrap().1);
        let back = asked["redirect_uri"]
            .replace("%3A", ":")
            .replace("%2F", "/");
        let page = get(&format!("{back}?code={}&state=x", get(url)));
        assert!(page.contains("The sign-in failed"), "{page}");
        None
    };
    let line = format!("{SIGN} --sign-in=browser");
    let outcome = signing_in(&workshop, &line, other_state);
    assert_eq!(outcome.status, 2, "{outcome:?}");
    assert!(outcome.stderr.contains("another sign-in"), "{outcome:?}");
    // A code whose page was asked by another, or with another nonce, is of no use.
    for (from, to) in [
        ("code_challenge=", "code_challenge=x"),
        ("nonce=", "nonce=x"),
    ] {
        let line = format!("{SIGN} --sign-in=code");
        let outcome = signing_in(&workshop, &line, |url| Some(get(&url.replace(from, to))));
        assert_eq!(outcome.status, 2, "{from}: {outcome:?}");
    }
    assert!(!workshop.file("model.sig").exists());
}

#[test]
fn a_token_of_the_place_signs() {
    let services = Services::start();
    let workshop = workshop(&services);
    let run = |variables: &[(&str, &str)]| {
        let mut command = bare(&workshop, SIGN);
        command.envs(variables.iter().copied());
        Outcome::of(&mut command)
    };
    let token = token("");
    assert_eq!(run(&[("SIGSTORE_ID_TOKEN", &token)]).status, 0);
    workshop.yes(&format!("verify model {WHO}"));
    workshop.write(
        "bin/buildkite-agent",
        format!(
            "#!/bin/sh\n[ \"$*\" = 'oidc request-token --audience sigstore' ] && echo {token}\n"
        ),
    );
    workshop.write(
        "bin/circleci",
        format!("#!/bin/sh\n[ \"$*\" = 'run oidc get --claims {{\"aud\":\"sigstore\"}} --root-issuer' ] && echo {token}\n"),
    );
    for program in ["bin/buildkite-agent", "bin/circleci"] {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(workshop.file(program), PermissionsExt::from_mode(0o755)).unwrap();
    }
    let path = format!(
        "{}:{}",
        workshop.file("bin").display(),
        std::env::var("PATH").unwrap()
    );
    for place in ["BUILDKITE", "CIRCLECI"] {
        let outcome = run(&[(place, "true"), ("PATH", &path)]);
        assert_eq!(outcome.status, 0, "{place}: {outcome:?}");
        let outcome = run(&[(place, "true")]);
        assert!(
            outcome.status == 2 && outcome.stderr.contains("can't be started"),
            "{outcome:?}"
        );
    }
    let outcome = run(&[("GITLAB_CI", "true")]);
    assert!(
        outcome.status == 2 && outcome.stderr.contains("id_tokens"),
        "{outcome:?}"
    );
    let outcome = run(&[]);
    assert!(
        outcome.status == 2 && outcome.stderr.contains("nobody here gives"),
        "{outcome:?}"
    );
}

#[test]
fn the_token_goes_to_the_authority_alone() {
    let services = Services::start();
    let workshop = workshop(&services);
    workshop.write("token.jwt", token(""));
    workshop.yes(&format!("{SIGN} --identity-token token.jwt"));
    let heard = services.heard.lock().unwrap();
    let token = token("");
    let told = heard.iter().filter(|request| request.contains(&token));
    let told: Vec<_> = told
        .map(|request| request.split(' ').nth(1).unwrap())
        .collect();
    assert_eq!(told, ["/api/v2/signingCert"]);
    assert_eq!(heard.len(), 3);
}

/// What the services answer is believed no more than any other bundle: nothing is written.
#[test]
fn a_service_that_answers_otherwise_signs_nothing() {
    let old_stamp = Stamp::of(b"another").response();
    let changes: [(&str, &str, Box<services::Change>); 5] = [
        (
            "/stamp",
            "timestamp_invalid",
            Box::new(move |_, _| old_stamp.clone()),
        ),
        // The right bytes, and the nonce of another question.
        (
            "/stamp",
            "timestamp_invalid",
            Box::new(|_, answer| {
                let at = answer.windows(2).position(|at| at == [0x02, 16]).unwrap();
                let mut answer = answer;
                answer[at + 5] ^= 1;
                answer
            }),
        ),
        (
            "/api/v2/log/entries",
            "log_proof_invalid",
            Box::new(|_, answer| {
                let mut entry: Value = serde_json::from_slice(&answer).unwrap();
                entry["inclusionProof"]["hashes"] = json!([]);
                entry.to_string().into_bytes()
            }),
        ),
        (
            "/api/v2/signingCert",
            "network",
            Box::new(|_, _| b"{}".to_vec()),
        ),
        (
            "/api/v2/signingCert",
            "network",
            Box::new(|_, _| {
                let other = PrivateKey::from_random(&[9; 32]).unwrap();
                certify(other.public_key().pem()).to_string().into_bytes()
            }),
        ),
    ];
    for (path, code, change) in changes {
        let services = Services::changed(Box::new(move |target, answer| match target == path {
            true => change(target, answer),
            false => answer,
        }));
        let workshop = workshop(&services);
        workshop.write("token.jwt", token(""));
        let answer = workshop.json(&format!("{SIGN} --identity-token token.jwt"));
        let said = answer["code"]
            .as_str()
            .or(answer["reasons"][0]["code"].as_str());
        assert_eq!(said, Some(code), "{path}: {answer:#}");
        assert!(!workshop.file("model.sig").exists(), "{path}");
    }
}
