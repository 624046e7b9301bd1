//! The programs of the proxies.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use tempfile::TempDir;
use tidings_server::Tls;
use tidings_testkit::TestProgram;
use tokio::time::sleep;

use crate::config::Config;

/// The name of the certificate, and of the host in the documented configurations.
pub(crate) const NAME: &str = "news.example";

/// A kind of proxy.
pub(crate) struct Program {
    pub(crate) name: &'static str,
    version: &'static str,
    /// The arguments, of which the last is followed by the file of the configuration.
    arguments: &'static [&'static str],
    /// The path below which the proxy serves the server.
    pub(crate) prefix: &'static str,
    /// A file of another package that the configuration needs.
    module: Option<&'static str>,
}

pub(crate) fn nginx() -> Program {
    let arguments = &["-e", "stderr", "-c"];
    Program { name: "nginx", version: "-v", arguments, prefix: "/tidings", module: None }
}

/// nginx with its module for TCP, which is in Debian's package `libnginx-mod-stream`.
pub(crate) fn nginx_stream() -> Program {
    Program { prefix: "", module: Some("/usr/lib/nginx/modules/ngx_stream_module.so"), ..nginx() }
}

pub(crate) fn haproxy() -> Program {
    let arguments = &["-db", "-f"];
    Program { name: "haproxy", version: "-v", arguments, prefix: "", module: None }
}

pub(crate) fn caddy() -> Program {
    let arguments = &["run", "--adapter", "caddyfile", "--config"];
    Program { name: "caddy", version: "version", arguments, prefix: "", module: None }
}

/// A proxy that runs.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    pub(crate) certificate: CertificateDer<'static>,
    _program: TestProgram,
    _config: Config,
}

/// A certificate for [`NAME`], in files.
pub(crate) struct Files {
    folder: TempDir,
    pub(crate) certificate: CertificateDer<'static>,
}

impl Files {
    pub(crate) fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let signed = rcgen::generate_simple_self_signed([NAME.to_owned()]).unwrap();
        let (chain, key) = (signed.cert.pem(), signed.signing_key.serialize_pem());
        for (name, text) in
            [("chain.pem", &chain), ("key.pem", &key), ("both.pem", &format!("{chain}{key}"))]
        {
            fs::write(folder.path().join(name), text).unwrap();
        }
        Self { folder, certificate: signed.cert.der().clone() }
    }

    pub(crate) fn tls(&self) -> Tls {
        let [chain, key] = ["chain.pem", "key.pem"].map(|name| self.folder.path().join(name));
        Tls::from_files([(chain, key)]).unwrap()
    }
}

impl Program {
    pub(crate) fn is_installed(&self) -> bool {
        let mut command = Command::new(self.name);
        command.arg(self.version).stdout(Stdio::null()).stderr(Stdio::null());
        let has_module = self.module.is_none_or(|module| Path::new(module).exists());
        has_module && command.status().is_ok_and(|status| status.success())
    }

    /// Starts it in front of a server with this configuration, and waits until it accepts connections.
    pub(crate) async fn start(
        &self,
        files: Files,
        server: SocketAddr,
        config: impl Fn(&Config) -> String,
    ) -> Proxy {
        let Files { folder, certificate } = files;
        let mut own = Config { server, address: server, folder };
        // Another program may take the port between the choice and the start.
        for _ in 0..5 {
            own.address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
            let file = own.path("config");
            fs::write(&file, config(&own)).unwrap();
            let mut command = Command::new(self.name);
            command.args(self.arguments).arg(&file).current_dir(own.folder.path());
            command.env("HOME", own.folder.path()).env_remove("XDG_DATA_HOME");
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
            let mut program = TestProgram::start(&mut command);
            loop {
                if TcpStream::connect(own.address).is_ok() {
                    let address = own.address;
                    return Proxy { address, certificate, _program: program, _config: own };
                }
                if program.has_ended() {
                    eprintln!("{} has ended: {}", self.name, program.written());
                    break;
                }
                sleep(Duration::from_millis(20)).await;
            }
        }
        panic!("{} does not start", self.name);
    }
}
