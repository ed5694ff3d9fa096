package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

const tileHeight = 8

// tiles reads the hash tiles of a log. The hash reader above it checks each against the tree's root.
type tiles struct{ source source }

func (tiles) Height() int { return tileHeight }

func (t tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, tile := range wanted {
		data, err := t.source.read(path(tile))
		if err != nil {
			return nil, err
		}
		all = append(all, data)
	}
	return all, nil
}

func (tiles) SaveTiles([]tlog.Tile, [][]byte) {}

// path is where C2SP's tlog-tiles has a tile: as the Go checksum database does, without the height and with another
// name for entries.
func path(tile tlog.Tile) string {
	path := strings.TrimPrefix(tile.Path(), fmt.Sprintf("tile/%d/", tileHeight))
	return "tile/" + strings.Replace(path, "data/", "entries/", 1)
}

// proveEntries proves that the head contains each entry, and returns how many there are.
func proveEntries(log source, head tlog.Tree) (int64, error) {
	hashes := tlog.TileHashReader(head, tiles{log})
	var index int64
	for index < head.N {
		entries, err := readEntries(log, index/(1<<tileHeight), head.N)
		if err != nil {
			return 0, err
		}
		for _, entry := range entries {
			if err := proveEntry(entry, index, head, hashes); err != nil {
				return 0, fmt.Errorf("entry %d: %w", index, err)
			}
			index++
		}
	}
	return index, nil
}

func proveEntry(entry []byte, index int64, head tlog.Tree, hashes tlog.HashReader) error {
	proof, err := tlog.ProveRecord(head.N, index, hashes)
	if err != nil {
		return err
	}
	return tlog.CheckRecord(proof, head.N, head.Hash, index, tlog.RecordHash(entry))
}

// readEntries returns the entries of a tile, exactly as many as a tree of this size has there.
func readEntries(log source, number, size int64) ([][]byte, error) {
	width := min(size-number<<tileHeight, 1<<tileHeight)
	tile := tlog.Tile{H: tileHeight, L: -1, N: number, W: int(width)}
	rest, err := log.read(path(tile))
	if err != nil {
		return nil, err
	}
	var entries [][]byte
	for len(rest) > 0 {
		if len(rest) < 2 {
			return nil, errors.New("entries: cut off")
		}
		end := 2 + int(binary.BigEndian.Uint16(rest))
		if len(rest) < end {
			return nil, errors.New("entries: cut off")
		}
		entries = append(entries, rest[2:end])
		rest = rest[end:]
	}
	if int64(len(entries)) != width {
		return nil, fmt.Errorf("entries: %d in a tile of %d", len(entries), width)
	}
	return entries, nil
}
