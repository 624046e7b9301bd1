//! The TLS settings of `tidings serve`.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use ring::digest::{SHA256, digest};
use tidings::server::Tls;
use tidings::server::rustls::pki_types::PrivatePkcs8KeyDer;
use tidings::transport::base64_of;
use url::Host;

use crate::listen::{Listen, listen_tcp};
use crate::usage::Usage;

// Not a doc comment, because clap would show it as the description of the command.
// Certificates, and listeners without TLS in addition to those with it.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "TLS options")]
#[group(skip)]
pub(crate) struct TlsArgs {
    /// Serve https with this PEM certificate chain, reloaded when it changes; repeatable, chosen by host name
    #[arg(long = "tls-cert", value_name = "FILE", requires = "keys", group = "certificates")]
    chains: Vec<PathBuf>,
    /// Use this PEM private key, one for each --tls-cert in the same order; repeatable
    #[arg(long = "tls-key", value_name = "FILE", requires = "chains")]
    keys: Vec<PathBuf>,
    /// Serve https with a new certificate in memory, valid for 13 days, and print its fingerprint
    #[arg(long = "tls-self-signed", conflicts_with_all = ["chains", "keys"], group = "certificates")]
    self_signed: bool,
    /// Listen on ADDRESS:PORT without TLS as well; repeatable
    #[arg(
        long = "listen-plain",
        value_name = "ADDRESS:PORT",
        requires = "certificates",
        value_parser = listen_tcp
    )]
    pub(crate) listen_plain: Vec<Listen>,
    /// Redirect requests through --listen-plain to https, except health checks [default PORT: that of --listen]
    #[arg(
        long,
        value_name = "PORT",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "0",
        requires = "listen_plain"
    )]
    pub(crate) redirect: Option<u16>,
}

/// Certificates, and what to print about them.
pub(crate) struct Certificates {
    pub(crate) tls: Tls,
    /// Lines for the user. Empty for certificates from files.
    pub(crate) lines: String,
}

impl TlsArgs {
    /// The certificates, or `None` if the listeners have no TLS. `hosts` are names of the server besides `localhost`
    /// and loopback addresses, for a self-signed certificate.
    ///
    /// # Errors
    /// Fails if there are not as many keys as certificates, or one of them cannot be used.
    pub(crate) fn certificates(
        &self,
        hosts: impl Iterator<Item = String>,
    ) -> anyhow::Result<Option<Certificates>> {
        if self.self_signed {
            return self_signed(hosts).context("cannot create a certificate").map(Some);
        }
        let (chains, keys) = (self.chains.len(), self.keys.len());
        if chains != keys {
            let problem = format!(
                "{chains} --tls-cert and {keys} --tls-key: give one key for each certificate"
            );
            return Err(Usage::new(problem).into());
        }
        if chains == 0 {
            return Ok(None);
        }
        let tls = Tls::from_files(self.chains.iter().zip(&self.keys))
            .context("cannot use the certificates")?;
        reload_on_hangup(tls.clone());
        Ok(Some(Certificates { tls, lines: String::new() }))
    }
}

/// Creates a certificate that a browser also accepts for WebTransport by its hash: ECDSA with P-256, and valid for at
/// most 14 days.
fn self_signed(hosts: impl Iterator<Item = String>) -> anyhow::Result<Certificates> {
    let mut names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).to_vec();
    for host in hosts {
        if !names.contains(&host) {
            names.push(host);
        }
    }
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "tidings, self-signed");
    // The clock of a client may be slow.
    let from = SystemTime::now() - Duration::from_secs(3600);
    (params.not_before, params.not_after) = (from.into(), (from + VALIDITY).into());
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    let hash = digest(&SHA256, certificate.der());
    let hex: Vec<_> = hash.as_ref().iter().map(|byte| format!("{byte:02X}")).collect();
    let lines = format!(
        "certificate SHA-256 {}\ncertificate SHA-256 in base64 {}\n",
        hex.join(":"),
        base64_of(hash.as_ref())
    );
    let key = PrivatePkcs8KeyDer::from(key.serialize_der());
    let tls = Tls::from_der(vec![certificate.der().clone()], key.into())?;
    Ok(Certificates { tls, lines })
}

const VALIDITY: Duration = Duration::from_secs(13 * 24 * 3600);

/// The host to name in a certificate, `None` for an address such as `0.0.0.0` that no client can connect to.
pub(crate) fn host(address: &str) -> Option<String> {
    let (host, _) = address.rsplit_once(':')?;
    let ip: IpAddr = match Host::parse(host).ok()? {
        Host::Domain(name) => return Some(name),
        Host::Ipv4(ip) => ip.into(),
        Host::Ipv6(ip) => ip.into(),
    };
    (!ip.is_unspecified()).then(|| ip.to_string())
}

/// Reloads the certificates after each SIGHUP.
#[cfg(unix)]
fn reload_on_hangup(tls: Tls) {
    use tokio::signal::unix::{SignalKind, signal};
    let mut hangups = match signal(SignalKind::hangup()) {
        Ok(hangups) => hangups,
        Err(error) => {
            return tracing::warn!(%error, "cannot install a handler of SIGHUP");
        }
    };
    tokio::spawn(async move {
        while hangups.recv().await.is_some() {
            match tls.reload() {
                Ok(()) => tracing::info!("reloaded the certificates after SIGHUP"),
                Err(error) => {
                    tracing::error!(%error, "cannot reload the certificates after SIGHUP, the old ones stay in use");
                }
            }
        }
    });
}

#[cfg(not(unix))]
fn reload_on_hangup(_: Tls) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_of_a_listener_is_in_a_self_signed_certificate() {
        for (address, expected) in [
            ("hub.example:80", Some("hub.example")),
            ("192.0.2.1:0", Some("192.0.2.1")),
            ("[2001:db8::1]:443", Some("2001:db8::1")),
            ("0.0.0.0:443", None),
            ("[::]:443", None),
        ] {
            assert_eq!(host(address).as_deref(), expected, "{address}");
        }
    }
}
