//! Running the program: nothing inherited, a request in, one answer out, all of it limited.

use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use super::{Plugin, PluginError};

/// An RSA key of 8192 bits in PEM has some 1,400 bytes.
pub(super) const ANSWER_SIZE_BYTES_MAX: usize = 64 * 1024;
const SAID_SIZE_BYTES_MAX: usize = 2048;
const POLL: Duration = Duration::from_millis(2);

/// Starts the program with one word, gives it the request, and returns what it wrote.
pub(super) fn run(plugin: &Plugin, word: &str, request: Vec<u8>) -> Result<Vec<u8>, PluginError> {
    let deadline = Instant::now() + plugin.timeout;
    let mut running = Running(start(plugin, word)?);
    let child = &mut running.0;
    let broken = || PluginError::Run(io::ErrorKind::BrokenPipe.into());
    let mut stdin = child.stdin.take().ok_or_else(broken)?;
    // A program that does not read its request may still answer: that the pipe broke is not looked at.
    thread::spawn(move || stdin.write_all(&request));
    let answer = read(
        child.stdout.take().ok_or_else(broken)?,
        ANSWER_SIZE_BYTES_MAX,
    );
    let said = read(child.stderr.take().ok_or_else(broken)?, SAID_SIZE_BYTES_MAX);
    let timeout = || PluginError::Timeout {
        seconds: plugin.timeout.as_secs(),
    };
    let left = || deadline.saturating_duration_since(Instant::now());
    let answer = answer.recv_timeout(left()).map_err(|_| timeout())?;
    if answer.len() > ANSWER_SIZE_BYTES_MAX {
        return Err(PluginError::TooLong);
    }
    let status = wait(child, deadline)?.ok_or_else(timeout)?;
    if !status.success() {
        let said = said.recv_timeout(left()).unwrap_or_default();
        return Err(PluginError::Failed {
            status: status.to_string(),
            said: printable(&said),
        });
    }
    Ok(answer)
}

/// Not in our folder, without our environment, in a process group of its own. Files of ours are closed when it starts, and
/// so are those that whoever started us left open.
fn start(plugin: &Plugin, word: &str) -> Result<Child, PluginError> {
    crate::builder::close_on_exec().map_err(PluginError::Run)?;
    Command::new(&plugin.program)
        .arg(word)
        .env_clear()
        .envs(plugin.environment.iter().cloned())
        .current_dir("/")
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(PluginError::Run)
}

/// What is written, and at most one byte more than allowed.
fn read(from: impl Read + Send + 'static, size_bytes_max: usize) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // What was read before the pipe broke is what there is.
        let _ = from.take(size_bytes_max as u64 + 1).read_to_end(&mut bytes);
        // Nobody waits any longer: then nobody is told.
        let _ = sender.send(bytes);
    });
    receiver
}

fn wait(child: &mut Child, deadline: Instant) -> Result<Option<ExitStatus>, PluginError> {
    loop {
        if let Some(status) = child.try_wait().map_err(PluginError::Run)? {
            return Ok(Some(status));
        }
        if Instant::now() >= deadline {
            return Ok(None);
        }
        thread::sleep(POLL);
    }
}

fn printable(said: &[u8]) -> String {
    let text = String::from_utf8_lossy(said);
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    let text: String = text.chars().take(SAID_SIZE_BYTES_MAX).map(plain).collect();
    let text = text.trim();
    if text.is_empty() {
        "it did not say why".to_owned()
    } else {
        text.to_owned()
    }
}

/// The program, and whatever it started and left in its group: ended when nobody waits for it any longer.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let id = i32::try_from(self.0.id()).ok();
        if let Some(group) = id.and_then(rustix::process::Pid::from_raw) {
            // Gone already: then there is nothing to end.
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
        let _ = self.0.wait();
    }
}
