//! NATS and JetStream: the client protocol of `nats-server`, and the two requests of JetStream's API that are needed.
//!
//! ```text
//! core NATS   SUB subject                                  ─► MSG …, kept nowhere
//! JetStream   a consumer that pushes from a stored stream  ─► MSG …, with its sequence number
//! ```

use std::io::Write;

use crate::load::inbox::{Gone, Inbox};

/// The JetStream stream, and the first token of all subjects.
const STREAM: &str = "direct";

/// As many notifications as our server keeps by default.
pub(crate) const KEPT: u32 = 65_536;

/// The longest line that is waited for, such as the server's `INFO`.
const LINE: usize = 4000;

/// The longest response of JetStream's API.
const RESPONSE: usize = 4000;

/// Reads what the server sends to a subscriber, or to a publisher that waits for responses.
#[derive(Debug, Default)]
pub(crate) struct Nats {
    /// What is left of a message's payload.
    left: u64,
}

/// What a server sent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// The response to our `PING`: everything before it has been processed.
    Pong,
    /// JetStream's response to a request or a publish.
    Response,
}

impl Nats {
    /// Reads what a subscriber receives. Returns how much it used, and whether a response was among it.
    pub(crate) fn take(
        &mut self,
        input: &[u8],
        inbox: &mut Inbox<'_>,
    ) -> Result<(usize, Option<Event>), Gone> {
        let (mut at, mut event) = (0, None);
        loop {
            at += inbox.scan_body(&mut self.left, &input[at..]);
            if self.left > 0 {
                return Ok((at, event));
            }
            let Some((line, length)) = line(&input[at..])? else {
                return Ok((at, event));
            };
            if let Some(message) = message(line)? {
                if !message.is_response {
                    at += length;
                    self.left = message.length as u64 + 2;
                    continue;
                }
                let Some(used) = response(&input[at + length..], message.length)? else {
                    return Ok((at, event));
                };
                at += used;
                event = Some(Event::Response);
            } else if line == b"PING" {
                inbox.reply.extend_from_slice(b"PONG\r\n");
            } else if line == b"PONG" {
                event = Some(Event::Pong);
            }
            at += length;
        }
    }

    /// Reads what a publisher receives. Returns how much it used and how many responses and pongs there were.
    pub(crate) fn take_answers(input: &[u8], reply: &mut Vec<u8>) -> Result<(usize, usize), Gone> {
        let (mut at, mut answers) = (0, 0);
        while let Some((line, length)) = line(&input[at..])? {
            if let Some(message) = message(line)? {
                let Some(used) = response(&input[at + length..], message.length)? else { break };
                at += used;
                answers += 1;
            } else if line == b"PING" {
                reply.extend_from_slice(b"PONG\r\n");
            } else if line == b"PONG" {
                answers += 1;
            }
            at += length;
        }
        Ok((at, answers))
    }
}

/// Appends what a subscriber of core NATS sends first. The response is a `PONG`.
pub(crate) fn subscribe(out: &mut Vec<u8>, topic: &str) {
    connect(out);
    write(out, format_args!("SUB {STREAM}.{topic} 1\r\nPING\r\n"));
}

/// Appends what a subscriber of JetStream sends first: a request for a consumer that pushes everything of the topic
/// to the subscriber's inbox. The response is one of the API.
pub(crate) fn consume(out: &mut Vec<u8>, topic: &str, inbox: &str) {
    connect(out);
    let json = format!(
        r#"{{"stream_name":"{STREAM}","config":{{"deliver_subject":"{inbox}.messages","deliver_policy":"all","ack_policy":"none","replay_policy":"instant","filter_subject":"{STREAM}.{topic}","mem_storage":true,"num_replicas":1}}}}"#
    );
    // The server does not deliver to a subscription with a wildcard.
    write(out, format_args!("SUB {inbox}.messages 1\r\nSUB {inbox}.response 2\r\n"));
    request(out, &format!("$JS.API.CONSUMER.CREATE.{STREAM}"), inbox, &json);
}

/// Appends what a publisher sends first. With an `inbox` it is one of JetStream and gets the responses there; the
/// first publisher also creates the stream.
pub(crate) fn begin(out: &mut Vec<u8>, inbox: Option<&str>, creates_stream: bool) {
    connect(out);
    if let Some(inbox) = inbox {
        write(out, format_args!("SUB {inbox}.response 1\r\n"));
        if creates_stream {
            let json = format!(
                r#"{{"name":"{STREAM}","subjects":["{STREAM}.>"],"retention":"limits","storage":"file","discard":"old","max_msgs":{KEPT},"max_consumers":-1,"max_bytes":-1,"max_age":0,"num_replicas":1}}"#
            );
            request(out, &format!("$JS.API.STREAM.CREATE.{STREAM}"), inbox, &json);
            return;
        }
    }
    out.extend_from_slice(b"PING\r\n");
}

/// Appends a publish up to its payload, which a line end follows.
pub(crate) fn publish(out: &mut Vec<u8>, topic: &str, inbox: Option<&str>, length: usize) {
    match inbox {
        Some(inbox) => {
            write(out, format_args!("PUB {STREAM}.{topic} {inbox}.response {length}\r\n"));
        }
        None => write(out, format_args!("PUB {STREAM}.{topic} {length}\r\n")),
    }
}

fn connect(out: &mut Vec<u8>) {
    out.extend_from_slice(
        b"CONNECT {\"verbose\":false,\"pedantic\":false,\"lang\":\"rust\",\"version\":\"0\",\"protocol\":1}\r\n",
    );
}

fn request(out: &mut Vec<u8>, subject: &str, inbox: &str, json: &str) {
    write(out, format_args!("PUB {subject} {inbox}.response {}\r\n{json}\r\n", json.len()));
}

/// Returns the first line, and its length with its line end.
fn line(input: &[u8]) -> Result<Option<(&[u8], usize)>, Gone> {
    let Some(end) = memchr::memchr(b'\n', input) else {
        let is_endless = input.len() > LINE;
        return if is_endless {
            Err(Gone::Invalid("a line of NATS is too long"))
        } else {
            Ok(None)
        };
    };
    let line = input[..end].trim_ascii_end();
    if line.starts_with(b"-ERR") {
        return Err(Gone::Error(String::from_utf8_lossy(line).into_owned()));
    }
    Ok(Some((line, end + 1)))
}

/// The head of a message.
struct Message {
    is_response: bool,
    length: usize,
}

/// Reads `MSG subject sid [reply-to] length`. Returns `None` if the line is not a message.
fn message(line: &[u8]) -> Result<Option<Message>, Gone> {
    let Some(rest) = line.strip_prefix(b"MSG ") else { return Ok(None) };
    let mut words = rest.split(|&byte| byte == b' ');
    let is_response = words.next().is_some_and(|subject| subject.ends_with(b".response"));
    let length = words.next_back().and_then(|word| str::from_utf8(word).ok()?.parse().ok());
    let length = length.ok_or(Gone::Invalid("a message of NATS has no length"))?;
    Ok(Some(Message { is_response, length }))
}

/// Reads a response of JetStream's API. Returns its length with its line end, or `None` if it is not complete.
fn response(input: &[u8], length: usize) -> Result<Option<usize>, Gone> {
    if length > RESPONSE {
        return Err(Gone::Invalid("a response of JetStream is too long"));
    }
    let Some(body) = input.get(..length + 2) else { return Ok(None) };
    let text = String::from_utf8_lossy(body);
    if text.contains(r#""error":"#) {
        return Err(Gone::Error(text.trim().to_owned()));
    }
    Ok(Some(length + 2))
}

fn write(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("text written to memory cannot fail");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::inbox::fixture;

    #[test]
    fn every_message_counts_once_wherever_the_reads_cut() {
        let mut bytes = b"INFO {\"server_id\":\"x\"}\r\nPONG\r\nPING\r\n".to_vec();
        bytes.extend(b"MSG _INBOX.a.response 1 15\r\n{\"stream\":\"x\"} \r\n");
        for sequence in 0..5 {
            let payload = fixture::payload(sequence);
            bytes.extend(format!("MSG direct.x 1 ack.7 {}\r\n", payload.len()).into_bytes());
            bytes.extend(payload);
            bytes.extend(b"\r\n");
        }
        for cut in 1..=bytes.len() {
            let mut nats = Nats::default();
            let mut events = Vec::new();
            let reply = fixture::five_by_cuts(&bytes, cut, |input, inbox| {
                let (used, event) = nats.take(input, inbox)?;
                events.extend(event);
                Ok(used)
            });
            assert_eq!(reply, b"PONG\r\n");
            assert!(events.contains(&Event::Response), "{events:?}");
        }
    }

    #[test]
    fn an_error_is_passed_on_with_the_server_s_text() {
        let error = line(b"-ERR 'Authorization Violation'\r\n").unwrap_err();
        assert!(error.to_string().contains("Authorization Violation"));
        let body = br#"{"error":{"code":404,"description":"stream not found"}}"#;
        let error = response(&[&body[..], b"\r\n"].concat(), body.len()).unwrap_err();
        assert!(error.to_string().contains("stream not found"));
    }

    #[test]
    fn a_publisher_counts_responses() {
        let input = b"INFO {}\r\nPONG\r\nMSG _INBOX.a.response 1 8\r\n{\"seq\":1\r\nMSG";
        let mut reply = Vec::new();
        let (used, answers) = Nats::take_answers(input, &mut reply).unwrap();
        assert_eq!((used, answers), (input.len() - 3, 2));
    }
}
