//! NATS and JetStream: the client protocol of `nats-server`, and the two requests of JetStream's API that are needed.
//!
//! ```text
//! core NATS   SUB subject                                  ─► MSG …, kept nowhere
//! JetStream   a consumer that pushes from a stored stream  ─► MSG …, with its sequence number
//! ```

use super::{KEPT, LONGEST, Reader, line};
use crate::load::gone::Gone;
use crate::load::inbox::Inbox;

/// The JetStream stream, and the first token of all subjects.
const STREAM: &str = "direct";

/// The most consumers of the stream, one for each client. Without a limit, a server of 2026 allows 1,000.
const MOST_CONSUMERS: u32 = 100_000;

const CONNECT: &str = "CONNECT {\"verbose\":false,\"pedantic\":false,\"lang\":\"rust\",\"version\":\"0\",\"protocol\":1}\r\n";

/// Reads messages, and responses: each `PONG`, and each message to an inbox for responses.
#[derive(Debug, Default)]
pub(crate) struct Nats {
    /// How many bytes of the payload are missing.
    left: u64,
}

impl Reader for Nats {
    fn take(&mut self, input: &[u8], inbox: &mut Inbox<'_>) -> Result<usize, Gone> {
        let mut at = 0;
        loop {
            at += inbox.scan_body(&mut self.left, &input[at..]);
            if self.left > 0 {
                return Ok(at);
            }
            let Some((line, length)) = line(&input[at..])? else { return Ok(at) };
            if line.starts_with(b"-ERR") {
                return Err(Gone::Error(String::from_utf8_lossy(line).into_owned()));
            }
            if let Some(message) = line.strip_prefix(b"MSG ") {
                let (is_response, size) = message_head(message)?;
                if is_response {
                    let Some(used) = response(&input[at + length..], size)? else { return Ok(at) };
                    at += used;
                    inbox.answers += 1;
                } else {
                    self.left = size as u64 + 2;
                }
            } else if line == b"PING" {
                inbox.reply.extend_from_slice(b"PONG\r\n");
            } else if line == b"PONG" {
                inbox.answers += 1;
            }
            at += length;
        }
    }
}

/// The first bytes of a subscriber of core NATS. The response is a `PONG`.
pub(crate) fn subscribe(topic: &str) -> String {
    format!("{CONNECT}SUB {STREAM}.{topic} 1\r\nPING\r\n")
}

/// The first bytes of a subscriber of JetStream: a request for a consumer that pushes everything of the topic to the
/// subscriber's inbox. The response is one of JetStream's API.
pub(crate) fn consume(topic: &str, inbox: &str) -> String {
    let json = format!(
        r#"{{"stream_name":"{STREAM}","config":{{"deliver_subject":"{inbox}.messages","deliver_policy":"all","ack_policy":"none","replay_policy":"instant","filter_subject":"{STREAM}.{topic}","mem_storage":true,"num_replicas":1}}}}"#
    );
    let request = request("CONSUMER.CREATE", inbox, &json);
    // The server does not push to a subscription with a wildcard.
    format!("{CONNECT}SUB {inbox}.messages 1\r\nSUB {inbox}.response 2\r\n{request}")
}

/// The first bytes of a publisher. With an `inbox` it publishes to JetStream and receives the responses there, and the
/// first publisher also creates the stream. There is one response.
pub(crate) fn begin(inbox: Option<&str>, creates_stream: bool) -> String {
    let Some(inbox) = inbox else { return format!("{CONNECT}PING\r\n") };
    let json = format!(
        r#"{{"name":"{STREAM}","subjects":["{STREAM}.>"],"retention":"limits","storage":"file","discard":"old","max_msgs":{KEPT},"max_consumers":{MOST_CONSUMERS},"max_bytes":-1,"max_age":0,"num_replicas":1}}"#
    );
    let first = match creates_stream {
        true => request("STREAM.CREATE", inbox, &json),
        false => "PING\r\n".to_owned(),
    };
    format!("{CONNECT}SUB {inbox}.response 1\r\n{first}")
}

/// A publish up to its payload. A line end follows the payload.
pub(crate) fn publish(topic: &str, inbox: Option<&str>, length: usize) -> String {
    let inbox = inbox.map_or(String::new(), |inbox| format!("{inbox}.response "));
    format!("PUB {STREAM}.{topic} {inbox}{length}\r\n")
}

fn request(operation: &str, inbox: &str, json: &str) -> String {
    let length = json.len();
    format!("PUB $JS.API.{operation}.{STREAM} {inbox}.response {length}\r\n{json}\r\n")
}

/// Parses `subject sid [reply-to] length`. Returns `true` for a response, and the length of the payload.
fn message_head(head: &[u8]) -> Result<(bool, usize), Gone> {
    let mut words = head.split(|&byte| byte == b' ');
    let is_response = words.next().is_some_and(|subject| subject.ends_with(b".response"));
    let length = words.next_back().and_then(|word| str::from_utf8(word).ok()?.parse().ok());
    Ok((is_response, length.ok_or(Gone::Invalid("a message of NATS has no length"))?))
}

/// Parses a response of JetStream's API. Returns its length with its line end, or `None` if it is not complete.
fn response(input: &[u8], length: usize) -> Result<Option<usize>, Gone> {
    if length > LONGEST {
        return Err(Gone::Invalid("a response of JetStream is too long"));
    }
    let Some(body) = input.get(..length + 2) else { return Ok(None) };
    let text = String::from_utf8_lossy(body);
    if text.contains(r#""error":"#) {
        return Err(Gone::Error(text.trim().to_owned()));
    }
    Ok(Some(length + 2))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{five_by_cuts, payload};
    use super::*;

    #[test]
    fn every_message_and_response_counts_once_at_every_split() {
        let mut bytes = b"INFO {\"server_id\":\"x\"}\r\nPONG\r\nPING\r\n".to_vec();
        bytes.extend(b"MSG _INBOX.a.response 1 15\r\n{\"stream\":\"x\"} \r\n");
        for sequence in 0..5 {
            let payload = payload(sequence);
            bytes.extend(format!("MSG direct.x 1 ack.7 {}\r\n", payload.len()).into_bytes());
            bytes.extend(payload);
            bytes.extend(b"\r\n");
        }
        for cut in 1..=bytes.len() {
            let (reply, answers) = five_by_cuts(&bytes, cut, &mut Nats::default());
            assert_eq!((&reply[..], answers), (&b"PONG\r\n"[..], 2));
        }
    }

    #[test]
    fn an_error_contains_the_text_of_the_server() {
        let body = br#"{"error":{"code":404,"description":"stream not found"}}"#;
        let error = response(&[&body[..], b"\r\n"].concat(), body.len()).unwrap_err();
        assert!(error.to_string().contains("stream not found"));
    }
}
