use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;

use sha2::Digest as _;

use super::*;
use crate::{Algorithm, Kernel, measure_bytes};

fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    folder
}

const REFUSING: Walk<'_> = Walk {
    ignore: &|_| false,
    links: Links::Refuse,
};

fn resources(root: &Path, links: Links<'_>) -> Result<Vec<String>, WalkError> {
    let walk = Walk { links, ..REFUSING };
    let found = list_resources(root, &walk, Method::WHOLE_SHA256, &|_| ())?;
    Ok(found.keys().map(ToOwned::to_owned).collect())
}

#[test]
fn lists_in_order_and_leaves_out() {
    let files = ["b/c", "b-d", "a", ".git/x"].map(|name| (name, name.as_bytes()));
    let dir = folder(&files);
    let listing = list(dir.path(), &|name| name == ".git", &|_| ()).unwrap();
    assert_eq!(listing.keys().collect::<Vec<_>>(), ["a", "b-d", "b/c"]);
    assert_eq!(listing["b/c"], measure_bytes(b"b/c"));
    let names = names(dir.path(), &|name| name == ".git").unwrap();
    assert_eq!(names, ["a", "b-d", "b/c"]);
}

/// Lengths around every border: of padding, of blocks, of what a lane reads at once, of what is read alone.
fn contents() -> Vec<(String, Vec<u8>)> {
    let lengths = (0..140).chain([16_383, 16_384, 65_535, 65_536, 65_537, 131_072, 300_001]);
    let byte = |at: usize, length: usize| (at.wrapping_mul(2_654_435_761) >> 7 ^ length) as u8;
    lengths
        .map(|length| {
            let bytes = (0..length).map(|at| byte(at, length)).collect();
            (format!("d{}/f{length}", length % 3), bytes)
        })
        .collect()
}

#[test]
fn every_kernel_lists_what_the_crate_computes() {
    let contents = contents();
    let files: Vec<_> = contents.iter().map(|(n, b)| (n.as_str(), &b[..])).collect();
    let dir = folder(&files);
    let kernels = Kernel::ALL.into_iter().filter_map(Kernels::only);
    for kernels in kernels.chain([Kernels::of_this_processor()]) {
        for shard_size in [None, NonZeroU64::new(100), NonZeroU64::new(65_536)] {
            let method = Method {
                shard_size,
                ..Method::WHOLE_SHA256
            };
            let ours = list_resources_by(kernels, dir.path(), &REFUSING, method, &|_| ()).unwrap();
            let mut expected = BTreeMap::new();
            for (name, bytes) in &contents {
                match shard_size {
                    None => {
                        expected.insert(name.clone(), sha2::Sha256::digest(bytes).to_vec());
                    }
                    Some(size) => {
                        let size = usize::try_from(size.get()).unwrap();
                        for (at, shard) in bytes.chunks(size).enumerate() {
                            let (start, end) = (at * size, at * size + shard.len());
                            let digest = sha2::Sha256::digest(shard).to_vec();
                            expected.insert(format!("{name}:{start}:{end}"), digest);
                        }
                    }
                }
            }
            let ours: BTreeMap<_, _> = ours
                .iter()
                .map(|(n, d)| (n.to_owned(), d.digest().raw().to_vec()))
                .collect();
            assert_eq!(ours, expected, "{kernels:?} {shard_size:?}");
        }
    }
}

#[test]
fn one_changed_byte_changes_one_digest() {
    let contents = contents();
    let files: Vec<_> = contents.iter().map(|(n, b)| (n.as_str(), &b[..])).collect();
    let dir = folder(&files);
    let before = list(dir.path(), &|_| false, &|_| ()).unwrap();
    let (name, bytes) = &contents[99];
    let mut bytes = bytes.clone();
    bytes[50] ^= 1;
    fs::write(dir.path().join(name), bytes).unwrap();
    let after = list(dir.path(), &|_| false, &|_| ()).unwrap();
    let differ: Vec<_> = before.iter().filter(|(n, m)| after[n] != **m).collect();
    assert_eq!(differ.len(), 1);
    assert_eq!(differ[0].0, name);
}

#[test]
fn other_algorithms_whole_and_in_shards() {
    let dir = folder(&[("m", b"abcabc"), ("empty", b"")]);
    for algorithm in Algorithm::ALL {
        let list = |shard_size| {
            let method = Method {
                algorithm,
                shard_size: NonZeroU64::new(shard_size),
            };
            list_resources(dir.path(), &REFUSING, method, &|_| ()).unwrap()
        };
        let whole = list(0);
        assert_eq!(whole.keys().collect::<Vec<_>>(), ["empty", "m"]);
        let shards = list(3);
        assert_eq!(shards.keys().collect::<Vec<_>>(), ["m:0:3", "m:3:6"]);
        assert_eq!(shards["m:0:3"], shards["m:3:6"]);
        assert_ne!(shards["m:0:3"].digest().raw(), whole["m"].digest().raw());
        assert!(
            whole
                .values()
                .all(|digest| digest.digest().algorithm() == algorithm)
        );
        assert_eq!(list(4).keys().collect::<Vec<_>>(), ["m:0:4", "m:4:6"]);
    }
}

#[test]
fn progress_hears_every_byte_once() {
    let contents = contents();
    let files: Vec<_> = contents.iter().map(|(n, b)| (n.as_str(), &b[..])).collect();
    let dir = folder(&files);
    let heard = std::sync::atomic::AtomicU64::new(0);
    let add = |size| {
        heard.fetch_add(size, std::sync::atomic::Ordering::Relaxed);
    };
    list(dir.path(), &|_| false, &add).unwrap();
    let all: usize = contents.iter().map(|(_, bytes)| bytes.len()).sum();
    assert_eq!(heard.into_inner(), all as u64);
}

/// Who waits for a long file sees that something goes on: alone, and in lanes beside others.
#[test]
fn progress_hears_of_a_long_file_before_it_is_whole() {
    const SIZE_BYTES: usize = 8 << 20;
    for count in [1, 24] {
        let dir = tempfile::tempdir().unwrap();
        for name in 0..count {
            let file = fs::File::create(dir.path().join(name.to_string())).unwrap();
            file.set_len(SIZE_BYTES as u64).unwrap();
        }
        for algorithm in [Algorithm::Sha256, Algorithm::Blake2b] {
            let most = std::sync::atomic::AtomicU64::new(0);
            let hear = |size| {
                most.fetch_max(size, std::sync::atomic::Ordering::Relaxed);
            };
            let method = Method {
                algorithm,
                shard_size: None,
            };
            list_resources(dir.path(), &REFUSING, method, &hear).unwrap();
            let most = most.into_inner() as usize;
            assert!(
                most > 0 && most <= SIZE_BYTES / 2,
                "{count} {algorithm:?}: {most}"
            );
        }
    }
}

#[test]
fn a_single_file_has_its_own_name() {
    let dir = folder(&[("model.bin", b"x"), ("other", b"y")]);
    let file = dir.path().join("model.bin");
    assert_eq!(resources(&file, Links::Refuse).unwrap(), ["model.bin"]);
    symlink("model.bin", dir.path().join("link")).unwrap();
    let link = dir.path().join("link");
    assert!(matches!(
        resources(&link, Links::Refuse),
        Err(WalkError::Read(ReadError::Link { .. }))
    ));
    assert_eq!(
        resources(&link, Links::Inside(dir.path())).unwrap(),
        ["link"]
    );
}

#[test]
fn links_are_refused_unless_they_stay_inside() {
    let dir = folder(&[
        ("blobs/ab", b"weights"),
        ("blobs/d/e", b"x"),
        ("model/f", b"f"),
        ("secret", b"s"),
    ]);
    let at = |name: &str| dir.path().join(name);
    let model = at("model");
    symlink("../blobs/ab", at("model/weights")).unwrap();
    symlink("../blobs/d", at("model/folder")).unwrap();
    assert!(matches!(
        resources(&model, Links::Refuse),
        Err(WalkError::Read(ReadError::Link { .. }))
    ));
    assert_eq!(
        resources(&model, Links::Inside(dir.path())).unwrap(),
        ["f", "folder/e", "weights"]
    );
    for boundary in [&model, &at("blobs")] {
        assert!(matches!(
            resources(&model, Links::Inside(boundary)),
            Err(WalkError::Read(ReadError::Outside { .. }))
        ));
    }
    symlink("nowhere", at("model/broken")).unwrap();
    assert!(matches!(
        resources(&model, Links::Inside(dir.path())),
        Err(WalkError::Read(ReadError::Io { .. }))
    ));
}

#[test]
fn circles_and_what_multiplies_are_refused() {
    let dir = folder(&[("a/b/f", b"f")]);
    symlink("..", dir.path().join("a/b/up")).unwrap();
    assert!(matches!(
        resources(dir.path(), Links::Inside(dir.path())),
        Err(WalkError::Circle { .. })
    ));
    // Each of twenty folders twice holds the next: a million ways to the last.
    let dir = folder(&[("20/f", b"f")]);
    for at in 0..20 {
        let here = dir.path().join(at.to_string());
        fs::create_dir(&here).unwrap();
        symlink(format!("../{}", at + 1), here.join("one")).unwrap();
        symlink(format!("../{}", at + 1), here.join("two")).unwrap();
    }
    assert!(matches!(
        resources(dir.path(), Links::Inside(dir.path())),
        Err(WalkError::TooMuch { .. })
    ));
}

#[test]
fn what_is_no_file_and_names_that_are_no_text_are_refused() {
    let dir = folder(&[("f", b"f")]);
    let fifo = dir.path().join("fifo");
    let mode = rustix::fs::Mode::RUSR;
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, FileType::Fifo, mode, 0).unwrap();
    let not_a_file = |result| matches!(result, Err(WalkError::Read(ReadError::NotAFile { .. })));
    assert!(not_a_file(resources(dir.path(), Links::Refuse)));
    assert!(not_a_file(resources(&fifo, Links::Refuse)));
    assert!(not_a_file(resources(Path::new("/dev/null"), Links::Refuse)));
    fs::remove_file(&fifo).unwrap();
    let socket = std::os::unix::net::UnixListener::bind(&fifo).unwrap();
    assert!(not_a_file(resources(dir.path(), Links::Refuse)));
    drop(socket);
    fs::remove_file(&fifo).unwrap();
    resources(dir.path(), Links::Refuse).unwrap();
    let odd = std::ffi::OsStr::from_bytes(b"a\xff");
    fs::write(dir.path().join(odd), "x").unwrap();
    assert!(matches!(
        resources(dir.path(), Links::Refuse),
        Err(WalkError::Name { path }) if path.ends_with(odd)
    ));
}

#[test]
fn too_deep_and_too_many_shards_are_refused() {
    let at = |depth: usize| format!("{}f", "d/".repeat(depth));
    let dir = folder(&[(&at(DEPTH_MAX - 1), b"x")]);
    resources(dir.path(), Links::Refuse).unwrap();
    let dir = folder(&[(&at(DEPTH_MAX), b"x")]);
    assert!(matches!(
        resources(dir.path(), Links::Refuse),
        Err(WalkError::TooMuch { .. })
    ));
    let dir = folder(&[("f", b"")]);
    let file = fs::File::create(dir.path().join("f")).unwrap();
    file.set_len(1 << 40).unwrap();
    let method = Method {
        shard_size: NonZeroU64::new(1000),
        ..Method::WHOLE_SHA256
    };
    assert!(matches!(
        list_resources(dir.path(), &REFUSING, method, &|_| ()),
        Err(WalkError::TooMuch { .. })
    ));
}

#[test]
fn a_file_that_changes_after_it_was_seen_is_an_error() {
    let dir = folder(&[("f", b"f")]);
    let tree = Tree::open(dir.path(), Links::Refuse).unwrap();
    let files = Collector::collect(&tree, &REFUSING).unwrap();
    fs::write(dir.path().join("f"), "longer").unwrap();
    for algorithm in Algorithm::ALL {
        let order = Order {
            tree: &tree,
            files: &files,
            shards: None,
            algorithm,
            kernels: Kernels::of_this_processor(),
            progress: &|_| (),
        };
        assert!(matches!(
            schedule::measure(&order),
            Err(ReadError::Changed { .. })
        ));
    }
}

/// Of two readings with something done to the file between them the first may be of no moment.
#[test]
fn a_writer_that_puts_the_time_back_is_noticed() {
    for algorithm in Algorithm::ALL {
        let dir = folder(&[("f", b"f")]);
        let path = dir.path().join("f");
        let modified = path.metadata().unwrap().modified().unwrap();
        let write = |byte: &[u8]| {
            // Times are as coarse as the kernel's clock ticks.
            std::thread::sleep(std::time::Duration::from_millis(20));
            fs::write(&path, byte).unwrap();
            let file = fs::File::options().append(true).open(&path).unwrap();
            file.set_modified(modified).unwrap();
        };
        let tree = Tree::open(dir.path(), Links::Refuse).unwrap();
        let files = Collector::collect(&tree, &REFUSING).unwrap();
        let measure = |progress: &(dyn Fn(u64) + Sync)| {
            schedule::measure(&Order {
                tree: &tree,
                files: &files,
                shards: None,
                algorithm,
                kernels: Kernels::of_this_processor(),
                progress,
            })
        };
        write(b"f");
        measure(&|_| ()).unwrap();
        let refused = measure(&|_| write(b"g"));
        assert!(matches!(refused, Err(ReadError::Changed { .. })));
    }
}
