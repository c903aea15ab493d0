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

// The description of a stream, and its checksum: HighwayHash-64 in hexadecimal, keyed
// with the stream's name. The server ignores a stream with an invalid description, and
// all its records, so a copy is kept.
const (
	metaFile = "meta.inf"
	metaSum  = "meta.sum"
	metaDir  = "meta"
)

// metaPath returns the directory of the copy of a stream's description.
func metaPath(dir, stream string) string { return filepath.Join(dir, metaDir, stream) }

// streamPath returns the directory in which the server keeps a stream.
func streamPath(dir, stream string) string {
	return filepath.Join(dir, "jetstream", "$G", "streams", stream)
}

// metaIsWhole reports whether the description in path exists and has the right
// checksum. It fails if that cannot be determined.
func metaIsWhole(path, stream string) (bool, error) {
	body, err := os.ReadFile(filepath.Join(path, metaFile))
	sum, missing := os.ReadFile(filepath.Join(path, metaSum))
	if err = errors.Join(err, missing); err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return false, nil
		}
		return false, err
	}
	h, err := newHash(stream)
	if err != nil {
		return false, err
	}
	h.Write(body)
	return hex.EncodeToString(h.Sum(nil)) == string(sum), nil
}

// copyMeta copies a description and its checksum from one directory to another.
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

// restoreMeta replaces a damaged description by its copy. Without a copy, a stream
// without records is removed, to be created again.
func (i *inspection) restoreMeta(path, stream string) error {
	if whole, err := metaIsWhole(path, stream); whole || err != nil {
		return err
	}
	kept := metaPath(i.dir, stream)
	switch whole, err := metaIsWhole(kept, stream); {
	case err != nil:
		return err
	case whole:
		i.log.Warn("the description of a log is damaged, its copy is used", zap.String("log", stream))
		return copyMeta(kept, path)
	}
	empty, err := isEmpty(path)
	if err != nil {
		return err
	}
	if !empty {
		return errors.New("its description (meta.inf) is damaged and there is no copy: restore the directory of the journal from a backup, or move it away")
	}
	if err := os.RemoveAll(path); err != nil {
		return fmt.Errorf("remove what is left of a log that was never used: %w", err)
	}
	return nil
}

// isEmpty reports whether a stream has no record.
func isEmpty(path string) (bool, error) {
	dir := filepath.Join(path, blocksDir)
	numbers, err := blockNumbers(dir)
	for _, number := range numbers {
		info, err := os.Stat(filepath.Join(dir, blockName(number)))
		if err != nil || info.Size() > 0 {
			return false, err
		}
	}
	return true, err
}
