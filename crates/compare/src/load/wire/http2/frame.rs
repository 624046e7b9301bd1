//! Frames, and the heads of requests and responses in them.

use crate::load::gone::Gone;

/// The first bytes of a connection (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The flow-control window of a connection and of each stream in bytes. Browsers have windows of this size.
pub(super) const WINDOW: u32 = 16 << 20;

/// The window that a connection has at first (section 6.9.2).
const FIRST_WINDOW: u32 = 65_535;

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PING: u8 = 6;
pub(super) const GOAWAY: u8 = 7;
pub(super) const WINDOW_UPDATE: u8 = 8;

/// Flags of frames. The first one means END_STREAM for DATA and HEADERS.
pub(super) const ACK: u8 = 1;
pub(super) const END_STREAM: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;
pub(super) const PADDED: u8 = 8;
pub(super) const PRIORITY: u8 = 0x20;

/// Identifiers of settings (section 6.5.2; RFC 8441, section 3).
const ENABLE_PUSH: u16 = 2;
const INITIAL_WINDOW_SIZE: u16 = 4;
const ENABLE_CONNECT_PROTOCOL: u16 = 8;

/// The length of the head of a frame.
pub(super) const HEAD: usize = 9;

/// A request, without its pseudo-header fields for the method and the path.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) is_secure: bool,
    pub(crate) authority: String,
    /// Names in lower case, with values.
    pub(crate) headers: Vec<(String, String)>,
}

/// The head of a frame.
pub(super) struct Frame {
    pub(super) length: usize,
    pub(super) kind: u8,
    pub(super) flags: u8,
    /// The identifier of its stream. 0 means the connection.
    pub(super) stream: u32,
}

impl Request {
    /// Appends a GET on this stream.
    pub(super) fn get(&self, out: &mut Vec<u8>, stream: u32, path: &[u8]) {
        // Entry 2 of the static table (RFC 7541, appendix A).
        self.append(out, &[0x82], END_HEADERS | END_STREAM, stream, path, &[]);
    }

    /// Appends an extended CONNECT on this stream (RFC 8441, section 4).
    pub(super) fn connect(&self, out: &mut Vec<u8>, stream: u32, path: &[u8]) {
        let mut method = vec![0x02];
        string(&mut method, b"CONNECT");
        self.append(out, &method, END_HEADERS, stream, path, &[(":protocol", "websocket")]);
    }

    fn append(
        &self,
        out: &mut Vec<u8>,
        method: &[u8],
        flags: u8,
        stream: u32,
        path: &[u8],
        pseudo: &[(&str, &str)],
    ) {
        let mut block = method.to_vec();
        // Entries 6 and 7 are the schemes; names 1 and 4 are :authority and :path.
        block.push(if self.is_secure { 0x87 } else { 0x86 });
        block.push(0x01);
        string(&mut block, self.authority.as_bytes());
        block.push(0x04);
        string(&mut block, path);
        let headers = self.headers.iter().map(|(name, value)| (&**name, &**value));
        for (name, value) in pseudo.iter().copied().chain(headers) {
            block.push(0x00);
            string(&mut block, name.as_bytes());
            string(&mut block, value.as_bytes());
        }
        append(out, HEADERS, flags, stream, &block);
    }
}

impl Frame {
    /// Parses the head of a frame. Returns `None` if it is not complete.
    pub(super) fn read(input: &[u8]) -> Result<Option<Self>, Gone> {
        let Some(&[high, middle, low, kind, flags, stream @ ..]) = input.first_chunk::<HEAD>()
        else {
            return Ok(None);
        };
        if kind == DATA && flags & PADDED != 0 {
            return Err(Gone::Invalid("the server sent padding, which the load does not read"));
        }
        let length = u32::from_be_bytes([0, high, middle, low]) as usize;
        // The first bit is reserved (section 4.1).
        let stream = u32::from_be_bytes(stream) & 0x7fff_ffff;
        Ok(Some(Self { length, kind, flags, stream }))
    }
}

/// The preface, the settings and the window of the connection.
pub(super) fn opening() -> Vec<u8> {
    let mut out = PREFACE.to_vec();
    let settings = [(ENABLE_PUSH, 0), (INITIAL_WINDOW_SIZE, WINDOW)];
    let settings = settings.map(|(id, value)| {
        let ([a, b], [c, d, e, f]) = (id.to_be_bytes(), value.to_be_bytes());
        [a, b, c, d, e, f]
    });
    append(&mut out, SETTINGS, 0, 0, settings.as_flattened());
    append(&mut out, WINDOW_UPDATE, 0, 0, &(WINDOW - FIRST_WINDOW).to_be_bytes());
    out
}

/// Appends a frame.
pub(super) fn append(out: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    let [_, high, middle, low] = (payload.len() as u32).to_be_bytes();
    out.extend_from_slice(&[high, middle, low, kind, flags]);
    out.extend_from_slice(&stream.to_be_bytes());
    out.extend_from_slice(payload);
}

/// Appends a string without Huffman coding (RFC 7541, section 5.2).
fn string(out: &mut Vec<u8>, text: &[u8]) {
    const PREFIX: usize = 0x7f;
    match text.len() {
        length @ 0..PREFIX => out.push(length as u8),
        length => {
            out.push(PREFIX as u8);
            let mut left = length - PREFIX;
            while left >= 0x80 {
                out.push(left as u8 | 0x80);
                left >>= 7;
            }
            out.push(left as u8);
        }
    }
    out.extend_from_slice(text);
}

/// Returns `true` if the settings allow the extended CONNECT.
pub(super) fn enables_connect(settings: &[u8]) -> bool {
    let enabled = [&ENABLE_CONNECT_PROTOCOL.to_be_bytes()[..], &1_u32.to_be_bytes()].concat();
    settings.chunks(6).any(|setting| setting == enabled)
}

/// Returns the status of a response if it has an entry in the static table (RFC 7541, appendix A). Updates of the size
/// of the dynamic table may precede it.
pub(super) fn status(mut block: &[u8]) -> Option<u16> {
    while let Some((first, rest)) = block.split_first()
        && first & 0xe0 == 0x20
    {
        // An integer with a prefix of five bits (RFC 7541, section 5.1).
        let is_long = first & 0x1f == 0x1f;
        let more = rest.iter().take_while(|byte| **byte & 0x80 != 0).count() + 1;
        block = if is_long { rest.get(more..)? } else { rest };
    }
    let entry = block.first()?.checked_sub(0x88)?;
    [200, 204, 206, 304, 400, 404, 500].get(usize::from(entry)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_strings_have_a_length_of_several_bytes() {
        let mut out = Vec::new();
        string(&mut out, &[b'x'; 300]);
        assert_eq!(&out[..4], &[0x7f, 0x80 | 45, 1, b'x']);
    }
}
