package main

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// readHead returns the tree that the log's signed checkpoint names.
func readHead(log source, verifier note.Verifier) (tlog.Tree, error) {
	signed, err := log.read("checkpoint")
	if err != nil {
		return tlog.Tree{}, err
	}
	return openCheckpoint(signed, verifier)
}

func openCheckpoint(signed []byte, verifier note.Verifier) (tlog.Tree, error) {
	opened, err := note.Open(signed, note.VerifierList(verifier))
	if err != nil {
		return tlog.Tree{}, fmt.Errorf("checkpoint: %w", err)
	}
	return parseCheckpoint(opened.Text, verifier.Name())
}

// parseCheckpoint reads origin, size and root; tlog's own parser knows a single origin only.
func parseCheckpoint(text, origin string) (tlog.Tree, error) {
	lines := strings.SplitN(text, "\n", 4)
	if len(lines) != 4 || lines[0] != origin {
		return tlog.Tree{}, errors.New("checkpoint: not three lines of this log")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return tlog.Tree{}, fmt.Errorf("checkpoint: size: %w", err)
	}
	hash, err := tlog.ParseHash(lines[2])
	if err != nil {
		return tlog.Tree{}, fmt.Errorf("checkpoint: root: %w", err)
	}
	return tlog.Tree{N: size, Hash: hash}, nil
}

// proveHistory proves that the head contains every checkpoint that was ever signed.
func proveHistory(log source, head tlog.Tree, verifier note.Verifier) (int, error) {
	all, err := log.read("checkpoints")
	if err != nil {
		return 0, err
	}
	// A note has an empty line between text and signatures, and here one more after it.
	parts := bytes.SplitAfter(all, []byte("\n\n"))
	hashes := tlog.TileHashReader(head, tiles{log})
	count := 0
	for ; len(parts) >= 2; parts = parts[2:] {
		signed := append(bytes.Clone(parts[0]), bytes.TrimSuffix(parts[1], []byte("\n"))...)
		if err := proveEarlier(signed, head, hashes, verifier); err != nil {
			return 0, fmt.Errorf("checkpoint %d: %w", count, err)
		}
		count++
	}
	if count == 0 || len(bytes.TrimSpace(bytes.Join(parts, nil))) != 0 {
		return 0, errors.New("checkpoints: the list is empty or cut off")
	}
	return count, nil
}

func proveEarlier(signed []byte, head tlog.Tree, hashes tlog.HashReader, verifier note.Verifier) error {
	earlier, err := openCheckpoint(signed, verifier)
	if err != nil {
		return err
	}
	if earlier.N > head.N {
		return errors.New("newer than the head")
	}
	if earlier.N == 0 {
		return nil // every tree contains the empty one
	}
	proof, err := tlog.ProveTree(head.N, earlier.N, hashes)
	if err != nil {
		return err
	}
	return tlog.CheckTree(proof, head.N, head.Hash, earlier.N, earlier.Hash)
}
