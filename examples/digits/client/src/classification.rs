//! One question to a model server: which digit does this picture show?
//!
//! Speaks the digit server's contract: `POST /classify/v0` with `{"image": BASE64}`, answered by
//! `{"predicted_digit": N}`, or by another status and `{"error": TEXT}`.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use ureq::{Agent, http::HeaderMap};

/// Sends an encoded picture (PNG or another format the server reads) to the server at `url`.
pub fn classify(url: &str, picture: &[u8]) -> Result<Answer, ClassifyError> {
    if picture.len() > PICTURE_BYTES_MAX {
        return Err(ClassifyError::TooLarge);
    }
    let mut response = agent()
        .post(format!("{}/classify/v0", url.trim_end_matches('/')))
        .header("content-type", "application/json")
        .send(request_body(picture))
        .map_err(|source| ClassifyError::Send {
            url: url.into(),
            source: source.into(),
        })?;
    let status = response.status().as_u16();
    let body = response
        .body_mut()
        .with_config()
        .limit(ANSWER_BYTES_MAX)
        .read_to_string()
        .map_err(|source| ClassifyError::Receive {
            source: source.into(),
        })?;
    answer(status, response.headers(), &body)
}

/// What the server said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It recognised a digit.
    Digit(Prediction),
    /// It gave no prediction, and a reason.
    Refusal {
        /// The HTTP status.
        status: u16,
        /// The server's words, without control characters.
        reason: String,
    },
}

/// A digit, and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prediction {
    /// The digit, 0 to 9.
    pub digit: u8,
    /// Digest of the model that answered, from the header `modelward-model-digest`, if it said.
    pub model: Option<String>,
    /// Name of this very prediction, from the header `modelward-prediction`, if it said.
    pub id: Option<String>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClassifyError {
    /// The picture is more than a server takes.
    #[error("the picture has more than the {PICTURE_BYTES_MAX} bytes a server takes")]
    TooLarge,
    /// The question did not reach the server.
    #[error("cannot ask `{url}`")]
    Send {
        /// The server.
        url: String,
        /// What went wrong.
        source: Box<ureq::Error>,
    },
    /// The answer did not arrive whole.
    #[error("cannot read the server's answer")]
    Receive {
        /// What went wrong.
        source: Box<ureq::Error>,
    },
    /// The answer is not the contract's.
    #[error("the server's answer has no `predicted_digit` from 0 to 9; is this a digit server?")]
    Answer,
}

/// Largest picture that is sent: base64 makes 1 MiB of it.
pub const PICTURE_BYTES_MAX: usize = 768 * 1024;
const ANSWER_BYTES_MAX: u64 = 64 * 1024;
const TIMEOUT: Duration = Duration::from_secs(30);

/// Asks the named server and no other: no redirect, and no proxy from the environment.
fn agent() -> Agent {
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .proxy(None)
        .timeout_global(Some(TIMEOUT));
    config.build().into()
}

fn request_body(picture: &[u8]) -> String {
    json!({ "image": STANDARD.encode(picture) }).to_string()
}

fn answer(status: u16, headers: &HeaderMap, body: &str) -> Result<Answer, ClassifyError> {
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    if status != 200 {
        let reason = body["error"]
            .as_str()
            .unwrap_or("the server gave no reason");
        return Ok(Answer::Refusal {
            status,
            reason: printable(reason),
        });
    }
    let digit = body["predicted_digit"].as_u64().filter(|&digit| digit <= 9);
    let header = |name| headers.get(name)?.to_str().ok().map(String::from);
    Ok(Answer::Digit(Prediction {
        digit: digit.ok_or(ClassifyError::Answer)? as u8,
        model: header("modelward-model-digest"),
        id: header("modelward-prediction"),
    }))
}

/// A server must not be able to write escape sequences to the terminal.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        net::TcpListener,
        thread,
    };

    use super::*;

    /// A server for one request: gives back what it was asked, and answers with `response`.
    fn serve(response: &'static str) -> (String, thread::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"}") {
                let mut part = [0; 1024];
                let count = stream.read(&mut part).unwrap();
                assert_ne!(count, 0, "the request ended early");
                request.extend(&part[..count]);
            }
            stream.write_all(response.as_bytes()).unwrap();
            String::from_utf8(request).unwrap()
        });
        (url, asked)
    }

    #[test]
    fn asks_and_understands() {
        let (url, asked) = serve(
            "HTTP/1.1 200 OK\r\ncontent-length: 22\r\nmodelward-model-digest: sha256:ab\r\n\
             modelward-prediction: p1\r\n\r\n{\"predicted_digit\": 7}",
        );
        let prediction = Prediction {
            digit: 7,
            model: Some("sha256:ab".into()),
            id: Some("p1".into()),
        };
        // A slash at the end of the address changes nothing.
        let got = classify(&format!("{url}/"), b"\x89PNG").unwrap();
        assert_eq!(got, Answer::Digit(prediction));
        let asked = asked.join().unwrap();
        assert!(
            asked.starts_with("POST /classify/v0 HTTP/1.1\r\n"),
            "{asked}"
        );
        assert!(
            asked.ends_with("\r\n\r\n{\"image\":\"iVBORw==\"}"),
            "{asked}"
        );
    }

    #[test]
    fn does_not_follow_the_server_elsewhere() {
        let (url, asked) = serve(
            "HTTP/1.1 307 Temporary Redirect\r\nlocation: http://127.0.0.1:1/\r\n\
             content-length: 0\r\n\r\n",
        );
        let got = classify(&url, b"x").unwrap();
        assert!(
            matches!(got, Answer::Refusal { status: 307, .. }),
            "{got:?}"
        );
        asked.join().unwrap();
    }

    #[test]
    fn says_when_nobody_listens() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        drop(listener);
        assert!(matches!(
            classify(&url, b"x"),
            Err(ClassifyError::Send { .. })
        ));
    }

    #[test]
    fn sends_no_more_than_a_server_takes() {
        let picture = vec![0; PICTURE_BYTES_MAX + 1];
        let got = classify("http://127.0.0.1:1", &picture);
        assert!(matches!(got, Err(ClassifyError::TooLarge)));
    }

    #[test]
    fn takes_digits_and_nothing_else() {
        for digit in 0..=9 {
            let body = json!({ "predicted_digit": digit }).to_string();
            let got = answer(200, &HeaderMap::new(), &body).unwrap();
            assert_eq!(
                got,
                Answer::Digit(Prediction {
                    digit,
                    model: None,
                    id: None
                })
            );
        }
        for body in [
            "",
            "7",
            "{}",
            r#"{"predicted_digit": 10}"#,
            r#"{"predicted_digit": -1}"#,
            r#"{"predicted_digit": 7.5}"#,
            r#"{"predicted_digit": "7"}"#,
            r#"{"predicted_digit": 7} and more"#,
        ] {
            assert!(
                matches!(
                    answer(200, &HeaderMap::new(), body),
                    Err(ClassifyError::Answer)
                ),
                "{body}"
            );
        }
    }

    #[test]
    fn passes_on_the_reason_of_a_refusal() {
        let read = |body| answer(503, &HeaderMap::new(), body).unwrap();
        let refusal = |reason: &str| Answer::Refusal {
            status: 503,
            reason: reason.into(),
        };
        assert_eq!(
            read(r#"{"error": "the model was recalled"}"#),
            refusal("the model was recalled")
        );
        assert_eq!(read(r#"{"error": "\u001b[2J"}"#), refusal("\u{fffd}[2J"));
        assert_eq!(read("<html>"), refusal("the server gave no reason"));
    }
}
