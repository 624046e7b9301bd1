//! The counters of the server, for `GET /metrics`.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tidings_core::Reason;
use tidings_transport::compression::Compressor;
use tidings_transport::mount::Observer;

use crate::config::Config;
use crate::tally::Tally;
use crate::tls::Tls;

type Labels = [(&'static str, &'static str); 1];

/// The counters since the start. Cloning is cheap, and all clones share the counters.
#[derive(Clone, Debug, Default)]
pub(crate) struct Metrics {
    delivered: Family<Labels, Counter>,
    disconnected: Family<Labels, Counter>,
    pub(crate) published: Counter,
    pub(crate) rejected: Counter,
    pub(crate) connections: Gauge,
    /// Clients that were cut off by the write deadline and are not logged yet.
    pub(crate) cut_off: Tally,
    /// Connections that the system did not accept or serve, and that are not logged yet.
    pub(crate) unserved: Tally,
    /// What compresses for the clients of the server, whose contexts are counted. `None` if nothing is compressed.
    pub(crate) compressor: Option<Compressor>,
    certificates: Arc<Mutex<Vec<Tls>>>,
}

impl Metrics {
    /// Every label starts at 0, because an alert on a rate needs the value before the first event.
    pub(crate) fn new(config: &Config) -> Self {
        let compressor = config.compression.clone().map(Compressor::new);
        let metrics = Self { compressor, ..Self::default() };
        for transport in &config.transports {
            drop(metrics.delivered(transport.name()));
        }
        for reason in Reason::ALL {
            drop(metrics.disconnected.get_or_create(&[("reason", reason.name())]));
        }
        metrics
    }

    pub(crate) fn delivered(&self, transport: &'static str) -> Counter {
        self.delivered.get_or_create(&[("transport", transport)]).clone()
    }

    /// Counts a client that was sent a goodbye with this reason.
    pub(crate) fn disconnected(&self, reason: Reason) {
        self.disconnected.get_or_create(&[("reason", reason.name())]).inc();
    }

    /// Counts a client that was cut off, because it read nothing for the write deadline.
    pub(crate) fn cut_off(&self) {
        self.disconnected(Reason::TooSlow);
        self.cut_off.add("");
    }

    /// Adds the certificates of a listener.
    pub(crate) fn add_certificates(&self, tls: Tls) {
        self.certificates.lock().unwrap_or_else(PoisonError::into_inner).push(tls);
    }

    /// When the first certificate of all listeners expires, in seconds of Unix time.
    fn expiry(&self) -> Option<u64> {
        let certificates = self.certificates.lock().unwrap_or_else(PoisonError::into_inner);
        let first = certificates.iter().filter_map(Tls::expiry).min()?;
        Some(first.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.as_secs()))
    }

    /// The text of `GET /metrics`. Gauges of the hub's state are read at this moment.
    pub(crate) fn text(&self, config: &Config) -> Result<String, std::fmt::Error> {
        let hub = &config.hub;
        let mut registry = Registry::with_prefix("tidings");
        let mut count = |name: &str, help: &str, counter: &Counter| {
            registry.register(name, help, counter.clone());
        };
        count("published", "Notifications published by request", &self.published);
        count("rejected", "Requests rejected", &self.rejected);
        let delivered = self.delivered.clone();
        registry.register("delivered", "Notifications handed to clients", delivered);
        registry.register(
            "disconnected",
            "Clients disconnected by the server, by reason",
            self.disconnected.clone(),
        );
        registry.register("connections", "Open connections", self.connections.clone());

        let clients = Family::<Labels, Gauge>::default();
        for transport in &config.transports {
            drop(clients.get_or_create(&[("transport", transport.name())]));
        }
        for (transport, number) in hub.pool().counts() {
            clients.get_or_create(&[("transport", transport)]).set(number as i64);
        }
        registry.register("clients", "Clients connected", clients);
        let (entries, bytes) = hub.log().size();
        let state = |registry: &mut Registry, name: &str, help: &str, value: i64| {
            let gauge = Gauge::<i64>::default();
            gauge.set(value);
            registry.register(name, help, gauge);
        };
        if let Some(is_connected) = hub.is_connected() {
            let help = "1 while the server follows its broker, otherwise 0";
            state(&mut registry, "broker_connected", help, i64::from(is_connected));
        }
        if let Some(compressor) = &self.compressor {
            let help = "Streams that are compressed now, each with a context";
            state(&mut registry, "compression_contexts", help, compressor.contexts() as i64);
            let help = "Notifications that were not compressed because no context was free";
            let counter = Counter::<u64>::default();
            counter.inc_by(compressor.without_context());
            registry.register("compression_without_context", help, counter);
        }
        if let Some(expiry) = self.expiry() {
            let help = "Unix time at which the certificate that expires first expires";
            state(&mut registry, "tls_certificate_expiry_seconds", help, expiry as i64);
        }
        state(&mut registry, "log_entries", "Notifications retained", entries as i64);
        state(&mut registry, "log_bytes", "Bytes retained", bytes as i64);
        let mut text = String::new();
        encode(&mut text, &registry)?;
        Ok(text)
    }
}

impl Observer for Metrics {
    fn delivered(&self, transport: &'static str, notifications: u64) {
        self.delivered(transport).inc_by(notifications);
    }

    fn disconnected(&self, reason: Reason) {
        self.disconnected(reason);
    }

    fn cut_off(&self) {
        self.cut_off();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rcgen::{CertificateParams, KeyPair};
    use rustls::pki_types::PrivateKeyDer;
    use tidings_core::{Hub, HubConfig};
    use tidings_transport::compression::CompressionConfig;

    use super::*;

    /// A server that has every metric: with a broker, with compression and with a certificate.
    fn with_all() -> (Config, Metrics) {
        let mut config = Config::new(Hub::pending(HubConfig::default()));
        config.compression = Some(CompressionConfig::default());
        let metrics = Metrics::new(&config);
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        let chain = vec![params.self_signed(&key).unwrap().der().clone()];
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        metrics.add_certificates(Tls::from_der(chain, key).unwrap());
        (config, metrics)
    }

    #[test]
    fn each_metric_and_its_kind_are_documented() {
        let (config, metrics) = with_all();
        let text = metrics.text(&config).unwrap();
        let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
        let served: BTreeSet<_> = types
            .map(|(name, kind)| match kind {
                "counter" => (format!("{name}_total"), kind),
                _ => (name.to_owned(), kind),
            })
            .collect();
        let rows = include_str!("../../../docs/operations.md").lines().filter_map(|line| {
            let (name, rest) = line.strip_prefix("| `tidings_")?.split_once('`')?;
            let (name, _) = name.split_once('{').unwrap_or((name, ""));
            Some((format!("tidings_{name}"), rest.split('|').nth(1)?.trim()))
        });
        assert_eq!(rows.collect::<BTreeSet<_>>(), served);
    }

    #[test]
    fn a_server_has_no_metric_of_what_it_does_not_use() {
        let config = Config::new(Hub::default());
        let text = Metrics::new(&config).text(&config).unwrap();
        for absent in ["compression", "broker", "certificate"] {
            assert!(!text.contains(absent), "{text}");
        }
    }
}
