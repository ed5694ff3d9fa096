package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// The longest entries tile: 256 entries, each with its length.
const answerMax = 256 * (1<<16 + 1)

// source is where a log's files are: a folder, or an address at which they are served.
type source string

// read returns one file of the log.
func (s source) read(name string) ([]byte, error) {
	if !strings.HasPrefix(string(s), "http://") {
		return os.ReadFile(filepath.Join(string(s), name))
	}
	client := http.Client{Timeout: 20 * time.Second}
	answer, err := client.Get(string(s) + "/" + name)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", name, answer.Status)
	}
	return io.ReadAll(io.LimitReader(answer.Body, answerMax))
}
