// WebSocket by gorilla/websocket in a plain loop: a map of connections, and a loop that writes to each of them.
// Publishes are requests of the load.
package main

import (
	"io"
	"log"
	"net/http"
	"os"
	"sync"

	"github.com/gorilla/websocket"
)

var upgrader = websocket.Upgrader{}

// topics has the connections of each path. The library allows one writer per connection at a time, so that the lock is
// held while a message is written to all of them.
var (
	mutex  sync.Mutex
	topics = map[string]map[*websocket.Conn]bool{}
)

func subscribe(w http.ResponseWriter, r *http.Request) {
	topic := r.URL.Path
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		log.Println(err)
		return
	}
	mutex.Lock()
	if topics[topic] == nil {
		topics[topic] = map[*websocket.Conn]bool{}
	}
	topics[topic][conn] = true
	mutex.Unlock()
	for {
		if _, _, err := conn.ReadMessage(); err != nil {
			break
		}
	}
	mutex.Lock()
	delete(topics[topic], conn)
	mutex.Unlock()
	conn.Close()
}

func publish(w http.ResponseWriter, r *http.Request) {
	message, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	mutex.Lock()
	for conn := range topics[r.URL.Path] {
		if err := conn.WriteMessage(websocket.TextMessage, message); err != nil {
			log.Println(err)
		}
	}
	mutex.Unlock()
	io.WriteString(w, "{}")
}

func main() {
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			publish(w, r)
		} else {
			subscribe(w, r)
		}
	})
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Args[1], nil))
}
