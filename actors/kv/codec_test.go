package kv

import (
	"encoding/hex"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"butler/internal/journal"
)

// The entries of version 1, as every later release has to read them.
const (
	namespaceV1 = "01" + "65746c3a61"
	valueV1     = "01" + "0000000000000007" + "0000000000000009" + "0006db94fee10c00" + "323033312d30312d3035"
)

func unhex(t *testing.T, text string) []byte {
	t.Helper()
	raw, err := hex.DecodeString(text)
	must(t, err)
	return raw
}

func TestCodec_readsAndWritesVersion1(t *testing.T) {
	value := pair{key: "last run", value: "2031-01-05", since: 7, revision: 9, until: 1930282838068224, index: -1}
	got, err := decodeValue("last run", unhex(t, valueV1))
	must(t, err)
	if diff := cmp.Diff(value, *got, cmp.AllowUnexported(pair{})); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(valueV1, hex.EncodeToString(encodeValue(&value))); diff != "" {
		t.Error(diff)
	}
	name, err := decodeNamespace(unhex(t, namespaceV1))
	if err != nil || name != "etl:a" {
		t.Errorf("want etl:a, got %q, %v", name, err)
	}
	if diff := cmp.Diff(namespaceV1, hex.EncodeToString(encodeNamespace(name))); diff != "" {
		t.Error(diff)
	}
	id, key, err := splitKey(valueKey(7, "a\x00b"))
	if err != nil || id != 7 || key != "a\x00b" {
		t.Errorf("want key a\\x00b of 7, got %q of %d, %v", key, id, err)
	}
}

func TestCodec_refusesWhatItCannotRead(t *testing.T) {
	for name, raw := range map[string][]byte{"nothing": nil, "another version": unhex(t, "02"+valueV1[2:]), "half of it": unhex(t, valueV1)[:valueHead-1]} {
		if _, err := decodeValue("k", raw); !errors.Is(err, journal.ErrCorrupt) {
			t.Errorf("value of %s: want ErrCorrupt, got %v", name, err)
		}
	}
	for name, raw := range map[string][]byte{"nothing": nil, "another version": unhex(t, "02")} {
		if _, err := decodeNamespace(raw); !errors.Is(err, journal.ErrCorrupt) {
			t.Errorf("namespace of %s: want ErrCorrupt, got %v", name, err)
		}
	}
	if _, _, err := splitKey("short"); !errors.Is(err, journal.ErrCorrupt) {
		t.Errorf("want ErrCorrupt, got %v", err)
	}
}

func TestLoad_refusesAStoreOfWhichSomethingCannotBeRead(t *testing.T) {
	for name, op := range map[string]journal.Op{
		"a namespace": {Bucket: bucketNamespace, Key: namespaceKey(1), Value: []byte{9}},
		"a value":     {Bucket: bucketValue, Key: valueKey(2, "k"), Value: []byte{9}},
		"a key":       {Bucket: bucketValue, Key: "k", Value: []byte{9}},
	} {
		w := newWorld(t, Limits{})
		w.ledger.Commit([]journal.Op{
			{Bucket: bucketNamespace, Key: namespaceKey(2), Value: encodeNamespace("etl")}, op,
		}, func(error) {})
		w.settle()
		if _, _, err := loadAll(w.ledger); !errors.Is(err, journal.ErrCorrupt) {
			t.Errorf("%s: want ErrCorrupt, got %v", name, err)
		}
	}
}
