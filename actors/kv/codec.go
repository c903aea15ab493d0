package kv

import (
	"encoding/binary"
	"fmt"

	"butler/internal/journal"
)

// The buckets of the store.
const (
	// bucketNamespace holds the namespaces, by namespaceKey.
	bucketNamespace journal.Bucket = "kv_namespace"
	// bucketValue holds the values, by valueKey. Values of a namespace that is not in
	// bucketNamespace are left over from its deletion.
	bucketValue journal.Bucket = "kv_value"
)

// version is the first byte of every entry. A release that changes the layout
// increments it and still reads the older ones.
const version = 1

// idSize is the length of a namespace's ID in a key.
const idSize = 8

// namespaceKey is the key of a namespace: its ID. A name that is used again gets a new
// ID, so that values left over from the deletion never reappear.
func namespaceKey(id uint64) string {
	return string(binary.BigEndian.AppendUint64(make([]byte, 0, idSize), id))
}

// valueKey is the key of a value.
func valueKey(id uint64, key string) string { return namespaceKey(id) + key }

// splitKey returns the namespace and the key that a key of the ledger names.
func splitKey(raw string) (id uint64, key string, err error) {
	if len(raw) < idSize {
		return 0, "", fmt.Errorf("%w: key of %d bytes", journal.ErrCorrupt, len(raw))
	}
	return binary.BigEndian.Uint64([]byte(raw[:idSize])), raw[idSize:], nil
}

// encodeNamespace returns the entry of a namespace.
func encodeNamespace(name string) []byte { return append([]byte{version}, name...) }

func decodeNamespace(raw []byte) (string, error) {
	if len(raw) == 0 || raw[0] != version {
		return "", fmt.Errorf("%w: namespace of an unknown version", journal.ErrCorrupt)
	}
	return string(raw[1:]), nil
}

// valueHead is the length of an entry without its value: version, since, revision, until.
const valueHead = 1 + 3*8

// encodeValue returns the entry of a value.
func encodeValue(p *pair) []byte {
	out := append(make([]byte, 0, valueHead+len(p.value)), version)
	out = binary.BigEndian.AppendUint64(out, p.since)
	out = binary.BigEndian.AppendUint64(out, p.revision)
	out = binary.BigEndian.AppendUint64(out, uint64(p.until))
	return append(out, p.value...)
}

func decodeValue(key string, raw []byte) (*pair, error) {
	if len(raw) < valueHead || raw[0] != version {
		return nil, fmt.Errorf("%w: value of an unknown version", journal.ErrCorrupt)
	}
	return &pair{
		key:      key,
		since:    binary.BigEndian.Uint64(raw[1:]),
		revision: binary.BigEndian.Uint64(raw[9:]),
		until:    int64(binary.BigEndian.Uint64(raw[17:])),
		value:    string(raw[valueHead:]),
		index:    -1,
	}, nil
}
