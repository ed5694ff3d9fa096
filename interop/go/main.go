// Command logcheck reads a Modelward log with the Go project's own log packages, which share no code with Modelward:
// every note is opened, every entry and every earlier checkpoint proved against the head.
//
//	logcheck log FOLDER VERIFIERKEY
//	logcheck proof FILE ENTRY VERIFIERKEY
//
// It ends with 1 and the reason if anything doesn't hold.
package main

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/mod/sumdb/note"
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
		return checkLog(args[1], args[2])
	case len(args) == 4 && args[0] == "proof":
		return checkProof(args[1], args[2], args[3])
	}
	return errors.New("usage: logcheck log FOLDER VERIFIERKEY | logcheck proof FILE ENTRY VERIFIERKEY")
}

func checkLog(folder, key string) error {
	verifier, err := note.NewVerifier(key)
	if err != nil {
		return fmt.Errorf("verifier key: %w", err)
	}
	head, err := readHead(folder, verifier)
	if err != nil {
		return err
	}
	earlier, err := proveHistory(folder, head, verifier)
	if err != nil {
		return err
	}
	entries, err := proveEntries(folder, head)
	if err != nil {
		return err
	}
	fmt.Printf("{\"entries\": %d, \"checkpoints\": %d}\n", entries, earlier)
	return nil
}
