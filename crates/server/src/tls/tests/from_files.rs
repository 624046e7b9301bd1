//! Certificates in files.

use std::path::Path;

use super::*;

#[test]
fn a_reload_replaces_certificates_and_a_bad_file_keeps_them() {
    let (folder, old, new) =
        (Folder::new(), Made::new(&["old.example"]), Made::new(&["new.example"]));
    let tls = Tls::from_files(folder.write_pair(&old)).unwrap();
    let current = || presented(&tls, client(), "a.example");
    assert_eq!(current(), old.chain[0]);

    folder.write("chain", &new.certificate_pem);
    assert!(tls.has_changed());
    let error = tls.reload().unwrap_err().to_string();
    assert!(error.contains("does not belong"), "{error}");
    assert!(!tls.has_changed(), "a failure is not repeated before the next change");
    assert_eq!(current(), old.chain[0]);

    fs::remove_file(folder.path("key")).unwrap();
    assert!(tls.has_changed());
    assert_eq!(tls.reload().unwrap_err().kind(), io::ErrorKind::NotFound);
    assert_eq!(current(), old.chain[0]);

    folder.write("key", &new.key_pem);
    tls.clone().reload().unwrap();
    assert_eq!(current(), new.chain[0]);
    assert!(!tls.has_changed());
}

#[cfg(unix)]
#[tokio::test(start_paused = true)]
async fn a_link_that_is_replaced_is_noticed_within_the_period() {
    use std::os::unix::fs::symlink;

    let (folder, old, new) = (Folder::new(), Made::new(&["a.example"]), Made::new(&["a.example"]));
    for (version, made) in [("1", &old), ("2", &new)] {
        fs::create_dir(folder.path(version)).unwrap();
        folder.write(&format!("{version}/chain"), &made.certificate_pem);
        folder.write(&format!("{version}/key"), &made.key_pem);
    }
    // As Kubernetes mounts a secret: links to a link to a folder, and that link is replaced.
    symlink("1", folder.path("data")).unwrap();
    for name in ["chain", "key"] {
        symlink(Path::new("data").join(name), folder.path(name)).unwrap();
    }
    let tls = Tls::from_files([(folder.path("chain"), folder.path("key"))]).unwrap();
    let period = Duration::from_secs(10);
    let watching = tokio::spawn(tls.watch(period));
    let current = || presented(&tls, client(), "a.example");
    // From here on the checks are half a period after those of the test.
    tokio::time::sleep(period * 5 / 2).await;
    assert_eq!(current(), old.chain[0]);

    symlink("2", folder.path("next")).unwrap();
    fs::rename(folder.path("next"), folder.path("data")).unwrap();
    tokio::time::sleep(period / 4).await;
    assert_eq!(current(), old.chain[0], "it is not read at each handshake");
    tokio::time::sleep(period).await;
    assert_eq!(current(), new.chain[0]);

    // A failure does not end it.
    fs::remove_file(folder.path("data")).unwrap();
    tokio::time::sleep(period * 2).await;
    symlink("1", folder.path("data")).unwrap();
    tokio::time::sleep(period * 2).await;
    assert_eq!(current(), old.chain[0]);
    assert!(!watching.is_finished());
    watching.abort();
}

#[test]
fn an_error_names_the_file_the_problem_and_the_remedy() {
    let (folder, made, other) =
        (Folder::new(), Made::new(&["a.example"]), Made::new(&["b.example"]));
    let (certificate, key) = (&made.certificate_pem, &made.key_pem);
    let both = format!("{}{certificate}", other.certificate_pem);
    let cut = &certificate[..certificate.len() / 2];
    let junk = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let request = "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n";
    let public = "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n";
    let bad_key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    let encrypted =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let old_encrypted = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\n\
                         AAAA\n-----END RSA PRIVATE KEY-----\n";
    for (chain_text, key_text, file, problem) in [
        (
            key.as_str(),
            certificate.as_str(),
            "chain",
            "a private key and not a certificate: the files",
        ),
        (certificate, certificate, "key", "a certificate and not a private key: the files"),
        (request, key, "chain", "a certificate request"),
        (public, key, "chain", "no certificate in the PEM text"),
        (certificate, public, "key", "no private key in the PEM text"),
        ("\x30\u{2}", key, "chain", "not PEM"),
        (certificate, "", "key", "not PEM"),
        (cut, key, "chain", "malformed PEM"),
        (junk, key, "chain", "certificate 1 of the chain is malformed"),
        (&format!("{certificate}{junk}"), key, "chain", "certificate 2 of the chain is malformed"),
        (certificate, encrypted, "key", "encrypted: decrypt it with openssl pkey -in "),
        (certificate, old_encrypted, "key", "encrypted: decrypt it with openssl pkey -in "),
        (certificate, bad_key, "key", "not supported"),
        (&other.certificate_pem, key, "chain", "does not belong to the certificate"),
        (
            &both,
            key,
            "chain",
            "belongs to certificate 2 of the chain: put the certificate of the server first",
        ),
    ] {
        let pair = (folder.write("chain", chain_text), folder.write("key", key_text));
        let error = Tls::from_files([pair]).unwrap_err().to_string();
        assert!(error.contains(problem), "{problem:?} in {error:?}");
        assert!(error.starts_with(folder.path(file).to_str().unwrap()), "{error}");
        assert!(!error.contains("AAAA"), "a key is not printed: {error}");
    }
    let missing = Tls::from_files([(folder.path("none"), folder.path("key"))]).unwrap_err();
    assert_eq!(missing.kind(), io::ErrorKind::NotFound);
    assert!(missing.to_string().starts_with("cannot read "), "{missing}");
    assert!(missing.to_string().contains(folder.path("none").to_str().unwrap()), "{missing}");
    let none = Tls::from_files(Vec::<(PathBuf, PathBuf)>::new()).unwrap_err();
    assert!(none.to_string().contains("at least one certificate"), "{none}");
}

#[test]
fn one_file_may_contain_certificate_and_key() {
    let (folder, made) = (Folder::new(), Made::new(&["a.example"]));
    let both = folder.write("both", format!("{}{}", made.key_pem, made.certificate_pem));
    let tls = Tls::from_files([(&both, &both)]).unwrap();
    assert_eq!(presented(&tls, client(), "a.example"), made.chain[0]);
}
