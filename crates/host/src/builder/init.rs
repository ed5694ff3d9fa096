//! Process 1 of the sandbox: builds it, starts the step, reaps, and takes everything down with it when it ends.

use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Pid, PidfdFlags, WaitOptions, WaitStatus};
use rustix::thread::CapabilitySet;

use super::channel::Channel;
use super::message::{Failure, Plan, Report};
use super::profile::{Layers, MemoryBound};
use super::step::Exit;
use super::{confine, mounts, process};

/// Runs one step.
pub(super) fn serve() -> io::Result<()> {
    let channel = Channel::inherited()?;
    let Some(plan) = listen(&channel)? else {
        return Ok(());
    };
    let step = match build(&channel, &plan) {
        Ok(()) => start(&plan),
        Err(failure) => return channel.send(&Report::Failed(failure)),
    };
    match step {
        Ok(step) => watch(&channel, step),
        Err(cause) => channel.send(&Report::NotStarted(cause.to_string())),
    }
}

/// The first message is the plan. There is none if the control plane is gone, or only tried whether this works.
fn listen(channel: &Channel) -> io::Result<Option<Plan>> {
    process::die_with_parent()?;
    channel.receive()
}

fn build(channel: &Channel, plan: &Plan) -> Result<(), Failure> {
    rustix::system::sethostname(HOST_NAME).map_err(Failure::when("naming the host"))?;
    rustix::process::umask(rustix::fs::Mode::empty());
    let folders = mounts::build(plan)?;
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    confine::become_user(plan.user, CapabilitySet::empty())
        .map_err(Failure::when("changing the user"))?;
    process::die_with_parent().map_err(Failure::when("tying itself to its parent"))?;
    confine::hide().map_err(Failure::when("hiding its memory"))?;
    confine::gain_nothing().map_err(Failure::when("giving up new privileges"))?;
    confine::limit(&plan.limits).map_err(Failure::when("setting limits"))?;
    let landlock =
        confine::fence(mounts::WRITABLE).map_err(Failure::when("fencing files by Landlock"))?;
    confine::filter_calls().map_err(Failure::when("filtering system calls"))?;
    if plan.memory == MemoryBound::Polled {
        confine::hide_uncounted_memory().map_err(Failure::when("hiding uncounted memory"))?;
    }
    let layers = Layers {
        namespaces: NAMESPACES.map(str::to_owned).to_vec(),
        network: "none".into(),
        seccomp: true,
        landlock: landlock.into(),
        no_new_privileges: true,
        capabilities: "none".into(),
    };
    channel
        .send_with(&Report::Built(layers), &folders.all().map(AsFd::as_fd))
        .map_err(Failure::when("reporting"))
}

/// What this process put on holds for the step too; nothing is left to do between fork and exec.
fn start(plan: &Plan) -> io::Result<Pid> {
    let (program, arguments) = plan
        .command
        .split_first()
        .ok_or(io::ErrorKind::InvalidInput)?;
    let child = Command::new(program)
        .args(arguments)
        .env_clear()
        .envs(&plan.env)
        .current_dir(mounts::WORK)
        .stdin(Stdio::null())
        .spawn()?;
    Ok(Pid::from_child(&child))
}

fn watch(channel: &Channel, step: Pid) -> io::Result<()> {
    let ending = rustix::process::pidfd_open(step, PidfdFlags::empty())?;
    loop {
        let mut watched = [
            PollFd::new(&ending, PollFlags::IN),
            PollFd::new(channel, PollFlags::IN | PollFlags::RDHUP),
        ];
        match rustix::event::poll(&mut watched, Some(&REAP_INTERVAL)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(e.into()),
        }
        // The control plane says nothing after the plan: this is its end, or its order to stop.
        if watched
            .get(1)
            .is_some_and(|line| !line.revents().is_empty())
        {
            return Ok(());
        }
        if let Some(exit) = reap(step) {
            return channel.send(&Report::Ended {
                exit,
                left_processes: left_processes()?,
                cpu_seconds: cpu_seconds()?,
            });
        }
    }
}

/// Reaps all that have ended; says how the step did, if it is among them.
fn reap(step: Pid) -> Option<Exit> {
    let mut ended = None;
    while let Ok(Some((pid, status))) = rustix::process::wait(WaitOptions::NOHANG) {
        if pid == step {
            ended = Some(exit_of(status));
        }
    }
    ended
}

fn exit_of(status: WaitStatus) -> Exit {
    let signal = status.terminating_signal().map(Exit::Signal);
    signal.unwrap_or_else(|| Exit::Code(status.exit_status().unwrap_or(-1)))
}

/// A process that is about to end, as the rest of a pipeline, is not left behind; so there is a moment's grace.
fn left_processes() -> io::Result<u32> {
    let start = Instant::now();
    loop {
        while let Ok(Some(_)) = rustix::process::wait(WaitOptions::NOHANG) {}
        let left = others()?;
        if left == 0 || start.elapsed() > GRACE {
            return Ok(left);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Every process of this namespace but this one.
fn others() -> io::Result<u32> {
    let mut count = 0;
    for entry in fs::read_dir("/proc")? {
        let number = entry?
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<u32>().ok());
        count += u32::from(number.is_some_and(|number| number != 1));
    }
    Ok(count)
}

/// Of all that was reaped, which is all that ended.
fn cpu_seconds() -> io::Result<f64> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let after_name = stat.rsplit_once(')').ok_or(io::ErrorKind::InvalidData)?.1;
    let ticks: u64 = after_name
        .split_whitespace()
        .skip(CHILDREN_TIMES_AFTER_NAME)
        .take(2)
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    Ok(ticks as f64 / TICKS_PER_SECOND)
}

const HOST_NAME: &[u8] = b"step";
const NAMESPACES: [&str; 7] = ["user", "mount", "pid", "network", "ipc", "uts", "cgroup"];
const REAP_INTERVAL: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 200_000_000,
};
const GRACE: Duration = Duration::from_millis(100);
const CHILDREN_TIMES_AFTER_NAME: usize = 13;
/// The kernel's `USER_HZ`, the same on every architecture with this sandbox. To ask for it, a process may have to read its
/// `/proc/self/auxv` (rustix does before Linux 6.4), which one that hides its memory can't.
const TICKS_PER_SECOND: f64 = 100.0;
