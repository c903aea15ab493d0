package destination

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// The numbers of the entries of lists. The name of an instance is the durable key of
// its notices, so an entry keeps its number wherever it moves to in its list, and the
// number of an entry that was removed is given to no other one.

// Fingerprint tells the addresses of a list's entries apart without showing them, as
// they may be secrets.
type Fingerprint string

// fingerprintSize is the length of a fingerprint in bytes, before it is hexadecimal.
const fingerprintSize = 8

// fingerprintOf returns the fingerprint of an address, which may have several parts.
func fingerprintOf(address []string) Fingerprint {
	hash := sha256.New()
	for _, part := range address {
		fmt.Fprintf(hash, "%d:%s", len(part), part)
	}
	return Fingerprint(hex.EncodeToString(hash.Sum(nil)[:fingerprintSize]))
}

// Entry is an entry of a list.
type Entry struct {
	Number int         `json:"number"`
	To     Fingerprint `json:"to"`
}

// List is what is remembered of a list of the configuration.
type List struct {
	// Entries are those of the configuration in force, in its order.
	Entries []Entry `json:"entries,omitempty"`
	// Gone are entries that were removed, the latest last. One that comes back gets its
	// number again, so that its parked notices can be replayed.
	Gone []Entry `json:"gone,omitempty"`
	// Next is the lowest number that no entry has had; 0 if nothing is remembered.
	Next int `json:"next"`
}

// maxGone is how many removed entries of a list are remembered.
const maxGone = 100

// With returns the list when the configuration has entries with these addresses. An
// entry that is in the list, or was, keeps its number; equal ones are matched in order.
// An entry that was never seen gets the next number, unless it is one that was edited in
// place: the list is as long as before, all others that remain are where they were, and
// it is where one is missing. That one's number is kept, so that a mended address still
// gets what waits. If nothing is remembered, numbers are positions.
func (l List) With(addresses []Fingerprint) List {
	out := List{Entries: make([]Entry, len(addresses)), Gone: slices.Clone(l.Gone), Next: max(l.Next, 1)}
	left := slices.Clone(l.Entries)
	inPlace := len(addresses) == len(left)
	for i, to := range addresses {
		from := find(left, to)
		out.Entries[i] = Entry{Number: take(left, from), To: to}
		inPlace = inPlace && (from < 0 || from == i)
	}
	for i := range out.Entries {
		e := &out.Entries[i]
		if e.Number == 0 {
			e.Number = take(out.Gone, find(out.Gone, e.To))
		}
		if e.Number == 0 && inPlace {
			e.Number = take(left, i)
		}
		if e.Number == 0 {
			e.Number = out.Next
			out.Next++
		}
	}
	out.Gone = slices.DeleteFunc(append(out.Gone, left...), taken)
	out.Gone = out.Gone[max(len(out.Gone)-maxGone, 0):]
	return out
}

func taken(e Entry) bool { return e.Number == 0 }

// find returns the first entry with an address that is not taken, -1 without one.
func find(entries []Entry, to Fingerprint) int {
	return slices.IndexFunc(entries, func(e Entry) bool { return !taken(e) && e.To == to })
}

// take takes the entry at an index and returns its number, 0 for the index -1.
func take(entries []Entry, at int) (number int) {
	if at >= 0 {
		number, entries[at].Number = entries[at].Number, 0
	}
	return number
}

func (l List) equal(o List) bool {
	return l.Next == o.Next && slices.Equal(l.Entries, o.Entries) && slices.Equal(l.Gone, o.Gone)
}

// AfterNames returns a list of which nothing is remembered but that there are notices of
// instances with these names. No entry of it gets the number of one of them.
func AfterNames(list string, instances []string) List {
	highest := 1 // the first entry of a route has no number in its name
	for _, name := range instances {
		var n int
		if ending, of := strings.CutPrefix(name, list+"/"); of {
			_, _ = fmt.Sscanf(ending, "%d", &n) // stays 0 if it is another name
		}
		highest = max(highest, n)
	}
	return List{Next: highest + 1}
}

// listVersion is the first byte of an encoded List.
const listVersion = 1

// EncodeList returns the durable form of a list.
func EncodeList(l List) []byte {
	raw, err := json.Marshal(l)
	if err != nil {
		panic(fmt.Sprintf("BUG: the numbers of a list cannot be encoded: %v", err))
	}
	return append([]byte{listVersion}, raw...)
}

// DecodeList decodes the output of EncodeList.
func DecodeList(raw []byte) (List, error) {
	if len(raw) == 0 || raw[0] != listVersion {
		return List{}, errors.New("read the numbers of a list: not a version that this release reads")
	}
	var l List
	if err := json.Unmarshal(raw[1:], &l); err != nil {
		return List{}, fmt.Errorf("read the numbers of a list: %w", err)
	}
	seen := map[int]bool{}
	for _, e := range slices.Concat(l.Entries, l.Gone) {
		if e.Number < 1 || e.Number >= l.Next || seen[e.Number] {
			return List{}, fmt.Errorf("read the numbers of a list: %d is out of range or there twice", e.Number)
		}
		seen[e.Number] = true
	}
	return l, nil
}

// Numbers are the lists of one configuration, by name: that of an instance without the
// number. Nil stands for a configuration of which nothing is remembered.
type Numbers struct{ before, now map[string]List }

// NewNumbers returns the numbers for the next configuration. Definition.Build adds the lists.
func NewNumbers(remembered map[string]List) *Numbers {
	return &Numbers{before: remembered, now: map[string]List{}}
}

// of returns the entries of a list with their numbers.
func (n *Numbers) of(list string, addresses []Fingerprint) []Entry {
	if n == nil {
		return List{}.With(addresses).Entries
	}
	n.now[list] = n.before[list].With(addresses)
	return n.now[list].Entries
}

// Remembered returns what to remember when the configuration is in force. All entries of
// a list that it does not have are gone.
func (n *Numbers) Remembered() map[string]List {
	out := maps.Clone(n.now)
	for name, list := range n.before {
		if _, there := out[name]; !there {
			out[name] = list.With(nil)
		}
	}
	return out
}

// Changed returns the part of Remembered that was not remembered before.
func (n *Numbers) Changed() map[string]List {
	out := n.Remembered()
	maps.DeleteFunc(out, func(name string, list List) bool { return list.equal(n.before[name]) })
	return out
}

// number completes the names of the uses that are entries of lists.
func (s Spec[C, S]) number(uses []Use[S], d Deps) {
	lists := map[string][]int{}
	for i, u := range uses {
		if u.Listed {
			lists[u.Name] = append(lists[u.Name], i)
		}
	}
	for name, members := range lists {
		addresses := make([]Fingerprint, len(members))
		for n, i := range members {
			addresses[n] = fingerprintOf(s.Address(uses[i].Settings))
		}
		for n, e := range d.Numbers.of(d.integration+"/"+name, addresses) {
			u := &uses[members[n]]
			if e.Number > 1 || !u.oneIsSilent {
				u.Name = fmt.Sprintf("%s/%d", name, e.Number)
			}
			u.Listed, u.oneIsSilent = false, false
		}
	}
}
