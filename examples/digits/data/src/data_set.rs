//! Two files, pictures and labels, read and matched.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use crate::idx::{self, Images};

/// Pictures with the digit that each one shows.
#[derive(Debug)]
pub struct DataSet {
    images: Images,
    labels: Vec<u8>,
}

impl DataSet {
    /// Reads one half of a data set from `folder`, under the names that the original files have.
    pub fn read(folder: &Path, half: Half) -> Result<Self, ReadError> {
        let (images_name, labels_name) = half.file_names();
        let images = read_images(&folder.join(images_name))?;
        let labels_path = folder.join(labels_name);
        let bytes = read_bounded(&labels_path, idx::LABELS_BYTES_MAX)?;
        let labels = idx::parse_labels(&bytes).map_err(|source| ReadError::Parse {
            path: labels_path,
            source,
        })?;
        if images.len() != labels.len() {
            return Err(ReadError::Unmatched {
                images: images.len(),
                labels: labels.len(),
            });
        }
        Ok(Self { images, labels })
    }

    /// Keeps the first `count` pictures.
    pub fn truncate(&mut self, count: usize) {
        self.images.truncate(count);
        self.labels.truncate(count);
    }

    /// How many pictures there are; never zero when read from files.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are none, as after `truncate(0)`.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The grey values of picture `index`, row by row, and the digit it shows.
    pub fn get(&self, index: usize) -> Option<(&[u8], u8)> {
        Some((self.images.get(index)?, *self.labels.get(index)?))
    }
}

/// The pictures to learn from, and those to be examined on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Half {
    /// `train-images-idx3-ubyte` and `train-labels-idx1-ubyte`.
    Training,
    /// `t10k-images-idx3-ubyte` and `t10k-labels-idx1-ubyte`.
    Test,
}

impl Half {
    fn file_names(self) -> (&'static str, &'static str) {
        match self {
            Self::Training => ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
            Self::Test => ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
        }
    }
}

/// Why a data set could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file could not be opened.
    #[error("cannot open `{}`", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file could not be read to its end.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is larger than any such data set.
    #[error("`{}` is larger than the {bytes_max} bytes a file of this kind may have", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The limit.
        bytes_max: u64,
    },
    /// The file is not what its name says.
    #[error("`{}` is not a file of digits", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: idx::ParseError,
    },
    /// Pictures and labels do not belong together.
    #[error("there are {images} images and {labels} labels: the two files do not belong together")]
    Unmatched {
        /// Number of pictures.
        images: usize,
        /// Number of labels.
        labels: usize,
    },
}

/// Reads a file of pictures.
pub fn read_images(path: &Path) -> Result<Images, ReadError> {
    let bytes = read_bounded(path, idx::IMAGES_BYTES_MAX)?;
    idx::parse_images(bytes).map_err(|source| ReadError::Parse {
        path: path.into(),
        source,
    })
}

/// Reads a whole file, but no more than one byte over the limit.
fn read_bounded(path: &Path, bytes_max: u64) -> Result<Vec<u8>, ReadError> {
    let file = File::open(path).map_err(|source| ReadError::Open {
        path: path.into(),
        source,
    })?;
    let mut bytes = Vec::new();
    file.take(bytes_max + 1)
        .read_to_end(&mut bytes)
        .map_err(|source| ReadError::Read {
            path: path.into(),
            source,
        })?;
    if bytes.len() as u64 > bytes_max {
        return Err(ReadError::TooLarge {
            path: path.into(),
            bytes_max,
        });
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::idx::PIXELS;

    fn images(count: u32) -> Vec<u8> {
        let mut bytes = Vec::new();
        for word in [0x0803, count, 28, 28] {
            bytes.extend(word.to_be_bytes());
        }
        bytes.extend((0..count as usize * PIXELS).map(|i| (i / PIXELS) as u8));
        bytes
    }

    fn labels(values: &[u8]) -> Vec<u8> {
        let mut bytes = 0x0801_u32.to_be_bytes().to_vec();
        bytes.extend((values.len() as u32).to_be_bytes());
        bytes.extend(values);
        bytes
    }

    fn folder(images: &[u8], labels: &[u8]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("t10k-images-idx3-ubyte"), images).unwrap();
        fs::write(folder.path().join("t10k-labels-idx1-ubyte"), labels).unwrap();
        folder
    }

    #[test]
    fn reads_matching_files() {
        let folder = folder(&images(3), &labels(&[7, 2, 1]));
        let mut set = DataSet::read(folder.path(), Half::Test).unwrap();
        assert_eq!(set.len(), 3);
        assert_eq!(set.get(2).unwrap(), ([2; PIXELS].as_slice(), 1));
        assert!(set.get(3).is_none());
        set.truncate(1);
        assert_eq!((set.len(), set.get(1)), (1, None));
    }

    #[test]
    fn refuses_files_that_do_not_belong_together() {
        let folder = folder(&images(3), &labels(&[7, 2]));
        let error = DataSet::read(folder.path(), Half::Test).unwrap_err();
        assert!(matches!(
            error,
            ReadError::Unmatched {
                images: 3,
                labels: 2
            }
        ));
    }

    #[test]
    fn names_the_file_that_is_short() {
        let whole = images(3);
        let folder = folder(&whole[..whole.len() - 1], &labels(&[7, 2, 1]));
        let error = DataSet::read(folder.path(), Half::Test).unwrap_err();
        assert!(
            error.to_string().contains("t10k-images-idx3-ubyte"),
            "{error}"
        );
    }

    #[test]
    fn names_the_file_that_is_missing() {
        let folder = folder(&images(1), &labels(&[7]));
        let error = DataSet::read(folder.path(), Half::Training).unwrap_err();
        assert!(matches!(error, ReadError::Open { .. }));
        assert!(
            error.to_string().contains("train-images-idx3-ubyte"),
            "{error}"
        );
    }

    #[test]
    fn stops_reading_at_the_limit() {
        let folder = folder(&images(1), &labels(&[7]));
        let path = folder.path().join("t10k-labels-idx1-ubyte");
        assert_eq!(read_bounded(&path, 9).unwrap().len(), 9);
        assert!(matches!(
            read_bounded(&path, 8),
            Err(ReadError::TooLarge { bytes_max: 8, .. })
        ));
    }
}
