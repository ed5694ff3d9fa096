//! Runner, observer and signer: how they are started, and how each becomes what it shall be.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use rustix::process::Signal;
use rustix::thread::UnshareFlags;

use super::channel::Channel;
use super::error::Error;
use super::message::{Entry, Failure, Mapped};
use super::users::Users;
use super::{confine, sandbox};

/// One of the three.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Owns the sandbox.
    Runner,
    /// Measures what the step left.
    Observer,
    /// Holds the key.
    Signer,
}

impl Role {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Runner => "runner",
            Self::Observer => "observer",
            Self::Signer => "signer",
        }
    }

    /// The hidden subcommand.
    pub(super) const fn subcommand(self) -> &'static str {
        match self {
            Self::Runner => "__runner",
            Self::Observer => "__observer",
            Self::Signer => "__signer",
        }
    }
}

/// One of the three, as the control plane holds it. Dropping it ends the process.
#[derive(Debug)]
pub(super) struct Process {
    role: Role,
    child: Child,
    pub(super) channel: Channel,
}

impl Process {
    /// Starts this very program anew as `role`, with one end of a channel as its standard input. `streams` become
    /// its standard output and error.
    pub(super) fn start(role: Role, streams: [Stdio; 2]) -> Result<Self, Error> {
        let failed = |cause| Error::Process {
            role: role.name(),
            doing: "being started",
            cause,
        };
        let (channel, theirs) = Channel::pair().map_err(failed)?;
        let [out, err] = streams;
        let child = itself(role.subcommand(), theirs)
            .stdout(out)
            .stderr(err)
            .spawn()
            .map_err(failed)?;
        Ok(Self {
            role,
            child,
            channel,
        })
    }

    /// Lets a runner go on, through the doors of its control group: what it sees of groups starts there.
    pub(super) fn release(&self, doors: &[PathBuf]) -> Result<(), Error> {
        let sent = self.channel.send(&doors);
        sent.map_err(|cause| self.failed("being released", cause))
    }

    /// Maps its ids as soon as it has left the shared user namespace.
    pub(super) fn admit(&mut self, users: &Users) -> Result<(), Error> {
        match self.entry("leaving the shared namespaces")? {
            Entry::Unshared => {}
            Entry::Ready => return Err(self.failed("starting", io::ErrorKind::InvalidData.into())),
            Entry::Failed(failure) => return Err(failure.into()),
        }
        users
            .map(self.role, self.id())
            .map_err(Error::no_sandbox("mapping user ids"))?;
        self.channel
            .send(&users.inner(self.role))
            .map_err(|cause| self.failed("being told its user", cause))
    }

    /// Waits until it has changed its user and dropped its privileges.
    pub(super) fn await_ready(&mut self) -> Result<(), Error> {
        match self.entry("dropping its privileges")? {
            Entry::Ready => Ok(()),
            Entry::Unshared => Err(self.failed("starting", io::ErrorKind::InvalidData.into())),
            Entry::Failed(failure) => Err(failure.into()),
        }
    }

    fn entry(&self, doing: &'static str) -> Result<Entry, Error> {
        let received = self
            .channel
            .receive()
            .and_then(|entry| entry.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof)));
        received.map_err(|cause| self.failed(doing, cause))
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(super) fn failed(&self, doing: &'static str, cause: io::Error) -> Error {
        Error::Process {
            role: self.role.name(),
            doing,
            cause,
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already, which is what is wanted. When the runner ends, the kernel ends the sandbox.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// This very program, even if its file was replaced meanwhile.
pub(super) fn itself(subcommand: &str, line: OwnedFd) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command
        .arg0("modelward")
        .arg(subcommand)
        .env_clear()
        .stdin(line);
    command
}

/// The first half of every role: nothing inherited, dies with its parent, in namespaces of its own, ids mapped.
pub(super) fn enter(channel: &Channel, namespaces: UnshareFlags) -> Result<Mapped, Failure> {
    // A session of its own: what the terminal signals is for the control plane to handle.
    rustix::process::setsid().map_err(Failure::when("making a session"))?;
    die_with_parent().map_err(Failure::when("tying itself to its parent"))?;
    sandbox::unshare(namespaces).map_err(Failure::when("making namespaces"))?;
    channel
        .send(&Entry::Unshared)
        .map_err(Failure::when("reporting"))?;
    let mapped = channel.receive().map_err(Failure::when("listening"))?;
    mapped.ok_or_else(|| Failure::when("listening")(io::Error::from(io::ErrorKind::UnexpectedEof)))
}

/// The second half, for a role that needs at most `kept` of its capabilities: another user, nothing to gain, no traces.
pub(super) fn settle(user: Mapped, kept: rustix::thread::CapabilitySet) -> Result<(), Failure> {
    confine::become_user(user, kept).map_err(Failure::when("changing the user"))?;
    die_with_parent().map_err(Failure::when("tying itself to its parent"))?;
    confine::hide().map_err(Failure::when("hiding its memory"))?;
    confine::gain_nothing().map_err(Failure::when("giving up new privileges"))?;
    confine::filter_calls().map_err(Failure::when("filtering system calls"))
}

/// Changing the user undoes this, so it is done again after that.
pub(super) fn die_with_parent() -> io::Result<()> {
    Ok(rustix::process::set_parent_process_death_signal(Some(
        Signal::KILL,
    ))?)
}

impl Failure {
    /// Names what failed.
    pub(super) fn when<E: Into<io::Error>>(doing: &str) -> impl FnOnce(E) -> Self + use<'_, E> {
        move |cause| Self {
            doing: doing.to_owned(),
            why: cause.into().to_string(),
        }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        Self::NoSandbox {
            hint: hint(&failure.doing),
            doing: failure.doing,
            why: failure.why,
        }
    }
}

impl Error {
    pub(super) fn no_sandbox(doing: &str) -> impl FnOnce(io::Error) -> Self + '_ {
        move |cause| Failure::when(doing)(cause).into()
    }
}

/// What a person can do, by what failed.
fn hint(doing: &str) -> &'static str {
    if doing.contains("namespaces") || doing.contains("mapping") {
        "user namespaces must be allowed: `sysctl user.max_user_namespaces` above 0, and where they exist \
         `kernel.unprivileged_userns_clone=1` and `kernel.apparmor_restrict_unprivileged_userns=0`; in a container, \
         allow `unshare`"
    } else if doing.contains("/proc") {
        "a container that masks parts of `/proc` allows no `/proc` inside; run it with `--security-opt \
         systempaths=unconfined` or on the host"
    } else {
        "`modelward doctor` shows what this machine allows"
    }
}
