// The web server of the test bed's pods: it says who answered whom, in one line, and does little else, so that what a client
// waits for is the way there and back.
package main

import (
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
)

func main() {
	pod, err := os.Hostname()
	if err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("/", func(answer http.ResponseWriter, request *http.Request) {
		client, _, err := net.SplitHostPort(request.RemoteAddr)
		if err != nil {
			http.Error(answer, err.Error(), http.StatusInternalServerError)
			return
		}
		// A v4 client as a v6 socket sees it.
		fmt.Fprintf(answer, "%s %s\n", pod, strings.TrimPrefix(client, "::ffff:"))
	})
	log.Fatal(http.ListenAndServe(":8080", nil))
}
