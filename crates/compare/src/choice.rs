//! The contenders that a plan chooses.

use crate::contender::{
    BROWSER, COMPRESSED, Contender, HTTP2, MESSAGE_QUEUE, Server, TRANSPORTS, chosen, each_once,
};
use crate::plan::{Compression, Plan};
use crate::workload::{PlanError, wrong};

impl Plan {
    /// The contenders, in the order of the report.
    ///
    /// # Errors
    /// Fails if a name is unknown, or a contender cannot be measured with the other options.
    pub(crate) fn contenders(&self) -> Result<Vec<&'static Contender>, PlanError> {
        let has_no_queues = self.running.is_some()
            || self.baseline
            || self.compression.is_some()
            || self.workload.tls;
        let names: Vec<&str> = match &self.contenders[..] {
            [] => {
                let names = self.scenario.contenders.iter().copied();
                names.filter(|name| !(has_no_queues && *name == MESSAGE_QUEUE)).collect()
            }
            names => names.iter().map(String::as_str).collect(),
        };
        let mut contenders = chosen(&names)?;
        contenders = self.with_compression(contenders)?;
        if self.baseline {
            let pairs = contenders.into_iter().flat_map(|one| [Some(one), one.baseline()]);
            contenders = each_once(pairs.flatten());
        }
        if self.workload.tls {
            if self.running.is_some() {
                return wrong(
                    "a running server cannot be measured over TLS: leave out its URL".to_owned(),
                );
            }
            if let Some(Contender { name, .. }) = contenders.iter().find(|one| !one.has_tls()) {
                return wrong(format!("{name} cannot be measured over TLS: leave it out"));
            }
        }
        if let Some(Contender { name, .. }) = contenders.iter().find(|one| one.is_webtransport())
            && !self.has_tls()
        {
            return wrong(format!("{name} can be measured only over TLS: add --tls"));
        }
        let has_tabs = self.scenario.contenders.contains(&BROWSER);
        if let Some(Contender { name, .. }) = contenders.iter().find(|one| one.browser && !has_tabs)
        {
            return wrong(format!("{name} can be measured only with --scenario browser"));
        }
        let is_other = |one: &&&Contender| !matches!(one.family, TRANSPORTS | HTTP2 | COMPRESSED);
        match contenders.iter().find(is_other) {
            Some(Contender { name, .. }) if self.running.is_some() => {
                wrong(format!("{name} cannot be measured on a running server: leave out its URL"))
            }
            _ => Ok(contenders),
        }
    }

    /// Adds the compressed contenders, or replaces the others by them.
    ///
    /// # Errors
    /// Fails if a contender should be replaced and cannot be measured with compression.
    fn with_compression(
        &self,
        contenders: Vec<&'static Contender>,
    ) -> Result<Vec<&'static Contender>, PlanError> {
        let compressed = |one: &'static Contender| match one.compressed() {
            _ if one.compression => Ok(one),
            Some(compressed) => Ok(compressed),
            None => {
                wrong(format!("{} cannot be measured with compression: leave it out", one.name))
            }
        };
        let contenders = contenders.into_iter();
        match self.compression {
            None | Some(Compression::Off) => Ok(contenders.collect()),
            Some(Compression::Both) => {
                let pairs = contenders.flat_map(|one| [Some(one), one.compressed()]);
                Ok(each_once(pairs.flatten()))
            }
            Some(Compression::On) => {
                let compressed: Result<Vec<_>, _> = contenders.map(compressed).collect();
                Ok(each_once(compressed?))
            }
        }
    }

    /// Returns `true` if one of its contenders is our server over a broker.
    pub fn needs_broker(&self) -> bool {
        let is_over_broker =
            |one: &&Contender| matches!(one.server, Server::Ours { broker: Some(_), .. });
        self.contenders().is_ok_and(|contenders| contenders.iter().any(is_over_broker))
    }

    /// Returns `true` if one of the contenders needs the feature `webtransport`.
    pub fn needs_webtransport(&self) -> bool {
        self.contenders().is_ok_and(|contenders| contenders.iter().any(|one| one.is_webtransport()))
    }

    /// Returns `true` if one of the contenders needs the feature `axum`.
    pub fn needs_axum(&self) -> bool {
        let is_in_axum =
            |one: &&Contender| matches!(one.server, Server::Mounted | Server::Broadcast { .. });
        self.contenders().is_ok_and(|contenders| contenders.iter().any(is_in_axum))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Scenario;

    fn plan() -> Plan {
        Plan::of("tidings".into(), Scenario::named("fan-out").unwrap())
    }

    fn names(plan: &Plan) -> Vec<&'static str> {
        plan.contenders().unwrap().iter().map(|one| one.name).collect()
    }

    #[test]
    fn each_baseline_occurs_once_next_to_its_transport() {
        let contenders = ["websocket", "plain"].map(str::to_owned).to_vec();
        let plan = Plan { contenders, baseline: true, ..plan() };
        let expected =
            ["websocket", "baseline-websocket", "websocket-plain", "sse-plain", "baseline-sse"];
        assert_eq!(names(&plan), expected);
    }

    #[test]
    fn compression_pairs_or_replaces_contenders() {
        let with = |compression, contenders: &[&str]| {
            let contenders = contenders.iter().map(|&name| name.to_owned()).collect();
            Plan { contenders, compression: Some(compression), ..plan() }
        };
        let expected = [
            "websocket",
            "websocket-compressed",
            "sse",
            "sse-compressed",
            "long-polling",
            "long-polling-compressed",
        ];
        assert_eq!(names(&with(Compression::Both, &[])), expected);
        assert_eq!(names(&with(Compression::Off, &[])), ["websocket", "sse", "long-polling"]);
        assert_eq!(
            names(&with(Compression::On, &["sse", "nginx-sse"])),
            ["sse-compressed", "nginx-sse-compressed"]
        );
        let baseline = Plan { baseline: true, ..with(Compression::Both, &["sse"]) };
        assert_eq!(names(&baseline), ["sse", "baseline-sse", "sse-compressed"]);
        let error = with(Compression::On, &["sse", "nats"]).check().unwrap_err().to_string();
        assert!(error.contains("nats cannot be measured with compression"), "{error}");
    }

    #[test]
    fn tabs_of_a_browser_are_measured_only_in_their_scenario() {
        let plan = Plan { contenders: vec!["browser-sse".into()], ..plan() };
        let error = plan.check().unwrap_err().to_string();
        assert_eq!(error, "browser-sse can be measured only with --scenario browser");
        let browser = Scenario::named("browser").unwrap();
        let plan = Plan { scenario: browser, contenders: vec!["sse".into()], ..plan };
        assert!(plan.check().is_err(), "it has no tabs");
    }

    #[test]
    fn a_broker_is_needed_if_a_server_over_one_is_chosen() {
        let needs_broker =
            |name: &str| Plan { contenders: vec![name.into()], ..plan() }.needs_broker();
        assert!(needs_broker("broker") && needs_broker("redis-1"));
        // Message queues that clients read directly need none of ours.
        assert!(
            !needs_broker("message-queue") && !needs_broker("memory") && !plan().needs_broker()
        );
    }
}
