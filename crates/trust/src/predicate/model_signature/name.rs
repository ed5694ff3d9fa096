//! Names of resources: a path, or a piece of the file at a path.

use digest::Method;

use crate::artifact::TreePath;

/// The name that the released tools write for a model of a single file.
pub(super) const SINGLE_FILE: &str = ".";
/// The largest number that every JSON reader keeps exact.
const OFFSET_MAX: u64 = 1 << 53;

/// A piece of a file: from `start` up to, and without, `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Its first byte.
    pub start: u64,
    /// The byte after its last.
    pub end: u64,
}

/// What a resource's name says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Name<'a> {
    /// The file, relative to the model; `.` is the model itself.
    pub(super) path: &'a str,
    /// Which piece of it, where pieces were signed.
    pub(super) span: Option<Span>,
}

impl<'a> Name<'a> {
    /// Reads a name; none if it is not one that this method writes.
    pub(super) fn of(name: &'a str, method: Method) -> Option<Self> {
        let Some(shard_size) = method.shard_size else {
            return is_path(name).then_some(Name {
                path: name,
                span: None,
            });
        };
        let (rest, end) = name.rsplit_once(':')?;
        let (path, start) = rest.rsplit_once(':')?;
        let (start, end) = (offset(start)?, offset(end)?);
        let size = shard_size.get();
        let is_piece = start % size == 0 && start < end && end - start <= size;
        (is_path(path) && is_piece).then_some(Name {
            path,
            span: Some(Span { start, end }),
        })
    }
}

/// The name of the same piece of the file at another path.
pub(super) fn renamed(name: &str, path: &str) -> String {
    let mut parts = name.rsplitn(3, ':');
    let (end, start) = (parts.next(), parts.next());
    format!(
        "{path}:{}:{}",
        start.unwrap_or_default(),
        end.unwrap_or_default()
    )
}

fn is_path(path: &str) -> bool {
    path == SINGLE_FILE || TreePath::new(path).is_ok()
}

/// A number as it is always written: digits alone, without a zero before them.
fn offset(text: &str) -> Option<u64> {
    let is_plain =
        text.bytes().all(|digit| digit.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    let offset = is_plain.then(|| text.parse().ok()).flatten()?;
    (offset <= OFFSET_MAX).then_some(offset)
}

#[cfg(test)]
mod tests {
    use digest::Algorithm;

    use super::*;

    fn by_100() -> Method {
        Method {
            algorithm: Algorithm::Sha256,
            shard_size: std::num::NonZeroU64::new(100),
        }
    }

    #[test]
    fn reads_pieces_by_their_last_two_colons() {
        let name = Name::of("a:b:100:150", by_100()).unwrap();
        assert_eq!(
            (name.path, name.span),
            (
                "a:b",
                Some(Span {
                    start: 100,
                    end: 150
                })
            )
        );
        assert_eq!(renamed("a:b:100:150", "."), ".:100:150");
        assert_eq!(Name::of("a:b", Method::WHOLE_SHA256).unwrap().path, "a:b");
    }

    #[test]
    fn refuses_what_is_no_piece() {
        for bad in [
            "a",
            "a:0",
            "a:0:101",
            "a:50:100",
            "a:100:100",
            "a:100:0",
            "a:00:100",
            "a:+0:100",
            "a:0:1e2",
            "../a:0:100",
            "/a:0:100",
            ":0:100",
            "a:9007199254741000:9007199254741100",
            "a:0:99999999999999999999",
        ] {
            assert_eq!(Name::of(bad, by_100()), None, "{bad}");
        }
    }
}
