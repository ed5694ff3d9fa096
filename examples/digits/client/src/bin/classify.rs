//! `digits-classify`: asks a model server which digit a picture shows.

use std::{
    fs::File,
    io::{self, Read as _, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use clap::Parser;
use digits_client::{
    classification::{self, Answer, ClassifyError, Prediction},
    explain,
};

fn main() -> ExitCode {
    match classify(&Arguments::parse()) {
        Ok(code) => code,
        Err(error) => {
            let _ = io::stderr().write_all(explain(&error).as_bytes());
            ExitCode::from(2)
        }
    }
}

/// Ask a model server which digit a picture shows
///
/// Prints a line each for the digit, the digest of the model and the id of the prediction, as far as
/// the server names them. Exit status: 0 with a digit, 1 when the server refuses, 2 without an answer.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Address of the server, such as `http://127.0.0.1:8081`
    url: String,
    /// Picture file; a light digit on dark ground, as `digits-picture` writes it
    picture: PathBuf,
}

fn classify(arguments: &Arguments) -> Result<ExitCode, RunError> {
    let picture = read(arguments)?;
    match classification::classify(&arguments.url, &picture)? {
        Answer::Digit(prediction) => {
            io::stdout()
                .write_all(lines(&prediction).as_bytes())
                .map_err(RunError::Print)?;
            Ok(ExitCode::SUCCESS)
        }
        Answer::Refusal { status, reason } => {
            let _ = writeln!(io::stderr(), "refused: {reason} (status {status})");
            Ok(ExitCode::FAILURE)
        }
    }
}

/// Why there is no answer to print.
#[derive(Debug, thiserror::Error)]
enum RunError {
    /// The picture could not be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The server gave none.
    #[error(transparent)]
    Classify(#[from] ClassifyError),
    /// Standard output took nothing.
    #[error("cannot print the answer")]
    Print(#[source] io::Error),
}

/// Reads the picture; a byte over the limit is enough to have it refused.
fn read(arguments: &Arguments) -> Result<Vec<u8>, RunError> {
    let path = &arguments.picture;
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| {
            file.take(classification::PICTURE_BYTES_MAX as u64 + 1)
                .read_to_end(&mut bytes)
        })
        .map_err(|source| RunError::Read {
            path: path.clone(),
            source,
        })?;
    Ok(bytes)
}

fn lines(Prediction { digit, model, id }: &Prediction) -> String {
    let mut text = format!("digit {digit}\n");
    for (name, value) in [("model", model), ("prediction", id)] {
        if let Some(value) = value {
            text += &format!("{name} {value}\n");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_what_the_server_named() {
        let whole = Prediction {
            digit: 7,
            model: Some("sha256:ab".into()),
            id: Some("p1".into()),
        };
        assert_eq!(lines(&whole), "digit 7\nmodel sha256:ab\nprediction p1\n");
        assert_eq!(
            lines(&Prediction {
                digit: 0,
                model: None,
                id: None
            }),
            "digit 0\n"
        );
    }
}
