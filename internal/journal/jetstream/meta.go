package jetstream

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"go.uber.org/zap"
)

// The description of a stream, and its checksum: HighwayHash-64 in hexadecimal,
// keyed with the stream's name. The server leaves out a stream
// whose description it cannot trust, with all its records, so a copy is kept.
const (
	metaFile = "meta.inf"
	metaSum  = "meta.sum"
	metaDir  = "meta"
)

// metaPath is where the copy of a stream's description is.
func metaPath(dir, stream string) string { return filepath.Join(dir, metaDir, stream) }

// streamPath is where the server keeps a stream.
func streamPath(dir, stream string) string {
	return filepath.Join(dir, "jetstream", "$G", "streams", stream)
}

// metaIsWhole reports whether the description in path is what was written.
func metaIsWhole(path, stream string) bool {
	body, err := os.ReadFile(filepath.Join(path, metaFile))
	if err != nil {
		return false
	}
	sum, err := os.ReadFile(filepath.Join(path, metaSum))
	if err != nil {
		return false
	}
	h, err := newHash(stream)
	if err != nil {
		return false
	}
	h.Write(body)
	return hex.EncodeToString(h.Sum(nil)) == string(sum)
}

// copyMeta copies a description from one directory to another.
func copyMeta(from, to string) error {
	if err := os.MkdirAll(to, 0o700); err != nil {
		return err
	}
	for _, name := range []string{metaFile, metaSum} {
		body, err := os.ReadFile(filepath.Join(from, name))
		if err != nil {
			return err
		}
		if has, err := os.ReadFile(filepath.Join(to, name)); err == nil && bytes.Equal(has, body) {
			continue
		}
		if err := replaceFile(filepath.Join(to, name), body); err != nil {
			return err
		}
	}
	return nil
}

// mendMeta puts the copy of a description in the place of a damaged one.
// Without a copy, a stream that holds nothing is removed and made anew.
func (i *inspection) mendMeta(path, stream string) error {
	if metaIsWhole(path, stream) {
		return nil
	}
	if kept := metaPath(i.dir, stream); metaIsWhole(kept, stream) {
		i.log.Warn("the description of a log is damaged, its copy is used", zap.String("log", stream))
		return copyMeta(kept, path)
	}
	if sizeOf(filepath.Join(path, blocksDir)) > 0 {
		return errors.New("its description (meta.inf) is damaged and there is no copy: restore the directory of the journal from a backup, or move it away")
	}
	if err := os.RemoveAll(path); err != nil {
		return fmt.Errorf("remove what is left of a log that was never used: %w", err)
	}
	return nil
}
