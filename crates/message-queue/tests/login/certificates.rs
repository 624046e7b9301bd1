//! A certificate authority for a test, and the certificates that it has signed for a server on loopback and a client.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tempfile::TempDir;

/// PEM files. They are removed when this is dropped.
pub(crate) struct Certificates {
    _directory: TempDir,
    paths: [PathBuf; 5],
}

impl Certificates {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let paths = ["ca.pem", "server.pem", "server.key", "client.pem", "client.key"]
            .map(|name| directory.path().join(name));
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, "authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        fs::write(&paths[0], params.self_signed(&key).unwrap().pem()).unwrap();
        let issuer = Issuer::new(params, key);
        for (name, paths) in [("127.0.0.1", &paths[1..3]), ("hub.example", &paths[3..5])] {
            let key = KeyPair::generate().unwrap();
            let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
            fs::write(&paths[0], params.signed_by(&key, &issuer).unwrap().pem()).unwrap();
            fs::write(&paths[1], key.serialize_pem()).unwrap();
        }
        Self { _directory: directory, paths }
    }

    /// The paths of the authority, the server's certificate and key, and the client's certificate and key.
    pub(crate) fn paths(&self) -> [&Path; 5] {
        self.paths.each_ref().map(PathBuf::as_path)
    }
}
