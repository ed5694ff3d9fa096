//! The runner: makes the namespaces, starts process 1 in them, and knows when all in them are dead.

use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::Child;

use rustix::thread::{CapabilitySet, UnshareFlags};

use super::channel::Channel;
use super::message::{Entry, Failure, Report};
use super::{confine, process};

/// Serves the control plane until the sandbox is dead.
pub(super) fn serve() -> io::Result<()> {
    let channel = Channel::inherited()?;
    match start(&channel) {
        Ok(init) => watch(&channel, init),
        Err(failure) => channel.send(&Entry::Failed(failure)),
    }
}

fn start(channel: &Channel) -> Result<Child, Failure> {
    enter_groups(channel).map_err(Failure::when("waiting to be released"))?;
    let user = process::enter(channel, NAMESPACES)?;
    confine::keep_capabilities_over_exec()
        .map_err(Failure::when("keeping its capabilities for process 1"))?;
    let line = channel.as_fd().try_clone_to_owned();
    let line = line.map_err(Failure::when("sharing its line"))?;
    // It inherits standard output and error: the step's.
    let init = process::itself(super::INIT, line).spawn();
    let init = init.map_err(Failure::when("starting process 1 of the sandbox"))?;
    process::settle(user, CapabilitySet::empty())?;
    Ok(init)
}

/// Where a door is closed, this process stays outside; the control plane looks whether it is in.
fn enter_groups(channel: &Channel) -> io::Result<()> {
    let doors: Option<Vec<PathBuf>> = channel.receive()?;
    for door in doors.ok_or(io::ErrorKind::UnexpectedEof)? {
        let _ = fs::write(door, "0");
    }
    Ok(())
}

/// From here on only process 1 listens to the control plane. It ends when the control plane is gone, and when it ends,
/// the kernel kills all others in its namespace before this wait returns.
fn watch(channel: &Channel, mut init: Child) -> io::Result<()> {
    channel.send(&Entry::Ready)?;
    init.wait()?;
    channel.send(&Report::Dead)
}

const NAMESPACES: UnshareFlags = UnshareFlags::NEWUSER
    .union(UnshareFlags::NEWNS)
    .union(UnshareFlags::NEWPID)
    .union(UnshareFlags::NEWNET)
    .union(UnshareFlags::NEWIPC)
    .union(UnshareFlags::NEWUTS)
    .union(UnshareFlags::NEWCGROUP);
