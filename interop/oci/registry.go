// Command registry is the Go project's container registry on a free port of this machine, for as long as its standard
// input is open. Its first line says where it listens.
//
//	registry            without a list of referrers: clients write the fallback tag
//	registry referrers  with one
package main

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"

	"github.com/google/go-containerregistry/pkg/registry"
)

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	lists := len(os.Args) > 1 && os.Args[1] == "referrers"
	handler := registry.New(registry.WithReferrersSupport(lists), registry.Logger(log.New(io.Discard, "", 0)))
	go func() {
		log.Fatal(http.Serve(listener, handler))
	}()
	fmt.Println(listener.Addr())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
