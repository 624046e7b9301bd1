//! The frames that a server sends, which are not masked (RFC 6455, section 5.2).

use bytes::{BufMut, Bytes, BytesMut};
use tidings_core::{Format, Kind, Reason};
use tidings_transport::ENVELOPE;
use tokio_tungstenite::tungstenite::protocol::frame::FrameHeader;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Control, Data, OpCode};

/// Encodes a notification as one frame with the bare payload, as `new WebSocket(url).onmessage` expects.
pub(crate) static BARE: Format = Format::new("websocket", |entry| {
    let notification = entry.notification();
    message(notification.kind(), notification.payload())
});

/// Encodes a notification as one text frame with its JSON envelope.
pub(crate) static ENVELOPED: Format =
    Format::new("websocket tidings.v1", |entry| text(&entry.encoded(&ENVELOPE)));

/// The end of a sync flush, which a message does not have (RFC 7692, section 7.2.1).
const FLUSH: &[u8] = &[0, 0, 0xff, 0xff];

pub(crate) fn message(kind: Kind, payload: &[u8]) -> Bytes {
    frame(opcode(kind), payload)
}

/// A compressed message (RFC 7692, section 7.2.1). `deflated` ends with a sync flush, or is empty if the message is.
pub(crate) fn compressed(kind: Kind, deflated: &[u8]) -> Bytes {
    // An empty message is one empty block (section 7.2.3.6).
    let payload = deflated.strip_suffix(FLUSH).unwrap_or(&[0]);
    let header = FrameHeader { opcode: opcode(kind), rsv1: true, ..FrameHeader::default() };
    with_header(&header, payload)
}

fn opcode(kind: Kind) -> OpCode {
    OpCode::Data(match kind {
        Kind::Text => Data::Text,
        Kind::Binary => Data::Binary,
    })
}

pub(crate) fn text(payload: &[u8]) -> Bytes {
    frame(OpCode::Data(Data::Text), payload)
}

pub(crate) fn ping() -> Bytes {
    frame(OpCode::Control(Control::Ping), b"")
}

pub(crate) fn pong(payload: &[u8]) -> Bytes {
    frame(OpCode::Control(Control::Pong), payload)
}

/// A close frame with the code and the phrase of this reason (section 5.5.1).
pub(crate) fn close(reason: Reason) -> Bytes {
    let mut payload = BytesMut::new();
    payload.put_u16(reason.code());
    payload.put_slice(reason.phrase().as_bytes());
    frame(OpCode::Control(Control::Close), &payload)
}

/// The reply to a peer's close frame: a close frame with the same code, or without a code if it had none.
pub(crate) fn close_echo(code: Option<u16>) -> Bytes {
    let payload = code.map(u16::to_be_bytes);
    frame(OpCode::Control(Control::Close), payload.as_ref().map_or(&[], |code| &code[..]))
}

fn frame(opcode: OpCode, payload: &[u8]) -> Bytes {
    with_header(&FrameHeader { opcode, ..FrameHeader::default() }, payload)
}

fn with_header(header: &FrameHeader, payload: &[u8]) -> Bytes {
    let length = payload.len() as u64;
    let mut frame = BytesMut::with_capacity(header.len(length) + payload.len()).writer();
    // Writing to a `BytesMut` does not fail.
    let _ = header.format(length, &mut frame);
    let mut frame = frame.into_inner();
    frame.put_slice(payload);
    frame.freeze()
}
