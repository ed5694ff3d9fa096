//! What this program does as a step: things that a shell can't.

use std::fs;
use std::net::{TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;
use std::process::{Command, ExitCode};

pub(crate) fn act(words: &[String]) -> ExitCode {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["tcp"] => drop(TcpStream::connect("127.0.0.1:9")),
        ["udp"] => drop(UdpSocket::bind("127.0.0.1:0")),
        ["unix"] => drop(UnixStream::pair().unwrap()),
        ["unshare"] => {
            #[expect(deprecated, reason = "the safe one; here nothing is shared")]
            let _ = rustix::thread::unshare(rustix::thread::UnshareFlags::NEWUSER);
        }
        ["mount"] => drop(rustix::mount::mount_bind("/tmp", "/work")),
        ["descriptors"] => descriptors(),
        ["memory", mebibytes] => drop(memory(mebibytes)),
        ["hold", mebibytes] => {
            let _held = memory(mebibytes);
            std::thread::sleep(std::time::Duration::from_secs(2));
        }
        ["spin"] => loop {
            std::hint::spin_loop();
        },
        ["processes"] => processes(),
        ["privileges"] => privileges(),
        ["threads"] => {
            let threads = [1, 2, 3].map(|n| std::thread::spawn(move || n * 2));
            assert_eq!(threads.map(|t| t.join().unwrap()), [2, 4, 6]);
        }
        _ => return ExitCode::from(99),
    }
    ExitCode::SUCCESS
}

/// All that are open, but the one that looks.
fn descriptors() {
    let open = fs::read_dir("/proc/self/fd")
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut open: Vec<_> = open
        .filter_map(|path| Some((path.clone(), fs::read_link(path).ok()?)))
        .filter(|(_, target)| !target.to_string_lossy().contains("/fd"))
        .map(|(path, target)| {
            let target = target.to_string_lossy().into_owned();
            let kind = target.split(':').next().unwrap_or_default().to_owned();
            format!("{} {kind}\n", path.file_name().unwrap().to_string_lossy())
        })
        .collect();
    open.sort();
    fs::write("/out/descriptors", open.concat()).unwrap();
}

fn memory(mebibytes: &str) -> Vec<Vec<u8>> {
    let mebibytes: usize = mebibytes.parse().unwrap();
    let filled: Vec<Vec<u8>> = (0..mebibytes).map(|_| vec![1; 1 << 20]).collect();
    println!("{}", filled.len());
    filled
}

fn processes() {
    let mut started = Vec::new();
    while let Ok(child) = Command::new("/bin/sleep").arg("60").spawn() {
        started.push(child);
        assert!(started.len() < 1000, "there is no limit");
    }
    fs::write("/out/started", started.len().to_string()).unwrap();
    for mut child in started {
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

fn privileges() {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let told = ["Uid", "Gid", "Groups", "Cap", "NoNewPrivs", "Seccomp:"];
    let lines = status
        .lines()
        .filter(|line| told.iter().any(|name| line.starts_with(name)));
    let text: String = lines
        .map(|line| format!("{}\n", line.replace('\t', " ")))
        .collect();
    fs::write("/out/privileges", text).unwrap();
}
