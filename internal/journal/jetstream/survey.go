package jetstream

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// StreamFiles describes the files of a stream, as far as that is possible from outside.
type StreamFiles struct {
	Stream string
	// First and Next are its bounds; exact when the previous process ended in order.
	First, Next uint64
	// Missing is the number of records in between that are known to be lost.
	Missing int64
	Blocks  int
	Bytes   int64
}

// Survey describes the directory of a journal, and reports whether the last process
// ended in order. It opens no log and changes nothing, so it is safe beside a running
// service.
func Survey(dir string) (streams []StreamFiles, orderly bool, err error) {
	if _, err := os.Stat(dir); err != nil {
		return nil, false, err
	}
	d := readDiary(dir)
	for stream, r := range d.Streams {
		s := StreamFiles{Stream: stream, First: uint64(r.First), Next: uint64(r.Next), Missing: r.Gaps.size()}
		blocks := filepath.Join(streamPath(dir, stream), blocksDir)
		numbers, err := blockNumbers(blocks)
		if err != nil {
			return nil, false, err
		}
		s.Blocks = len(numbers)
		for _, number := range numbers {
			// Ignore a block that was removed meanwhile.
			if info, err := os.Stat(filepath.Join(blocks, blockName(number))); err == nil {
				s.Bytes += info.Size()
			}
		}
		streams = append(streams, s)
	}
	slices.SortFunc(streams, func(a, b StreamFiles) int { return strings.Compare(a.Stream, b.Stream) })
	return streams, d.Closed, nil
}
