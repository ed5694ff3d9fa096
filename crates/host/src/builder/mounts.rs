//! The step's root: the pinned tree, read-only, with folders of its own laid over it.

use std::ffi::CString;
use std::fs::{self, DirEntry, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::Path;

use rustix::fs::{Mode, OFlags, StatVfsMountFlags};
use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags};

use super::message::{Failure, Plan};
use super::profile::MemoryBound;

/// What the control plane looks at: outputs and results, which outlive the sandbox as long as these are open, and what
/// its memory is counted by.
pub(super) struct Folders {
    out: OwnedFd,
    results: OwnedFd,
    scratch: OwnedFd,
    processes: OwnedFd,
}

impl Folders {
    pub(super) const fn all(&self) -> [&OwnedFd; 4] {
        [&self.out, &self.results, &self.scratch, &self.processes]
    }
}

/// The folder in which the step starts.
pub(super) const WORK: &str = "/work";
/// What the step can write.
pub(super) const WRITABLE: &[&str] = &["/out", "/results", "/tmp", "/work", "/dev"];

/// Builds the root on the plan's scaffold, and makes it this process's root. The old one is gone after that.
pub(super) fn build(plan: &Plan) -> Result<Folders, Failure> {
    let base = plan.scaffold.as_path();
    // What is mounted from here on is nobody else's to see.
    rustix::mount::mount_change(
        "/",
        MountPropagationFlags::PRIVATE | MountPropagationFlags::REC,
    )
    .map_err(Failure::when("making mounts private"))?;
    tmpfs(base, "mode=0755,size=1m")?;
    mount_tree(&plan.root, base)?;
    mount_proc(base)?;
    mount_devices(base, plan.memory)?;
    mount_scratch(base, size_in_memory(plan, plan.limits.scratch_bytes))?;
    folder(&base.join("in"))?;
    bind_read_only(&plan.inputs, &base.join("in"))?;
    mount_writable(plan, base)?;
    seal(base)?;
    enter(base)?;
    Ok(Folders {
        out: open("/out")?,
        results: open("/results")?,
        scratch: open("/tmp")?,
        processes: open("/proc")?,
    })
}

/// Each top entry of the tree by itself, so that the tree needs no mount points in it.
fn mount_tree(root: &Path, base: &Path) -> Result<(), Failure> {
    let doing = format!("reading the root `{}`", root.display());
    for entry in fs::read_dir(root).map_err(Failure::when(&doing))? {
        let entry = entry.map_err(Failure::when(&doing))?;
        let is_ours = entry
            .file_name()
            .to_str()
            .is_some_and(|name| crate::root::REPLACED.contains(&name));
        if !is_ours {
            mount_entry(&entry, base)?;
        }
    }
    Ok(())
}

fn mount_entry(entry: &DirEntry, base: &Path) -> Result<(), Failure> {
    let (source, target) = (entry.path(), base.join(entry.file_name()));
    let doing = format!("mounting `{}`", source.display());
    let failed = || Failure::when(&doing);
    let kind = entry.file_type().map_err(failed())?;
    if kind.is_symlink() {
        let to = fs::read_link(&source).map_err(failed())?;
        return symlink(to, target).map_err(failed());
    }
    if kind.is_dir() {
        folder(&target)?;
    } else {
        File::create(&target).map_err(failed())?;
    }
    bind_read_only(&source, &target)
}

/// Read-only: nothing under it is a step's to set.
fn mount_proc(base: &Path) -> Result<(), Failure> {
    let target = base.join("proc");
    folder(&target)?;
    let flags = NO_SURPRISES | MountFlags::NOEXEC | MountFlags::RDONLY;
    rustix::mount::mount("proc", &target, "proc", flags, None)
        .map_err(Failure::when("mounting `/proc`"))
}

/// A shared mapping of `/dev/zero` is memory that nobody sees, so it is there only where a control group counts it.
fn mount_devices(base: &Path, memory: MemoryBound) -> Result<(), Failure> {
    let dev = base.join("dev");
    folder(&dev)?;
    let zero = (memory == MemoryBound::Cgroup).then_some("zero");
    for name in ["null", "full", "random", "urandom"]
        .into_iter()
        .chain(zero)
    {
        let doing = format!("mounting `/dev/{name}`");
        let failed = || Failure::when(&doing);
        File::create(dev.join(name)).map_err(failed())?;
        rustix::mount::mount_bind(Path::new("/dev").join(name), dev.join(name))
            .map_err(|e| failed()(io::Error::from(e)))?;
    }
    for (name, to) in [
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
    ] {
        symlink(to, dev.join(name)).map_err(Failure::when("linking standard streams"))?;
    }
    Ok(())
}

/// One size for `/tmp`, `/work` and `/dev/shm` together: one file system, seen at three places.
fn mount_scratch(base: &Path, size_bytes: u64) -> Result<(), Failure> {
    let (tmp, work, shm) = (base.join("tmp"), base.join("work"), base.join("dev/shm"));
    for target in [&tmp, &work, &shm] {
        folder(target)?;
    }
    tmpfs(&tmp, &format!("mode=0755,size={size_bytes}"))?;
    for (name, target) in [("shm", &shm), ("work", &work), ("tmp", &tmp)] {
        let source = tmp.join(name);
        let made = fs::DirBuilder::new().mode(0o1777).create(&source);
        made.map_err(Failure::when("making a scratch folder"))?;
        rustix::mount::mount_bind(&source, target)
            .map_err(|e| Failure::when("mounting a scratch folder")(io::Error::from(e)))?;
    }
    Ok(())
}

fn mount_writable(plan: &Plan, base: &Path) -> Result<(), Failure> {
    let id = plan.user.id;
    for (name, size_bytes, files) in [
        (
            "out",
            size_in_memory(plan, plan.limits.output_bytes),
            plan.limits.output_files.saturating_add(1),
        ),
        ("results", RESULTS_SIZE_BYTES, RESULTS_FILES),
    ] {
        let target = base.join(name);
        folder(&target)?;
        let options = format!("mode=0755,uid={id},gid={id},size={size_bytes},nr_inodes={files}");
        tmpfs(&target, &options)?;
    }
    Ok(())
}

/// A control group refuses what is too much, and says that it did. Without one, no file system alone may be too much.
fn size_in_memory(plan: &Plan, size_bytes: u64) -> u64 {
    match plan.memory {
        MemoryBound::Cgroup => size_bytes,
        MemoryBound::Polled => size_bytes.min(plan.limits.memory_bytes),
    }
}

const RESULTS_SIZE_BYTES: u64 = 1 << 20;
const RESULTS_FILES: u64 = 128;

/// Nothing can be added beside what is mounted.
fn seal(base: &Path) -> Result<(), Failure> {
    let flags = MountFlags::BIND | MountFlags::RDONLY | NO_SURPRISES;
    rustix::mount::mount_remount(base, flags, "").map_err(Failure::when("sealing the root"))
}

fn enter(base: &Path) -> Result<(), Failure> {
    let failed = || Failure::when::<io::Error>("changing the root");
    std::env::set_current_dir(base).map_err(failed())?;
    rustix::process::pivot_root(".", ".").map_err(|e| failed()(e.into()))?;
    rustix::mount::unmount(".", UnmountFlags::DETACH).map_err(|e| failed()(e.into()))?;
    std::env::set_current_dir("/").map_err(failed())
}

const NO_SURPRISES: MountFlags = MountFlags::NOSUID.union(MountFlags::NODEV);

fn tmpfs(target: &Path, options: &str) -> Result<(), Failure> {
    let doing = format!("mounting memory on `{}`", target.display());
    let options = CString::new(options).map_err(|e| Failure::when(&doing)(io::Error::other(e)))?;
    rustix::mount::mount("tmpfs", target, "tmpfs", NO_SURPRISES, options.as_c_str())
        .map_err(|e| Failure::when(&doing)(io::Error::from(e)))
}

/// Flags that the source's mount has must stay, or the kernel refuses.
fn bind_read_only(source: &Path, target: &Path) -> Result<(), Failure> {
    let doing = format!("mounting `{}`", source.display());
    let failed = |e: rustix::io::Errno| Failure::when(&doing)(io::Error::from(e));
    rustix::mount::mount_bind(source, target).map_err(failed)?;
    let has = rustix::fs::statvfs(target).map_err(failed)?.f_flag;
    let mut flags = MountFlags::BIND | MountFlags::RDONLY | NO_SURPRISES;
    for (had, kept) in [
        (StatVfsMountFlags::NOEXEC, MountFlags::NOEXEC),
        (StatVfsMountFlags::NOATIME, MountFlags::NOATIME),
        (StatVfsMountFlags::NODIRATIME, MountFlags::NODIRATIME),
        (StatVfsMountFlags::RELATIME, MountFlags::RELATIME),
    ] {
        if has.contains(had) {
            flags |= kept;
        }
    }
    rustix::mount::mount_remount(target, flags, "").map_err(failed)
}

fn folder(path: &Path) -> Result<(), Failure> {
    let doing = format!("making `{}`", path.display());
    let made = fs::DirBuilder::new().mode(0o755).create(path);
    made.map_err(Failure::when(&doing))
}

fn open(path: &str) -> Result<OwnedFd, Failure> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty()).map_err(Failure::when("opening the outputs"))
}
