//! `modelward fetch IMAGE@DIGEST --file PATH --for ACCOUNT`

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use chain::fetch::Beside;
use clap::builder::NonEmptyStringValueParser;
use digest::Digest;
use host::oci::{Registry, Source, image};
use policy::admission::AdmissionRules;
use policy::slsa::PackageName;
use serde_json::json;
use trust::oci::{Manifest, Reference, Repository, Version};
use trust::predicate::{Deployment, Recall};
use trust::{Bundle, Code, Predicate};

use super::admit::EVIDENCE_AGE_SECONDS_MAX;
use crate::answer::{Answer, Failure, allowed};
use crate::artifact::{predicate_type, repository};
use crate::cli::Common;
use crate::faults::at;
use crate::lines::Lines;
use crate::release::Environment;
use crate::staging::Staging;
use crate::ui::Ui;
use crate::workspace::Workspace;

/// Take one file out of an image, if the image was deployed for who asks
///
/// The deployment is looked for beside the image and in the store, and must be believed by the store's trust root. Only then layers
/// are fetched, each held against its digest. No container runtime is needed.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: modelward fetch registry.example/team/digits@sha256:4bf5… --file /model.safetensors --for digits@example"
)]
pub(crate) struct Args {
    /// The image, by its digest: `HOST/NAME@sha256:…`
    image: String,
    /// The file in the image
    #[arg(long, value_name = "PATH")]
    file: String,
    /// The service account that it is for
    #[arg(long = "for", value_name = "ACCOUNT", value_parser = NonEmptyStringValueParser::new())]
    account: String,
    #[command(flatten)]
    environment: Environment,
    /// The package that the image was deployed as; `HOST/NAME` by default
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    package: Option<String>,
    /// Where the file goes, which must be free; by default its name, in this folder
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
    /// Look for the deployment in this repository, `oci://HOST/NAME`, and not beside the image
    #[arg(long, value_name = "REPOSITORY")]
    statements_from: Option<String>,
}

pub(crate) fn run(args: &Args, common: &Common, ui: &Ui) -> Result<Answer, Failure> {
    let (place, digest) = image(&args.image)?;
    let target = target(args)?;
    let workspace = Workspace::open(common)?;
    let rules = rules(args, &place, &workspace)?;
    let elsewhere = args
        .statements_from
        .as_deref()
        .map(repository)
        .transpose()?;
    let beside = beside(elsewhere.as_ref().unwrap_or(&place), digest, &workspace)?;
    let ledger = workspace.ledger()?;
    let verdict = chain::fetch::decide(&ledger, &rules, digest, &beside, workspace.now)?;
    let deployment = allowed(verdict)?;
    let registry = Registry::open_to_pull(&place)?;
    let bytes = registry.manifest(&Version::Digest(digest))?;
    let manifest = Manifest::parse(&bytes)?;
    let parent = target
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    let staging = Staging::beside(parent).map_err(at(parent))?;
    let sizes = manifest.layers().iter().map(|layer| layer.size_bytes);
    let bar = ui.bytes_bar("fetching", sizes.fold(0, u64::saturating_add));
    let progress = |size_bytes| bar.inc(size_bytes);
    let (measured, taken) =
        image::take(&registry, &manifest, &args.file, staging.path(), &progress)?;
    bar.finish_and_clear();
    // It takes the place of nothing that came meanwhile.
    std::fs::hard_link(&taken, &target).map_err(at(&target))?;
    let image = Reference::Registry(place, Version::Digest(digest)).to_string();
    let text = Lines::from([
        format!("fetched `{}` of {image}: {}", args.file, target.display()),
        format!(
            "it is {}, {} bytes",
            measured.digest(),
            measured.size_bytes()
        ),
        format!(
            "deployed for `{}` in `{}`, as {deployment} says",
            args.account, rules.environment
        ),
    ]);
    let data = json!({"image": image, "file": args.file, "digest": measured.digest().to_string(), "bytes": measured.size_bytes(),
                      "path": target.display().to_string(), "serviceAccount": args.account, "environment": rules.environment, "deployment": deployment.to_string()});
    Ok(Answer::new(text, data))
}

/// An image by its digest: what a tag names may be something else the next time.
fn image(word: &str) -> Result<(Repository, Digest), Failure> {
    let bare = word.strip_prefix("oci://").unwrap_or(word);
    match format!("oci://{bare}").parse() {
        Ok(Reference::Registry(repository, Version::Digest(digest))) => Ok((repository, digest)),
        _ => Err(Failure::error(
            Code::Usage,
            format!("`{word}` is no image by its digest"),
            "such as `registry.example/team/digits@sha256:…`",
        )),
    }
}

fn target(args: &Args) -> Result<PathBuf, Failure> {
    let name = Path::new(&args.file).file_name().map(PathBuf::from);
    let target = args.to.clone().or(name).ok_or_else(|| {
        let message = format!("`{}` is no file in an image", args.file);
        Failure::error(Code::Usage, message, "such as `--file /model.safetensors`")
    })?;
    if target.symlink_metadata().is_err() {
        return Ok(target);
    }
    Err(Failure::error(
        Code::Io,
        format!("`{}` is there already", target.display()),
        "choose another place with `--to FILE`, or move it away",
    ))
}

fn rules(
    args: &Args,
    place: &Repository,
    workspace: &Workspace,
) -> Result<AdmissionRules, Failure> {
    let package = args.package.clone();
    let package = package.unwrap_or_else(|| format!("{}/{}", place.host, place.name));
    let way = "name the package that it was deployed as: `--package registry.example/team/digits`";
    let package = PackageName::parse(&package).map_err(|why| {
        Failure::error(
            Code::Usage,
            format!("`{package}` is no package: {why}"),
            way,
        )
    })?;
    Ok(AdmissionRules {
        package,
        environment: args.environment.required(workspace)?,
        service_account: args.account.clone(),
        max_age_seconds: EVIDENCE_AGE_SECONDS_MAX,
        formats: None,
    })
}

/// What is said beside the image and believed. A place that can't be read to its end may hold a recall: then nobody can tell.
fn beside(place: &Repository, image: Digest, workspace: &Workspace) -> Result<Beside, Failure> {
    let registry = Registry::open(place)?;
    let mut beside = Beside::default();
    let (root, now) = (&workspace.root, workspace.now);
    let searched = host::oci::statements(&registry, image, &mut |found| {
        if let Some(bundle) = found.bundle() {
            match type_of(&bundle).as_deref() {
                Some(Deployment::TYPE) => {
                    beside.deployments.extend(trust::verify(&bundle, root, now));
                }
                Some(Recall::TYPE) => {
                    beside
                        .recalls
                        .extend(trust::verify_to_forbid(&bundle, root, now));
                }
                _ => {}
            }
        }
        ControlFlow::Continue(())
    });
    if let Some(error) = searched.unread.into_iter().next() {
        return Err(error.into());
    }
    match searched.is_whole {
        true => Ok(beside),
        false => Err(Failure::error(
            Code::TooLarge,
            "more lies beside the image than is looked at",
            "remove from the registry what is of no use there",
        )),
    }
}

fn type_of(bundle: &[u8]) -> Option<String> {
    predicate_type(&Bundle::parse(bundle).ok()?).ok()
}
