//! HTTP/2 (RFC 9113): a connection for each client, with one stream at a time.
//!
//! Frames are found in the bytes that arrive, and the contents of DATA frames go to the reader of the transport.
//! Requests have no entry in the dynamic table of HPACK (RFC 7541), so a connection has no state of compression.

mod frame;

pub(crate) use self::frame::Request;
use self::frame::{
    ACK, DATA, END_HEADERS, END_STREAM, Frame, GOAWAY, HEAD, HEADERS, PADDED, PING, PRIORITY,
    RST_STREAM, SETTINGS, WINDOW, WINDOW_UPDATE, append, enables_connect, opening, status,
};
use super::Reader;
use super::http::Polls;
use super::rest::Rest;
use crate::load::gone::Gone;
use crate::load::inbox::Inbox;

/// Reads the frames of a connection.
#[derive(Debug)]
pub(crate) struct Http2 {
    /// The identifier of the current stream.
    stream: u32,
    /// A frame that is sent once the server has enabled the extended CONNECT.
    waiting: Vec<u8>,
    /// The DATA frame whose content arrives.
    data: Option<Data>,
    /// The end of a DATA frame that the body has not used.
    rest: Rest,
    /// Received content for which the server has no new window yet.
    unacknowledged: u32,
    body: Body,
}

#[derive(Debug)]
struct Data {
    left: usize,
    ends_stream: bool,
}

/// The content of the responses.
#[derive(Debug)]
pub(crate) enum Body {
    /// A stream that does not end.
    Stream(Box<dyn Reader>),
    /// Each response is followed by the next poll.
    Polls { polls: Polls, request: Request, has_cursor: bool },
}

impl Http2 {
    /// Returns the first bytes of a connection that requests `path`, and the reader.
    pub(crate) fn get(path: &str, request: &Request, body: Body) -> (Vec<u8>, Self) {
        let mut out = opening();
        request.get(&mut out, 1, path.as_bytes());
        (out, Self::new(Vec::new(), body))
    }

    /// Returns the first bytes of a connection on which the stream is a WebSocket (RFC 8441), and the reader.
    pub(crate) fn connect(
        path: &str,
        request: &Request,
        frames: Box<dyn Reader>,
    ) -> (Vec<u8>, Self) {
        let mut waiting = Vec::new();
        request.connect(&mut waiting, 1, path.as_bytes());
        (opening(), Self::new(waiting, Body::Stream(frames)))
    }

    fn new(waiting: Vec<u8>, body: Body) -> Self {
        Self { stream: 1, waiting, data: None, rest: Rest::default(), unacknowledged: 0, body }
    }

    /// Handles a whole frame that is not DATA.
    fn frame(&mut self, frame: &Frame, payload: &[u8], inbox: &mut Inbox<'_>) -> Result<(), Gone> {
        match frame.kind {
            HEADERS => self.response(frame, payload, inbox),
            SETTINGS if frame.flags & ACK == 0 => {
                append(inbox.reply, SETTINGS, ACK, 0, &[]);
                if !self.waiting.is_empty() && enables_connect(payload) {
                    inbox.reply.append(&mut self.waiting);
                }
                Ok(())
            }
            PING if frame.flags & ACK == 0 => {
                append(inbox.reply, PING, ACK, 0, payload);
                Ok(())
            }
            RST_STREAM => Err(Gone::Invalid("the server reset the stream of a client")),
            GOAWAY => Err(Gone::Closed),
            _ => Ok(()),
        }
    }

    fn response(
        &mut self,
        frame: &Frame,
        payload: &[u8],
        inbox: &mut Inbox<'_>,
    ) -> Result<(), Gone> {
        if frame.flags & (PADDED | PRIORITY) != 0 || frame.flags & END_HEADERS == 0 {
            return Err(Gone::Invalid(
                "the server sent a head of a form that the load does not read",
            ));
        }
        match status(payload) {
            Some(200) => {}
            Some(status) => return Err(Gone::Rejected(status)),
            None => return Err(Gone::Invalid("the server rejected a request over HTTP/2")),
        }
        if matches!(self.body, Body::Stream(_)) {
            inbox.answers += 1;
        }
        match frame.flags & END_STREAM {
            0 => Ok(()),
            _ => self.end_stream(inbox),
        }
    }

    /// Passes the content of a DATA frame to the body. Returns the number of used bytes.
    fn content(&mut self, input: &[u8], inbox: &mut Inbox<'_>) -> Result<usize, Gone> {
        let Some(Data { left, ends_stream }) = &mut self.data else { return Ok(0) };
        let is_whole = *left <= input.len();
        let part = &input[..input.len().min(*left)];
        let mut reply = Vec::new();
        let mut inner = Inbox {
            run: inbox.run,
            order: &mut *inbox.order,
            score: &mut *inbox.score,
            now: inbox.now,
            answers: 0,
            reply: &mut reply,
            inflation: &mut *inbox.inflation,
        };
        let is_end = is_whole && *ends_stream;
        let body = &mut self.body;
        let used = if is_whole || !self.rest.is_empty() {
            self.rest.take(part, |bytes| body.take(bytes, is_end, &mut inner))?;
            part.len()
        } else {
            body.take(part, is_end, &mut inner)?
        };
        if !reply.is_empty() {
            append(inbox.reply, DATA, 0, self.stream, &reply);
        }
        *left -= used;
        self.unacknowledged += used as u32;
        if is_whole {
            self.data = None;
            if is_end {
                self.end_stream(inbox)?;
            }
        }
        self.open_windows(inbox.reply);
        Ok(used)
    }

    /// Gives the server new windows if the half of them is used.
    fn open_windows(&mut self, out: &mut Vec<u8>) {
        if self.unacknowledged >= WINDOW / 2 {
            let increment = std::mem::take(&mut self.unacknowledged).to_be_bytes();
            append(out, WINDOW_UPDATE, 0, 0, &increment);
            // The stream of a poll is too short to need one.
            if matches!(self.body, Body::Stream(_)) {
                append(out, WINDOW_UPDATE, 0, self.stream, &increment);
            }
        }
    }

    /// Sends the next poll at the end of a response.
    fn end_stream(&mut self, inbox: &mut Inbox<'_>) -> Result<(), Gone> {
        let Body::Polls { polls, request, has_cursor } = &mut self.body else {
            return Err(Gone::Closed);
        };
        if !std::mem::take(has_cursor) {
            return Err(Gone::Invalid("the response to a poll has no cursor"));
        }
        self.rest.clear();
        self.stream += 2;
        inbox.answers += 1;
        inbox.score.requests += 1;
        request.get(inbox.reply, self.stream, &polls.next().concat());
        Ok(())
    }
}

impl Reader for Http2 {
    fn take(&mut self, input: &[u8], inbox: &mut Inbox<'_>) -> Result<usize, Gone> {
        let mut at = 0;
        loop {
            if self.data.is_some() {
                at += self.content(&input[at..], inbox)?;
                if self.data.is_some() {
                    return Ok(at);
                }
            }
            let Some(frame) = Frame::read(&input[at..])? else { return Ok(at) };
            if frame.kind == DATA {
                at += HEAD;
                let ends_stream = frame.flags & END_STREAM != 0;
                self.data = Some(Data { left: frame.length, ends_stream });
                continue;
            }
            let end = at + HEAD + frame.length;
            let Some(payload) = input.get(at + HEAD..end) else { return Ok(at) };
            self.frame(&frame, payload, inbox)?;
            at = end;
        }
    }
}

impl Body {
    /// Reads content. Returns the number of used bytes.
    fn take(&mut self, input: &[u8], is_end: bool, inbox: &mut Inbox<'_>) -> Result<usize, Gone> {
        match self {
            Self::Stream(reader) => reader.take(input, inbox),
            Self::Polls { polls, has_cursor, .. } => {
                if !*has_cursor {
                    if !is_end && input.len() < Polls::START {
                        return Ok(0);
                    }
                    polls.read(input)?;
                    *has_cursor = true;
                }
                Ok(inbox.scan(input))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::http::Events;
    use super::super::tests::{five_by_cuts, payload};
    use super::super::websocket::Frames;
    use super::*;

    fn request() -> Request {
        Request {
            is_secure: true,
            authority: "a:1".into(),
            headers: vec![("x".into(), "y".into())],
        }
    }

    fn settings() -> Vec<u8> {
        let mut out = Vec::new();
        append(&mut out, SETTINGS, 0, 0, &[0, 8, 0, 0, 0, 1]);
        append(&mut out, WINDOW_UPDATE, 0, 0, &[0, 0, 1, 0]);
        out
    }

    /// Returns a response whose content is cut into DATA frames of 70 bytes, which splits stamps.
    fn response(stream: u32, content: &[u8], ends: bool) -> Vec<u8> {
        let mut out = Vec::new();
        append(&mut out, HEADERS, END_HEADERS, stream, &[0x3f, 0xe1, 0x1f, 0x88, 0x40]);
        for part in content.chunks(70) {
            append(&mut out, DATA, 0, stream, part);
        }
        append(&mut out, PING, 0, 0, b"abcdefgh");
        if ends {
            append(&mut out, DATA, END_STREAM, stream, &[]);
        }
        out
    }

    #[test]
    fn every_event_counts_once_at_every_split() {
        let events: Vec<u8> = (0..5)
            .flat_map(|at| [b"id: a-1\ndata: ", &payload(at)[..], b"\n\n"].concat())
            .collect();
        let bytes = [settings(), response(1, &events, false)].concat();
        for cut in 1..bytes.len() {
            let (_, mut reader) =
                Http2::get("/", &request(), Body::Stream(Box::new(Events::default())));
            let (reply, answers) = five_by_cuts(&bytes, cut, &mut reader);
            let expected = b"\0\0\0\x04\x01\0\0\0\0\0\0\x08\x06\x01\0\0\0\0abcdefgh";
            assert_eq!((&reply[..], answers), (&expected[..], 1));
        }
    }

    #[test]
    fn a_websocket_begins_once_the_server_allows_it_and_answers_pings_in_its_stream() {
        let (first, _) = Http2::connect("/t", &request(), Box::new(Frames::default()));
        assert!(!first.windows(7).any(|part| part == b"CONNECT"));
        let frames: Vec<u8> =
            (0..5).flat_map(|at| [&[0x81, 126, 1, 44][..], &payload(at)].concat()).collect();
        let bytes =
            [settings(), response(1, &[&frames[..], b"\x89\x01!"].concat(), false)].concat();
        for cut in 1..bytes.len() {
            let (_, mut reader) = Http2::connect("/t", &request(), Box::new(Frames::default()));
            let (reply, answers) = five_by_cuts(&bytes, cut, &mut reader);
            assert!(reply.windows(9).any(|part| part == b"websocket"));
            assert!(reply.windows(10).any(|part| part == b"\0\0\0\x01\x8a\x81\0\0\0\0"));
            assert_eq!(answers, 1);
        }
    }

    #[test]
    fn every_response_is_followed_by_a_poll_on_the_next_stream() {
        let body = |sequences: &[u64]| {
            let payloads: Vec<u8> = sequences.iter().flat_map(|at| payload(*at)).collect();
            [br#"{"cursor":"a-7","notifications":["#, &payloads[..], b"]}"].concat()
        };
        let responses = [(1, &[][..]), (3, &[0, 1, 2]), (5, &[3]), (7, &[4])];
        let responses = responses.map(|(stream, all)| response(stream, &body(all), true)).concat();
        let bytes = [settings(), responses].concat();
        for cut in 1..bytes.len() {
            let polls = Polls::new("/t?after=".into(), "&wait=60".into());
            let body = Body::Polls { polls, request: request(), has_cursor: false };
            let (_, mut reader) = Http2::get("/t", &request(), body);
            let (reply, answers) = five_by_cuts(&bytes, cut, &mut reader);
            let polls = reply.windows(20).filter(|part| part == b"/t?after=a-7&wait=60").count();
            assert_eq!((polls, answers, reader.stream), (4, 4, 9));
        }
    }
}
