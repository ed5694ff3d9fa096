// Command logcheck reads a Modelward log with the Go project's own log packages, which share no code with Modelward:
// every note is opened, every entry and every earlier checkpoint proved against the head.
//
//	logcheck log FOLDER VERIFIERKEY
//	logcheck served URL VERIFIERKEY [KEPT]
//	logcheck proof FILE ENTRY VERIFIERKEY
//
// It ends with 1 and the reason if anything doesn't hold.
package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "refused:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 3 && args[0] == "log":
		return checkLog(source(args[1]), args[2])
	case (len(args) == 3 || len(args) == 4) && args[0] == "served":
		return checkServed(source(strings.TrimSuffix(args[1], "/")), args[2], args[3:])
	case len(args) == 4 && args[0] == "proof":
		return checkProof(args[1], args[2], args[3])
	}
	return errors.New("usage: logcheck log FOLDER VERIFIERKEY | logcheck served URL VERIFIERKEY [KEPT] | logcheck proof FILE ENTRY VERIFIERKEY")
}

func checkLog(log source, key string) error {
	verifier, err := note.NewVerifier(key)
	if err != nil {
		return fmt.Errorf("verifier key: %w", err)
	}
	head, err := readHead(log, verifier)
	if err != nil {
		return err
	}
	earlier, err := proveHistory(log, head, verifier)
	if err != nil {
		return err
	}
	entries, err := proveEntries(log, head)
	if err != nil {
		return err
	}
	fmt.Printf("{\"entries\": %d, \"checkpoints\": %d}\n", entries, earlier)
	return nil
}

// checkServed proves every entry of a log that is served, and, where a checkpoint was kept, that the served head contains it.
func checkServed(log source, key string, kept []string) error {
	verifier, err := note.NewVerifier(key)
	if err != nil {
		return fmt.Errorf("verifier key: %w", err)
	}
	head, err := readHead(log, verifier)
	if err != nil {
		return err
	}
	entries, err := proveEntries(log, head)
	if err != nil {
		return err
	}
	for _, file := range kept {
		signed, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		hashes := tlog.TileHashReader(head, tiles{log})
		if err := proveEarlier(signed, head, hashes, verifier); err != nil {
			return fmt.Errorf("kept checkpoint: %w", err)
		}
	}
	fmt.Printf("{\"entries\": %d, \"kept\": %d}\n", entries, len(kept))
	return nil
}
