//! What work costs: time by the clock, time of the processor, and memory at its peak.

use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use rustix::time::{ClockId, clock_gettime};

use crate::Result;

/// What a piece of work cost, in milliseconds.
#[derive(Clone, Copy)]
pub(crate) struct Cost {
    pub(crate) wall: f64,
    pub(crate) cpu: f64,
}

/// Measures work of this process, with all its threads. What comes of it is let go after that.
pub(crate) fn cost<T>(work: impl FnOnce() -> Result<T>) -> Result<Cost> {
    let (wall, cpu) = (Instant::now(), cpu_time()?);
    let done = std::hint::black_box(work()?);
    let cost = Cost {
        cpu: milliseconds(cpu_time()?.saturating_sub(cpu)),
        wall: milliseconds(wall.elapsed()),
    };
    drop(done);
    Ok(cost)
}

fn cpu_time() -> Result<Duration> {
    Ok(clock_gettime(ClockId::ProcessCPUTime).try_into()?)
}

pub(crate) fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// One of those that take turns.
pub(crate) type Turn<'a> = &'a mut dyn FnMut() -> Result<Cost>;

/// Lets each take its turn in every round, and gives the median of each, wall and processor apart. A first round counts
/// nothing: it warms the caches.
pub(crate) fn rounds<const N: usize>(count: usize, mut turns: [Turn<'_>; N]) -> Result<[Cost; N]> {
    let costs = rounds_of(count, &mut turns)?;
    costs.try_into().map_err(|_| "a turn has no cost".into())
}

/// As [`rounds`], of as many as there are.
pub(crate) fn rounds_of(count: usize, turns: &mut [Turn<'_>]) -> Result<Vec<Cost>> {
    let mut costs: Vec<Vec<Cost>> = turns.iter().map(|_| Vec::new()).collect();
    for round in 0..=count {
        for (turn, costs) in turns.iter_mut().zip(&mut costs) {
            let cost = turn()?;
            if round > 0 {
                costs.push(cost);
            }
        }
    }
    let medians = costs.into_iter().map(|costs| Cost {
        wall: median(costs.iter().map(|cost| cost.wall)),
        cpu: median(costs.iter().map(|cost| cost.cpu)),
    });
    Ok(medians.collect())
}

pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// A program that ended well.
pub(crate) struct Ended {
    pub(crate) cost: Cost,
    /// The most memory that it held at once, pages of files included.
    pub(crate) peak_mebibytes: f64,
}

/// Runs a program to its end. A process of its own watches it, small, so that the kernel's account of ended children is
/// of this one alone.
pub(crate) fn program(command: &Command) -> Result<Ended> {
    let mut watcher = Command::new("/proc/self/exe");
    watcher.arg("__watch").arg(command.get_program());
    watcher.args(command.get_args()).stdin(Stdio::null());
    if let Some(folder) = command.get_current_dir() {
        watcher.current_dir(folder);
    }
    let variables = command.get_envs();
    watcher.envs(variables.filter_map(|(name, value)| Some((name, value?))));
    let output = watcher.output()?;
    let said = String::from_utf8(output.stdout)?;
    let numbers: Vec<f64> = said
        .split_whitespace()
        .map(str::parse)
        .collect::<std::result::Result<_, _>>()?;
    match numbers.as_slice() {
        [wall, cpu, peak_mebibytes] if output.status.success() => Ok(Ended {
            cost: Cost {
                wall: *wall,
                cpu: *cpu,
            },
            peak_mebibytes: *peak_mebibytes,
        }),
        _ => {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            Err(format!("{command:?} did not end well: {said}").into())
        }
    }
}

/// The watcher: runs the command and prints milliseconds by the clock, of the processor, and mebibytes at the peak.
pub(crate) fn watch(command: &[&str]) -> Result<ExitCode> {
    let (program, arguments) = command.split_first().ok_or("no command")?;
    let start = Instant::now();
    let status = Command::new(program)
        .args(arguments)
        .stdout(Stdio::null())
        .status()?;
    let wall = milliseconds(start.elapsed());
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let micros = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 * 1e6 + time.tv_usec() as f64;
    let cpu = (micros(usage.user_time()) + micros(usage.system_time())) / 1e3;
    println!("{wall} {cpu} {}", usage.max_rss() as f64 / 1024.0);
    Ok(if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
