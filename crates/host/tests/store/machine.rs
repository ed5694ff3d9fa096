//! Machines that don't play along: a full disk, a read-only one, a folder of somebody else's.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use digest::Digest;
use host::store::{Store, StoreError};
use rustix::mount::{MountFlags, mount, mount_remount};

use super::child;
use super::room::*;

#[test]
fn a_full_disk() {
    in_private_mounts("store::machine::child_full_disk");
}

#[test]
fn a_read_only_disk() {
    in_private_mounts("store::machine::child_read_only");
}

/// With less and less space, so that the disk is full at each step of recording once: then an error, and nothing lost
/// or half written.
#[test]
fn child_full_disk() {
    let Some(task) = child::task() else { return };
    let folder = task.folder;
    mount(
        "none",
        &folder,
        "tmpfs",
        MountFlags::empty(),
        Some(c"size=1m"),
    )
    .unwrap();
    let store = Store::init(&folder).unwrap();
    record(&store, "first", "model");
    let filler = folder.join("filler");
    let (mut full, mut recorded) = (0, vec!["first".to_owned()]);
    let (mut written, mut logged) = (0, 0);
    for free_pages in (0..40).rev() {
        fill(&filler, free_pages * 4096);
        let text = format!("with {free_pages} pages");
        let (bundle, entry) = statement(&text, "model");
        match store.record(&bundle, &entry, &signer()) {
            Ok(_) => recorded.push(text.clone()),
            Err(error) => {
                assert!(format!("{error:?}").contains("Full"), "{error:?}");
                assert!(error.hint().is_some());
                full += 1;
                // Who is told that nothing was left is told the truth, and so is who is told of a line.
                let is_there = store.blob_path(Digest::of(&bundle)).exists();
                match error {
                    StoreError::Logged { .. } => {
                        logged += 1;
                        recorded.push(text.clone());
                    }
                    StoreError::Written { .. } => written += 1,
                    other => assert!(!is_there, "{other:?}"),
                }
            }
        }
        let still_readable = Store::open(&folder);
        if let Ok(opened) = still_readable {
            let found = opened.statements_about(Digest::of(b"model")).unwrap();
            assert!(found.len() >= recorded.len());
        }
        fs::remove_file(&filler).unwrap();
        let opened = Store::open(&folder).unwrap();
        assert_eq!(problems(&opened), [""; 0], "with {free_pages} pages");
        for text in &recorded {
            let bundle = Digest::of(&statement(text, "model").0);
            assert!(opened.recorded(bundle).unwrap().is_some(), "{text}");
        }
        assert_eq!(fs::read_dir(opened.path().join("tmp")).unwrap().count(), 0);
    }
    assert!(
        full > 3 && recorded.len() > 3 && written > 0 && logged > 0,
        "{full} full, {written} written, {logged} logged, {} recorded",
        recorded.len()
    );
    let big = vec![1; 2 << 20];
    assert!(matches!(
        store.put_reader(&mut &big[..], &|_| ()),
        Err(StoreError::Disk(host::log::DiskError::Full { .. }))
    ));
    assert_eq!(problems(&store), [""; 0]);
}

/// Writes a file that leaves so many bytes free.
fn fill(path: &Path, free_bytes: u64) {
    let disk = rustix::fs::statvfs(path.parent().unwrap()).unwrap();
    let size = (disk.f_bavail * disk.f_frsize).saturating_sub(free_bytes);
    fs::write(path, vec![1; usize::try_from(size).unwrap()]).unwrap();
}

#[test]
fn child_read_only() {
    let Some(task) = child::task() else { return };
    let folder = task.folder;
    for has_index in [true, false] {
        mount(
            "none",
            &folder,
            "tmpfs",
            MountFlags::empty(),
            Some(c"size=8m"),
        )
        .unwrap();
        let made = Store::init(&folder).unwrap();
        record(&made, "one", "model");
        drop(made);
        if !has_index {
            fs::remove_file(folder.join(".modelward/index.sqlite")).unwrap();
        }
        mount_remount(&folder, MountFlags::RDONLY, c"").unwrap();
        check_reads_and_refuses_writes(&folder);
        rustix::mount::unmount(&folder, rustix::mount::UnmountFlags::DETACH).unwrap();
    }
    mount("none", &folder, "tmpfs", MountFlags::RDONLY, None).unwrap();
    let refused = Store::init(&folder);
    assert!(matches!(
        refused,
        Err(StoreError::Disk(host::log::DiskError::ReadOnly { .. }))
    ));
}

#[test]
fn a_reader_follows_a_writer() {
    in_private_mounts("store::machine::child_follows");
}

/// The same folder twice, once read-only: what is recorded after the reader opened the store is found by it.
#[test]
fn child_follows() {
    let Some(task) = child::task() else { return };
    mount(
        "none",
        &task.folder,
        "tmpfs",
        MountFlags::empty(),
        Some(c"size=8m"),
    )
    .unwrap();
    let [written, read] = ["written", "read"].map(|name| task.folder.join(name));
    fs::create_dir(&written).unwrap();
    fs::create_dir(&read).unwrap();
    let writer = Store::init(&written).unwrap();
    put_one(&writer, "artifact", "file", "file").unwrap();
    record(&writer, "one", "model");
    rustix::mount::mount_bind(&written, &read).unwrap();
    mount_remount(&read, MountFlags::BIND | MountFlags::RDONLY, c"").unwrap();
    let reader = Store::open(&read).unwrap();
    for (text, count) in [("one", 1), ("two", 2), ("three", 3)] {
        record(&writer, text, "model");
        assert_eq!(
            reader.statements_about(Digest::of(b"model")).unwrap().len(),
            count
        );
        assert_eq!(reader.artifacts().unwrap().len(), 1);
    }
    assert!(matches!(
        reader.put_bytes(b"x"),
        Err(StoreError::ReadOnly { .. })
    ));
    assert_eq!(problems(&reader), [""; 0]);
}

/// As somebody else, in a folder that they may read: the same as a read-only disk. In one they may not, a clear no.
#[test]
fn a_folder_of_somebody_elses() {
    let room = room();
    record(&room.store, "one", "model");
    let allow =
        |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    allow(room.dir.path(), 0o755);
    let as_nobody = |test: &str| {
        let mut command = child::command(&[], test, room.dir.path(), 0, 0);
        if rustix::process::geteuid().is_root() {
            command.uid(65534).gid(65534);
        }
        command.stdout(Stdio::null()).status()
    };
    if !rustix::process::geteuid().is_root() {
        return child::skip("root", "only root can become somebody else");
    }
    let Ok(status) = as_nobody("store::machine::child_reader") else {
        return child::skip("nobody", "this program can't be run by `nobody`");
    };
    assert!(status.success());
    allow(room.store.path(), 0o700);
    assert!(
        as_nobody("store::machine::child_shut_out")
            .unwrap()
            .success()
    );
}

#[test]
fn child_reader() {
    let Some(task) = child::task() else { return };
    check_reads_and_refuses_writes(&task.folder);
}

#[test]
fn child_shut_out() {
    let Some(task) = child::task() else { return };
    let error = Store::open(&task.folder).unwrap_err();
    assert!(
        matches!(error, StoreError::Disk(host::log::DiskError::Denied { .. })),
        "{error:?}"
    );
    assert!(error.hint().is_some());
}

fn check_reads_and_refuses_writes(folder: &Path) {
    let store = Store::open(folder).unwrap();
    let about = store.statements_about(Digest::of(b"model")).unwrap();
    assert_eq!(about.len(), 1);
    assert_eq!(
        store.read_blob(about[0].bundle, 100).unwrap(),
        statement("one", "model").0
    );
    assert_eq!(store.log_entries(signer().key(), 0).unwrap().len(), 1);
    let (bundle, entry) = statement("two", "model");
    let refused = store.record(&bundle, &entry, &signer()).unwrap_err();
    assert!(matches!(refused, StoreError::ReadOnly { .. }) && refused.hint().is_some());
    assert!(matches!(
        store.put_bytes(b"x"),
        Err(StoreError::ReadOnly { .. })
    ));
    assert_eq!(problems(&store), [""; 0]);
}

/// Runs a child where it may mount what it likes, which nobody else sees and which is gone when it ends.
fn in_private_mounts(test: &str) {
    let unshare: &[&str] = if rustix::process::geteuid().is_root() {
        &["unshare", "--mount"]
    } else {
        &["unshare", "--user", "--map-root-user", "--mount"]
    };
    let dir = tempfile::tempdir().unwrap();
    let mut probe = Command::new(unshare[0]);
    probe
        .args(&unshare[1..])
        .args(["mount", "-t", "tmpfs", "none"])
        .arg(dir.path());
    if !probe
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
    {
        return child::skip(
            "mounts",
            "this process may not mount a file system of its own",
        );
    }
    let status = child::command(unshare, test, dir.path(), 0, 0)
        .stdout(Stdio::null())
        .status();
    assert!(status.unwrap().success());
}
