// WebSocket by centrifuge, the library of Centrifugo, with its JSON protocol. The server subscribes each client to the
// channel that its path names. Publishes are requests of the load.
package main

import (
	"context"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"os"

	"github.com/centrifugal/centrifuge"
)

type channelKey struct{}

func main() {
	node, err := centrifuge.New(centrifuge.DefaultConfig)
	if err != nil {
		log.Fatal(err)
	}
	node.OnConnecting(func(ctx context.Context, _ centrifuge.ConnectEvent) (centrifuge.ConnectReply, error) {
		channel, _ := ctx.Value(channelKey{}).(string)
		return centrifuge.ConnectReply{
			Credentials:   &centrifuge.Credentials{},
			Subscriptions: map[string]centrifuge.SubscribeOptions{channel: {}},
		}, nil
	})
	node.OnConnect(func(client *centrifuge.Client) {})
	if err := node.Run(); err != nil {
		log.Fatal(err)
	}
	subscribe := centrifuge.NewWebsocketHandler(node, centrifuge.WebsocketConfig{UseWriteBufferPool: true})
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			subscribe.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), channelKey{}, r.URL.Path)))
			return
		}
		body, err := io.ReadAll(r.Body)
		if err == nil {
			_, err = node.Publish(r.URL.Path, message(body))
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		io.WriteString(w, "{}")
	})
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Args[1], nil))
}

// message returns a body that is JSON, and any other as a JSON string.
func message(body []byte) []byte {
	if json.Valid(body) {
		return body
	}
	text, err := json.Marshal(string(body))
	if err != nil {
		return nil
	}
	return text
}
