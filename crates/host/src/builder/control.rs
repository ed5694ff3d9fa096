//! The control plane of one run: starts the three processes, and lets none know more than it needs.

use std::io;
use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::sync::atomic::AtomicBool;

use super::cgroup::Cgroup;
use super::channel::Channel;
use super::error::Error;
use super::lines::Lines;
use super::message::Plan;
use super::process::{Process, Role};
use super::profile::{MemoryBound, SandboxProfile};
use super::run_folder::RunFolder;
use super::signer::Signer;
use super::step::{Ran, Step, Stream};
use super::users::Users;
use super::{inputs, receive, watch};

/// Runs a step: `key` (PKCS#8 PEM, not encrypted), if there is one, goes to the signer alone, for [`Ran::sign`]. `on_line` hears what the step
/// prints, as it prints it; the text is the step's, so whoever shows it has to make it harmless. Another thread, or the
/// handler of a signal, sets `stop` to end the run early.
///
/// # Errors
/// The step could not be run, did not end well, or its outputs are not taken.
pub fn run(
    step: &Step,
    users: &Users,
    key: Option<&str>,
    stop: &AtomicBool,
    on_line: &mut dyn FnMut(Stream, &str),
) -> Result<Ran, Error> {
    check(step)?;
    step.root.measure_again()?;
    let folder = RunFolder::new(&step.runs)?;
    inputs::copy(&step.inputs, &folder.inputs())?;
    let mut crew = Crew::start(users, key, Cgroup::new(&step.limits))?;
    let plan = plan(step, users, &folder, crew.memory());
    let ended = watch::step(&mut crew, &plan, stop, on_line)?;
    let (outputs, claims) = receive::outputs(&crew.observer, step, &folder, &ended.folders)?;
    Ok(Ran {
        outputs,
        claims,
        profile: SandboxProfile {
            isolation: users.isolation(),
            layers: ended.layers,
            cgroup: crew.cgroup.as_ref().map(Cgroup::version),
            memory: crew.memory(),
            limits: step.limits,
        },
        seconds: ended.seconds,
        cpu_seconds: ended.cpu_seconds,
        stdout_tail: crew.out.tail(),
        stderr_tail: crew.err.tail(),
        folder,
        signer: crew.signer.take(),
    })
}

fn check(step: &Step) -> Result<(), Error> {
    let bad = |why: &str| Err(Error::BadStep { why: why.into() });
    let texts = || {
        let env = step.env.iter().flat_map(|(name, value)| [name, value]);
        step.command.iter().chain(env)
    };
    if step.command.first().is_none_or(String::is_empty) {
        bad("there is no command")
    } else if texts().any(|text| text.contains('\0')) {
        bad("an argument or variable holds a NUL byte")
    } else if step
        .env
        .keys()
        .any(|name| name.is_empty() || name.contains('='))
    {
        bad("a variable's name is empty or holds `=`")
    } else if texts().map(String::len).sum::<usize>() > COMMAND_SIZE_BYTES_MAX {
        bad("arguments and variables are larger than 1 MiB")
    } else {
        Ok(())
    }
}

const COMMAND_SIZE_BYTES_MAX: usize = 1 << 20;

fn plan(step: &Step, users: &Users, folder: &RunFolder, memory: MemoryBound) -> Plan {
    Plan {
        scaffold: folder.scaffold(),
        root: step.root.path().to_owned(),
        inputs: folder.inputs(),
        command: step.command.clone(),
        env: step.env.clone(),
        limits: step.limits,
        memory,
        user: users.inner(Role::Runner),
    }
}

/// The three processes. Dropping it ends them, and so everything in the sandbox; the control group goes last.
pub(super) struct Crew {
    pub(super) runner: Process,
    pub(super) observer: Process,
    signer: Option<Signer>,
    pub(super) out: Lines,
    pub(super) err: Lines,
    pub(super) cgroup: Option<Cgroup>,
}

impl Crew {
    /// All three start side by side. The signer has its key before anything foreign runs.
    fn start(users: &Users, key: Option<&str>, cgroup: Option<Cgroup>) -> Result<Self, Error> {
        let [(out, out_writer), (err, err_writer)] = [pipe(Stream::Out)?, pipe(Stream::Err)?];
        let (to_signer, to_observer) = line()?;
        // The runner has the most to do, so it is first.
        let mut runner = Process::start(Role::Runner, [out_writer.into(), err_writer.into()])?;
        let doors = cgroup.as_ref().map(Cgroup::doors).unwrap_or_default();
        runner.release(&doors)?;
        let mut observer = Process::start(Role::Observer, [to_signer.into(), Stdio::null()])?;
        let signing =
            key.map(|_| Process::start(Role::Signer, [to_observer.into(), Stdio::null()]));
        let mut signing = signing.transpose()?;
        let mut all = vec![&mut runner, &mut observer];
        all.extend(&mut signing);
        for process in &mut all {
            process.admit(users)?;
        }
        for process in &mut all {
            process.await_ready()?;
        }
        let cgroup = cgroup.filter(|cgroup| cgroup.holds(runner.id()));
        let signer = signing.zip(key);
        let signer = signer.map(|(process, key)| Signer::new(process, key));
        Ok(Self {
            runner,
            observer,
            signer: signer.transpose()?,
            out,
            err,
            cgroup,
        })
    }

    pub(super) const fn memory(&self) -> MemoryBound {
        match self.cgroup {
            Some(_) => MemoryBound::Cgroup,
            None => MemoryBound::Polled,
        }
    }
}

/// Between observer and signer; the control plane keeps neither end.
fn line() -> Result<(OwnedFd, OwnedFd), Error> {
    Channel::ends().map_err(failed("making a line"))
}

fn pipe(stream: Stream) -> Result<(Lines, io::PipeWriter), Error> {
    let (reader, writer) = io::pipe().map_err(failed("making a pipe"))?;
    Ok((Lines::new(stream, reader), writer))
}

fn failed(doing: &'static str) -> impl FnOnce(io::Error) -> Error {
    move |cause| Error::Process {
        role: "control",
        doing,
        cause,
    }
}
