//! Reads certificates and keys from PEM files.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustls::pki_types::pem::{Error, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::certificate::{Certificate, Unusable};
use super::invalid;

/// The files of a certificate chain and its key.
#[derive(Clone, Debug)]
pub(super) struct Pair {
    pub(super) chain: PathBuf,
    pub(super) key: PathBuf,
}

impl Pair {
    pub(super) fn new(chain: PathBuf, key: PathBuf) -> Self {
        Self { chain, key }
    }

    /// Reads both files.
    ///
    /// # Errors
    /// The error names the file, what is wrong, and what to do.
    fn read(&self) -> io::Result<Certificate> {
        let chain = read_chain(&self.chain)?;
        let key = read_key(&self.key)?;
        Certificate::new(chain, key).map_err(|unusable| {
            let (chain, key) = (self.chain.display(), self.key.display());
            let files = match unusable {
                Unusable::Key(_) => format!("{key}"),
                Unusable::NoCertificate | Unusable::Malformed(..) => format!("{chain}"),
                Unusable::Mismatch(_) => format!("{chain} and {key}"),
            };
            invalid(format!("{files}: {unusable}"))
        })
    }
}

/// Reads the certificates of all pairs, and logs each.
pub(super) fn read(pairs: &[Pair]) -> io::Result<Vec<Certificate>> {
    let certificates = pairs.iter().map(Pair::read).collect::<io::Result<Vec<_>>>()?;
    for (pair, certificate) in pairs.iter().zip(&certificates) {
        log(&pair.chain, certificate);
    }
    Ok(certificates)
}

fn log(file: &Path, certificate: &Certificate) {
    if !warn(file, certificate) {
        let (names, until) = (certificate.names.join(" "), certificate.not_after);
        let (file, until) = (file.display(), httpdate::fmt_http_date(until));
        tracing::info!(%file, names, %until, "loaded a certificate");
    }
}

/// Logs a warning and returns `true` if clients reject this certificate now because of its times, or will do so soon.
pub(super) fn warn(file: &Path, certificate: &Certificate) -> bool {
    let (file, names) = (file.display(), certificate.names.join(" "));
    let from = httpdate::fmt_http_date(certificate.not_before);
    let until = httpdate::fmt_http_date(certificate.not_after);
    match validity(certificate, SystemTime::now()) {
        Validity::Good => return false,
        Validity::Early => {
            tracing::warn!(%file, names, %from, "the certificate is not valid yet: check the clock");
        }
        Validity::Ending => {
            tracing::warn!(%file, names, %until, "the certificate expires soon: renew it");
        }
        Validity::Expired => tracing::warn!(
            %file, names, %until, "the certificate has expired, so clients reject it until it is renewed"
        ),
    }
    true
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Validity {
    Early,
    Good,
    /// It expires within 14 days, or within the last quarter of its time if that is shorter: certificates that are
    /// valid for some days only are renewed late.
    Ending,
    Expired,
}

const ENDING: Duration = Duration::from_secs(14 * 24 * 60 * 60);

pub(super) fn validity(certificate: &Certificate, now: SystemTime) -> Validity {
    let Certificate { not_before, not_after, .. } = *certificate;
    let whole = not_after.duration_since(not_before).unwrap_or_default();
    match not_after.duration_since(now) {
        Err(_) => Validity::Expired,
        Ok(_) if not_before > now => Validity::Early,
        Ok(left) if left < ENDING.min(whole / 4) => Validity::Ending,
        Ok(_) => Validity::Good,
    }
}

fn read_chain(path: &Path) -> io::Result<Vec<CertificateDer<'static>>> {
    let text = read_file(path)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match chain {
        Ok(chain) if chain.is_empty() => Err(wrong(path, without_certificate(&text))),
        Ok(chain) => Ok(chain),
        Err(error) => Err(wrong(path, &malformed(&error))),
    }
}

fn read_key(path: &Path) -> io::Result<PrivateKeyDer<'static>> {
    let text = read_file(path)?;
    if contains(&text, "ENCRYPTED") {
        let path = path.display();
        let problem = format!(
            "{path}: the private key is encrypted: decrypt it with openssl pkey -in {path} -out KEY"
        );
        return Err(invalid(problem));
    }
    match PrivateKeyDer::from_pem_slice(&text) {
        Ok(key) => Ok(key),
        Err(Error::NoItemsFound) => Err(wrong(path, without_key(&text))),
        Err(error) => Err(wrong(path, &malformed(&error))),
    }
}

fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    std::fs::read(path).map_err(|error| {
        let remedy = match error.kind() {
            io::ErrorKind::PermissionDenied => ": allow the user of the server to read it",
            _ => "",
        };
        io::Error::new(error.kind(), format!("cannot read {}: {error}{remedy}", path.display()))
    })
}

fn without_certificate(text: &[u8]) -> &'static str {
    if contains(text, "PRIVATE KEY-----") {
        "a private key and not a certificate: the files of certificate and key may be swapped"
    } else if contains(text, "-----BEGIN CERTIFICATE REQUEST") {
        "a certificate request and not a certificate: have an authority sign it"
    } else if contains(text, "-----BEGIN ") {
        "no certificate in the PEM text"
    } else {
        NOT_PEM
    }
}

fn without_key(text: &[u8]) -> &'static str {
    if contains(text, "-----BEGIN CERTIFICATE") {
        "a certificate and not a private key: the files of certificate and key may be swapped"
    } else if contains(text, "-----BEGIN ") {
        "no private key in the PEM text"
    } else {
        NOT_PEM
    }
}

const NOT_PEM: &str = "not PEM, because it has no line -----BEGIN …-----: convert it with openssl";

fn malformed(error: &Error) -> String {
    format!("malformed PEM ({error}): copy the whole file again")
}

fn wrong(path: &Path, problem: &str) -> io::Error {
    invalid(format!("{}: {problem}", path.display()))
}

fn contains(text: &[u8], part: &str) -> bool {
    text.windows(part.len()).any(|window| window == part.as_bytes())
}
