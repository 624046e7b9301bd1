//! Signed requests of the HTTP API of Pusher, which other servers accept too.
//!
//! See [Pusher's documentation](https://pusher.com/docs/channels/library_auth_reference/rest-api/).

use std::time::{SystemTime, UNIX_EPOCH};

use md5::{Digest, Md5};
use ring::hmac;

/// The key and the secret of the application in `benches/peers/sockudo/sockudo.toml`.
const KEY: &str = "compare";
const SECRET: &str = "compare-secret";

/// Appends a signed query to the path of a POST with this body.
pub(super) fn signed(path: &str, body: &[u8], time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let digest = hex(&Md5::digest(body));
    // The parameters are in alphabetical order, because they are signed so.
    let query =
        format!("auth_key={KEY}&auth_timestamp={seconds}&auth_version=1.0&body_md5={digest}");
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let signature = hmac::sign(&key, format!("POST\n{path}\n{query}").as_bytes());
    format!("{path}?{query}&auth_signature={}", hex(signature.as_ref()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_publish_is_signed_over_its_path_its_query_and_the_digest_of_its_body() {
        let time = UNIX_EPOCH + Duration::from_secs(1_353_088_179);
        let target = signed("/apps/compare/events", br#"{"name":"foo","data":"bar"}"#, time);
        let expected = "/apps/compare/events?auth_key=compare&auth_timestamp=1353088179&auth_version=1.0\
                        &body_md5=4f93c5fbbeed33792c7f1d08e8a28a41\
                        &auth_signature=ae277d965a5915f16365f425d3da9348bbd6793be948296e5ac8a1a0aa3d5cf4";
        assert_eq!(target, expected, "as Python's hmac and hashlib have it");
    }
}
