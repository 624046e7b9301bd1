//! One tab: a page of the measured server, and the client in it.

use std::io::Write;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{anyhow, bail, ensure};
use serde::Deserialize;
use serde_json::{Value, json};

use super::devtools::{Devtools, LIMIT};
use crate::load::order::Order;

/// The client, which is evaluated in the page.
const PAGE: &str = include_str!("page.js");

/// The time between two looks at a page that is loading or being hidden.
const POLL: Duration = Duration::from_millis(5);

/// The settings of the client in a page.
#[derive(Clone, Debug)]
pub(super) struct Client {
    /// The URL of the page, which has the origin of the topic.
    pub(super) page: String,
    /// The protocol by which the page must be loaded, as in ALPN.
    pub(super) protocol: &'static str,
    /// What the client receives: `transport`, `path` of the topic and `run`.
    pub(super) options: Value,
}

/// A tab with a client.
#[derive(Debug)]
pub(super) struct Tab {
    target: String,
    session: String,
    /// `true` once its client has begun to connect.
    pub(super) is_open: bool,
    /// The notifications that it is meant to receive. `None` until it is connected.
    pub(super) meant: Option<Meant>,
}

/// The notifications that a tab is meant to receive.
#[derive(Debug)]
pub(super) struct Meant {
    /// The first of them. Earlier ones are not counted.
    pub(super) first: u64,
    pub(super) order: Order,
}

/// What has happened in a tab since it was asked last.
#[derive(Debug, Deserialize)]
pub(super) struct Taken {
    /// The number and the time of each notification, in milliseconds since 1970.
    pub(super) arrivals: Vec<(u64, f64)>,
    pub(super) requests: u64,
    /// The reason for the end of the stream.
    pub(super) ending: Option<String>,
}

impl Tab {
    /// Opens a tab, in a window of its own or in the last one, and loads the page and the client. The client does not
    /// connect yet.
    ///
    /// # Errors
    /// Fails if the page cannot be loaded, or is loaded by another protocol.
    pub(super) fn load<W: Write>(
        devtools: &mut Devtools<W>,
        client: &Client,
        own_window: bool,
    ) -> anyhow::Result<Self> {
        let params = json!({ "url": client.page, "newWindow": own_window });
        let created = devtools.call(None, "Target.createTarget", &params)?;
        let target = text(&created["targetId"])?;
        let params = json!({ "targetId": target, "flatten": true });
        let attached = devtools.call(None, "Target.attachToTarget", &params)?;
        let session = text(&attached["sessionId"])?;
        let tab = Self { target, session, is_open: false, meant: None };
        let is_loaded = format!("location.href === {}", Value::from(client.page.as_str()));
        let deadline = Instant::now() + LIMIT;
        // While the page replaces the empty one, an evaluation can fail.
        while !tab.evaluate(devtools, &is_loaded).is_ok_and(|is_loaded| is_loaded == true) {
            ensure!(Instant::now() < deadline, "the browser did not load {}", client.page);
            sleep(POLL);
        }
        let protocol = "performance.getEntriesByType('navigation')[0].nextHopProtocol";
        let protocol = text(&tab.evaluate(devtools, protocol)?)?;
        ensure!(
            protocol == client.protocol,
            "the browser loaded a page by {protocol:?}, expected {}",
            client.protocol
        );
        let (page, options) = (PAGE.trim_end().trim_end_matches(';'), &client.options);
        tab.evaluate(devtools, &format!("globalThis.client = ({page})({options}); 0"))?;
        Ok(tab)
    }

    /// Starts to connect the client.
    pub(super) fn open<W: Write>(&mut self, devtools: &mut Devtools<W>) -> anyhow::Result<()> {
        self.is_open = true;
        self.evaluate(devtools, "client.open()").map(drop)
    }

    /// Waits until the client is connected. Returns `false` if it is not within `limit`.
    pub(super) fn is_connected_within<W: Write>(
        &self,
        devtools: &mut Devtools<W>,
        limit: Duration,
    ) -> anyhow::Result<bool> {
        let id = self.send(devtools, "client.connected")?;
        Ok(devtools.answer(id, limit)?.is_some())
    }

    /// Reports whether the client is connected now.
    pub(super) fn is_connected<W: Write>(
        &self,
        devtools: &mut Devtools<W>,
    ) -> anyhow::Result<bool> {
        Ok(self.evaluate(devtools, "client.isConnected")? == true)
    }

    /// Sends a command that is answered when `count` notifications from the number `first` on have arrived. Returns
    /// its number.
    pub(super) fn until<W: Write>(
        &self,
        devtools: &mut Devtools<W>,
        first: u64,
        count: usize,
    ) -> anyhow::Result<u64> {
        self.send(devtools, &format!("client.until({first}, {count})"))
    }

    /// Returns what has happened since the last call.
    pub(super) fn take<W: Write>(&self, devtools: &mut Devtools<W>) -> anyhow::Result<Taken> {
        Ok(serde_json::from_value(self.evaluate(devtools, "client.take()")?)?)
    }

    /// Minimizes the window of the tab, or restores it, and waits until the page is hidden or visible.
    ///
    /// # Errors
    /// Fails if the page does not become hidden or visible.
    pub(super) fn hide<W: Write>(
        &self,
        devtools: &mut Devtools<W>,
        is_hidden: bool,
    ) -> anyhow::Result<()> {
        let params = json!({ "targetId": self.target });
        let window = devtools.call(None, "Browser.getWindowForTarget", &params)?;
        let (bounds, state) =
            if is_hidden { ("minimized", "hidden") } else { ("normal", "visible") };
        let bounds = json!({ "windowState": bounds });
        let params = json!({ "windowId": window["windowId"], "bounds": bounds });
        devtools.call(None, "Browser.setWindowBounds", &params)?;
        let deadline = Instant::now() + LIMIT;
        while self.evaluate(devtools, "document.visibilityState")? != state {
            ensure!(Instant::now() < deadline, "a tab did not become {state}");
            sleep(POLL);
        }
        Ok(())
    }

    /// Starts to connect the client by WebSocket. Returns the status of the response to its handshake: 101 over HTTP/1.1,
    /// 200 over HTTP/2.
    ///
    /// # Errors
    /// Fails if there is no response.
    pub(super) fn handshake_status<W: Write>(
        &mut self,
        devtools: &mut Devtools<W>,
    ) -> anyhow::Result<u64> {
        devtools.call(Some(&self.session), "Network.enable", &json!({}))?;
        self.is_open = true;
        self.send(devtools, "client.open()")?;
        let event = devtools.event("Network.webSocketHandshakeResponseReceived")?;
        devtools.call(Some(&self.session), "Network.disable", &json!({}))?;
        event["response"]["status"].as_u64().ok_or_else(|| anyhow!("a handshake has no status"))
    }

    pub(super) fn close<W: Write>(&self, devtools: &mut Devtools<W>) -> anyhow::Result<()> {
        let params = json!({ "targetId": self.target });
        devtools.call(None, "Target.closeTarget", &params).map(drop)
    }

    /// Evaluates an expression in the page, and waits for it if it is a promise.
    pub(super) fn evaluate<W: Write>(
        &self,
        devtools: &mut Devtools<W>,
        expression: &str,
    ) -> anyhow::Result<Value> {
        let id = self.send(devtools, expression)?;
        let Some(mut answer) = devtools.answer(id, LIMIT)? else {
            bail!("a page did not answer within {LIMIT:?}");
        };
        if let Some(exception) = answer.get("exceptionDetails") {
            bail!("a page failed: {exception}");
        }
        Ok(answer["result"]["value"].take())
    }

    fn send<W: Write>(&self, devtools: &mut Devtools<W>, expression: &str) -> anyhow::Result<u64> {
        let params =
            json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        devtools.send(Some(&self.session), "Runtime.evaluate", &params)
    }
}

fn text(value: &Value) -> anyhow::Result<String> {
    let text = value.as_str().map(str::to_owned);
    text.ok_or_else(|| anyhow!("the browser answered {value} instead of a text"))
}

#[cfg(test)]
mod tests {
    use super::super::chromium::Chromium;
    use super::*;
    use crate::contender::CHROMIUM;
    use crate::measure::is_in_path;

    #[test]
    fn the_page_records_what_has_a_stamp_of_its_run_and_counts_from_a_number() {
        if !is_in_path(CHROMIUM) {
            eprintln!("skipped, because there is no {CHROMIUM} in PATH");
            return;
        }
        let mut chromium = Chromium::start(true).unwrap();
        let devtools = &mut chromium.devtools;
        let options = json!({ "transport": "sse", "path": "/", "run": "f0c93d1" });
        let client = Client { page: "data:text/plain,".to_owned(), protocol: "", options };
        let tab = Tab::load(devtools, &client, true).unwrap();
        let receive = |devtools: &mut Devtools<_>, data: &str, at: f64| {
            let call = format!("client.receive({}, {at})", Value::from(data));
            tab.evaluate(devtools, &call).unwrap();
        };
        receive(devtools, "@00000009f0c93d1.", 1.5);
        let wait = tab.until(devtools, 10, 2).unwrap();
        for other in ["", "@", "@00000010f0c93d2", "@00000010"] {
            receive(devtools, other, 2.0);
        }
        receive(devtools, r#"{"id":"@0000000bf0c93d1"}"#, 2.5);
        let soon = Duration::from_millis(1);
        assert_eq!(devtools.answer(wait, soon).unwrap(), None, "only one of two has arrived");
        receive(devtools, "@0000000af0c93d1", 3.25);
        assert!(devtools.answer(wait, LIMIT).unwrap().is_some());
        let taken = tab.take(devtools).unwrap();
        assert_eq!(taken.arrivals, [(9, 1.5), (11, 2.5), (10, 3.25)]);
        assert!(tab.take(devtools).unwrap().arrivals.is_empty());
        assert_eq!((taken.requests, taken.ending), (0, None));
    }

    #[test]
    fn a_tab_is_hidden_and_visible_again() {
        if !is_in_path(CHROMIUM) {
            eprintln!("skipped, because there is no {CHROMIUM} in PATH");
            return;
        }
        let mut chromium = Chromium::start(true).unwrap();
        let devtools = &mut chromium.devtools;
        let client =
            Client { page: "data:text/plain,".to_owned(), protocol: "", options: json!({}) };
        let tab = Tab::load(devtools, &client, true).unwrap();
        let state = |devtools: &mut Devtools<_>| {
            tab.evaluate(devtools, "document.visibilityState").unwrap()
        };
        tab.hide(devtools, true).unwrap();
        assert_eq!(state(devtools), "hidden");
        tab.hide(devtools, false).unwrap();
        assert_eq!(state(devtools), "visible");
    }
}
