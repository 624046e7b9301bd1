//! The configurations of `docs/operations.md`, with the addresses and files of a test.

use std::net::SocketAddr;
use std::path::PathBuf;

use tempfile::TempDir;

/// What a configuration is written for.
pub(crate) struct Config {
    pub(crate) server: SocketAddr,
    /// The address of the proxy.
    pub(crate) address: SocketAddr,
    /// Has the certificate and its key, and the configuration.
    pub(crate) folder: TempDir,
}

impl Config {
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A configuration of the documentation with the files, the port and the server of this test. `index` is that of
    /// the block below the heading.
    fn documented(&self, heading: &str, index: usize) -> String {
        let folder = self.folder.path().to_str().unwrap();
        let (port, server) = (self.address.port().to_string(), self.server.to_string());
        documented(heading, index)
            .replace("listen 443", &format!("listen {}", self.address))
            .replace("bind :443", &format!("bind {}", self.address))
            .replace("127.0.0.1:8080", &server)
            .replace("127.0.0.1:8443", &server)
            .replace("/etc/tidings/", &format!("{folder}/"))
            .replace("/etc/ssl/certs/ca-certificates.crt", &format!("{folder}/chain.pem"))
            .replace("news.example {", &format!("news.example:{port} {{"))
    }

    fn nginx_of(&self, http: &str, stream: &str) -> String {
        let folder = self.folder.path().display();
        let paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {folder}/{kind};"));
        format!(
            "daemon off; master_process off; pid {folder}/pid; include /etc/nginx/modules-enabled/*.conf;\n\
             events {{ }}\n{stream}\nhttp {{ access_log off; {}\n{http}\n}}\n",
            paths.join(" ")
        )
    }

    pub(crate) fn nginx(&self) -> String {
        self.nginx_of(&self.documented("nginx", 0), "")
    }

    pub(crate) fn nginx_to_tls(&self) -> String {
        let plain = format!("        proxy_pass http://{}/;\n", self.server);
        self.nginx_of(
            &replace(&self.documented("nginx", 0), &plain, &self.documented("nginx", 1)),
            "",
        )
    }

    pub(crate) fn nginx_stream(&self) -> String {
        self.nginx_of("", &self.documented("nginx", 2))
    }

    pub(crate) fn haproxy(&self) -> String {
        self.documented("HAProxy", 0)
    }

    pub(crate) fn haproxy_to_tls(&self) -> String {
        self.haproxy_by(&self.documented("HAProxy", 1))
    }

    pub(crate) fn haproxy_to_h2c(&self) -> String {
        replace(&self.haproxy(), " check ", " proto h2 check check-proto h1 ")
    }

    pub(crate) fn haproxy_tcp(&self) -> String {
        let config = self.haproxy_by(&self.documented("HAProxy", 2));
        let config = replace(&config, "mode http", "mode tcp");
        let bind = format!(" ssl crt {} alpn h2,http/1.1", self.path("both.pem").display());
        replace(&replace(&config, &bind, ""), "    http-response del-header Keep-Alive\n", "")
    }

    /// The first configuration of HAProxy with this line for the server.
    fn haproxy_by(&self, server: &str) -> String {
        let config = self.haproxy();
        let (rest, _) = config.split_once("    server tidings1").unwrap();
        format!("{rest}{server}")
    }

    fn caddy_of(&self, site: &str) -> String {
        let [chain, key] =
            ["chain.pem", "key.pem"].map(|name| self.path(name).display().to_string());
        let own = format!("news.example:{} {{\n    tls {chain} {key}\n", self.address.port());
        let begin = format!("news.example:{} {{\n", self.address.port());
        // Ports 80 and 443 may be in use.
        format!(
            "{{\n    admin off\n    auto_https disable_redirects\n}}\n{}",
            replace(site, &begin, &own)
        )
    }

    pub(crate) fn caddy(&self) -> String {
        self.caddy_of(&self.documented("Caddy", 0))
    }

    pub(crate) fn caddy_to_tls(&self) -> String {
        let plain = format!("    reverse_proxy {}\n", self.server);
        let config = replace(&self.documented("Caddy", 0), &plain, &self.documented("Caddy", 1));
        let name = "            tls_server_name news.example\n";
        let trust = format!(
            "{name}            tls_trusted_ca_certs {}\n",
            self.path("chain.pem").display()
        );
        self.caddy_of(&replace(&config, name, &trust))
    }

    pub(crate) fn caddy_to_h2c(&self) -> String {
        replace(&self.caddy(), "reverse_proxy ", "reverse_proxy h2c://")
    }
}

fn replace(config: &str, from: &str, to: &str) -> String {
    assert!(config.contains(from), "{from:?} in {config}");
    config.replace(from, to)
}

/// A block of `docs/operations.md` below a heading.
fn documented(heading: &str, index: usize) -> String {
    let text = include_str!("../../../../docs/operations.md");
    let (_, section) = text.split_once(&format!("\n### {heading}\n")).expect("the heading");
    let section = section.split("\n### ").next().unwrap();
    let block = section.split("```text\n").nth(index + 1).expect("the block");
    block.split("```").next().unwrap().to_owned()
}
