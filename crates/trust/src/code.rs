//! The one table of codes: what went wrong, whether it is a no or no answer, and its HTTP status. The page of each is
//! `docs/errors/CODE.md`.

use std::fmt;

/// Whether a code is an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The answer is no. Exit status 1.
    Denied,
    /// There is no answer. Exit status 2.
    Error,
}

impl Kind {
    /// The exit status of a command that ends with this.
    #[must_use]
    pub const fn exit_status(self) -> u8 {
        match self {
            Self::Denied => 1,
            Self::Error => 2,
        }
    }
}

macro_rules! codes {
    ($($variant:ident $name:literal $kind:ident $http:literal $summary:literal)*) => {
        /// What went wrong, in one word that never changes.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code { $(#[doc = $summary] $variant,)* }

        impl Code {
            /// All codes, in the table's order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The word.
            #[must_use]
            pub const fn as_str(self) -> &'static str { match self { $(Self::$variant => $name,)* } }

            /// Whether it is a no or no answer.
            #[must_use]
            pub const fn kind(self) -> Kind { match self { $(Self::$variant => Kind::$kind,)* } }

            /// The status of an HTTP answer with this code: 503 where a server has lost what it answers from.
            #[must_use]
            pub const fn http(self) -> u16 { match self { $(Self::$variant => $http,)* } }

            /// What it means, in a sentence.
            #[must_use]
            pub const fn summary(self) -> &'static str { match self { $(Self::$variant => $summary,)* } }
        }
    };
}

codes! {
    // Who said it
    SignatureInvalid "signature_invalid" Denied 422 "The signature is not this key's over these bytes."
    KeyUnknown "key_unknown" Denied 422 "The trust root has no key of that name."
    KeyRole "key_role" Denied 422 "The key may not say this: it lacks the role."
    KeyNotYetValid "key_not_yet_valid" Denied 422 "The key's time has not come."
    KeyExpired "key_expired" Denied 422 "The key's time is over."
    CertificateUntrusted "certificate_untrusted" Denied 422 "No authority that is trusted vouches for the signer's certificate."
    CertificateTime "certificate_time" Denied 422 "The signer's certificate was not valid when it signed."
    IdentityMismatch "identity_mismatch" Denied 422 "Somebody else signed than was expected."
    TimestampInvalid "timestamp_invalid" Denied 422 "The timestamp over the signature is not what it says."
    LogProofInvalid "log_proof_invalid" Denied 422 "The proof that the signature or its certificate was logged does not hold."
    SpeakerMismatch "speaker_mismatch" Denied 422 "The statement claims a name that its key may not speak for."
    RootExpired "root_expired" Denied 422 "The trust root's time is over."
    RootNotYetValid "root_not_yet_valid" Denied 422 "The trust root's time has not come, or this machine's clock is wrong."
    UpdateUntrusted "update_untrusted" Denied 422 "The update of a trusted root is not what those who may signed."
    UpdateRolledBack "update_rolled_back" Denied 422 "The update of a trusted root is older than what was had before."
    UpdateExpired "update_expired" Denied 422 "The update of a trusted root is over, so that a newer one is being held back."
    // What it is about
    DigestMismatch "digest_mismatch" Denied 422 "The bytes are not the ones that were stated."
    FileExtra "file_extra" Denied 422 "There is a file that was not stated."
    FileMissing "file_missing" Denied 422 "A stated file is not there."
    SubjectMismatch "subject_mismatch" Denied 422 "The statement is about something else."
    SignatureMethod "signature_method" Denied 422 "The model was signed in another way than is asked for here."
    // What must have been said
    SignatureMissing "signature_missing" Denied 403 "Nobody signed the model."
    ProvenanceMissing "provenance_missing" Denied 403 "Nobody says how the model was made."
    ScanMissing "scan_missing" Denied 403 "The model was not scanned."
    PublishMissing "publish_missing" Denied 403 "The model was not published."
    DeploymentMissing "deployment_missing" Denied 403 "The model may not be deployed yet."
    AdmissionMissing "admission_missing" Denied 503 "The model was not admitted."
    // What the policy says
    DataNotAllowed "data_not_allowed" Denied 403 "The dependency policy names no such data set or package."
    LicenceNotAllowed "licence_not_allowed" Denied 403 "The licence is not among the allowed ones."
    PurposeNotAllowed "purpose_not_allowed" Denied 403 "The data may not be used for this purpose."
    BuilderMismatch "builder_mismatch" Denied 403 "Another builder made it than the policy asks for."
    SourceMismatch "source_mismatch" Denied 403 "It was made from another source than the policy asks for."
    LevelTooLow "level_too_low" Denied 403 "Its SLSA Build level is lower than the policy asks for."
    PackageUnknown "package_unknown" Denied 403 "No policy speaks of this package."
    EnvironmentMismatch "environment_mismatch" Denied 403 "It is not allowed in this environment."
    ScopeMismatch "scope_mismatch" Denied 403 "It was deployed for another service account."
    StatementTime "statement_time" Denied 403 "The statement is older than the policy allows, or dated in the future."
    FormatNotAllowed "format_not_allowed" Denied 403 "A file has a format that is not among the allowed ones."
    MetricNotMet "metric_not_met" Denied 403 "A result that the build claims is not what the policy asks for, or is not claimed."
    SbomMissing "sbom_missing" Denied 403 "Nobody says what the model is made of."
    ApprovalMissing "approval_missing" Denied 403 "Too few people who may approve the model have approved it."
    ExpressionNotMet "expression_not_met" Denied 403 "An expression of the policy holds for no statement."
    PolicyTestFailed "policy_test_failed" Denied 422 "A policy decides one of its test cases in another way than the case expects."
    PublisherMismatch "publisher_mismatch" Denied 403 "Another publisher published it than the policy trusts."
    AdmissionExpired "admission_expired" Denied 403 "The admission's time is over."
    Recalled "recalled" Denied 503 "It, or something it was made from, was recalled."
    // What the scan found
    ScanMalicious "scan_malicious" Denied 403 "The scan found what would run code or do harm."
    ScanSuspicious "scan_suspicious" Denied 403 "The scan found what no plain model needs."
    ScanInconclusive "scan_inconclusive" Denied 403 "The scan could not read the file to its last byte."
    // What the step did
    StepFailed "step_failed" Denied 422 "The step ended with an error."
    StepViolation "step_violation" Denied 422 "The step was killed for a forbidden system call."
    StepLeftProcesses "step_left_processes" Denied 422 "The step left processes behind."
    StepOverLimit "step_over_limit" Denied 422 "The step used more than it was allowed."
    OutputRefused "output_refused" Denied 422 "The step left an output that is no plain file."
    // What the demo found
    DemoFailed "demo_failed" Denied 422 "An attack of the demo passed, or its control was refused."
    // What the log says
    LogInconsistent "log_inconsistent" Denied 503 "The log was rewritten: its entries are not those of its checkpoint."
    LogRolledBack "log_rolled_back" Denied 503 "The log lacks lines that it once had."
    LogSplit "log_split" Denied 503 "The log signed two heads that don't follow from one another."
    LogUnexpected "log_unexpected" Denied 422 "The log has a line about something of yours that you did not make."
    LogUnwitnessed "log_unwitnessed" Denied 503 "Fewer witnesses than are asked for saw the log's head."
    LogKeyUnknown "log_key_unknown" Denied 422 "The trust root does not know this log."
    // What the store holds
    StoreDamaged "store_damaged" Denied 422 "The store does not hold what it says."
    // No answer: input
    Usage "usage" Error 400 "The command or request was not understood."
    JsonInvalid "json_invalid" Error 400 "The JSON can't be read, or could be read in two ways."
    BundleInvalid "bundle_invalid" Error 400 "The bundle can't be read."
    StatementInvalid "statement_invalid" Error 400 "The statement can't be read."
    PolicyInvalid "policy_invalid" Error 400 "The policy can't be read."
    RootInvalid "root_invalid" Error 400 "The trust root can't be read."
    SettingsInvalid "settings_invalid" Error 400 "The settings can't be read."
    ModelInvalid "model_invalid" Error 400 "The model's files don't make a model."
    ManifestInvalid "manifest_invalid" Error 400 "The OCI manifest or index can't be read."
    DataInvalid "data_invalid" Error 400 "The data set's file is not what its format says."
    PictureInvalid "picture_invalid" Error 400 "The picture can't be read."
    RequestInvalid "request_invalid" Error 400 "The request has a shape or type that the model doesn't take."
    TooLarge "too_large" Error 413 "There is more of it than is allowed."
    NotFound "not_found" Error 404 "There is no such thing here."
    Unauthorized "unauthorized" Error 401 "The request brings no token that is accepted here."
    MethodNotAllowed "method_not_allowed" Error 405 "The route does not take this method."
    MediaType "media_type" Error 415 "The body is written in a way that is not read here."
    Timeout "timeout" Error 408 "The client took too long."
    Overloaded "overloaded" Error 429 "There is more to do than is allowed to wait."
    NotOffered "not_offered" Error 501 "The protocol has it, and this server does not."
    // No answer: keys
    KeyInvalid "key_invalid" Error 400 "The key can't be read."
    KeyMissing "key_missing" Error 404 "There is no key for this role."
    KeyExposed "key_exposed" Error 403 "Others than its owner may read the key's file."
    AlreadyExists "already_exists" Error 409 "It is there already, and does not change."
    KeyExists "key_exists" Error 409 "A key of that name is there already."
    CertificateInvalid "certificate_invalid" Error 400 "The certificate can't be an authority's, or not any more."
    PasswordMissing "password_missing" Error 401 "The key is encrypted and no password was given."
    PasswordWrong "password_wrong" Error 401 "The password does not open the key."
    // No answer: the machine
    StoreMissing "store_missing" Error 404 "There is no store here."
    StoreForeign "store_foreign" Error 400 "The folder is not a store."
    StoreUntrusted "store_untrusted" Error 403 "The nearest store is somebody else's, and nobody named it."
    StoreNewer "store_newer" Error 400 "The store was written by a newer version."
    StoreCorrupt "store_corrupt" Error 500 "The store can't be read: something in it is damaged."
    LogMissing "log_missing" Error 500 "The store has lost its log."
    StoreBusy "store_busy" Error 503 "Another process holds the store."
    StoreFull "store_full" Error 507 "The disk is full."
    StoreReadOnly "store_read_only" Error 503 "The store can't be written."
    Io "io" Error 500 "A file can't be read or written."
    SandboxUnavailable "sandbox_unavailable" Error 503 "This machine can't isolate a step."
    SealUnavailable "seal_unavailable" Error 503 "This machine has no sealed memory."
    ClockWrong "clock_wrong" Error 503 "The clock can't be right."
    Network "network" Error 503 "A download or a socket failed."
    NotServing "not_serving" Error 503 "No model is loaded."
    Interrupted "interrupted" Error 503 "It was interrupted; nothing is half done."
    Internal "internal" Error 500 "Modelward contradicts itself: please report it."
}

impl Code {
    /// The code with this word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.as_str() == word)
    }

    /// The code whose word is most like this one, if any is at all.
    #[must_use]
    pub fn nearest(word: &str) -> Option<Self> {
        let likeness = |code: &Self| strsim::jaro_winkler(code.as_str(), word);
        let nearest = Self::ALL
            .iter()
            .copied()
            .max_by(|a, b| likeness(a).total_cmp(&likeness(b)))?;
        (likeness(&nearest) > 0.75).then_some(nearest)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_unique_and_say_their_kind() {
        let words: std::collections::BTreeSet<_> =
            Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(words.len(), Code::ALL.len());
        for code in Code::ALL {
            assert_eq!(Code::from_word(code.as_str()), Some(*code));
            assert!((400..600).contains(&code.http()), "{code}");
            assert!(code.summary().ends_with('.'), "{code}");
        }
        assert_eq!(
            Code::nearest("digest_missmatch"),
            Some(Code::DigestMismatch)
        );
    }
}
