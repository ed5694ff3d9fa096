//! PEM files of certificates (RFC 7468): several may stand in one, with text around them.

use data_encoding::BASE64;

use super::{Certificate, CertificateError};

/// A file of all the certificates that one system trusts has some hundreds of kilobytes.
const FILE_SIZE_BYTES_MAX: usize = 4 << 20;
/// As many as such a file has, and more.
const CERTIFICATES_MAX: usize = 1024;

impl Certificate {
    /// The certificate as PEM, in lines of 64 as OpenSSL writes it.
    #[must_use]
    pub fn to_pem(&self) -> String {
        let text = BASE64.encode(self.as_der());
        let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
        for line in text.as_bytes().chunks(64) {
            pem.extend(line.iter().map(|byte| char::from(*byte)));
            pem.push('\n');
        }
        pem.push_str("-----END CERTIFICATE-----\n");
        pem
    }

    /// Reads all the certificates of a PEM file, in its order. Text between them is passed over; any other PEM block is
    /// refused, for it was not meant to be there.
    ///
    /// # Errors
    /// A block is no certificate or can't be read, or there is none.
    pub fn all_from_pem(pem: &str) -> Result<Vec<Self>, CertificateError> {
        if pem.len() > FILE_SIZE_BYTES_MAX {
            return Err(CertificateError::TooLarge {
                size_bytes_max: FILE_SIZE_BYTES_MAX,
            });
        }
        let mut lines = pem.lines().map(str::trim_end);
        let mut certificates = Vec::new();
        while let Some(line) = lines.next() {
            let Some(label) = label(line, "-----BEGIN ") else {
                continue;
            };
            if label != "CERTIFICATE" {
                return Err(CertificateError::PemLabel {
                    label: label.chars().take(60).collect(),
                });
            }
            if certificates.len() == CERTIFICATES_MAX {
                return Err(CertificateError::TooMany {
                    count_max: CERTIFICATES_MAX,
                });
            }
            certificates.push(Self::from_der(&block(&mut lines)?)?);
        }
        if certificates.is_empty() {
            return Err(CertificateError::PemMissing);
        }
        Ok(certificates)
    }
}

fn label<'a>(line: &'a str, begin: &str) -> Option<&'a str> {
    line.strip_prefix(begin)?.strip_suffix("-----")
}

/// The bytes up to the block's end.
fn block<'a>(lines: &mut impl Iterator<Item = &'a str>) -> Result<Vec<u8>, CertificateError> {
    let mut base64 = String::new();
    for line in lines {
        match label(line, "-----END ") {
            Some("CERTIFICATE") => {
                let bytes = BASE64.decode(base64.as_bytes());
                return bytes.map_err(|_| CertificateError::PemBase64);
            }
            Some(_) => return Err(CertificateError::PemEnd),
            None => base64.push_str(line),
        }
    }
    Err(CertificateError::PemEnd)
}
