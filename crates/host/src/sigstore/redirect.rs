//! Where a browser on this machine brings a sign-in's code back to: one address of our own, for one answer (RFC 8252).

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use zeroize::Zeroizing;

use super::TokenError;

const PATH: &str = "/auth/callback";
/// Codes are short; browsers send some kilobytes about themselves.
const REQUEST_SIZE_BYTES_MAX: usize = 16 * 1024;
/// A browser opens connections beforehand and asks for icons; nobody has a reason for more.
const CONNECTIONS_MAX: usize = 64;
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(2);

/// A place on this machine alone that waits for a browser.
#[derive(Debug)]
pub struct Redirect {
    listener: TcpListener,
    authority: String,
}

impl Redirect {
    /// Takes a port that is free.
    ///
    /// # Errors
    /// There is none.
    pub fn listen() -> Result<Self, TokenError> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(TokenError::Listen)?;
        let port = listener.local_addr().map_err(TokenError::Listen)?.port();
        // By this name, with any port, Sigstore's provider sends browsers back to programs.
        let authority = format!("localhost:{port}");
        Ok(Self {
            listener,
            authority,
        })
    }

    /// What providers are asked to send the browser to.
    pub(super) fn uri(&self) -> String {
        format!("http://{}{PATH}", self.authority)
    }

    /// Waits for the code of the sign-in with this state. The first answer decides, whatever it is.
    ///
    /// # Errors
    /// None comes in time, it is a refusal, or it is of another sign-in.
    pub(super) fn code(
        self,
        state: &str,
        within: Duration,
    ) -> Result<Zeroizing<String>, TokenError> {
        let deadline = Instant::now() + within;
        for _ in 0..CONNECTIONS_MAX {
            let Some(mut stream) = self.accept(deadline).map_err(TokenError::Listen)? else {
                break;
            };
            // Who says nothing, or nothing that is HTTP, is no browser that comes back.
            let Some(request) = request(&mut stream) else {
                continue;
            };
            let Some(query) = self.query(&request) else {
                answer(&mut stream, "404 Not Found", "There is nothing here.");
                continue;
            };
            let code = code(query, state);
            match &code {
                Ok(_) => answer(
                    &mut stream,
                    "200 OK",
                    "You have signed in. Close this page, and go on in the terminal.",
                ),
                Err(_) => answer(
                    &mut stream,
                    "400 Bad Request",
                    "The sign-in failed. The terminal says why.",
                ),
            }
            return code;
        }
        Err(TokenError::NobodyCame)
    }

    fn accept(&self, deadline: Instant) -> io::Result<Option<TcpStream>> {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = left.try_into().map_err(io::Error::other)?;
        let mut listening = [PollFd::new(&self.listener, PollFlags::IN)];
        match poll(&mut listening, Some(&timeout)) {
            Ok(0) => return Ok(None),
            Err(rustix::io::Errno::INTR) => return self.accept(deadline),
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        let (stream, _) = self.listener.accept()?;
        Ok(Some(stream))
    }

    /// The query of a request for our page, under our name: under another, some other page's name leads here.
    fn query<'r>(&self, request: &'r str) -> Option<&'r str> {
        let mut lines = request.split("\r\n");
        let mut words = lines.next()?.split(' ');
        let (method, target) = (words.next()?, words.next()?);
        let hosts = lines.filter_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("host").then_some(value.trim())
        });
        let is_ours = method == "GET" && hosts.eq([self.authority.as_str()]);
        let (path, query) = target.split_once('?')?;
        (is_ours && path == PATH).then_some(query)
    }
}

/// The head of a request.
fn request(stream: &mut TcpStream) -> Option<Zeroizing<String>> {
    let deadline = Instant::now() + CONNECTION_TIMEOUT;
    let mut head = Zeroizing::new(Vec::with_capacity(REQUEST_SIZE_BYTES_MAX));
    let mut buffer = Zeroizing::new([0; 1024]);
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        let left = deadline.checked_duration_since(Instant::now());
        let left = left.filter(|left| !left.is_zero())?;
        stream.set_read_timeout(Some(left)).ok()?;
        let count = stream.read(buffer.as_mut()).ok().filter(|n| *n > 0)?;
        if head.len() + count > REQUEST_SIZE_BYTES_MAX {
            return None;
        }
        head.extend_from_slice(&buffer[..count]);
    }
    let text = std::str::from_utf8(&head).ok()?;
    Some(Zeroizing::new(text.to_owned()))
}

fn code(query: &str, state: &str) -> Result<Zeroizing<String>, TokenError> {
    // What is of another sign-in says nothing about this one.
    if parameter(query, "state")?.is_none_or(|got| *got != state) {
        return Err(TokenError::OtherLogin);
    }
    if let Some(error) = parameter(query, "error")? {
        let said = error.chars().filter(|c| !c.is_control()).take(100);
        let said = said.collect();
        return Err(TokenError::Declined { said });
    }
    parameter(query, "code")?.ok_or(TokenError::Provider)
}

/// The one value of a parameter.
fn parameter(query: &str, name: &str) -> Result<Option<Zeroizing<String>>, TokenError> {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let mut values = pairs.filter(|(own, _)| *own == name);
    let value = values.next().map(|(_, value)| value);
    if values.next().is_some() {
        return Err(TokenError::Provider);
    }
    let decoded = value.map(|value| decoded(value).ok_or(TokenError::Provider));
    decoded.transpose()
}

/// A value of a form, whose bytes may be written as `%` and two digits.
fn decoded(value: &str) -> Option<Zeroizing<String>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(value.len()));
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                u8::try_from(digit()? * 16 + digit()?).ok()?
            }
            byte => byte,
        });
    }
    std::str::from_utf8(&bytes)
        .ok()
        .map(|text| Zeroizing::new(text.to_owned()))
}

/// A page of plain text. A browser that has gone away misses nothing.
fn answer(stream: &mut TcpStream, status: &str, text: &str) {
    let length = text.len() + 1;
    let page = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {length}\r\n\
         Cache-Control: no-store\r\nReferrer-Policy: no-referrer\r\nConnection: close\r\n\r\n{text}\n"
    );
    let _ = stream.set_write_timeout(Some(CONNECTION_TIMEOUT));
    let _ = stream.write_all(page.as_bytes());
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    fn ask(redirect: &Redirect, request: &str) -> thread::JoinHandle<String> {
        let address = redirect.listener.local_addr().unwrap();
        let request = request.replace("HOST", &redirect.authority);
        thread::spawn(move || {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(request.as_bytes()).unwrap();
            let mut page = String::new();
            stream.read_to_string(&mut page).unwrap();
            page
        })
    }

    fn said(target: &str) -> (String, String) {
        let redirect = Redirect::listen().unwrap();
        let page = ask(
            &redirect,
            &format!("GET {target} HTTP/1.1\r\nHost: HOST\r\n\r\n"),
        );
        let code = redirect.code("s t", Duration::from_secs(20));
        let said = code.map_or_else(|error| error.to_string(), |code| code.to_string());
        let status = page.join().unwrap();
        (said, status.lines().next().unwrap_or_default().to_owned())
    }

    #[test]
    fn the_code_of_this_sign_in_comes_back() {
        let yes = said("/auth/callback?code=a%2Fb&state=s+t&scope=x");
        assert_eq!(yes, ("a/b".to_owned(), "HTTP/1.1 200 OK".to_owned()));
        for (query, words) in [
            ("code=a&state=other", "another sign-in"),
            ("code=a", "another sign-in"),
            ("code=a&state=s%20t&code=b", "not understood"),
            ("code=a&state=s%20t&state=s%20t", "not understood"),
            ("state=s%20t", "not understood"),
            ("code=%zz&state=s%20t", "not understood"),
            ("error=access_denied&code=a&state=s%20t", "access_denied"),
            ("error=access_denied&code=a&state=x", "another sign-in"),
        ] {
            let (text, status) = said(&format!("/auth/callback?{query}"));
            assert!(text.contains(words), "{query}: {text}");
            assert_eq!(status, "HTTP/1.1 400 Bad Request", "{query}");
        }
    }

    #[test]
    fn others_are_passed_over_and_the_wait_ends() {
        let redirect = Redirect::listen().unwrap();
        let others = [
            "GET /favicon.ico HTTP/1.1\r\nHost: HOST\r\n\r\n",
            "POST /auth/callback?code=a&state=s HTTP/1.1\r\nHost: HOST\r\n\r\n",
            "GET /auth/callback?code=a&state=s HTTP/1.1\r\nHost: elsewhere.example.com\r\n\r\n",
            "GET /auth/callback?code=a&state=s HTTP/1.1\r\n\r\n",
        ];
        let pages: Vec<_> = others.iter().map(|other| ask(&redirect, other)).collect();
        let silent = TcpStream::connect(redirect.listener.local_addr().unwrap()).unwrap();
        let ended = redirect.code("s", Duration::from_secs(4));
        assert!(matches!(ended, Err(TokenError::NobodyCame)), "{ended:?}");
        drop(silent);
        for page in pages {
            assert!(page.join().unwrap().starts_with("HTTP/1.1 404"));
        }
    }

    #[test]
    fn a_request_has_a_limit() {
        let redirect = Redirect::listen().unwrap();
        let address = redirect.listener.local_addr().unwrap();
        let endless = thread::spawn(move || {
            let mut stream = TcpStream::connect(address).unwrap();
            // It is hung up on before the end.
            (0..10_000).any(|_| stream.write_all(&[b'a'; 4096]).is_err())
        });
        let ended = redirect.code("s", Duration::from_secs(3));
        assert!(matches!(ended, Err(TokenError::NobodyCame)), "{ended:?}");
        assert!(endless.join().unwrap());
    }
}
