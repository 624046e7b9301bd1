//! Why the certificate of a server is not accepted, and what to do about it.

use std::fmt::Write as _;
use std::time::SystemTime;

use thiserror::Error;

/// The reason why a client does not accept the certificate of a server.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum CertificateProblem {
    /// It is not signed by an authority that the client trusts. A self-signed certificate is its own authority.
    #[error("no trusted authority has signed it")]
    UnknownIssuer,
    /// It is the certificate of an authority, which must not be that of a server. Many tools create a self-signed
    /// certificate in this way.
    #[error("it is a certificate of an authority, and not of a server")]
    IsAuthority,
    /// It is for other names than the host of the URL.
    #[error("it is not for {expected}, but for {}", list(.names))]
    WrongName {
        /// The host of the URL.
        expected: String,
        /// The names and IP addresses in the certificate.
        names: Vec<String>,
    },
    /// Its time is over.
    #[error("it expired{}", on(" on ", .at))]
    Expired {
        /// The end of its time, if it is known.
        at: Option<SystemTime>,
    },
    /// Its time has not begun.
    #[error("it is not valid yet{}", on(", but from ", .from))]
    NotYetValid {
        /// The beginning of its time, if it is known.
        from: Option<SystemTime>,
    },
    /// It has another SHA-256 fingerprint than the one that the client trusts.
    #[error("its SHA-256 fingerprint is {}", hex(.presented))]
    Fingerprint {
        /// The fingerprint of the certificate.
        presented: [u8; 32],
    },
    /// The system has no certificate authorities that could have signed it.
    #[error("the system has no certificate authorities{reason}")]
    NoAuthorities {
        /// The error of the system in parentheses, or empty.
        reason: String,
    },
    /// Any other reason, in the words of rustls.
    #[error("{0}")]
    Other(String),
}

impl CertificateProblem {
    /// Returns what to do, for a program that uses this library.
    pub fn remedy(&self) -> String {
        self.remedy_with("Tls::with_authorities", "Tls::with_fingerprint")
    }

    /// Returns what to do, if `authorities` is the option that trusts certificate authorities, and `fingerprint` the one
    /// that trusts a single certificate.
    pub fn remedy_with(&self, authorities: &str, fingerprint: &str) -> String {
        match self {
            Self::UnknownIssuer => {
                format!(
                    "trust its authority with {authorities}, or only this certificate with {fingerprint}"
                )
            }
            Self::IsAuthority => format!("trust only this certificate with {fingerprint}"),
            Self::WrongName { .. } => {
                format!(
                    "connect by a name that it has, or trust only this certificate with {fingerprint}"
                )
            }
            Self::Expired { .. } => {
                "renew it at the server, or correct the clock of this machine".to_owned()
            }
            Self::NotYetValid { .. } => "correct the clock of this machine".to_owned(),
            Self::Fingerprint { .. } => {
                format!(
                    "if that is the certificate of the server, give this fingerprint to {fingerprint}"
                )
            }
            Self::NoAuthorities { .. } => {
                format!("install them, or trust a file of them with {authorities}")
            }
            Self::Other(_) => {
                format!("replace it, or trust only this certificate with {fingerprint}")
            }
        }
    }
}

/// The names, of which a certificate can have hundreds.
fn list(names: &[String]) -> String {
    const SHOWN: usize = 5;
    if names.is_empty() {
        return "no name".to_owned();
    }
    let mut text = names[..names.len().min(SHOWN)].join(", ");
    if names.len() > SHOWN {
        let _ = write!(text, " and {} more", names.len() - SHOWN);
    }
    text
}

fn on(before: &str, time: &Option<SystemTime>) -> String {
    time.map(|time| format!("{before}{}", httpdate::fmt_http_date(time))).unwrap_or_default()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":")
}

#[cfg(feature = "tls")]
mod of_rustls {
    use std::time::Duration;

    use tokio_rustls::rustls::pki_types::UnixTime;
    use tokio_rustls::rustls::{CertificateError, Error};

    use super::*;

    impl CertificateProblem {
        /// Returns the problem that an error of a handshake stands for. `None` if the certificate was accepted or was
        /// not presented.
        pub(in crate::client) fn of(error: &Error) -> Option<Self> {
            use CertificateError as Invalid;
            let invalid = match error {
                Error::InvalidCertificate(invalid) => invalid,
                Error::Other(other) => return other.0.downcast_ref::<Self>().cloned(),
                _ => return None,
            };
            Some(match invalid {
                // The second: an authority with the name of the issuer is trusted, but it has another key.
                Invalid::UnknownIssuer | Invalid::BadSignature => Self::UnknownIssuer,
                Invalid::Expired => Self::Expired { at: None },
                Invalid::ExpiredContext { not_after, .. } => Self::Expired { at: at(*not_after) },
                Invalid::NotValidYet => Self::NotYetValid { from: None },
                Invalid::NotValidYetContext { not_before, .. } => {
                    Self::NotYetValid { from: at(*not_before) }
                }
                Invalid::NotValidForNameContext { expected, presented } => Self::WrongName {
                    expected: expected.to_str().into_owned(),
                    names: presented.iter().map(|name| without_type(name)).collect(),
                },
                Invalid::Other(other) if is_authority(&*other.0) => Self::IsAuthority,
                other => Self::Other(other.to_string()),
            })
        }
    }

    fn is_authority(error: &(dyn std::error::Error + 'static)) -> bool {
        matches!(error.downcast_ref(), Some(webpki::Error::CaUsedAsEndEntity))
    }

    /// `None` for a time that this system cannot represent.
    fn at(time: UnixTime) -> Option<SystemTime> {
        SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(time.as_secs()))
    }

    /// rustls names them `DnsName("a.example")` and `IpAddress(127.0.0.1)`.
    fn without_type(name: &str) -> String {
        let inner = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
        inner.unwrap_or(name).trim_matches('"').to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_shows_only_some_of_many_names() {
        let problem = |count: usize| CertificateProblem::WrongName {
            expected: "h".to_owned(),
            names: (0..count).map(|name| name.to_string()).collect(),
        };
        assert_eq!(problem(0).to_string(), "it is not for h, but for no name");
        assert_eq!(problem(2).to_string(), "it is not for h, but for 0, 1");
        assert!(problem(300).to_string().ends_with("0, 1, 2, 3, 4 and 295 more"));
    }
}
