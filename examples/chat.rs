//! A chat by WebSocket. A message goes to all other clients, and `/who` gets a reply. Run it and open
//! http://127.0.0.1:8080 in two tabs:
//!
//! ```sh
//! cargo run -p tidings-examples --example chat
//! ```

use std::time::Duration;

use axum::{Router, extract::Request, response::Html, routing::get};
use tidings::axum::{Message, MessageSender, Mount, OnMessage, serve};
use tidings::core::{Filters, Heartbeat, Hub, HubConfig, Reason};
use tidings::websocket::{WebSocket, WebSocketConfig};
use tokio::net::TcpListener;

const PAGE: &str = r#"<!doctype html><title>Chat</title><h1>Tidings, a chat</h1><ul></ul>
<form><input placeholder="Say something" autofocus required></form>
<script>
const show = text => document.querySelector('ul').append(Object.assign(document.createElement('li'), {textContent: text}))
const [form, input] = document.querySelectorAll('form, input')
const name = `guest ${Math.floor(Math.random() * 1000)}`
const socket = new WebSocket(`ws://${location.host}/chat`)
socket.onmessage = message => show(message.data)
socket.onclose = close => show(`closed: ${close.code} ${close.reason}`)
form.onsubmit = () => {
  socket.send(input.value === '/who' ? '/who' : `${name}: ${input.value}`)
  show(`I: ${input.value}`)
  form.reset()
  return false
}
</script>"#;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let heartbeat = Heartbeat::default().interval(Duration::from_secs(5));
    let hub = Hub::new(HubConfig::default().heartbeat(heartbeat));
    // A longer message than 4 KiB closes its connection with code 1009.
    let config = WebSocketConfig::default().max_message(4 << 10);
    let chat = Mount::new(hub.clone())
        .transport(WebSocket::new(config))
        .on_message(OnMessage::new(on_message))
        .echo(false); // the page already shows its own messages
    let topic: Filters = "chat".parse()?;
    let chat = async move |request: Request| chat.subscribe(request, topic).await;
    let app = Router::new().route("/", get(Html(PAGE))).route("/chat", get(chat));

    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let listener = TcpListener::bind(address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    serve(listener, app, hub, async { drop(tokio::signal::ctrl_c().await) }).await?;
    Ok(())
}

async fn on_message(sender: MessageSender, message: Message) -> Result<Option<Message>, Reason> {
    if message.as_text() == Some("/who") {
        return Ok(Some(Message::text(format!("{} are here", sender.hub().pool().len()))));
    }
    sender.publish("chat".parse().expect("a topic"), message).await?;
    Ok(None)
}
