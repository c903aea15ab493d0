package kv

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"butler/internal/journal"
)

// contents is the content of one namespace in the ledger.
type contents struct {
	id    uint64
	name  string
	pairs []*pair
}

// loadAll reads every namespace, in the order of creation, and the ledger keys of the
// values that are left over from deleted namespaces.
func loadAll(ledger Ledger) (all []*contents, leftOver []string, err error) {
	byID := map[uint64]*contents{}
	err = each(ledger, bucketNamespace, "", func(id uint64, _ string, raw []byte) error {
		name, err := decodeNamespace(raw)
		byID[id] = &contents{id: id, name: name}
		all = append(all, byID[id])
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	err = each(ledger, bucketValue, "", func(id uint64, key string, raw []byte) error {
		m, ok := byID[id]
		if !ok {
			leftOver = append(leftOver, valueKey(id, key))
			return nil
		}
		return m.add(key, raw)
	})
	slices.SortFunc(all, func(a, b *contents) int { return cmp.Compare(a.id, b.id) })
	return all, leftOver, err
}

// loadOne reads one namespace; it returns nil if there is none.
func loadOne(ledger Ledger, id uint64) (*contents, error) {
	raw, ok, err := ledger.Get(bucketNamespace, namespaceKey(id))
	if err != nil || !ok {
		return nil, err
	}
	m := &contents{id: id}
	if m.name, err = decodeNamespace(raw); err != nil {
		return nil, err
	}
	err = each(ledger, bucketValue, namespaceKey(id), func(_ uint64, key string, raw []byte) error { return m.add(key, raw) })
	return m, err
}

func (m *contents) add(key string, raw []byte) error {
	p, err := decodeValue(key, raw)
	m.pairs = append(m.pairs, p)
	return err
}

// each visits the entries of a bucket whose keys begin with prefix. It stops at the
// first error, because a store must not appear complete without an unreadable value.
func each(ledger Ledger, b journal.Bucket, prefix string, visit func(id uint64, key string, raw []byte) error) error {
	var broken error
	mine := func(key string) bool { return strings.HasPrefix(key, prefix) }
	err := ledger.Select(b, mine, func(raw string, value []byte) bool {
		id, key, err := splitKey(raw)
		if err == nil {
			err = visit(id, key, value)
		}
		broken = err
		return err == nil
	})
	if err = cmp.Or(err, broken); err != nil {
		return fmt.Errorf("read %s: %w", b, err)
	}
	return nil
}

// removalOverhead is the approximate size of a removal in a record without its key.
const removalOverhead = 32

// removals returns commits that remove the values of keys, each small enough for a record.
func removals(keys []string) []commit {
	var out []commit
	size := removeAtOnce
	for _, key := range keys {
		if size >= removeAtOnce {
			out, size = append(out, commit{}), 0
		}
		last := &out[len(out)-1]
		last.ops = append(last.ops, journal.Op{Bucket: bucketValue, Key: key})
		size += len(key) + removalOverhead
	}
	return out
}
