//! The configurations for proxies in `docs/operations.md`, with those proxies that are installed.

#![cfg(unix)]

mod support;

#[path = "proxies/client.rs"]
mod client;
#[path = "proxies/config.rs"]
mod config;
#[path = "proxies/program.rs"]
mod program;
#[path = "proxies/scenario.rs"]
mod scenario;

use client::Version::{self, Http1, Http2};
use config::Config;
use program::{Program, caddy, haproxy, nginx, nginx_stream};
use scenario::{Backend, Expected, play};

/// Both versions of HTTP between the client and the proxy.
const VERSIONS: [Version; 2] = [Http1, Http2];

/// Plays the scenario by both versions.
async fn both(
    program: Program,
    backend: Backend,
    config: impl Fn(&Config) -> String,
    expected: Expected,
) {
    if !program.is_installed() {
        eprintln!("skipped: {} or its module is not installed", program.name);
        return;
    }
    for version in VERSIONS {
        eprintln!("-- {}, {backend:?}, {version:?}", program.name);
        let playing = Box::pin(play(&program, backend, &config, version, expected));
        support::in_time(playing).await;
    }
}

const ALL: Expected = Expected { websocket: [true, true] };
const NO_WEBSOCKET_BY_HTTP_2: Expected = Expected { websocket: [true, false] };
const NO_WEBSOCKET: Expected = Expected { websocket: [false, false] };

#[tokio::test]
async fn nginx_ends_tls() {
    both(nginx(), Backend::Plain, Config::nginx, NO_WEBSOCKET_BY_HTTP_2).await;
}

#[tokio::test]
async fn nginx_speaks_tls_to_the_server() {
    both(nginx(), Backend::Tls, Config::nginx_to_tls, NO_WEBSOCKET_BY_HTTP_2).await;
}

#[tokio::test]
async fn nginx_passes_tls_through() {
    both(nginx_stream(), Backend::Tls, Config::nginx_stream, ALL).await;
}

#[tokio::test]
async fn haproxy_ends_tls() {
    both(haproxy(), Backend::Plain, Config::haproxy, ALL).await;
}

#[tokio::test]
async fn haproxy_speaks_tls_to_the_server() {
    both(haproxy(), Backend::Tls, Config::haproxy_to_tls, ALL).await;
}

#[tokio::test]
async fn haproxy_speaks_http_2_without_tls_to_the_server() {
    both(haproxy(), Backend::Plain, Config::haproxy_to_h2c, ALL).await;
}

#[tokio::test]
async fn haproxy_passes_tls_through() {
    both(haproxy(), Backend::Tls, Config::haproxy_tcp, ALL).await;
}

#[tokio::test]
async fn caddy_ends_tls() {
    both(caddy(), Backend::Plain, Config::caddy, NO_WEBSOCKET_BY_HTTP_2).await;
}

#[tokio::test]
async fn caddy_speaks_tls_to_the_server() {
    both(caddy(), Backend::Tls, Config::caddy_to_tls, NO_WEBSOCKET_BY_HTTP_2).await;
}

#[tokio::test]
async fn caddy_speaks_http_2_without_tls_to_the_server() {
    both(caddy(), Backend::Plain, Config::caddy_to_h2c, NO_WEBSOCKET).await;
}
