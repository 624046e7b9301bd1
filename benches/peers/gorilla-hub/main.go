// WebSocket by gorilla/websocket with a hub as in its chat example: one goroutine owns all clients, and each client has
// a goroutine that reads, a goroutine that writes and a queue between the hub and the writer. Each message is prepared
// once for all clients (PreparedMessage). Publishes are requests of the load.
package main

import (
	"io"
	"log"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

const (
	writeWait  = 10 * time.Second
	pongWait   = 60 * time.Second
	pingPeriod = pongWait * 9 / 10
	queue      = 256
)

var upgrader = websocket.Upgrader{
	ReadBufferSize:  1024,
	WriteBufferSize: 1024,
	// A connection has a buffer only during a write.
	WriteBufferPool: &sync.Pool{},
}

type client struct {
	topic string
	conn  *websocket.Conn
	send  chan *websocket.PreparedMessage
}

type publication struct {
	topic   string
	message *websocket.PreparedMessage
}

type hub struct {
	topics                 map[string]map[*client]bool
	publish                chan publication
	subscribe, unsubscribe chan *client
}

func (h *hub) run() {
	for {
		select {
		case c := <-h.subscribe:
			if h.topics[c.topic] == nil {
				h.topics[c.topic] = map[*client]bool{}
			}
			h.topics[c.topic][c] = true
		case c := <-h.unsubscribe:
			h.remove(c)
		case p := <-h.publish:
			for c := range h.topics[p.topic] {
				select {
				case c.send <- p.message:
				default: // The client is too slow.
					h.remove(c)
				}
			}
		}
	}
}

func (h *hub) remove(c *client) {
	if h.topics[c.topic][c] {
		delete(h.topics[c.topic], c)
		close(c.send)
	}
}

func (c *client) read(h *hub) {
	defer func() {
		h.unsubscribe <- c
		c.conn.Close()
	}()
	c.conn.SetReadLimit(512)
	c.conn.SetReadDeadline(time.Now().Add(pongWait))
	c.conn.SetPongHandler(func(string) error {
		return c.conn.SetReadDeadline(time.Now().Add(pongWait))
	})
	for {
		if _, _, err := c.conn.ReadMessage(); err != nil {
			return
		}
	}
}

func (c *client) write() {
	ticker := time.NewTicker(pingPeriod)
	defer func() {
		ticker.Stop()
		c.conn.Close()
	}()
	for {
		select {
		case message, ok := <-c.send:
			c.conn.SetWriteDeadline(time.Now().Add(writeWait))
			if !ok {
				c.conn.WriteMessage(websocket.CloseMessage, nil)
				return
			}
			if err := c.conn.WritePreparedMessage(message); err != nil {
				return
			}
		case <-ticker.C:
			c.conn.SetWriteDeadline(time.Now().Add(writeWait))
			if err := c.conn.WriteMessage(websocket.PingMessage, nil); err != nil {
				return
			}
		}
	}
}

func main() {
	h := &hub{
		topics:      map[string]map[*client]bool{},
		publish:     make(chan publication),
		subscribe:   make(chan *client),
		unsubscribe: make(chan *client),
	}
	go h.run()
	// A prepared message is compressed once for all clients.
	upgrader.EnableCompression = len(os.Args) > 2 && os.Args[2] == "on"
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			message, err := websocket.NewPreparedMessage(websocket.TextMessage, body)
			if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			h.publish <- publication{r.URL.Path, message}
			io.WriteString(w, "{}")
			return
		}
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			log.Println(err)
			return
		}
		c := &client{r.URL.Path, conn, make(chan *websocket.PreparedMessage, queue)}
		h.subscribe <- c
		go c.write()
		go c.read(h)
	})
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Args[1], nil))
}
