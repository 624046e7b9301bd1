//! The certificate of the servers of a run over TLS.

use std::fs;
use std::path::PathBuf;

use anyhow::Context;
use rcgen::generate_simple_self_signed;
use tempfile::TempDir;

use crate::network::SERVER;

/// The files of a new self-signed certificate for 127.0.0.1 and for the server of a simulated network, with a key for ECDSA with P-256. Dropping it deletes them.
#[derive(Debug)]
pub(crate) struct Certificate {
    /// The certificate, which clients trust.
    pub(crate) chain: PathBuf,
    pub(crate) key: PathBuf,
    /// The folder of the files. It is only kept to be deleted.
    _folder: TempDir,
}

impl Certificate {
    /// Creates a certificate and writes the files.
    ///
    /// # Errors
    /// Fails if they cannot be written.
    pub(crate) fn create() -> anyhow::Result<Self> {
        let created = generate_simple_self_signed(["127.0.0.1".to_owned(), SERVER.to_string()])?;
        let folder = tempfile::tempdir().context("cannot create a folder for a certificate")?;
        let (chain, key) = (folder.path().join("chain.pem"), folder.path().join("key.pem"));
        for (path, text) in
            [(&chain, created.cert.pem()), (&key, created.signing_key.serialize_pem())]
        {
            fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(Self { chain, key, _folder: folder })
    }

    /// The arguments with which a server uses it.
    pub(crate) fn args(&self) -> anyhow::Result<[&str; 4]> {
        let [chain, key] = [&self.chain, &self.key]
            .map(|path| path.to_str().context("the folder for temporary files is not UTF-8"));
        Ok(["--tls-cert", chain?, "--tls-key", key?])
    }
}
