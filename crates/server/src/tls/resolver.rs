//! Chooses the certificate of a handshake.

use std::sync::{Arc, PoisonError, RwLock};

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::certificate::Certificate;

/// The certificates, which can be replaced.
#[derive(Debug)]
pub(super) struct Resolver(RwLock<Arc<[Certificate]>>);

impl Resolver {
    pub(super) fn new(certificates: Vec<Certificate>) -> Self {
        Self(RwLock::new(certificates.into()))
    }

    pub(super) fn replace(&self, certificates: Vec<Certificate>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = certificates.into();
    }

    pub(super) fn current(&self) -> Arc<[Certificate]> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let is_usable =
            |key: &CertifiedKey| key.key.choose_scheme(hello.signature_schemes()).is_some();
        choose(&self.current(), hello.server_name(), is_usable)
    }
}

/// The certificate for this host name. A name is matched exactly, or by a wildcard for its first label (RFC 9525).
/// Among several, the first usable one is chosen.
fn choose(
    certificates: &[Certificate],
    name: Option<&str>,
    is_usable: impl Fn(&CertifiedKey) -> bool,
) -> Option<Arc<CertifiedKey>> {
    let first = |has: &dyn Fn(&Certificate) -> bool| {
        let found =
            certificates.iter().find(|certificate| has(certificate) && is_usable(&certificate.key));
        found.map(|certificate| certificate.key.clone())
    };
    let named = name.and_then(|name| {
        let name = name.to_ascii_lowercase();
        let parent = name.split_once('.').map(|(_, parent)| parent);
        let is_wildcard = |own: &String| parent.is_some() && own.strip_prefix("*.") == parent;
        first(&|certificate| certificate.names.contains(&name))
            .or_else(|| first(&|certificate| certificate.names.iter().any(is_wildcard)))
    });
    // If no key is usable, the handshake fails with the first one, which gives the client a proper alert.
    named.or_else(|| first(&|_| true)).or_else(|| Some(certificates.first()?.key.clone()))
}
