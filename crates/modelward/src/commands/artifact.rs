//! `modelward artifact repo create|upload|download`

mod folder;

use std::path::PathBuf;

use clap::Subcommand;
use digest::Digest;
use host::oci::{ReadError, Registry, Source};
use serde_json::json;
use trust::Code;
use trust::oci::{Reference, Repository, Version};

use super::{pull, push};
use crate::answer::{Answer, Failure};
use crate::artifact::repository;
use crate::lines::{Lines, counted};
use crate::ui::Ui;

const NAME_SIZE_BYTES_MAX: usize = 128;

/// Keep versions of files in generic repositories
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: modelward artifact repo create models --location /srv/artifacts")]
pub(crate) struct Args {
    #[command(subcommand)]
    word: Word,
}

#[derive(Debug, Subcommand)]
enum Word {
    /// Make, fill and read repositories, whose versions never change
    ///
    /// The words are those of generic repositories in Google's Artifact Registry. A location is a folder, or a part of a registry:
    /// `oci://HOST/PART`.
    #[command(
        after_help = "Example: modelward artifact repo create models --location /srv/artifacts"
    )]
    Repo(Repo),
}

#[derive(Debug, clap::Args)]
struct Repo {
    #[command(subcommand)]
    word: RepoWord,
}

#[derive(Debug, Subcommand)]
enum RepoWord {
    /// Make a repository in a folder; in a registry the first upload makes it
    #[command(
        after_help = "Example: modelward artifact repo create models --location /srv/artifacts"
    )]
    Create(Create),
    /// Add a version of a package: a file, or a folder's files
    #[command(
        disable_version_flag = true,
        after_help = "Example: modelward artifact repo upload --package digits --version 1.0.0 --repository models --location /srv/artifacts --source out/digits"
    )]
    Upload(Upload),
    /// Take a version's files out, each as it was uploaded
    #[command(
        disable_version_flag = true,
        after_help = "Example: modelward artifact repo download --package digits --version 1.0.0 --repository models --location /srv/artifacts --destination digits"
    )]
    Download(Download),
}

#[derive(Debug, clap::Args)]
struct Create {
    /// The repository
    #[arg(value_parser = plain_name)]
    repository: String,
    /// The folder that holds repositories
    #[arg(long, value_name = "LOCATION")]
    location: String,
}

/// A version of a package.
#[derive(Debug, clap::Args)]
struct Named {
    /// The package
    #[arg(long, value_name = "NAME", value_parser = plain_name)]
    package: String,
    /// The version, of small letters, digits, `.` and `-`; `latest` is none
    #[arg(long = "version", value_name = "VERSION", value_parser = version)]
    package_version: String,
    /// The repository
    #[arg(long, value_name = "NAME", value_parser = plain_name)]
    repository: String,
    /// The folder that holds repositories, or `oci://HOST/PART`
    #[arg(long, value_name = "LOCATION")]
    location: String,
}

#[derive(Debug, clap::Args)]
struct Upload {
    #[command(flatten)]
    named: Named,
    /// The file or folder
    #[arg(long, value_name = "PATH")]
    source: String,
}

#[derive(Debug, clap::Args)]
struct Download {
    #[command(flatten)]
    named: Named,
    /// The folder that the files go into, which must be new or empty
    #[arg(long, value_name = "FOLDER")]
    destination: PathBuf,
}

pub(crate) fn run(args: &Args, ui: &Ui) -> Result<Answer, Failure> {
    let Word::Repo(repo) = &args.word;
    match &repo.word {
        RepoWord::Create(args) => create(args),
        RepoWord::Upload(args) => upload(args, ui),
        RepoWord::Download(args) => download(args, ui),
    }
}

fn create(args: &Create) -> Result<Answer, Failure> {
    if Reference::is_meant(&args.location) {
        let message = "a repository of a registry is made by the first upload";
        return Err(Failure::error(
            Code::Usage,
            message,
            "upload a version: `modelward artifact repo upload`",
        ));
    }
    let path = folder::create(&args.location, &args.repository)?;
    let text = format!(
        "created repository [{}]: {}",
        args.repository,
        path.display()
    );
    Ok(Answer::new(
        [text],
        json!({"repository": args.repository, "path": path.display().to_string()}),
    ))
}

fn upload(args: &Upload, ui: &Ui) -> Result<Answer, Failure> {
    let named = &args.named;
    let model = push::Pushed::of(&args.source, None, ui)?;
    for file in model.artifact.files().keys() {
        check_file(file)?;
    }
    match named.in_registry()? {
        Some(repository) => to_registry(named, &repository, &model, ui)?,
        None => folder::upload(named, &model)?,
    }
    named.answer(
        "uploaded",
        model.artifact.digest(),
        model.artifact.files().len(),
    )
}

fn to_registry(
    named: &Named,
    repository: &Repository,
    model: &push::Pushed,
    ui: &Ui,
) -> Result<(), Failure> {
    let registry = Registry::open_to_push(repository)?;
    let version = Version::Tag(named.package_version.clone());
    match registry.manifest(&version) {
        Err(ReadError::NotFound { .. }) => {}
        Err(error) => return Err(error.into()),
        Ok(_) => return Err(named.exists()),
    }
    push::push_files(&registry, model, ui)?;
    let manifest = model.artifact.manifest();
    registry.push_manifest(&manifest, push::MANIFEST, Some(&named.package_version))?;
    Ok(())
}

fn download(args: &Download, ui: &Ui) -> Result<Answer, Failure> {
    let named = &args.named;
    let (digest, files) = match named.in_registry()? {
        Some(repository) => {
            let version = Version::Tag(named.package_version.clone());
            let pulled = pull::into_folder(&repository, &version, &args.destination, ui)?;
            (pulled.digest, pulled.files)
        }
        None => folder::download(named, &args.destination)?,
    };
    named.answer("downloaded", digest, files)
}

impl Named {
    /// The repository of a registry that is the location, if one is.
    fn in_registry(&self) -> Result<Option<Repository>, Failure> {
        if !Reference::is_meant(&self.location) {
            return Ok(None);
        }
        let location = self.location.trim_end_matches('/');
        repository(&format!("{location}/{}/{}", self.repository, self.package)).map(Some)
    }

    fn exists(&self) -> Failure {
        let message = format!(
            "ALREADY_EXISTS: version `{}` of package `{}` is in repository `{}`, and versions never change",
            self.package_version, self.package, self.repository
        );
        Failure::error(Code::AlreadyExists, message, "upload it as another version")
    }

    fn answer(&self, done: &str, digest: Digest, files: usize) -> Result<Answer, Failure> {
        let name = format!(
            "repositories/{}/genericArtifacts/{}:{}",
            self.repository, self.package, self.package_version
        );
        let text = Lines::from([
            format!("{done} {} ({digest})", counted(files, "file")),
            format!("name: {name}"),
        ]);
        let data = json!({"name": name, "digest": digest.to_string(), "files": files, "location": self.location});
        Ok(Answer::new(text, data))
    }
}

fn plain_name(text: &str) -> Result<String, String> {
    let fits =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
    let begins = text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    match begins && text.len() <= NAME_SIZE_BYTES_MAX && text.bytes().all(fits) {
        true => Ok(text.to_owned()),
        false => Err("a name has small letters, digits, `-`, `_` and `.`, and begins with one of the first two".to_owned()),
    }
}

fn version(text: &str) -> Result<String, String> {
    let fits =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
    let begins = text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    match begins && text != "latest" && text.len() <= NAME_SIZE_BYTES_MAX && text.bytes().all(fits)
    {
        true => Ok(text.to_owned()),
        false => {
            Err("a version has small letters, digits, `-` and `.`, and is not `latest`".to_owned())
        }
    }
}

fn check_file(path: &str) -> Result<(), Failure> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~@/".contains(&byte);
    if path.bytes().all(fits) && path != folder::MANIFEST {
        return Ok(());
    }
    let message = format!("`{path}` is no file's name in a repository");
    let way = "a name has letters, digits, `-`, `_`, `.`, `~` and `@`";
    Err(Failure::error(Code::Usage, message, way))
}
