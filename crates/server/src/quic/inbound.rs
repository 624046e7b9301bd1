//! The messages of a client: each is one unidirectional stream.

use std::sync::Arc;

use futures::{Stream, stream};
use tidings_transport::{Decoder, Encoder, Inbound};
use web_transport_quinn::{ReadError, RecvStream, Session};

/// The most bytes that one read returns.
const MAX_READ: usize = 16 << 10;

/// The messages of a client, one after the other, until the session ends. A stream that the client resets is ignored.
pub(super) fn inbound(session: Session, encoder: Arc<dyn Encoder>) -> impl Stream<Item = Inbound> {
    stream::unfold((session, encoder), |(session, encoder)| async move {
        let inbound = next(&session, &*encoder).await?;
        Some((inbound, (session, encoder)))
    })
}

/// `None` at the end of the session.
async fn next(session: &Session, encoder: &dyn Encoder) -> Option<Inbound> {
    loop {
        let mut stream = session.accept_uni().await.ok()?;
        let mut decoder = encoder.decoder()?;
        if let Ok(Some(inbound)) = message(&mut stream, &mut *decoder).await {
            return Some(inbound);
        }
    }
}

/// Reads a stream to its end, or until the decoder finds a fault.
async fn message(
    stream: &mut RecvStream,
    decoder: &mut dyn Decoder,
) -> Result<Option<Inbound>, ReadError> {
    let mut inbound = Vec::new();
    // Ordered: an unordered read after an ordered one may return bytes twice, and the library has read the header of the
    // stream in order. So this does not use `read_to_end`.
    while let Some(chunk) = stream.read_chunk(MAX_READ, true).await? {
        // A stream has one message, so the decoder does not stop before the end.
        decoder.decode(&mut chunk.bytes.to_vec(), &mut inbound);
        if !inbound.is_empty() {
            return Ok(inbound.pop());
        }
    }
    decoder.finish(&mut inbound);
    Ok(inbound.pop())
}
