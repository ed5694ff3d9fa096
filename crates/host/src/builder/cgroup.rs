//! Control groups, of either generation, where this process may make one: they bound all processes of a step together.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::profile::CgroupVersion;
use super::step::Limits;

/// A group for one run. Dropping it removes it, once its processes are dead.
#[derive(Debug)]
pub(super) struct Cgroup {
    version: CgroupVersion,
    /// One folder for each controller in v1, one for all in v2.
    folders: Vec<PathBuf>,
}

impl Cgroup {
    /// Makes a group with these limits below the one this process is in; nothing where that isn't allowed.
    pub(super) fn new(limits: &Limits) -> Option<Self> {
        let membership = fs::read_to_string("/proc/self/cgroup").ok()?;
        let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
        Self::v2(&membership, &mounts, limits).or_else(|| Self::v1(&membership, &mounts, limits))
    }

    fn v1(membership: &str, mounts: &str, limits: &Limits) -> Option<Self> {
        let controller =
            |name| Some(mount_of_v1(mounts, name)?.join(membership_v1(membership, name)?));
        let memory = make(&controller("memory")?)?;
        let mut group = Self {
            version: CgroupVersion::V1,
            folders: vec![memory.clone()],
        };
        write(&memory, "memory.limit_in_bytes", limits.memory_bytes).ok()?;
        // Only where swap is accounted for.
        let _ = write(&memory, "memory.memsw.limit_in_bytes", limits.memory_bytes);
        if let Some(pids) = controller("pids").and_then(|folder| make(&folder)) {
            group.folders.push(pids.clone());
            write(
                &pids,
                "pids.max",
                limits.processes.saturating_add(OUR_PROCESSES),
            )
            .ok()?;
        }
        Some(group)
    }

    /// A group with processes in it gives its controllers to none below, so the first above that does is used.
    fn v2(membership: &str, mounts: &str, limits: &Limits) -> Option<Self> {
        let mount = mount_of_v2(mounts)?;
        let own = membership
            .lines()
            .find_map(|line| line.strip_prefix("0::/"))?;
        let above = Path::new(own)
            .ancestors()
            .map(|folder| mount.join(folder))
            .find(|folder| gives(folder, "memory") && gives(folder, "pids"))?;
        let folder = make(&above)?;
        let group = Self {
            version: CgroupVersion::V2,
            folders: vec![folder.clone()],
        };
        write(&folder, "memory.max", limits.memory_bytes).ok()?;
        let _ = write(&folder, "memory.swap.max", 0);
        write(
            &folder,
            "pids.max",
            limits.processes.saturating_add(OUR_PROCESSES),
        )
        .ok()?;
        Some(group)
    }

    pub(super) const fn version(&self) -> CgroupVersion {
        self.version
    }

    /// The files to which a process writes `0` to enter the group, with all that it will start. In v1, a single thread
    /// that moves itself spares the kernel a wait of some ten milliseconds.
    pub(super) fn doors(&self) -> Vec<PathBuf> {
        let file = match self.version {
            CgroupVersion::V1 => "tasks",
            CgroupVersion::V2 => "cgroup.procs",
        };
        self.folders
            .iter()
            .map(|folder| folder.join(file))
            .collect()
    }

    /// Whether a process is in it.
    pub(super) fn holds(&self, process: u32) -> bool {
        self.folders.iter().all(|folder| {
            let members = fs::read_to_string(folder.join("cgroup.procs"));
            members.is_ok_and(|members| members.lines().any(|line| line.parse() == Ok(process)))
        })
    }

    /// How many processes the kernel killed because the group's memory was used up.
    pub(super) fn out_of_memory_kills(&self) -> u64 {
        let file = match self.version {
            CgroupVersion::V1 => "memory.oom_control",
            CgroupVersion::V2 => "memory.events",
        };
        let counts = self
            .folders
            .first()
            .and_then(|folder| fs::read_to_string(folder.join(file)).ok());
        counts
            .unwrap_or_default()
            .lines()
            .find_map(|line| line.strip_prefix("oom_kill ")?.parse().ok())
            .unwrap_or(0)
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        for folder in &self.folders {
            // If a process is still dying, the next run removes it.
            let _ = fs::remove_dir(folder);
        }
    }
}

/// The runner and process 1 of the sandbox.
const OUR_PROCESSES: u64 = 2;
const PREFIX: &str = "modelward-run-";

/// Makes a group of our own, and removes empty ones that a killed run left.
fn make(parent: &Path) -> Option<PathBuf> {
    for entry in fs::read_dir(parent).ok()?.flatten() {
        let name = entry.file_name();
        let left = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
        let owner = left.and_then(|rest| rest.split('-').next());
        if owner.is_some_and(|owner| !Path::new("/proc").join(owner).exists()) {
            let _ = fs::remove_dir(entry.path());
        }
    }
    (0..100).find_map(|number| {
        let folder = parent.join(format!("{PREFIX}{}-{number}", std::process::id()));
        fs::create_dir(&folder).ok().map(|()| folder)
    })
}

fn write(folder: &Path, file: &str, value: u64) -> io::Result<()> {
    fs::write(folder.join(file), value.to_string())
}

fn gives(folder: &Path, controller: &str) -> bool {
    fs::read_to_string(folder.join("cgroup.subtree_control"))
        .is_ok_and(|given| given.split_whitespace().any(|name| name == controller))
}

fn membership_v1<'a>(membership: &'a str, controller: &str) -> Option<&'a str> {
    membership.lines().find_map(|line| {
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        let is_in = controllers.split(',').any(|name| name == controller);
        is_in.then(|| path.trim_start_matches('/'))
    })
}

/// Only mounts of the whole hierarchy: in a container that sees a part of it, paths would not fit.
fn mount_of_v1(mounts: &str, controller: &str) -> Option<PathBuf> {
    mounts.lines().find_map(|line| {
        let (place, kind) = line.split_once(" - ")?;
        let mut place = place.split(' ').skip(3);
        let (root, point) = (place.next()?, place.next()?);
        let mut kind = kind.split(' ');
        let is_it = kind.next()? == "cgroup"
            && kind
                .next_back()?
                .split(',')
                .any(|option| option == controller);
        (is_it && root == "/").then(|| PathBuf::from(point))
    })
}

fn mount_of_v2(mounts: &str) -> Option<PathBuf> {
    mounts.lines().find_map(|line| {
        let (place, kind) = line.split_once(" - ")?;
        let mut place = place.split(' ').skip(3);
        let (root, point) = (place.next()?, place.next()?);
        (kind.starts_with("cgroup2 ") && root == "/").then(|| PathBuf::from(point))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
30 23 0:26 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
31 23 0:27 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:4 - cgroup cgroup rw,cpu,cpuacct
32 23 0:28 /part /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids
33 23 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
";

    #[test]
    fn reads_where_the_controllers_are() {
        assert_eq!(
            mount_of_v1(MOUNTS, "memory"),
            Some("/sys/fs/cgroup/memory".into())
        );
        assert_eq!(
            mount_of_v1(MOUNTS, "cpuacct"),
            Some("/sys/fs/cgroup/cpu,cpuacct".into())
        );
        assert_eq!(mount_of_v1(MOUNTS, "pids"), None);
        assert_eq!(mount_of_v2(MOUNTS), Some("/sys/fs/cgroup/unified".into()));
        assert_eq!(
            membership_v1("4:memory:/a/b\n3:cpu,cpuacct:/\n0::/\n", "memory"),
            Some("a/b")
        );
        assert_eq!(
            membership_v1("4:memory:/a/b\n3:cpu,cpuacct:/\n", "cpuacct"),
            Some("")
        );
        assert_eq!(membership_v1("0::/x\n", "memory"), None);
    }
}
