//! The Chrome DevTools Protocol over two pipes: JSON messages, each of which ends with a zero byte.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use serde_json::{Value, json};

/// How long a command may take that does not wait for a page.
pub(super) const LIMIT: Duration = Duration::from_secs(30);

/// The messages that are read before something waits for them.
const MESSAGES: usize = 1024;

/// A connection to a browser. Dropping it closes the pipe to the browser, which then ends.
#[derive(Debug)]
pub(super) struct Devtools<W> {
    input: W,
    messages: Receiver<Value>,
    /// The number of the last command.
    last: u64,
    /// Answers that nothing has waited for yet, by the number of their command.
    answers: HashMap<u64, Value>,
}

impl<W: Write> Devtools<W> {
    /// Starts to read what the browser writes to `output`. A message that is not JSON ends the connection.
    pub(super) fn new(input: W, output: impl Read + Send + 'static) -> Self {
        let (sender, messages) = sync_channel(MESSAGES);
        thread::spawn(move || {
            let mut output = BufReader::new(output);
            let mut message = Vec::new();
            while output.read_until(0, &mut message).is_ok_and(|length| length > 0) {
                let text = message.strip_suffix(&[0]).unwrap_or(&message);
                let Ok(value) = serde_json::from_slice(text) else { return };
                if sender.send(value).is_err() {
                    return;
                }
                message.clear();
            }
        });
        Self { input, messages, last: 0, answers: HashMap::new() }
    }

    /// Sends a command to the page of a session, or to the browser. Returns the number of the command.
    ///
    /// # Errors
    /// Fails if the browser has ended.
    pub(super) fn send(
        &mut self,
        session: Option<&str>,
        method: &str,
        params: &Value,
    ) -> anyhow::Result<u64> {
        self.last += 1;
        let mut command = json!({ "id": self.last, "method": method, "params": params });
        if let Some(session) = session {
            command["sessionId"] = session.into();
        }
        let text = format!("{command}\0");
        let written = self.input.write_all(text.as_bytes()).and_then(|()| self.input.flush());
        written.with_context(|| format!("the browser ended before {method}"))?;
        Ok(self.last)
    }

    /// Waits for the answer to a command. Returns `None` if there is none within `limit`.
    ///
    /// # Errors
    /// Fails if the answer is an error, or the browser has ended.
    pub(super) fn answer(&mut self, id: u64, limit: Duration) -> anyhow::Result<Option<Value>> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(mut answer) = self.answers.remove(&id) {
                if let Some(error) = answer.get("error") {
                    bail!("the browser rejected a command: {error}");
                }
                return Ok(Some(answer["result"].take()));
            }
            if self.next(deadline)?.is_none() {
                return Ok(None);
            }
        }
    }

    /// Sends a command and returns its answer.
    ///
    /// # Errors
    /// Fails if the answer is an error, takes longer than [`LIMIT`], or the browser has ended.
    pub(super) fn call(
        &mut self,
        session: Option<&str>,
        method: &str,
        params: &Value,
    ) -> anyhow::Result<Value> {
        let id = self.send(session, method, params)?;
        let answer = self.answer(id, LIMIT)?;
        answer.ok_or_else(|| anyhow!("the browser did not answer {method} within {LIMIT:?}"))
    }

    /// Waits for an event and returns its parameters. Events before this call are not found, and other events are
    /// dropped.
    ///
    /// # Errors
    /// Fails if there is no such event within [`LIMIT`], or the browser has ended.
    pub(super) fn event(&mut self, method: &str) -> anyhow::Result<Value> {
        let deadline = Instant::now() + LIMIT;
        loop {
            match self.next(deadline)? {
                Some(mut event) if event["method"] == method => return Ok(event["params"].take()),
                Some(_) => {}
                None => bail!("the browser did not report {method} within {LIMIT:?}"),
            }
        }
    }

    /// Reads the next message and keeps it if it is an answer. Returns it if it is an event, `null` otherwise, and
    /// `None` after the deadline.
    fn next(&mut self, deadline: Instant) -> anyhow::Result<Option<Value>> {
        let rest = deadline.saturating_duration_since(Instant::now());
        match self.messages.recv_timeout(rest) {
            Ok(message) => match message["id"].as_u64() {
                Some(id) => {
                    self.answers.insert(id, message);
                    Ok(Some(Value::Null))
                }
                None => Ok(Some(message)),
            },
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => bail!("the browser has ended"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    const SOON: Duration = Duration::from_secs(10);

    fn devtools(output: &str) -> Devtools<Vec<u8>> {
        Devtools::new(Vec::new(), Cursor::new(output.replace('|', "\0").into_bytes()))
    }

    #[test]
    fn commands_end_with_a_zero_and_name_their_session() {
        let mut devtools = devtools("");
        devtools.send(None, "Browser.close", &json!({})).unwrap();
        devtools.send(Some("S"), "Page.enable", &json!({ "a": 1 })).unwrap();
        let written = String::from_utf8(devtools.input).unwrap();
        let parts: Vec<&str> = written.split('\0').collect();
        assert_eq!((parts.len(), parts[2]), (3, ""));
        let expected = [
            json!({ "id": 1, "method": "Browser.close", "params": {} }),
            json!({ "id": 2, "method": "Page.enable", "params": { "a": 1 }, "sessionId": "S" }),
        ];
        for (part, expected) in parts.iter().zip(expected) {
            assert_eq!(serde_json::from_str::<Value>(part).unwrap(), expected);
        }
    }

    #[test]
    fn an_answer_is_found_among_events_and_answers_to_later_commands() {
        let mut devtools = devtools(
            r#"{"method":"E","params":{"n":1}}|{"id":2,"result":{"b":2}}|{"id":1,"result":{"a":1}}|"#,
        );
        assert_eq!(devtools.answer(1, SOON).unwrap(), Some(json!({ "a": 1 })));
        assert_eq!(devtools.answer(2, SOON).unwrap(), Some(json!({ "b": 2 })));
        let error = devtools.answer(3, SOON).unwrap_err();
        assert_eq!(error.to_string(), "the browser has ended");
    }

    #[test]
    fn an_event_does_not_lose_an_answer_before_it() {
        let mut devtools =
            devtools(r#"{"id":1,"result":{}}|{"method":"F"}|{"method":"E","params":{"n":1}}|"#);
        assert_eq!(devtools.event("E").unwrap(), json!({ "n": 1 }));
        assert_eq!(devtools.answer(1, SOON).unwrap(), Some(json!({})));
    }

    #[test]
    fn an_error_is_reported_with_its_message() {
        let mut devtools = devtools(r#"{"id":1,"error":{"message":"no such tab"}}|"#);
        let error = devtools.answer(1, SOON).unwrap_err().to_string();
        assert!(error.contains("no such tab"), "{error}");
    }

    #[test]
    fn a_browser_that_does_not_answer_has_a_time_limit() {
        let (output, _held) = std::io::pipe().unwrap();
        let mut devtools = Devtools::new(Vec::new(), output);
        assert_eq!(devtools.answer(1, Duration::from_millis(1)).unwrap(), None);
    }
}
