use std::fs::{self, FileTimes, Permissions};
use std::num::NonZeroU64;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use digest::Algorithm;

use super::*;

const PIECES: Method = Method {
    algorithm: Algorithm::Blake2b,
    shard_size: NonZeroU64::new(4),
};

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        fs::create_dir_all(place.model().join("sub")).unwrap();
        fs::write(place.model().join("a"), "0123456789").unwrap();
        fs::write(place.model().join("sub/b"), "b").unwrap();
        fs::write(place.model().join("empty"), "").unwrap();
        place
    }

    fn model(&self) -> PathBuf {
        self.folder.path().join("model")
    }

    fn cache(&self) -> PathBuf {
        self.folder.path().join("cache")
    }

    /// With a cache that is opened and saved anew.
    fn measure(&self, method: Method) -> Remembered {
        let mut cache = Cache::open(&self.cache()).unwrap();
        let remembered = cache.measure(&self.model(), &|name| name == "left", method, &|_| {});
        cache.save().unwrap();
        let remembered = remembered.unwrap();
        let walk = Walk {
            ignore: &|name| name == "left",
            links: Links::Refuse,
        };
        let measured = digest::list_resources(&self.model(), &walk, method, &|_| {}).unwrap();
        let measured = measured.map(|m| (m.digest(), m.size_bytes()));
        assert_eq!(remembered.resources, measured);
        remembered
    }
}

/// The kernel's ticks, and the two seconds.
fn grow_old() {
    std::thread::sleep(Duration::from_millis(2_100));
}

#[test]
fn files_that_were_left_alone_are_not_read_again() {
    let place = Place::new();
    let counts = |remembered: &Remembered| (remembered.files, remembered.from_cache);
    // What was just written may be written again within the same tick.
    assert_eq!(counts(&place.measure(Method::WHOLE_SHA256)), (3, 0));
    assert_eq!(counts(&place.measure(Method::WHOLE_SHA256)), (3, 0));
    grow_old();
    for method in [Method::WHOLE_SHA256, PIECES] {
        assert_eq!(counts(&place.measure(method)), (3, 0));
        assert_eq!(counts(&place.measure(method)), (3, 3));
    }
    // Another method has other digests, and both stay.
    assert_eq!(counts(&place.measure(Method::WHOLE_SHA256)), (3, 3));
    // As many bytes as before, and the old time of change put back: the time of the inode tells.
    let file = place.model().join("a");
    let modified = fs::metadata(&file).unwrap().modified().unwrap();
    fs::write(&file, "x123456789").unwrap();
    let opened = OpenOptions::new().write(true).open(&file).unwrap();
    opened
        .set_times(FileTimes::new().set_modified(modified))
        .unwrap();
    assert_eq!(counts(&place.measure(Method::WHOLE_SHA256)), (3, 2));
    // A file in another's place is another.
    fs::rename(place.model().join("sub/b"), place.model().join("empty")).unwrap();
    let moved = place.measure(Method::WHOLE_SHA256);
    assert_eq!(moved.files, 2);
    fs::write(place.model().join("left"), "out").unwrap();
    assert_eq!(place.measure(Method::WHOLE_SHA256).files, 2);
}

/// A debug build that goes through all that is known for each file does not come to an end here.
#[test]
fn many_files_take_the_place_of_what_they_were() {
    const FILES: u64 = 50_000;
    let entries = |size_bytes| {
        let stamp = |inode| Stamp {
            mount: 1,
            device: 2,
            inode,
            size_bytes,
            modified: (3, 4),
            changed: (5, 6),
        };
        let entry = |inode| (Key::new(stamp(inode), Method::WHOLE_SHA256), Vec::new());
        (0..FILES).map(entry).collect::<Entries>()
    };
    let mut cache = Cache {
        path: PathBuf::new(),
        boot: String::new(),
        entries: entries(1),
        damaged: false,
    };
    let mut learnt = entries(2);
    let (untouched, _) = learnt.pop_last().unwrap();
    cache.learn(learnt.clone());
    let (last, _) = cache.entries.pop_last().unwrap();
    assert_eq!(last.stamp.identity(), untouched.stamp.identity());
    assert_eq!(last.stamp.size_bytes, 1);
    assert_eq!(cache.entries, learnt);
}

#[test]
fn a_single_file_is_remembered_too() {
    let place = Place::new();
    grow_old();
    let single = place.model().join("a");
    for from_cache in [0, 1] {
        let mut cache = Cache::open(&place.cache()).unwrap();
        let remembered = cache.measure(&single, &|_| false, PIECES, &|_| {}).unwrap();
        cache.save().unwrap();
        assert_eq!((remembered.files, remembered.from_cache), (1, from_cache));
        let names: Vec<_> = remembered.resources.keys().collect();
        assert_eq!(names, ["a:0:4", "a:4:8", "a:8:10"]);
    }
}

#[test]
fn links_and_fifos_are_refused_as_without_a_cache() {
    let place = Place::new();
    std::os::unix::fs::symlink("a", place.model().join("link")).unwrap();
    let mut cache = Cache::open(&place.cache()).unwrap();
    let refused = cache.measure(&place.model(), &|_| false, PIECES, &|_| {});
    assert!(refused.is_err());
}

#[test]
fn a_damaged_cache_is_not_used_and_is_written_anew() {
    let place = Place::new();
    grow_old();
    place.measure(PIECES);
    assert_eq!(place.measure(PIECES).from_cache, 3);
    let file = place.cache().join(FILE_NAME);
    let mut bytes = fs::read(&file).unwrap();
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    fs::write(&file, bytes).unwrap();
    assert!(Cache::open(&place.cache()).unwrap().was_damaged());
    assert_eq!(place.measure(PIECES).from_cache, 0);
    assert!(!Cache::open(&place.cache()).unwrap().was_damaged());
    assert_eq!(place.measure(PIECES).from_cache, 3);
}

#[test]
fn a_cache_that_others_may_write_is_not_used() {
    let place = Place::new();
    place.measure(PIECES);
    let (folder, file) = (place.cache(), place.cache().join(FILE_NAME));
    for (path, mode, usual) in [
        (&folder, 0o770, 0o700),
        (&file, 0o602, 0o600),
        (&file, 0o660, 0o600),
    ] {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        let refused = Cache::open(&folder);
        assert!(
            matches!(refused, Err(CacheError::Exposed { .. })),
            "{mode:o}"
        );
        fs::set_permissions(path, Permissions::from_mode(usual)).unwrap();
    }
    fs::rename(&file, folder.join("elsewhere")).unwrap();
    std::os::unix::fs::symlink("elsewhere", &file).unwrap();
    assert!(Cache::open(&folder).is_err());
    assert!(Cache::open(Path::new("/proc/nowhere")).is_err());
}
