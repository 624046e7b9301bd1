//! HTTP/2 (RFC 9113): a connection for each client, with one stream or several.
//!
//! Frames are found in the bytes that arrive, and the contents of DATA frames go to the reader of their stream.
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
    request: Request,
    streams: Vec<Stream>,
    /// The streams whose first response has not arrived yet.
    unanswered: usize,
    /// The identifier of the next stream.
    next: u32,
    /// Frames that are sent once the server has enabled the extended CONNECT.
    waiting: Vec<u8>,
    /// The DATA frame whose content arrives.
    data: Option<Data>,
    /// Received content for which the server has no new window of the connection yet.
    unacknowledged: u32,
}

#[derive(Debug)]
struct Data {
    /// The identifier of its stream.
    stream: u32,
    left: usize,
    ends_stream: bool,
}

/// A stream, or the polls that follow one another.
#[derive(Debug)]
struct Stream {
    id: u32,
    body: Body,
    /// `true` once its first response has arrived.
    is_answered: bool,
    /// The end of a DATA frame that the body has not used.
    rest: Rest,
    /// Received content for which the server has no new window of the stream yet.
    unacknowledged: u32,
}

/// The content of the responses.
#[derive(Debug)]
pub(crate) enum Body {
    /// A stream that does not end.
    Stream(Box<dyn Reader>),
    /// A stream that is a WebSocket (RFC 8441).
    WebSocket(Box<dyn Reader>),
    /// Each response is followed by the next poll.
    Polls { polls: Polls, has_cursor: bool },
}

impl Http2 {
    /// Returns the first bytes of a connection that requests these paths, and the reader.
    pub(crate) fn begin(
        request: Request,
        streams: impl Iterator<Item = (String, Body)>,
    ) -> (Vec<u8>, Self) {
        let mut out = opening();
        let mut reader = Self {
            request,
            streams: Vec::new(),
            unanswered: 0,
            next: 1,
            waiting: Vec::new(),
            data: None,
            unacknowledged: 0,
        };
        for (path, body) in streams {
            let id = reader.next_id();
            match body {
                Body::WebSocket(_) => {
                    reader.request.connect(&mut reader.waiting, id, path.as_bytes());
                }
                _ => reader.request.get(&mut out, id, path.as_bytes()),
            }
            reader.streams.push(Stream {
                id,
                body,
                is_answered: false,
                rest: Rest::default(),
                unacknowledged: 0,
            });
            reader.unanswered += 1;
        }
        (out, reader)
    }

    /// The identifier of a new stream of a client, which is odd.
    fn next_id(&mut self) -> u32 {
        let id = self.next;
        self.next += 2;
        id
    }

    fn position(&self, id: u32) -> Result<usize, Gone> {
        let at = self.streams.iter().position(|stream| stream.id == id);
        at.ok_or(Gone::Invalid("the server sent a frame of a stream that is not open"))
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
        let at = self.position(frame.stream)?;
        if !matches!(self.streams[at].body, Body::Polls { .. }) {
            self.answered(at, inbox);
        }
        match frame.flags & END_STREAM {
            0 => Ok(()),
            _ => self.end_stream(at, inbox),
        }
    }

    /// Counts a response to this stream as an answer, once each stream has its first response.
    fn answered(&mut self, at: usize, inbox: &mut Inbox<'_>) {
        if !std::mem::replace(&mut self.streams[at].is_answered, true) {
            self.unanswered -= 1;
        }
        if self.unanswered == 0 {
            inbox.answers += 1;
        }
    }

    /// Passes the content of a DATA frame to the body of its stream. Returns the number of used bytes.
    fn content(&mut self, input: &[u8], inbox: &mut Inbox<'_>) -> Result<usize, Gone> {
        let Some(Data { stream, left, ends_stream }) = self.data else { return Ok(0) };
        let at = self.position(stream)?;
        let Stream { id, body, rest, unacknowledged, .. } = &mut self.streams[at];
        let is_whole = left <= input.len();
        let part = &input[..input.len().min(left)];
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
        let is_end = is_whole && ends_stream;
        let used = if is_whole || !rest.is_empty() {
            rest.take(part, |bytes| body.take(bytes, is_end, &mut inner))?;
            part.len()
        } else {
            body.take(part, is_end, &mut inner)?
        };
        if !reply.is_empty() {
            append(inbox.reply, DATA, 0, *id, &reply);
        }
        // The stream of a poll is too short to need a new window.
        if !matches!(body, Body::Polls { .. }) {
            acknowledge(unacknowledged, used, *id, inbox.reply);
        }
        acknowledge(&mut self.unacknowledged, used, 0, inbox.reply);
        self.data = match is_whole {
            true => None,
            false => Some(Data { stream, left: left - used, ends_stream }),
        };
        if is_end {
            self.end_stream(at, inbox)?;
        }
        Ok(used)
    }

    /// Sends the next poll at the end of a response.
    fn end_stream(&mut self, at: usize, inbox: &mut Inbox<'_>) -> Result<(), Gone> {
        let id = self.next_id();
        let stream = &mut self.streams[at];
        let Body::Polls { polls, has_cursor } = &mut stream.body else {
            return Err(Gone::Closed);
        };
        if !std::mem::take(has_cursor) {
            return Err(Gone::Invalid("the response to a poll has no cursor"));
        }
        stream.rest.clear();
        stream.id = id;
        inbox.score.requests += 1;
        self.request.get(inbox.reply, id, &polls.next().concat());
        self.answered(at, inbox);
        Ok(())
    }
}

/// Gives the server a new window if the half of it is used: that of a stream, or that of the connection, which is stream 0.
fn acknowledge(unacknowledged: &mut u32, used: usize, stream: u32, out: &mut Vec<u8>) {
    *unacknowledged += used as u32;
    if *unacknowledged >= WINDOW / 2 {
        let increment = std::mem::take(unacknowledged).to_be_bytes();
        append(out, WINDOW_UPDATE, 0, stream, &increment);
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
                let stream = frame.stream;
                self.data = Some(Data { stream, left: frame.length, ends_stream });
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
            Self::Stream(reader) | Self::WebSocket(reader) => reader.take(input, inbox),
            Self::Polls { polls, has_cursor } => {
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

    /// Begins a connection with these bodies, on the streams 1, 3 and so on.
    fn begin(path: &str, bodies: Vec<Body>) -> (Vec<u8>, Http2) {
        Http2::begin(request(), bodies.into_iter().map(|body| (path.to_owned(), body)))
    }

    fn events() -> Body {
        Body::Stream(Box::new(Events::default()))
    }

    fn event(sequence: u64) -> Vec<u8> {
        [b"id: a-1\ndata: ", &payload(sequence)[..], b"\n\n"].concat()
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
        let text: Vec<u8> = (0..5).flat_map(event).collect();
        let bytes = [settings(), response(1, &text, false)].concat();
        for cut in 1..bytes.len() {
            let (_, mut reader) = begin("/", vec![events()]);
            let (reply, answers) = five_by_cuts(&bytes, cut, &mut reader);
            let expected = b"\0\0\0\x04\x01\0\0\0\0\0\0\x08\x06\x01\0\0\0\0abcdefgh";
            assert_eq!((&reply[..], answers), (&expected[..], 1));
        }
    }

    #[test]
    fn streams_whose_frames_alternate_are_answered_once_all_are() {
        let (first, second) =
            ([event(0), event(2), event(4)].concat(), [event(1), event(3)].concat());
        let mut bytes = settings();
        append(&mut bytes, HEADERS, END_HEADERS, 1, &[0x88]);
        append(&mut bytes, HEADERS, END_HEADERS, 3, &[0x88]);
        // Cut within events, so that each stream continues after a part of the other.
        let mut second = second.chunks(200);
        for part in first.chunks(200) {
            append(&mut bytes, DATA, 0, 1, part);
            if let Some(part) = second.next() {
                append(&mut bytes, DATA, 0, 3, part);
            }
        }
        for cut in 1..bytes.len() {
            let (_, mut reader) = begin("/", vec![events(), events()]);
            assert_eq!(five_by_cuts(&bytes, cut, &mut reader).1, 1);
        }
    }

    #[test]
    fn a_websocket_begins_once_the_server_allows_it_and_answers_pings_in_its_stream() {
        let connect = || begin("/t", vec![Body::WebSocket(Box::new(Frames::default()))]);
        let (first, _) = connect();
        assert!(!first.windows(7).any(|part| part == b"CONNECT"));
        let frames: Vec<u8> =
            (0..5).flat_map(|at| [&[0x81, 126, 1, 44][..], &payload(at)].concat()).collect();
        let bytes =
            [settings(), response(1, &[&frames[..], b"\x89\x01!"].concat(), false)].concat();
        for cut in 1..bytes.len() {
            let (_, mut reader) = connect();
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
            let (_, mut reader) = begin("/t", vec![Body::Polls { polls, has_cursor: false }]);
            let (reply, answers) = five_by_cuts(&bytes, cut, &mut reader);
            let polls = reply.windows(20).filter(|part| part == b"/t?after=a-7&wait=60").count();
            assert_eq!((polls, answers, reader.next), (4, 4, 11));
        }
    }
}
