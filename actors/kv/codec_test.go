package kv

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"butler/internal/journal"
	"butler/internal/journal/journaltest"
)

func TestCodec_readsEveryVersion(t *testing.T) {
	const key = "last run"
	journaltest.Record[pair]{
		Name: "value", Version: version, Want: pair{key: key, value: "2031-01-05", since: 7, revision: 9, until: 1930282838068224, index: -1},
		Write: func(p pair) []byte { return encodeValue(&p) },
		Read: func(raw []byte) (pair, error) {
			p, err := decodeValue(key, raw)
			if err != nil {
				return pair{}, err
			}
			return *p, nil
		},
	}.Test(t, cmp.AllowUnexported(pair{}))
	journaltest.Record[string]{Name: "namespace", Version: version, Want: "etl:a", Write: encodeNamespace, Read: decodeNamespace}.Test(t)
}

func TestCodec_takesKeysApart(t *testing.T) {
	id, key, err := splitKey(valueKey(7, "a\x00b"))
	if err != nil || id != 7 || key != "a\x00b" {
		t.Errorf("want key a\\x00b of 7, got %q of %d, %v", key, id, err)
	}
}

func TestCodec_refusesWhatItCannotRead(t *testing.T) {
	value := encodeValue(&pair{})
	for name, raw := range map[string][]byte{"nothing": nil, "another version": append([]byte{version + 1}, value[1:]...), "half of it": value[:valueHead-1]} {
		if _, err := decodeValue("k", raw); !errors.Is(err, journal.ErrCorrupt) {
			t.Errorf("value of %s: want ErrCorrupt, got %v", name, err)
		}
	}
	for name, raw := range map[string][]byte{"nothing": nil, "another version": {version + 1}} {
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
