package destination_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"butler/internal/destination"
	"butler/internal/journal/journaltest"
)

// after returns a list that the configurations had in turn: one letter per address.
func after(configurations ...string) destination.List {
	var l destination.List
	for _, addresses := range configurations {
		l = l.With(fingerprints(addresses))
	}
	return l
}

func fingerprints(addresses string) []destination.Fingerprint {
	var out []destination.Fingerprint
	for _, letter := range addresses {
		out = append(out, destination.Fingerprint(letter))
	}
	return out
}

func TestList_numbers(t *testing.T) {
	for _, row := range []struct {
		name           string
		configurations []string
		want           string
	}{
		{"nothing remembered", []string{"abc"}, "a1 b2 c3"},
		{"nothing changed", []string{"abc", "abc"}, "a1 b2 c3"},
		{"the first removed", []string{"abc", "bc"}, "b2 c3"},
		{"moved", []string{"abc", "cab"}, "c3 a1 b2"},
		{"one more at the front", []string{"ab", "xab"}, "x3 a1 b2"},
		{"edited in place", []string{"abc", "axc"}, "a1 x2 c3"},
		{"all edited in place", []string{"ab", "xy"}, "x1 y2"},
		{"the only one edited", []string{"a", "x"}, "x1"},
		{"one removed and another added", []string{"ab", "bx"}, "b2 x3"},
		{"one removed, one edited, one added", []string{"abc", "xcy"}, "x4 c3 y5"},
		{"back at its place", []string{"abc", "bc", "abc"}, "a1 b2 c3"},
		{"back elsewhere", []string{"abc", "bc", "bca"}, "b2 c3 a1"},
		{"back instead of another", []string{"ab", "a", "b"}, "b2"},
		{"a number is not given to another one", []string{"ab", "a", "ax"}, "a1 x3"},
		{"the list was empty for a while", []string{"ab", "", "xb"}, "x3 b2"},
		{"equal ones are matched in order", []string{"aba", "aa"}, "a1 a3"},
		{"one of two equal ones removed", []string{"aab", "ab"}, "a1 b3"},
		{"an edited address that comes back is another one", []string{"ab", "xb", "xba"}, "x1 b2 a3"},
	} {
		t.Run(row.name, func(t *testing.T) {
			var got []string
			for _, e := range after(row.configurations...).Entries {
				got = append(got, fmt.Sprintf("%s%d", e.To, e.Number))
			}
			if diff := cmp.Diff(row.want, strings.Join(got, " ")); diff != "" {
				t.Errorf("numbers (-want +got):\n%s", diff)
			}
		})
	}
}

func TestList_propertiesOfEveryHistory(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		had := map[int]bool{} // numbers
		var l destination.List
		for range rapid.IntRange(1, 8).Draw(t, "changes") {
			addresses := fingerprints(rapid.StringMatching("[a-f]{0,6}").Draw(t, "addresses"))
			before := l
			l = before.With(addresses)
			var got []destination.Fingerprint
			numbers := map[int]bool{}
			for _, e := range slices.Concat(l.Entries, l.Gone) {
				if e.Number < 1 || e.Number >= l.Next || numbers[e.Number] {
					t.Fatalf("number %d is out of range or there twice: %+v", e.Number, l)
				}
				numbers[e.Number] = true
			}
			for i, e := range l.Entries {
				got = append(got, e.To)
				inPlace := len(before.Entries) == len(l.Entries) && before.Entries[i].Number == e.Number
				known := slices.Contains(slices.Concat(before.Entries, before.Gone), e)
				if had[e.Number] && !known && !inPlace {
					t.Fatalf("%s got the number %d of another entry: %+v, then %+v", e.To, e.Number, before, l)
				}
			}
			if !slices.Equal(got, addresses) {
				t.Fatalf("want the addresses %v in order, got %v", addresses, got)
			}
			for _, e := range before.Entries { // every one that is unchanged keeps its number
				count := func(list []destination.Entry) (n int) {
					for _, other := range list {
						if other.To == e.To {
							n++
						}
					}
					return n
				}
				if count(before.Entries) <= count(l.Entries) && !slices.Contains(l.Entries, e) {
					t.Fatalf("%s lost its number %d: %+v, then %+v", e.To, e.Number, before, l)
				}
			}
			if again := l.With(addresses); !bytes.Equal(destination.EncodeList(l), destination.EncodeList(again)) {
				t.Fatalf("the same configuration again changes %+v to %+v", l, again)
			}
			for n := range numbers {
				had[n] = true
			}
		}
	})
}

func TestList_remembersTheLatestThatAreGone(t *testing.T) {
	var l destination.List
	for i := range 300 {
		l = l.With([]destination.Fingerprint{destination.Fingerprint(fmt.Sprint(i))}).With(nil)
	}
	if got := len(l.Gone); got != 100 || l.Gone[99].Number != 300 || l.Next != 301 {
		t.Errorf("want the latest 100 of 300, got %d, next %d", got, l.Next)
	}
}

func TestAfterNames_givesNoNumberOfANotice(t *testing.T) {
	got := destination.AfterNames("url/routes/night", []string{
		"url/routes/night", "url/routes/night/2", "url/routes/night/7/to/9", "url/routes/night/to/12", "url/routes/nights/30", "url/x",
	})
	if got.Next != 8 {
		t.Errorf("want the numbers to begin at 8, got %d", got.Next)
	}
	if got := destination.AfterNames("url/routes/night", nil); got.Next != 2 {
		t.Errorf("want 2, as a name without a number stands for 1, got %d", got.Next)
	}
}

func TestList_readsEveryVersion(t *testing.T) {
	journaltest.Record[destination.List]{
		Name: "list", Version: 1, Want: after("abcd", "bxd", "dcb"), Write: destination.EncodeList, Read: destination.DecodeList,
	}.Test(t)
}

func FuzzDecodeList(f *testing.F) {
	f.Add(destination.EncodeList(after("abc", "bxc")))
	f.Add([]byte(`x{"next":1}`))
	f.Add([]byte("\x01" + `{"entries":[{"number":2,"to":"a"},{"number":2,"to":"b"}],"next":3}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		l, err := destination.DecodeList(raw)
		if err != nil {
			return
		}
		if again, err := destination.DecodeList(destination.EncodeList(l)); err != nil || !bytes.Equal(destination.EncodeList(again), destination.EncodeList(l)) {
			t.Errorf("%q does not survive: %+v, %v", raw, again, err)
		}
	})
}

// instances lists the names that a configuration of the sample builds.
func instances(t *testing.T, decode destination.Decode, numbers *destination.Numbers) []string {
	t.Helper()
	deps := nopDeps()
	deps.Numbers = numbers
	built, _ := destination.Define("sample", listSpec()).Build(decode, deps)
	var got []string
	for _, b := range built {
		got = append(got, b.Instance.Name+" at "+b.Instance.Path)
	}
	return got
}

func wantInstances(t *testing.T, decode destination.Decode, numbers *destination.Numbers, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, instances(t, decode, numbers)); diff != "" {
		t.Errorf("instances (-want +got):\n%s", diff)
	}
}

// listSpec is the sample with one list, whose entries may be lists themselves.
func listSpec() destination.Spec[sampleSection, string] {
	spec := sampleSpec()
	uses := spec.Uses
	spec.Uses = func(c sampleSection) []destination.Use[string] {
		out := uses(c)
		for i := range out {
			out[i].Name, out[i].Listed = "failed", true
		}
		return out
	}
	spec.Expand = func(_ sampleSection, u destination.Use[string]) []destination.Use[string] {
		parts := strings.Split(u.Settings, "+")
		if len(parts) == 1 {
			return []destination.Use[string]{u}
		}
		var out []destination.Use[string]
		for _, part := range parts {
			one := u
			one.Name, one.Listed, one.Settings = u.Name+"/to", true, part
			out = append(out, one)
		}
		return out
	}
	return spec
}

func TestNumbers_nameEntriesWhereverTheyMove(t *testing.T) {
	night := []destination.Route{{Name: "night"}}
	first := destination.NewNumbers(nil)
	// At first, numbers are positions.
	wantInstances(t, configured(sampleSection{Names: []string{"a", "wrong", "b"}}, night, []string{"x", "y", "u+v"}), first,
		"sample/failed/1 at sample.names[0]",
		"sample/failed/3 at sample.names[2]",
		"sample/routes/night at routes[0].sample[0]",
		"sample/routes/night/2 at routes[0].sample[1]",
		"sample/routes/night/3/to/1 at routes[0].sample[2]",
		"sample/routes/night/3/to/2 at routes[0].sample[2]",
	)
	second := destination.NewNumbers(first.Remembered())
	moved := configured(sampleSection{Names: []string{"b", "a", "c"}}, night, []string{"y", "u+v"})
	names := []string{
		"sample/failed/3 at sample.names[0]",
		"sample/failed/1 at sample.names[1]",
		"sample/failed/4 at sample.names[2]",
		"sample/routes/night/2 at routes[0].sample[0]",
		"sample/routes/night/3/to/1 at routes[0].sample[1]",
		"sample/routes/night/3/to/2 at routes[0].sample[1]",
	}
	wantInstances(t, moved, second, names...)
	if _, unchanged := second.Changed()["sample/routes/night/3/to"]; len(second.Changed()) != 2 || unchanged {
		t.Errorf("want the two lists that changed, got %v", second.Changed())
	}
	wantInstances(t, moved, second, names...)
}

func TestNumbers_aListThatIsSwitchedOffIsRemembered(t *testing.T) {
	first := destination.NewNumbers(nil)
	instances(t, names("a", "b"), first)
	off := destination.NewNumbers(first.Remembered())
	instances(t, configured(sampleSection{Off: true}, nil), off)
	on := destination.NewNumbers(off.Remembered())
	wantInstances(t, names("b", "c"), on, "sample/failed/2 at sample.names[0]", "sample/failed/3 at sample.names[1]")
}

func TestNumbers_holdNoAddress(t *testing.T) {
	numbers := destination.NewNumbers(nil)
	instances(t, names("https://secret"), numbers)
	for name, list := range numbers.Remembered() {
		if raw := destination.EncodeList(list); bytes.Contains(raw, []byte("secret")) || len(list.Entries[0].To) != 16 {
			t.Errorf("list %s shows the address: %s", name, raw)
		}
	}
}
