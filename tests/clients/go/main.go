// A client made of Go's gorilla/websocket, told what to do on stdin (see ../README.md).
package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

var mutex sync.Mutex

func say(words ...any) {
	mutex.Lock()
	defer mutex.Unlock()
	fmt.Println(words...)
}

func hear(socket *websocket.Conn) {
	socket.SetPongHandler(func(string) error { say("pong"); return nil })
	for {
		_, text, err := socket.ReadMessage()
		if err != nil {
			code := websocket.CloseAbnormalClosure
			var closed *websocket.CloseError
			if errors.As(err, &closed) {
				code = closed.Code
			}
			say("closed", code)
			return
		}
		say("text", string(text))
	}
}

func open(words []string) *websocket.Conn {
	dialer := websocket.Dialer{Subprotocols: words[1:]}
	socket, response, err := dialer.Dial(words[0], nil)
	if err != nil {
		if response == nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		say("refused", response.StatusCode)
		return nil
	}
	protocol := socket.Subprotocol()
	if protocol == "" {
		protocol = "-"
	}
	say("open", protocol)
	go hear(socket)
	return socket
}

func main() {
	var socket *websocket.Conn
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		what, rest, _ := strings.Cut(lines.Text(), " ")
		soon := time.Now().Add(5 * time.Second)
		switch what {
		case "open":
			socket = open(strings.Fields(rest))
		case "send":
			_ = socket.WriteMessage(websocket.TextMessage, []byte(rest))
		case "ping":
			_ = socket.WriteControl(websocket.PingMessage, nil, soon)
		case "close":
			normal := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
			_ = socket.WriteControl(websocket.CloseMessage, normal, soon)
		}
	}
}
