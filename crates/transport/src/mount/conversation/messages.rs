//! Serves a client whose transport keeps its messages apart.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::Arc;

use futures::{Stream, StreamExt};
use tidings_core::Reason;
use tokio::io::AsyncWrite;

use super::state::Conversation;
use crate::mount::Client;
use crate::{Encoder, Inbound};

/// Serves a client until it was sent a goodbye: see [`Client::converse_in_messages`].
pub(crate) async fn run_in_messages<W, M>(
    writer: W,
    messages: M,
    client: Client,
    encoder: Arc<dyn Encoder>,
) -> io::Result<Reason>
where
    W: AsyncWrite + Unpin,
    M: Stream<Item = Inbound>,
{
    let mut messages = pin!(messages.fuse());
    let mut conversation = Conversation::begin(writer, client, encoder).await?;
    let reason = loop {
        if let Some(reason) = conversation.reply().await? {
            break reason;
        }
        let is_pending = !conversation.pending.is_empty();
        tokio::select! {
            () = poll_fn(|context| conversation.pending.poll(context)), if is_pending => {}
            event = conversation.subscription.next() => {
                if let Some(reason) = conversation.send(event).await? {
                    return Ok(reason);
                }
            }
            // One message at a time, in their order.
            Some(next) = messages.next(), if !is_pending => match next {
                Inbound::Message(message) => conversation.handle(message),
                Inbound::Reply(bytes) => conversation.output.write(bytes).await?,
                Inbound::Closed(_) => break Reason::Normal,
                Inbound::Fault(reason) => break reason,
            },
        }
    };
    conversation.end(reason).await
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::mount::conversation::tests::{Plain, client};
    use crate::{Message, OnMessage};
    use futures::stream;
    use tidings_core::Hub;
    use tokio::io::AsyncReadExt;

    async fn sent(on_message: OnMessage, inbound: Vec<Inbound>) -> (String, Reason) {
        let hub = Hub::default();
        let (here, mut there) = tokio::io::duplex(1024);
        let client = Client { on_message, ..client(&hub) };
        let running = run_in_messages(here, stream::iter(inbound), client, Arc::new(Plain));
        let mut sent = String::new();
        let (reason, read) = tokio::join!(running, there.read_to_string(&mut sent));
        read.unwrap();
        assert!(hub.pool().is_empty());
        (sent, reason.unwrap())
    }

    fn text(text: &str) -> Inbound {
        Inbound::Message(Message::text(text))
    }

    #[tokio::test(start_paused = true)]
    async fn a_fault_comes_after_the_notifications_of_earlier_messages() {
        let to_topic = OnMessage::published_to("a".parse().unwrap());
        let inbound = vec![text("one "), text("two "), Inbound::Fault(Reason::TooBig), text("no ")];
        assert_eq!(sent(to_topic, inbound).await, ("one two too_big".to_owned(), Reason::TooBig));
    }

    #[tokio::test(start_paused = true)]
    async fn a_message_that_is_not_allowed_ends_the_client() {
        let (sent, reason) = sent(OnMessage::rejected(), vec![text("one ")]).await;
        assert_eq!((&*sent, reason), ("not_allowed", Reason::NotAllowed));
    }

    #[tokio::test(start_paused = true)]
    async fn messages_are_handled_one_at_a_time_while_the_client_is_sent_heartbeats() {
        let slow = OnMessage::new(|_, message: Message| async move {
            tokio::time::sleep(Duration::from_secs(28)).await;
            if message.as_text() == Some("last") { Err(Reason::Normal) } else { Ok(None) }
        });
        let (sent, reason) = sent(slow, vec![text("first"), text("last"), text("never")]).await;
        assert_eq!((&*sent, reason), ("beat beat normal", Reason::Normal));
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_sends_nothing_gets_no_strikes() {
        let hub = Hub::default();
        let (here, mut there) = tokio::io::duplex(1024);
        let running = run_in_messages(here, stream::empty(), client(&hub), Arc::new(Plain));
        let reading = async {
            let mut beats = [0; 5 * 20];
            there.read_exact(&mut beats).await.unwrap();
            hub.close(Reason::GoingAway);
            let mut rest = String::new();
            there.read_to_string(&mut rest).await.unwrap();
            assert_eq!(rest, "going_away");
        };
        let (reason, ()) = tokio::join!(running, reading);
        assert_eq!(reason.unwrap(), Reason::GoingAway);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_reads_nothing_is_cut_off_at_the_write_deadline() {
        let hub = Hub::default();
        let (here, _there) = tokio::io::duplex(8);
        let begun = tokio::time::Instant::now();
        let running = run_in_messages(here, stream::empty(), client(&hub), Arc::new(Plain));
        let error = running.await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        // Two heartbeats fill the pipe, and the second one waits.
        assert_eq!(begun.elapsed(), 2 * hub.heartbeat().interval + Duration::from_secs(10));
    }
}
