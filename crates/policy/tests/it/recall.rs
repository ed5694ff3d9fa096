//! Recalls on an ancestry.

use digest::Digest;
use policy::recall::{Ancestry, reasons};
use trust::predicate::{Recall, RecallKind};

use crate::kit::{now, statement, verified};

fn recall(kind: RecallKind, target: &str) -> trust::Verified<trust::Statement<Recall>> {
    let recall = Recall {
        kind,
        target: target.into(),
        reason: "labels were changed".into(),
        recalled_at: now(),
    };
    verified(&statement(recall.subject(), recall), &[])
}

#[test]
fn what_descends_from_something_recalled_is_recalled() {
    let data = Digest::of(b"data");
    let key = Digest::of(b"key");
    let ancestry = Ancestry {
        digests: [(data, "it was read".to_owned())].into(),
        builders: [("https://b.example/".to_owned(), "it built".to_owned())].into(),
        keys: [(key, "it signed".to_owned())].into(),
    };
    let other = Digest::of(b"other").to_string();
    for (kind, target, is_recalled) in [
        (RecallKind::Dataset, data.to_string(), true),
        (RecallKind::Model, data.to_string(), true),
        (RecallKind::Dataset, data.hex(), true),
        (RecallKind::Builder, "https://b.example/".into(), true),
        (RecallKind::Key, key.to_string(), true),
        (RecallKind::Key, key.hex(), true),
        (RecallKind::Dataset, other.clone(), false),
        (RecallKind::Key, data.to_string(), false),
        (RecallKind::Model, key.to_string(), false),
        (RecallKind::Builder, "https://b.example/2".into(), false),
        (RecallKind::Builder, data.to_string(), false),
    ] {
        let recall = recall(kind, &target);
        let reasons = reasons(&[&recall, &recall], &ancestry);
        assert_eq!(reasons.len(), usize::from(is_recalled), "{kind:?} {target}");
        for reason in reasons {
            assert_eq!(reason.code.as_str(), "recalled");
            assert!(
                reason.message.contains(&target) && reason.message.contains("labels were changed")
            );
            // Another key's word for the same files would not help, and nobody says that it does.
            let is_for_good = reason.way.contains("the same files stay recalled");
            assert_eq!(is_for_good, kind == RecallKind::Key, "{}", reason.way);
            let path = match kind {
                RecallKind::Key => "(it signed)",
                RecallKind::Builder => "(it built)",
                _ => "(it was read)",
            };
            assert!(reason.message.ends_with(path), "{}", reason.message);
        }
    }
    let both = [
        &recall(RecallKind::Dataset, &data.to_string()),
        &recall(RecallKind::Key, &key.hex()),
    ];
    assert_eq!(reasons(&both, &ancestry).len(), 2);
}
