//! `modelward oms conformance …`: the adapter that the public conformance suite runs, and its benchmark.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Instant;

use ::digest::Algorithm;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use super::methods::{
    CertificateFiles, Instance, KeyFile, SignCertificate, SignKey, SignMethod, SignSigstore,
    SignTarget, VerifyCertificate, VerifyKey, VerifyMethod, VerifySigstore, VerifyTarget,
};
use super::refused::Refused;
use super::voice::Voice;
use super::words::{DigestWords, HashWords, ModelWords};
use super::{digest, sign, verify};
use crate::believed::Provider;

/// The suite's words. Exit status 0 is a yes; nothing else is asked.
#[derive(Debug, Subcommand)]
pub(super) enum Conformance {
    /// Sign a model
    SignModel(Asked),
    /// Verify a model
    VerifyModel(Asked),
    /// What can be asked
    Capabilities,
    /// Time signing, verifying or hashing
    BenchmarkModel(Benchmark),
}

/// All that the suite says about a signature.
#[derive(Debug, Clone, Args)]
pub(super) struct Asked {
    /// Hashing alone has none
    #[arg(long, value_enum, default_value = "key")]
    method: Kind,
    #[arg(long)]
    model_path: PathBuf,
    #[arg(long)]
    output_bundle: Option<PathBuf>,
    #[arg(long)]
    bundle: Option<PathBuf>,
    #[arg(long)]
    private_key: Option<PathBuf>,
    #[arg(long)]
    public_key: Option<PathBuf>,
    #[arg(long)]
    signing_cert: Option<PathBuf>,
    #[arg(long)]
    cert_chain: Vec<PathBuf>,
    #[arg(long)]
    ignore_paths: Vec<PathBuf>,
    #[arg(long)]
    ignore_unsigned_files: bool,
    #[arg(long)]
    identity: Option<String>,
    #[arg(long)]
    identity_provider: Option<Provider>,
    #[arg(long)]
    identity_token: Option<String>,
    #[arg(long)]
    use_staging: bool,
    #[command(flatten)]
    hash: HashWords,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    Key,
    Certificate,
    Sigstore,
}

#[derive(Debug, Args)]
pub(super) struct Benchmark {
    #[arg(long, value_enum)]
    operation: Operation,
    #[arg(long)]
    repeat: NonZeroU32,
    /// Taken and not used: how much is read at once is what the machine reads best
    #[arg(long)]
    chunk_size: Option<u64>,
    /// Taken and not used: there is a worker for each core
    #[arg(long)]
    max_workers: Option<u64>,
    #[command(flatten)]
    asked: Asked,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Operation {
    Sign,
    Verify,
    Hash,
}

/// Does what the suite asks; what is returned is printed.
pub(super) fn run(words: &Conformance, voice: &Voice) -> Result<String, Refused> {
    match words {
        Conformance::SignModel(asked) => {
            let path = named(asked.output_bundle.as_ref(), "--output-bundle")?;
            sign::run(&asked.signing(path)?, voice)?;
            Ok(String::new())
        }
        Conformance::VerifyModel(asked) => {
            verify::run(&asked.verifying()?, voice)?;
            Ok(String::new())
        }
        Conformance::Capabilities => Ok(capabilities()),
        Conformance::BenchmarkModel(benchmark) => benchmark.run(voice),
    }
}

fn capabilities() -> String {
    let algorithms = Algorithm::ALL.map(Algorithm::as_str);
    json!({
        "flags": ["--hash-algorithm", "--shard-size"],
        "hash_algorithms": algorithms,
        "benchmark_model": true,
        "client_version": env!("CARGO_PKG_VERSION"),
    })
    .to_string()
}

impl Benchmark {
    fn run(&self, voice: &Voice) -> Result<String, Refused> {
        let mut times = Vec::new();
        for _ in 0..self.repeat.get() {
            let begun = Instant::now();
            match self.operation {
                Operation::Sign => {
                    let bundle = sign::bundle(&self.asked.signing(PathBuf::new())?, voice)?;
                    if let Some(path) = &self.asked.output_bundle {
                        sign::write(path, &bundle)?;
                    }
                }
                Operation::Verify => verify::run(&self.asked.verifying()?, voice)?,
                Operation::Hash => {
                    digest::run(&self.asked.hashing())?;
                }
            }
            times.push(begun.elapsed().as_secs_f64() * 1_000.0);
        }
        Ok(json!({"times_ms": times}).to_string())
    }
}

impl Asked {
    fn model(&self) -> ModelWords {
        ModelWords::of(self.model_path.clone(), self.ignore_paths.clone())
    }

    fn hashing(&self) -> DigestWords {
        DigestWords {
            model: self.model(),
            hash: self.hash.clone(),
            compat: None,
            resources: false,
        }
    }

    fn signing(&self, signature: PathBuf) -> Result<SignMethod, Refused> {
        let target = SignTarget {
            model: self.model(),
            signature,
            hash: self.hash.clone(),
            tsa_url: None,
        };
        Ok(match self.method {
            Kind::Key => SignMethod::Key(Box::new(SignKey {
                target,
                key: self.key()?,
            })),
            Kind::Certificate => SignMethod::Certificate(Box::new(SignCertificate {
                target,
                key: self.key()?,
                certificates: CertificateFiles {
                    signing_certificate: named(self.signing_cert.as_ref(), "--signing-cert")?,
                    certificate_chain: self.cert_chain.clone(),
                },
            })),
            Kind::Sigstore => SignMethod::Sigstore(Box::new(SignSigstore {
                target,
                instance: self.instance(),
                use_ambient_credentials: false,
                identity_token: self.identity_token.clone(),
                oauth_force_oob: false,
                client_id: None,
                client_secret: None,
            })),
        })
    }

    fn verifying(&self) -> Result<VerifyMethod, Refused> {
        let bundle = named(self.bundle.as_ref(), "--bundle")?;
        let target = VerifyTarget::new(self.model(), bundle, self.ignore_unsigned_files);
        Ok(match self.method {
            Kind::Key => VerifyMethod::Key(Box::new(VerifyKey {
                target,
                public_key: named(self.public_key.as_ref(), "--public-key")?,
            })),
            Kind::Certificate => VerifyMethod::Certificate(Box::new(VerifyCertificate {
                target,
                certificate_chain: self.cert_chain.clone(),
                log_fingerprints: false,
                certificate_identity: None,
                timestamp_chain: Vec::new(),
            })),
            Kind::Sigstore => VerifyMethod::Sigstore(Box::new(VerifySigstore {
                target,
                instance: self.instance(),
                identity: named(self.identity.as_ref(), "--identity")?,
                identity_provider: named(self.identity_provider.as_ref(), "--identity-provider")?,
            })),
        })
    }

    fn key(&self) -> Result<KeyFile, Refused> {
        Ok(KeyFile {
            private_key: named(self.private_key.as_ref(), "--private-key")?,
            password: None,
        })
    }

    const fn instance(&self) -> Instance {
        Instance {
            use_staging: self.use_staging,
            trust_config: None,
        }
    }
}

fn named<T: Clone>(value: Option<&T>, flag: &str) -> Result<T, Refused> {
    let missing = || Refused::new(format!("this method takes `{flag}`"), "name it");
    value.cloned().ok_or_else(missing)
}
