//! `digits-picture`: takes one picture out of the data set, as a PNG file or drawn in the terminal.

use std::{
    fs,
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use clap::Parser;
use digits_client::{explain, picture};
use digits_data::{
    ReadError,
    idx::{Images, PIXELS},
    read_images,
};

fn main() -> ExitCode {
    match take(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = io::stderr().write_all(explain(&error).as_bytes());
            ExitCode::from(2)
        }
    }
}

/// Take one picture out of an IDX file of digits
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// File of pictures, such as `t10k-images-idx3-ubyte`
    images: PathBuf,
    /// Number of the picture, from 0
    index: usize,
    /// Write it as a grey PNG file of 28 by 28 pixels
    #[arg(long, short, value_name = "FILE", required_unless_present = "show")]
    output: Option<PathBuf>,
    /// Draw it in the terminal
    #[arg(long)]
    show: bool,
}

fn take(arguments: &Arguments) -> Result<(), RunError> {
    let images = read_images(&arguments.images)?;
    let pixels = pixels(&images, arguments.index)?;
    if let Some(path) = &arguments.output {
        let bytes = picture::to_png(pixels).map_err(RunError::Encode)?;
        fs::write(path, bytes).map_err(|source| RunError::Write {
            path: path.clone(),
            source,
        })?;
    }
    if arguments.show {
        io::stdout()
            .write_all(picture::to_text(pixels).as_bytes())
            .map_err(RunError::Print)?;
    }
    Ok(())
}

/// Why there is no picture.
#[derive(Debug, thiserror::Error)]
enum RunError {
    /// The file of pictures could not be used.
    #[error("cannot take a picture")]
    Images(#[from] ReadError),
    /// The file has fewer pictures.
    #[error("there is no picture {index}: the file has {count}, numbered from 0")]
    Index {
        /// The number asked for.
        index: usize,
        /// How many there are.
        count: usize,
    },
    /// The picture could not be encoded.
    #[error("cannot encode the picture")]
    Encode(#[source] png::EncodingError),
    /// The PNG file could not be written.
    #[error("cannot write `{}`", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Standard output took nothing.
    #[error("cannot draw the picture")]
    Print(#[source] io::Error),
}

fn pixels(images: &Images, index: usize) -> Result<&[u8; PIXELS], RunError> {
    let pixels = images.get(index).and_then(|pixels| pixels.first_chunk());
    pixels.ok_or(RunError::Index {
        index,
        count: images.len(),
    })
}
