//! Two axes, what was found and how much was read, and the one word they make together.

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Nothing genuine needs it, or this version does not know it.
    Suspicious,
    /// Loading the file runs, reaches or breaks something.
    Malicious,
}

impl Severity {
    /// The word in reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Suspicious => "suspicious",
            Self::Malicious => "malicious",
        }
    }
}

/// How much of a file was read and understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coverage {
    /// Every byte was consumed and every construct is known.
    Complete,
    /// Something was not.
    Incomplete,
}

/// What a scan says of a file or a folder, from the best to the worst.
///
/// `Inconclusive` is worse than `Suspicious`: what was not read may be anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// Read to the last byte, and nothing in it but what its format allows.
    Clean,
    /// Read to the last byte, with something in it that nothing genuine needs.
    Suspicious,
    /// Not all of it was read or understood.
    Inconclusive,
    /// Something in it attacks who loads it.
    Malicious,
}

impl Verdict {
    /// The word in reports and statements.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::Suspicious => "suspicious",
            Self::Inconclusive => "inconclusive",
            Self::Malicious => "malicious",
        }
    }

    /// The verdict for the worst thing found and how much was read.
    #[must_use]
    pub const fn combine(threat: Option<Severity>, coverage: Coverage) -> Self {
        match (threat, coverage) {
            (Some(Severity::Malicious), _) => Self::Malicious,
            (_, Coverage::Incomplete) => Self::Inconclusive,
            (Some(Severity::Suspicious), Coverage::Complete) => Self::Suspicious,
            (None, Coverage::Complete) => Self::Clean,
        }
    }
}

/// The verdict for a folder: that of its worst file, and inconclusive where there was none to look at.
#[must_use]
pub fn fold(verdicts: impl IntoIterator<Item = Verdict>) -> Verdict {
    verdicts.into_iter().max().unwrap_or(Verdict::Inconclusive)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn combines_both_axes() {
        use Coverage::{Complete, Incomplete};
        use Severity::{Malicious, Suspicious};
        for (threat, coverage, verdict) in [
            (None, Complete, Verdict::Clean),
            (None, Incomplete, Verdict::Inconclusive),
            (Some(Suspicious), Complete, Verdict::Suspicious),
            (Some(Suspicious), Incomplete, Verdict::Inconclusive),
            (Some(Malicious), Complete, Verdict::Malicious),
            (Some(Malicious), Incomplete, Verdict::Malicious),
        ] {
            assert_eq!(Verdict::combine(threat, coverage), verdict);
        }
    }

    #[test]
    fn a_folder_is_as_bad_as_its_worst_file() {
        use Verdict::{Clean, Inconclusive, Malicious, Suspicious};
        assert_eq!(fold([]), Inconclusive);
        assert_eq!(fold([Clean, Clean]), Clean);
        assert_eq!(fold([Clean, Suspicious]), Suspicious);
        assert_eq!(fold([Suspicious, Inconclusive, Clean]), Inconclusive);
        assert_eq!(fold([Malicious, Inconclusive]), Malicious);
    }
}
