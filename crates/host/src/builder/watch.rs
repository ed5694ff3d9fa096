//! A step from its plan to the death of its last process, and what is said of its end.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};

use super::cgroup::Cgroup;
use super::control::Crew;
use super::error::Error;
use super::lines::Lines;
use super::memory::Meter;
use super::message::{Plan, Report};
use super::profile::{Layers, MemoryBound};
use super::step::{Exit, Limits, Stream};

/// A step that ended well, and of which nothing runs any more.
pub(super) struct Ended {
    pub(super) layers: Layers,
    /// `/out` and `/results`.
    pub(super) folders: [OwnedFd; 2],
    pub(super) seconds: f64,
    pub(super) cpu_seconds: f64,
}

/// Hands over the plan and watches until every process of the step is dead.
pub(super) fn step(
    crew: &mut Crew,
    plan: &Plan,
    stop: &AtomicBool,
    on_line: &mut dyn FnMut(Stream, &str),
) -> Result<Ended, Error> {
    let start = Instant::now();
    let sent = crew.runner.channel.send(plan);
    sent.map_err(|cause| crew.runner.failed("being given its plan", cause))?;
    let mut seen = Seen::default();
    while !seen.is_dead {
        let left = seen.deadline(&plan.limits).saturating_sub(start.elapsed());
        let next = seen.meter.as_ref().map_or(LISTENING_MAX, Meter::due);
        if left.is_zero() {
            let limit = plan.limits.wall;
            seen.stop(crew, start.elapsed(), Error::TimedOut { limit })?;
        } else if listen(crew, left.min(next), on_line)? {
            seen.hear(crew, plan)?;
        }
        if stop.load(Ordering::SeqCst) && seen.told.is_none() {
            seen.stop(crew, start.elapsed(), Error::Stopped)?;
        }
        if seen.needs_too_much(crew)? {
            seen.stop(crew, start.elapsed(), out_of_memory(&plan.limits))?;
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    while crew.out.is_open() || crew.err.is_open() {
        listen(crew, STOPPING_MAX, on_line)?;
    }
    seen.judge(crew, &plan.limits, seconds)
}

/// Takes what the step prints; says whether the sandbox has something to say.
fn listen(
    crew: &mut Crew,
    left: Duration,
    on_line: &mut dyn FnMut(Stream, &str),
) -> Result<bool, Error> {
    let ready = wait(crew, left);
    let [told, out, err] = ready.map_err(|cause| crew.runner.failed("being watched", cause))?;
    for (lines, is_ready) in [(&mut crew.out, out), (&mut crew.err, err)] {
        if is_ready {
            let taken = lines.take(on_line);
            taken.map_err(|cause| crew.runner.failed("being listened to", cause))?;
        }
    }
    Ok(told)
}

/// Waits for the sandbox or the step to say something: which of sandbox, output and error did.
fn wait(crew: &Crew, left: Duration) -> io::Result<[bool; 3]> {
    let timeout = Timespec::try_from(left).map_err(io::Error::other)?;
    let interest = |lines: &Lines| {
        if lines.is_open() {
            PollFlags::IN
        } else {
            PollFlags::empty()
        }
    };
    let mut sources = [
        PollFd::new(&crew.runner.channel, PollFlags::IN),
        PollFd::new(&crew.out, interest(&crew.out)),
        PollFd::new(&crew.err, interest(&crew.err)),
    ];
    match rustix::event::poll(&mut sources, Some(&timeout)) {
        Ok(_) => {}
        Err(rustix::io::Errno::INTR) => return Ok([false; 3]),
        Err(e) => return Err(e.into()),
    }
    Ok(sources.map(|source| !source.revents().is_empty()))
}

/// What came from the sandbox so far.
#[derive(Default)]
struct Seen {
    built: Option<(Layers, [OwnedFd; 2])>,
    /// Where no control group counts its memory.
    meter: Option<Meter>,
    ended: Option<(Exit, u32, f64)>,
    stopped: Option<Error>,
    /// Since the start, when it was told to stop.
    told: Option<Duration>,
    is_dead: bool,
}

impl Seen {
    fn deadline(&self, limits: &Limits) -> Duration {
        self.told
            .map_or(limits.wall, |told| told.saturating_add(STOPPING_MAX))
    }

    /// Process 1 ends when it hears this, and all others with it. If it doesn't hear, the runner is killed,
    /// which kills it.
    fn stop(&mut self, crew: &Crew, now: Duration, why: Error) -> Result<(), Error> {
        let why = self.stopped.take().unwrap_or(why);
        if self.told.replace(now).is_some() {
            return Err(why);
        }
        self.stopped = Some(why);
        let told = crew.runner.channel.finish();
        told.map_err(|cause| crew.runner.failed("being stopped", cause))
    }

    fn needs_too_much(&mut self, crew: &Crew) -> Result<bool, Error> {
        let Some(meter) = self.meter.as_mut().filter(|_| self.told.is_none()) else {
            return Ok(false);
        };
        let looked = meter.look();
        looked.map_err(|cause| crew.runner.failed("having its memory counted", cause))
    }

    fn hear(&mut self, crew: &Crew, plan: &Plan) -> Result<(), Error> {
        let heard = crew.runner.channel.receive_with::<Report>();
        let heard =
            heard.and_then(|heard| heard.ok_or_else(|| io::ErrorKind::UnexpectedEof.into()));
        let (report, folders) = heard.map_err(|cause| died(crew, &plan.limits, cause))?;
        match report {
            Report::Built(layers) => self.furnish(crew, plan, layers, folders)?,
            Report::Ended {
                exit,
                left_processes,
                cpu_seconds,
            } => self.ended = Some((exit, left_processes, cpu_seconds)),
            Report::NotStarted(why) => {
                let program = plan.command.first().cloned().unwrap_or_default();
                self.stopped = Some(Error::NotStarted { program, why });
            }
            Report::Failed(failure) => self.stopped = Some(failure.into()),
            Report::Dead => self.is_dead = true,
        }
        Ok(())
    }

    fn furnish(
        &mut self,
        crew: &Crew,
        plan: &Plan,
        layers: Layers,
        folders: Vec<OwnedFd>,
    ) -> Result<(), Error> {
        let failed = |cause| crew.runner.failed("handing over its folders", cause);
        let [out, results, scratch, processes] = <[OwnedFd; 4]>::try_from(folders)
            .map_err(|_| failed(io::ErrorKind::InvalidData.into()))?;
        if plan.memory == MemoryBound::Polled {
            let memory = [&out, &results].map(OwnedFd::try_clone);
            let [out, results] = memory.map(|copy| copy.map_err(failed));
            let memory = vec![out?, results?, scratch];
            self.meter = Some(Meter::new(plan.limits.memory_bytes, processes, memory));
        }
        self.built = Some((layers, [out, results]));
        Ok(())
    }

    fn judge(self, crew: &Crew, limits: &Limits, seconds: f64) -> Result<Ended, Error> {
        if let Some(stopped) = self.stopped {
            return Err(stopped);
        }
        let (Some((layers, folders)), Some((exit, left_processes, cpu_seconds))) =
            (self.built, self.ended)
        else {
            let cause = io::Error::other("process 1 of the sandbox died before it could report");
            return Err(died(crew, limits, cause));
        };
        let is_out_of_memory =
            out_of_memory_kills(crew) > 0 || self.meter.is_some_and(|meter| meter.is_over());
        let used_up = UsedUp {
            memory: is_out_of_memory,
            // Its main process may have ended well before.
            cpu: cpu_seconds >= Duration::from_secs(limits.cpu_seconds).as_secs_f64(),
        };
        failure_of(exit, used_up, limits, || crew.err.tail())?;
        if left_processes > 0 {
            return Err(Error::LeftProcesses {
                count: left_processes,
            });
        }
        Ok(Ended {
            layers,
            folders,
            seconds,
            cpu_seconds,
        })
    }
}

/// When a group's memory is used up, the kernel may kill one of ours in it.
fn died(crew: &Crew, limits: &Limits, cause: io::Error) -> Error {
    if out_of_memory_kills(crew) > 0 {
        out_of_memory(limits)
    } else {
        crew.runner.failed("running the step", cause)
    }
}

const fn out_of_memory(limits: &Limits) -> Error {
    Error::OutOfMemory {
        limit_bytes: limits.memory_bytes,
    }
}

fn out_of_memory_kills(crew: &Crew) -> u64 {
    crew.cgroup.as_ref().map_or(0, Cgroup::out_of_memory_kills)
}

/// What a step used up of what it had.
#[derive(Clone, Copy)]
struct UsedUp {
    memory: bool,
    cpu: bool,
}

/// A shell reports a program that was killed by a signal as 128 and the signal's number.
fn failure_of(
    exit: Exit,
    used_up: UsedUp,
    limits: &Limits,
    stderr_tail: impl Fn() -> String,
) -> Result<(), Error> {
    let signal = match exit {
        Exit::Code(0) => return Ok(()),
        Exit::Code(code) => code.checked_sub(SHELL_SIGNAL_BASE).unwrap_or(0),
        Exit::Signal(signal) => signal,
    };
    Err(match signal {
        libc::SIGSYS => Error::Violation {
            stderr_tail: stderr_tail(),
        },
        libc::SIGXCPU => Error::OutOfCpu {
            limit_seconds: limits.cpu_seconds,
        },
        _ if used_up.memory => out_of_memory(limits),
        // Who doesn't hear the warning is killed a second later.
        libc::SIGKILL if used_up.cpu => Error::OutOfCpu {
            limit_seconds: limits.cpu_seconds,
        },
        _ => Error::StepFailed {
            exit,
            stderr_tail: stderr_tail(),
        },
    })
}

const SHELL_SIGNAL_BASE: i32 = 128;
/// How long a wish to stop may go unnoticed.
const LISTENING_MAX: Duration = Duration::from_millis(100);
const STOPPING_MAX: Duration = Duration::from_secs(10);
