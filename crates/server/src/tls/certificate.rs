//! One certificate with its chain and its key.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::InconsistentKeys;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::sign::CertifiedKey;
use webpki::{EndEntityCert, KeyUsage};

use super::provider;

/// A certificate that a server can present.
#[derive(Clone, Debug)]
pub(super) struct Certificate {
    pub(super) key: Arc<CertifiedKey>,
    /// Its DNS names, in lower case. A wildcard begins with `*.`.
    pub(super) names: Vec<String>,
    pub(super) not_before: SystemTime,
    pub(super) not_after: SystemTime,
}

/// A reason why a certificate cannot be used.
#[derive(Debug)]
pub(super) enum Unusable {
    NoCertificate,
    /// The certificate of this index in the chain.
    Malformed(usize, webpki::Error),
    Key(rustls::Error),
    /// The key belongs to another certificate. Contains its index if that is in the chain.
    Mismatch(Option<usize>),
}

impl Certificate {
    /// Checks that the key belongs to the first certificate of the chain.
    ///
    /// # Errors
    /// Fails if it does not, or one of them is malformed or unsupported.
    pub(super) fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, Unusable> {
        let key = provider().key_provider.load_private_key(key).map_err(Unusable::Key)?;
        for (index, certificate) in chain.iter().enumerate() {
            EndEntityCert::try_from(certificate)
                .map_err(|error| Unusable::Malformed(index, error))?;
        }
        let first = chain.first().ok_or(Unusable::NoCertificate)?;
        let (names, [not_before, not_after]) = EndEntityCert::try_from(first)
            .and_then(|first| Ok((names(&first), validity(&first)?)))
            .map_err(|error| Unusable::Malformed(0, error))?;
        let key = CertifiedKey::new(chain, key);
        match key.keys_match() {
            Ok(()) => {}
            // The kind of key cannot be compared. A handshake would show a mismatch.
            Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => {}
            Err(_) => return Err(Unusable::Mismatch(index_of_own(&key))),
        }
        Ok(Self { key: Arc::new(key), names, not_before, not_after })
    }

    /// Valid for at most 14 days, with a key of ECDSA P-256.
    #[cfg(feature = "webtransport")]
    pub(super) fn is_short_lived(&self) -> bool {
        const LONGEST: Duration = Duration::from_secs(14 * 24 * 3600);
        let is_short = self.not_after.duration_since(self.not_before).is_ok_and(|it| it <= LONGEST);
        let p256 = [rustls::SignatureScheme::ECDSA_NISTP256_SHA256];
        is_short && self.key.key.choose_scheme(&p256).is_some()
    }
}

/// The index of the certificate in the chain that the key belongs to.
fn index_of_own(key: &CertifiedKey) -> Option<usize> {
    key.cert.iter().position(|certificate| {
        CertifiedKey::new(vec![certificate.clone()], key.key.clone()).keys_match().is_ok()
    })
}

fn names(certificate: &EndEntityCert<'_>) -> Vec<String> {
    certificate.valid_dns_names().map(str::to_ascii_lowercase).collect()
}

/// The times between which a certificate is valid. `webpki` contains them only in its errors, so this checks the
/// certificate for the first and the last possible time.
fn validity(certificate: &EndEntityCert<'_>) -> Result<[SystemTime; 2], webpki::Error> {
    let check = |time| {
        let time = UnixTime::since_unix_epoch(Duration::from_secs(time));
        // There are no trust anchors, so the check always fails, but it checks the times first.
        certificate.verify_for_usage(&[], &[], &[], time, KeyUsage::server_auth(), None, None)
    };
    let not_before = match check(0) {
        Err(webpki::Error::CertNotValidYet { not_before, .. }) => not_before,
        Err(error @ (webpki::Error::InvalidCertValidity | webpki::Error::BadDerTime)) => {
            return Err(error);
        }
        _ => UnixTime::since_unix_epoch(Duration::ZERO),
    };
    let not_after = match check(u64::MAX) {
        Err(webpki::Error::CertExpired { not_after, .. }) => not_after,
        Err(error) => return Err(error),
        Ok(_) => return Err(webpki::Error::InvalidCertValidity),
    };
    let time = |time: UnixTime| SystemTime::UNIX_EPOCH + Duration::from_secs(time.as_secs());
    Ok([time(not_before), time(not_after)])
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCertificate => f.write_str("there is no certificate"),
            Self::Malformed(_, webpki::Error::UnsupportedCertVersion) => f.write_str(
                "the certificate is not of X.509 version 3: create it with subject alternative names",
            ),
            Self::Malformed(index, error) => {
                write!(f, "certificate {} of the chain is malformed: {error:?}", index + 1)
            }
            Self::Key(error) => write!(
                f,
                "the private key is not supported ({error}): use ECDSA P-256 or P-384, Ed25519, or RSA of 2048 to \
                 8192 bits"
            ),
            Self::Mismatch(Some(index)) => write!(
                f,
                "the private key belongs to certificate {} of the chain: put the certificate of the server first",
                index + 1
            ),
            Self::Mismatch(None) => f.write_str("the private key does not belong to the certificate"),
        }
    }
}

impl std::error::Error for Unusable {}
