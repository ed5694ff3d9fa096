//! A folder of slsa-policy files: `org.json`, and every other `.json` below it is a project's.

use std::fs;
use std::path::{Path, PathBuf};

use trust::Code;

use crate::answer::Failure;
use crate::model::unreadable;

const ORGANISATION: &str = "org.json";
const FILE_SIZE_BYTES_MAX: u64 = 1 << 20;
const FILES_MAX: usize = 10_000;
const DEPTH_MAX: usize = 16;

/// Where the policies are.
#[derive(Debug, clap::Args)]
pub(crate) struct PolicyFolder {
    /// The folder of the policies: `org.json` and the projects' files
    #[arg(long, value_name = "DIR")]
    policies: PathBuf,
}

impl PolicyFolder {
    pub(crate) fn read(&self) -> Result<Policies, Failure> {
        Policies::read(&self.policies)
    }
}

/// The bytes of the policies, and what each project's file is called.
pub(crate) struct Policies {
    pub(crate) organisation: Vec<u8>,
    pub(crate) projects: Vec<(String, Vec<u8>)>,
}

impl Policies {
    /// Reads a folder. Files that are not `.json` are somebody's notes and no policy.
    fn read(folder: &Path) -> Result<Self, Failure> {
        let organisation = read(&folder.join(ORGANISATION))?;
        let mut projects = Vec::new();
        collect(folder, "", 0, &mut projects)?;
        projects.sort();
        Ok(Self {
            organisation,
            projects,
        })
    }
}

fn collect(
    folder: &Path,
    prefix: &str,
    depth: usize,
    projects: &mut Vec<(String, Vec<u8>)>,
) -> Result<(), Failure> {
    if depth == DEPTH_MAX || projects.len() > FILES_MAX {
        return Err(Failure::error(
            Code::TooLarge,
            format!("`{}` holds too many policies", folder.display()),
            "name the policies' own folder",
        ));
    }
    for entry in fs::read_dir(folder).map_err(|e| unreadable(folder, &e))? {
        let entry = entry.map_err(|e| unreadable(folder, &e))?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        let path = entry.path();
        if path.is_dir() {
            collect(&path, &format!("{name}/"), depth + 1, projects)?;
        } else if name != ORGANISATION && path.extension().is_some_and(|ending| ending == "json") {
            projects.push((name, read(&path)?));
        }
    }
    Ok(())
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    host::whole_file::read(path, FILE_SIZE_BYTES_MAX).map_err(|e| unreadable(path, &e))
}
