//! `serve` with certificates: flags, output, reload and redirect.

#![cfg(unix)]

use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use rcgen::{CertificateParams, KeyPair};
use rustix::process::Signal;
use tempfile::{TempDir, tempdir};
use tidings_testkit::{TestProgram, connect};

const LISTEN: [&str; 2] = ["--listen", "127.0.0.1:0"];

fn serve(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidings"));
    command.arg("serve").args(LISTEN).args(args);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// The exit code and the standard error of a server that does not start.
fn failure(args: &[&str]) -> (Option<i32>, String) {
    let output = TestProgram::run(&mut serve(args), "");
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

/// Writes a certificate for this name and its key to `chain` and `key`.
fn write_pair(folder: &Path, name: &str) {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new([name.to_owned()]).unwrap().self_signed(&key).unwrap();
    fs::write(folder.join("chain"), certificate.pem()).unwrap();
    fs::write(folder.join("key"), key.serialize_pem()).unwrap();
}

fn files(folder: &TempDir) -> [String; 2] {
    ["chain", "key"].map(|name| folder.path().join(name).to_str().unwrap().to_owned())
}

/// Waits for the first line of the log that contains this text.
fn logged(server: &mut TestProgram, text: &str) -> String {
    loop {
        let line = server.log_line().unwrap_or_else(|| panic!("no {text:?}"));
        if line.contains(text) {
            return line;
        }
    }
}

#[test]
fn contradictory_flags_are_wrong_usage() {
    for (args, problem) in [
        (&["--tls-cert", "a"][..], "--tls-key"),
        (&["--tls-key", "a"], "--tls-cert"),
        (&["--tls-cert", "a", "--tls-cert", "b", "--tls-key", "c"], "2 --tls-cert and 1 --tls-key"),
        (&["--tls-self-signed", "--tls-cert", "a", "--tls-key", "b"], "cannot be used with"),
        (&["--listen-plain", "127.0.0.1:0"], "--tls-self-signed"),
        (&["--tls-self-signed", "--redirect"], "--listen-plain"),
        (&["--tls-self-signed", "--listen-plain", "127.0.0.1:0", "--redirect=no"], "--redirect"),
        (&["--tls-self-signed", "--listen-plain", "unix:/a"], "expected ADDRESS:PORT"),
    ] {
        let (code, error) = failure(args);
        assert_eq!(code, Some(2), "{args:?}: {error}");
        assert!(error.contains(problem), "{problem:?} in {error}");
    }
}

#[test]
fn a_bad_certificate_at_the_start_is_an_error_that_names_the_file() {
    let folder = tempdir().unwrap();
    write_pair(folder.path(), "a.example");
    let [chain, key] = files(&folder);
    let (code, error) = failure(&["--tls-cert", &key, "--tls-key", &chain]);
    assert_eq!(code, Some(1), "{error}");
    assert!(error.contains(&key) && error.contains("may be swapped"), "{error}");
    let (code, error) = failure(&["--tls-cert", "/nowhere/chain", "--tls-key", &key]);
    assert_eq!(code, Some(1), "{error}");
    assert!(error.contains("cannot read /nowhere/chain"), "{error}");
}

#[test]
fn certificates_are_reloaded_after_sighup_and_bad_ones_are_not() {
    let folder = tempdir().unwrap();
    write_pair(folder.path(), "old.example");
    let [chain, key] = files(&folder);
    let mut server = TestProgram::start(&mut serve(&["--tls-cert", &chain, "--tls-key", &key]));
    let url = server.line();
    assert!(url.starts_with("listening on https://127.0.0.1:"), "{url}");
    let loaded = logged(&mut server, "loaded a certificate");
    assert!(loaded.contains("old.example") && loaded.contains("until="), "{loaded}");

    write_pair(folder.path(), "new.example");
    server.signal(Signal::HUP);
    let loaded = logged(&mut server, "loaded a certificate");
    assert!(loaded.contains("new.example"), "{loaded}");
    logged(&mut server, "reloaded the certificates after SIGHUP");

    fs::write(&key, "nothing").unwrap();
    server.signal(Signal::HUP);
    let error = logged(&mut server, "cannot reload the certificates");
    assert!(error.contains(&key) && error.contains("not PEM"), "{error}");
    server.signal(Signal::TERM);
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn a_certificate_that_expires_soon_is_a_warning_and_a_metric() {
    let folder = tempdir().unwrap();
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(["a.example".to_owned()]).unwrap();
    let until = SystemTime::now() + Duration::from_secs(13 * 24 * 60 * 60);
    params.not_after = until.into();
    fs::write(folder.path().join("chain"), params.self_signed(&key).unwrap().pem()).unwrap();
    fs::write(folder.path().join("key"), key.serialize_pem()).unwrap();
    let [chain, key] = files(&folder);
    let plain = ["--listen-plain", "127.0.0.1:0"];
    let args = [&["--tls-cert", &chain, "--tls-key", &key], &plain[..]].concat();
    let mut server = TestProgram::start(&mut serve(&args));
    let warning = logged(&mut server, "the certificate expires soon");
    assert!(warning.contains("WARN") && warning.contains(&chain), "{warning}");
    let (_, plain) = (server.line(), server.line());
    let mut stream = connect(plain.strip_prefix("listening on http://").unwrap());
    let request = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let mut metrics = String::new();
    stream.read_to_string(&mut metrics).unwrap();
    let until = until.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let expected = format!("\ntidings_tls_certificate_expiry_seconds {until}\n");
    assert!(metrics.contains(&expected), "{expected} in {metrics}");
}

#[test]
fn a_self_signed_certificate_is_printed_by_its_fingerprint() {
    let mut server = TestProgram::start(&mut serve(&["--tls-self-signed"]));
    let line = server.line();
    let url = line.strip_prefix("listening on ").unwrap().to_owned();
    assert!(url.starts_with("https://127.0.0.1:"), "{url}");
    let line = server.line();
    let hex = line.strip_prefix("certificate SHA-256 ").unwrap();
    let bytes: Result<Vec<_>, _> =
        hex.split(':').map(|byte| u8::from_str_radix(byte, 16)).collect();
    let line = server.line();
    let base64 = line.strip_prefix("certificate SHA-256 in base64 ").unwrap();
    let bytes = bytes.unwrap();
    assert_eq!(bytes.len(), 32);
    assert_eq!(tidings::transport::base64_of(&bytes), base64);
    assert!(server.line().starts_with(&format!("open {url} in a browser")));
    server.signal(Signal::TERM);
    assert!(server.wait().success());
}

/// Runs a client command and returns its exit code, standard output and standard error.
fn client(command: &str, args: &[&str]) -> (Option<i32>, String, String) {
    let mut program = Command::new(env!("CARGO_BIN_EXE_tidings"));
    program.arg(command).args(args).stdin(Stdio::piped());
    let output = TestProgram::run(program.stdout(Stdio::piped()).stderr(Stdio::piped()), "tea");
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn the_printed_fingerprint_is_all_that_a_client_needs() {
    for path in [&[][..], &["--general-path"]] {
        let args = [&["--tls-self-signed"], path].concat();
        let mut server = TestProgram::start(&mut serve(&args));
        let (url, fingerprint) = (server.line(), server.line());
        let url = format!("{}/topics/t", url.strip_prefix("listening on ").unwrap());
        let fingerprint = fingerprint.strip_prefix("certificate SHA-256 ").unwrap();
        let trusted = [&url[..], "--tls-fingerprint", fingerprint];
        let (code, id, error) = client("publish", &trusted);
        assert_eq!(code, Some(0), "{error}");
        assert!(id.ends_with("-1\n"), "{id}");
        for transport in ["websocket", "sse", "long-polling"] {
            let mut command = Command::new(env!("CARGO_BIN_EXE_tidings"));
            command.arg("subscribe").args(trusted).args(["--transport", transport]);
            command.args(["--after", "earliest"]).stdin(Stdio::null());
            let mut subscriber = TestProgram::start(command.stdout(Stdio::piped()));
            assert_eq!(subscriber.line(), "tea", "{transport}");
        }
        let other = ["00"; 32].join(":");
        let (code, _, error) = client("publish", &[&url, "--tls-fingerprint", &other]);
        assert_eq!(code, Some(1));
        assert!(error.contains(fingerprint), "{error}");
        let (code, _, error) = client("publish", &[&url]);
        assert_eq!(code, Some(1));
        assert!(error.contains("certificate"), "{error}");
        let plain = url.replace("https:", "http:");
        let (code, _, error) = client("publish", &[&plain, "--tls-fingerprint", fingerprint]);
        assert_eq!(code, Some(2));
        assert!(error.contains("expected https"), "{error}");
    }
}

/// With `--features webtransport`, WebTransport is one of them.
fn transports() -> impl Iterator<Item = &'static str> {
    let sessions = cfg!(feature = "webtransport").then_some("webtransport");
    ["websocket", "sse", "long-polling"].into_iter().chain(sessions)
}

#[test]
fn a_certificate_that_is_not_accepted_ends_a_subscriber_with_the_option_that_helps() {
    let folder = tempdir().unwrap();
    write_pair(folder.path(), "other.example");
    let [chain, key] = files(&folder);
    let mut server = TestProgram::start(&mut serve(&["--tls-cert", &chain, "--tls-key", &key]));
    let address = server.line().strip_prefix("listening on https://").unwrap().to_owned();
    let url = format!("https://{address}/topics/t");
    write_pair(folder.path(), "unrelated.example");
    let unrelated = fs::read(&chain).unwrap();
    fs::write(folder.path().join("unrelated"), unrelated).unwrap();
    let unrelated = folder.path().join("unrelated").to_str().unwrap().to_owned();
    let other = ["00"; 32].join("");
    for transport in transports() {
        for (option, value, words) in [
            ("--ca", &unrelated, "it: trust its authority with --ca FILE, or only this"),
            ("--tls-fingerprint", &other, "give this fingerprint to --tls-fingerprint"),
        ] {
            let args = [&url[..], "--transport", transport, option, value];
            let (code, _, error) = client("subscribe", &args);
            let beginning = format!("tidings: the certificate of {address} is not accepted: ");
            assert_eq!(code, Some(1), "{transport}: {error}");
            assert!(error.starts_with(&beginning) && error.contains(words), "{transport}: {error}");
            assert!(!error.contains("retrying") && !error.contains("Tls::"), "{error}");
        }
    }
}

#[cfg(feature = "webtransport")]
#[test]
fn a_session_to_a_url_without_tls_is_wrong_usage() {
    let args = ["http://127.0.0.1:1/topics/t", "--transport", "webtransport"];
    let (code, _, error) = client("subscribe", &args);
    assert_eq!(code, Some(2), "{error}");
    assert!(error.contains("WebTransport needs https"), "{error}");
}

#[cfg(not(feature = "webtransport"))]
#[test]
fn a_build_without_webtransport_names_the_feature() {
    let args = ["https://127.0.0.1:1/topics/t", "--transport", "webtransport"];
    let (code, _, error) = client("subscribe", &args);
    assert_eq!(code, Some(2), "{error}");
    assert!(error.contains("a build with the feature webtransport"), "{error}");
}

#[cfg(feature = "webtransport")]
#[test]
fn a_closed_udp_port_is_named_before_the_attempt_to_connect_is_given_up() {
    let port = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("https://127.0.0.1:{port}/topics/t");
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidings"));
    command.args(["subscribe", &url, "--transport", "webtransport"]).stdin(Stdio::null());
    let mut subscriber = TestProgram::start(command.stderr(Stdio::piped()));
    let line = subscriber.log_line().unwrap();
    assert!(
        line.starts_with(&format!("no answer from {url} yet, is its UDP port open?")),
        "{line}"
    );
    let line = subscriber.log_line().unwrap();
    assert!(line.contains("took too long") && line.contains("retrying in"), "{line}");
}

#[test]
fn an_address_in_use_is_an_error_that_names_its_own_option() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let (code, error) = failure(&["--tls-self-signed", "--listen-plain", &taken]);
    assert_eq!(code, Some(1), "{error}");
    assert!(error.contains(&format!("cannot listen on {taken}, choose another")), "{error}");
    assert!(error.contains("--listen-plain ADDRESS:PORT"), "{error}");
}

#[test]
fn plain_listeners_redirect_to_the_port_with_tls() {
    let args = ["--tls-self-signed", "--listen-plain", "127.0.0.1:0"];
    for (redirect, port) in
        [(&[][..], None), (&["--redirect"], Some("")), (&["--redirect=9443"], Some("9443"))]
    {
        let mut server = TestProgram::start(&mut serve(&[&args[..], redirect].concat()));
        let (secure, plain) = (server.line(), server.line());
        let secure = secure.strip_prefix("listening on https://127.0.0.1:").unwrap();
        let plain = plain.strip_prefix("listening on http://").unwrap();
        let mut stream = connect(plain);
        let request = "GET /transports HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        match port {
            None => assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}"),
            Some(port) => {
                let port = if port.is_empty() { secure } else { port };
                assert!(answer.starts_with("HTTP/1.1 308 "), "{answer}");
                let location = format!("location: https://localhost:{port}/transports\r\n");
                assert!(answer.contains(&location), "{answer}");
            }
        }
    }
}
