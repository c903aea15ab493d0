package apikey

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var noon = time.Date(2027, 3, 1, 12, 0, 0, 0, time.UTC)

func source(seed byte) io.Reader { return rand.NewChaCha8([32]byte{seed}) }

// issue adds a key to a ring and returns its text.
func issue(t *testing.T, r Ring, random io.Reader, want Request) (Ring, Key, string) {
	t.Helper()
	next, key, text, err := r.Issue(random, want, noon)
	if err != nil {
		t.Fatal(err)
	}
	return next, key, text.Reveal()
}

func wantRefusal(t *testing.T, err error, want Refusal) {
	t.Helper()
	got, ok := errors.AsType[Refusal](err)
	if !ok || got != want {
		t.Errorf("want %+v, got %#v", fmt.Sprint(want.Reason, want.Credential), err)
	}
	if ok && got.Error() != (Refusal{}).Error() {
		t.Errorf("want one text for every reason, got %q", got.Error())
	}
}

func TestRing_knowsTheKeysItIssued(t *testing.T) {
	random := source(1)
	ring, sales, salesText := issue(t, Ring{}, random, Request{Name: "sales", Scopes: []Scope{Start, KV}, Tags: []string{"finance"}})
	ring, _, adminText := issue(t, ring, random, Request{Name: "admin", Scopes: []Scope{Admin}})
	if want := "butler_" + sales.ID + "_"; !strings.HasPrefix(salesText, want) || len(salesText) != len(want)+64 {
		t.Errorf("want %s and 64 hexadecimal digits, got %s", want, salesText)
	}
	got, err := ring.Verify(salesText, noon)
	if err != nil {
		t.Fatal(err)
	}
	want := Principal{Name: "sales", Credential: "key " + sales.ID, Scopes: []Scope{Start, KV}, Tags: []string{"finance"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("principal (-want +got):\n%s", diff)
	}
	if got, err := ring.Verify(adminText, noon); err != nil || got.Name != "admin" {
		t.Errorf("want admin, got %v, %v", got, err)
	}
}

func TestRing_isStoredWithoutSecrets(t *testing.T) {
	ring, key, text := issue(t, Ring{}, source(1), Request{Name: "sales", Scopes: []Scope{Read}, Expires: noon.Add(time.Hour)})
	stored, err := ring.Encode()
	if err != nil {
		t.Fatal(err)
	}
	_, secretText, _ := split(text)
	if strings.Contains(string(stored), secretText) || strings.Contains(fmt.Sprintf("%+v", ring), secretText) {
		t.Error("want no secret in what is kept")
	}
	again, err := Decode(stored)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Key{key}, again.Keys()); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
	if _, err := again.Verify(text, noon); err != nil {
		t.Errorf("want the key known after it was stored, got %v", err)
	}
}

func TestVerify_refusesWhatEndedAtTheInstant(t *testing.T) {
	end := noon.Add(90 * 24 * time.Hour)
	ring, key, text := issue(t, Ring{}, source(1), Request{Name: "sales", Scopes: []Scope{Read}, Expires: end})
	if _, err := ring.Verify(text, end.Add(-time.Nanosecond)); err != nil {
		t.Errorf("want it accepted until then, got %v", err)
	}
	_, err := ring.Verify(text, end)
	wantRefusal(t, err, Refusal{Expired, "key " + key.ID})

	revoked, _, err := ring.Revoke(key.ID, noon)
	if err != nil {
		t.Fatal(err)
	}
	_, err = revoked.Verify(text, noon)
	wantRefusal(t, err, Refusal{Revoked, "key " + key.ID})
	if _, err := ring.Verify(text, noon); err != nil {
		t.Errorf("want the ring before as it was, got %v", err)
	}
}

// Without the secret the answer must not depend on the state of the key.
func TestVerify_ofAWrongSecretSaysNothingOfTheKey(t *testing.T) {
	ring, key, text := issue(t, Ring{}, source(1), Request{Name: "sales", Scopes: []Scope{Read}, Expires: noon.Add(time.Hour)})
	ring, _, err := ring.Revoke(key.ID, noon)
	if err != nil {
		t.Fatal(err)
	}
	wrong := text[:len(text)-64] + strings.Repeat("0", 64)
	_, err = ring.Verify(wrong, noon.Add(2*time.Hour))
	wantRefusal(t, err, Refusal{WrongSecret, "key " + key.ID})
}

func TestVerify_refusesWhatIsNotLetterByLetterAKey(t *testing.T) {
	ring, key, text := issue(t, Ring{}, source(1), Request{Name: "sales", Scopes: []Scope{Read}})
	id, secretText, _ := split(text)
	other := "butler_" + strings.Repeat("0", 16) + "_" + secretText
	flipped := []byte(text)
	flipped[len(flipped)-1] ^= 1 // 0..9 and a..f stay hexadecimal, but ` and g
	if c := flipped[len(flipped)-1]; c == '`' || c == 'g' {
		flipped[len(flipped)-1] = '0'
	}
	for name, row := range map[string]struct {
		text string
		want Refusal
	}{
		"nothing":                {"", Refusal{Missing, ""}},
		"an unknown ID":          {other, Refusal{Unknown, "key 0000000000000000"}},
		"the last letter":        {string(flipped), Refusal{WrongSecret, "key " + key.ID}},
		"truncated by one":       {text[:len(text)-1], Refusal{Malformed, ""}},
		"the prefix alone":       {"butler_", Refusal{Malformed, ""}},
		"the ID alone":           {"butler_" + id, Refusal{Malformed, ""}},
		"an empty secret":        {"butler_" + id + "_", Refusal{Malformed, ""}},
		"longer by one":          {text + "0", Refusal{Malformed, ""}},
		"a newline behind it":    {text + "\n", Refusal{Malformed, ""}},
		"a newline instead":      {text[:len(text)-1] + "\n", Refusal{Malformed, ""}},
		"a blank before it":      {" " + text[:len(text)-1], Refusal{Malformed, ""}},
		"another prefix":         {"Butler_" + strings.TrimPrefix(text, "butler_"), Refusal{Malformed, ""}},
		"upper case":             {"butler_" + id + "_" + strings.ToUpper(secretText), Refusal{Malformed, ""}},
		"another separator":      {"butler_" + id + "-" + secretText, Refusal{Malformed, ""}},
		"bytes that are no text": {"butler_" + id + "_" + strings.Repeat("\xff", 64), Refusal{Malformed, ""}},
		"zero bytes":             {strings.Repeat("\x00", len(text)), Refusal{Malformed, ""}},
		"a Cyrillic letter":      {strings.Replace(text[:len(text)-1], "a", "\u0430", 1), Refusal{Malformed, ""}},
		"full-width digits":      {"butler_" + id + "_" + strings.Repeat("\uff11", 64/3) + "0", Refusal{Malformed, ""}},
		"very long":              {text + strings.Repeat("0", 1<<20), Refusal{Malformed, ""}},
	} {
		t.Run(name, func(t *testing.T) {
			who, err := ring.Verify(row.text, noon)
			wantRefusal(t, err, row.want)
			if diff := cmp.Diff(Principal{}, who); diff != "" {
				t.Errorf("want nobody (-want +got):\n%s", diff)
			}
		})
	}
	if _, err := (Ring{}).Verify(text, noon); err == nil {
		t.Error("want an empty ring to know nobody")
	}
}

func TestRevoke_byIDOrByTheKeyItself(t *testing.T) {
	ring, key, text := issue(t, Ring{}, source(1), Request{Name: "sales", Scopes: []Scope{Read}})
	for _, by := range []string{key.ID, text} {
		_, got, err := ring.Revoke(by, noon)
		if err != nil || got.ID != key.ID || !got.Revoked.Equal(noon) {
			t.Errorf("%.10s: got %+v, %v", by, got, err)
		}
	}
	ring, _, _ = ring.Revoke(key.ID, noon)
	if _, again, err := ring.Revoke(key.ID, noon.Add(time.Hour)); err != nil || !again.Revoked.Equal(noon) {
		t.Errorf("want the first time kept, got %v, %v", again.Revoked, err)
	}
	if _, _, err := ring.Revoke("sales", noon); !errors.Is(err, ErrNoSuchKey) {
		t.Errorf("want ErrNoSuchKey, got %v", err)
	}
}

func TestIssue_refusesWhatMakesNoGoodKey(t *testing.T) {
	good := Request{Name: "sales", Scopes: []Scope{Read}}
	ring, _, _ := issue(t, Ring{}, source(1), good)
	past := good
	past.Expires = noon
	for name, row := range map[string]struct {
		random io.Reader
		want   Request
		why    string
	}{
		"too little randomness":      {io.LimitReader(source(2), 39), good, "make a secret: unexpected EOF"},
		"randomness that comes back": {source(1), good, "repeats itself"},
		"expired already":            {source(2), past, "expired already"},
		"no name":                    {source(2), Request{Scopes: []Scope{Read}}, "a name is needed"},
		"no scope":                   {source(2), Request{Name: "sales"}, "a scope is needed"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, text, err := ring.Issue(row.random, row.want, noon)
			if err == nil || !strings.Contains(err.Error(), row.why) || text.IsSet() {
				t.Errorf("want %q and no key, got %v", row.why, err)
			}
		})
	}
}

func TestIssue_inAFullRingForgetsTheKeyThatEndedLongestAgo(t *testing.T) {
	random := source(1)
	ring := Ring{}
	var first, second Key
	for i := range MaxKeys {
		var key Key
		ring, key, _ = issue(t, ring, random, Request{Name: "sales", Scopes: []Scope{Read}})
		switch i {
		case 10:
			first = key
		case 500:
			second = key
		}
	}
	if _, _, _, err := ring.Issue(random, Request{Name: "sales", Scopes: []Scope{Read}}, noon); err == nil {
		t.Fatal("want a ring of keys that all count to stay as it is")
	}
	ring, _, _ = ring.Revoke(first.ID, noon.Add(time.Hour))
	ring, _, _ = ring.Revoke(second.ID, noon)
	ring, _, _ = issue(t, ring, random, Request{Name: "new", Scopes: []Scope{Read}})
	if got := len(ring.Keys()); got != MaxKeys {
		t.Errorf("want %d keys, got %d", MaxKeys, got)
	}
	if _, _, err := ring.Revoke(second.ID, noon); !errors.Is(err, ErrNoSuchKey) {
		t.Errorf("want the key that ended first forgotten, got %v", err)
	}
	if _, _, err := ring.Revoke(first.ID, noon); err != nil {
		t.Errorf("want the other one kept, got %v", err)
	}
}

// stored is a valid file with one key.
const stored = `{"version": 1, "keys": [{"id": "0123456789abcdef", "name": "sales", "scopes": ["read"], "created": "2027-03-01T12:00:00Z",
 "secretSHA256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"}]}`

func TestDecode_readsAllOrNothing(t *testing.T) {
	if _, err := Decode([]byte(stored)); err != nil {
		t.Fatal(err)
	}
	change := func(from, to string) string {
		if !strings.Contains(stored, from) {
			t.Fatalf("%q is not there to be changed", from)
		}
		return strings.Replace(stored, from, to, 1)
	}
	key := stored[strings.Index(stored, "[")+1 : strings.LastIndex(stored, "]")]
	for name, row := range map[string]struct{ text, want string }{
		"an empty file":       {"", "not a list of keys"},
		"a truncated file":    {stored[:len(stored)/2], "not a list of keys"},
		"garbage":             {"\x7fELF\x00\xff", "not a list of keys"},
		"null":                {"null", "version 0"},
		"a list":              {"[]", "not a list of keys"},
		"two documents":       {stored + stored, "something follows"},
		"another version":     {change(`"version": 1`, `"version": 2`), "version 2"},
		"no version":          {change(`"version": 1, `, ""), "version 0"},
		"a misspelt member":   {change(`"created"`, `"expire": "2027-03-01T12:00:00Z", "created"`), `unknown field "expire"`},
		"an expiry of text":   {change(`"created"`, `"expires": "soon", "created"`), "not a list of keys"},
		"a duplicate ID":      {change(key, key+","+key), "a later one has the same ID 0123456789abcdef"},
		"a short ID":          {change("0123456789abcdef", "0123"), "key 1: the ID"},
		"an ID with letters":  {change("0123456789abcdef", "0123456789abcdeg"), "key 1: the ID"},
		"no name":             {change(`"sales"`, `""`), "a name is needed"},
		"a name with escapes": {change(`sales`, `\u001b[2J`), "not made of"},
		"an unknown scope":    {change(`["read"]`, `["read", "root"]`), `"root" is none of`},
		"no scopes":           {change(`["read"]`, `null`), "a scope is needed"},
		"tags for nothing":    {change(`["read"]`, `["read"], "tags": ["x"]`), "tags are for the scope start"},
		"no time":             {change(`"2027-03-01T12:00:00Z"`, "null"), "time of its creation"},
		"a short hash":        {change("9f86", ""), "wrong length"},
		"a hash of letters":   {change("9f86", "zzzz"), "not hexadecimal"},
		"no hash":             {change(`"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"`, "null"), "hash is missing"},
		"too many keys":       {change(key, strings.Repeat(key+",", MaxKeys)+key), "1001 keys are more than 1000"},
		"nested without end":  {strings.Repeat("[", 1<<20), "not a list of keys"},
	} {
		t.Run(name, func(t *testing.T) {
			ring, err := Decode([]byte(row.text))
			if err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("want %q, got %v", row.want, err)
			}
			if len(ring.Keys()) != 0 {
				t.Errorf("want no keys, got %d", len(ring.Keys()))
			}
		})
	}
}

func FuzzVerify(f *testing.F) {
	ring, _, text, err := Ring{}.Issue(source(1), Request{Name: "sales", Scopes: []Scope{Read}}, noon)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text.Reveal())
	f.Add(strings.ToUpper(text.Reveal()))
	f.Add("butler__")
	f.Fuzz(func(t *testing.T, presented string) {
		if _, err := ring.Verify(presented, noon); (err == nil) != (presented == text.Reveal()) {
			t.Errorf("%q: got %v", presented, err)
		}
	})
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(stored))
	f.Fuzz(func(t *testing.T, text []byte) {
		ring, err := Decode(text)
		if err != nil {
			return
		}
		again, err := ring.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Decode(again); err != nil {
			t.Errorf("want what was read to be readable once written, got %v", err)
		}
	})
}
