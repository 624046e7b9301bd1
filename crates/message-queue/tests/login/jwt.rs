//! An operator, an account with JetStream, and a user with a credentials file, as `nsc` would make them.

use std::fs;
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use nkeys::KeyPair;
use serde_json::{Value, json};
use tempfile::TempDir;

pub(crate) struct Identity {
    _directory: TempDir,
    /// The file of the user.
    pub(crate) credentials: PathBuf,
    /// Lines of a server's configuration.
    pub(crate) settings: Vec<String>,
}

impl Identity {
    pub(crate) fn new() -> Self {
        let (operator, account, user) =
            (KeyPair::new_operator(), KeyPair::new_account(), KeyPair::new_user());
        let of_operator =
            signed(&operator, &operator, &json!({ "type": "operator", "version": 2 }));
        let without_limit = json!({
            "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true,
            "conn": -1, "leaf": -1, "mem_storage": -1, "disk_storage": -1, "streams": -1, "consumer": -1,
        });
        let claims = json!({ "type": "account", "version": 2, "limits": without_limit });
        let of_account = signed(&operator, &account, &claims);
        let system = KeyPair::new_account();
        let without_jetstream = json!({
            "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true,
            "conn": -1, "leaf": -1,
        });
        let claims = json!({ "type": "account", "version": 2, "limits": without_jetstream });
        let of_system = signed(&operator, &system, &claims);
        let claims = json!({ "type": "user", "version": 2, "subs": -1, "data": -1, "payload": -1 });
        let of_user = signed(&account, &user, &claims);

        let directory = tempfile::tempdir().unwrap();
        let credentials = directory.path().join("hub.creds");
        let text = format!(
            "-----BEGIN NATS USER JWT-----\n{of_user}\n------END NATS USER JWT------\n\n\
             -----BEGIN USER NKEY SEED-----\n{}\n------END USER NKEY SEED------\n",
            user.seed().unwrap()
        );
        fs::write(&credentials, text).unwrap();
        let settings = vec![
            format!("operator: {of_operator}"),
            "resolver: MEMORY".to_owned(),
            format!("system_account: {}", system.public_key()),
            format!(
                "resolver_preload: {{ {}: {of_account}, {}: {of_system} }}",
                account.public_key(),
                system.public_key()
            ),
        ];
        Self { _directory: directory, credentials, settings }
    }
}

fn signed(issuer: &KeyPair, subject: &KeyPair, claims: &Value) -> String {
    let encoded = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let head = encoded(&json!({ "typ": "JWT", "alg": "ed25519-nkey" }));
    let body = encoded(&json!({
        "jti": subject.public_key(), "iat": 1_700_000_000, "iss": issuer.public_key(), "name": "test",
        "sub": subject.public_key(), "nats": claims,
    }));
    let text = format!("{head}.{body}");
    let signature = issuer.sign(text.as_bytes()).unwrap();
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
}
