package apikey

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"butler/internal/secret"
)

const (
	prefix      = "butler_"
	idBytes     = 8
	secretBytes = 32
)

// MaxKeys is the maximum number of keys of a ring, including ended ones.
const MaxKeys = 1000

// Key is a key without its secret. The slices are frozen.
type Key struct {
	ID      string    `json:"id"`
	Name    string    `json:"name"`
	Scopes  []Scope   `json:"scopes"`
	Tags    []string  `json:"tags,omitempty"`
	Created time.Time `json:"created"`
	// Expires and Revoked are zero for a key that does not expire or is not revoked.
	Expires time.Time `json:"expires,omitzero"`
	Revoked time.Time `json:"revoked,omitzero"`
}

// Ended returns why a key is no longer valid, "" while it is.
func (k Key) Ended(now time.Time) Reason {
	switch {
	case !k.Revoked.IsZero():
		return Revoked
	case !k.Expires.IsZero() && !now.Before(k.Expires):
		return Expired
	}
	return ""
}

// end returns when the key ended or will end, the zero time if it never does.
func (k Key) end() time.Time {
	if !k.Revoked.IsZero() && (k.Expires.IsZero() || k.Revoked.Before(k.Expires)) {
		return k.Revoked
	}
	return k.Expires
}

// Request holds the properties of a key that people choose.
type Request struct {
	Name   string
	Scopes []Scope
	Tags   []string
	// Expires is zero for a key that does not expire.
	Expires time.Time
}

// Check returns what is wrong with a request.
func (r Request) Check(now time.Time) error {
	if err := CheckName(r.Name); err != nil {
		return err
	}
	if err := checkGrant(r.Scopes, r.Tags); err != nil {
		return err
	}
	if !r.Expires.IsZero() && !now.Before(r.Expires) {
		return errors.New("the key would have expired already")
	}
	return nil
}

// sealed is a stored key.
type sealed struct {
	Key
	Digest digest `json:"secretSHA256"`
}

// digest is the SHA-256 of a secret.
type digest [sha256.Size]byte

// MarshalText implements encoding.TextMarshaler.
func (d digest) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, d[:]), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *digest) UnmarshalText(text []byte) error {
	if len(text) != hex.EncodedLen(len(d)) {
		return errors.New("a hash has the wrong length")
	}
	if _, err := hex.Decode(d[:], text); err != nil {
		return errors.New("a hash is not hexadecimal")
	}
	return nil
}

// Ring is an immutable set of keys. The zero value is empty.
type Ring struct {
	keys []sealed
	byID map[string]int
}

func newRing(keys []sealed) Ring {
	r := Ring{keys: keys, byID: make(map[string]int, len(keys))}
	for i, k := range keys {
		r.byID[k.ID] = i
	}
	return r
}

// Keys returns the keys in the order in which they were made.
func (r Ring) Keys() []Key {
	out := make([]Key, len(r.keys))
	for i, k := range r.keys {
		out[i] = k.Key
	}
	return out
}

// Issue makes a key from random bytes. It returns the ring with the key, the key, and
// its text, which cannot be recovered later. A full ring drops the key that ended
// longest ago.
func (r Ring) Issue(random io.Reader, want Request, now time.Time) (Ring, Key, secret.String, error) {
	if err := want.Check(now); err != nil {
		return r, Key{}, "", err
	}
	keys, err := r.withRoom(now)
	if err != nil {
		return r, Key{}, "", err
	}
	bits := make([]byte, idBytes+secretBytes)
	if _, err := io.ReadFull(random, bits); err != nil {
		return r, Key{}, "", fmt.Errorf("make a secret: %w", err)
	}
	key := sealed{Key: Key{
		ID: hex.EncodeToString(bits[:idBytes]), Name: want.Name, Scopes: slices.Clone(want.Scopes), Tags: slices.Clone(want.Tags),
		Created: now.UTC().Truncate(time.Second), Expires: want.Expires.UTC().Truncate(time.Second),
	}}
	if _, taken := r.byID[key.ID]; taken {
		return r, Key{}, "", errors.New("make a secret: the source of randomness repeats itself")
	}
	text := hex.EncodeToString(bits[idBytes:])
	key.Digest = sha256.Sum256([]byte(text))
	return newRing(append(keys, key)), key.Key, secret.String(prefix + key.ID + "_" + text), nil
}

// withRoom returns a copy of the keys with room for one more.
func (r Ring) withRoom(now time.Time) ([]sealed, error) {
	keys := slices.Clone(r.keys)
	if len(keys) < MaxKeys {
		return keys, nil
	}
	oldest := -1
	for i, k := range keys {
		if k.Ended(now) != "" && (oldest < 0 || k.end().Before(keys[oldest].end())) {
			oldest = i
		}
	}
	if oldest < 0 {
		return nil, fmt.Errorf("there are %d keys already: revoke some", MaxKeys)
	}
	return slices.Delete(keys, oldest, oldest+1), nil
}

// ErrNoSuchKey is returned for the ID of no key.
var ErrNoSuchKey = errors.New("no key has this ID")

// Revoke returns the ring with a key revoked, and that key. A key that is already
// revoked does not change. The full text of a key is accepted in place of its ID,
// because that is what people have when a key has leaked.
func (r Ring) Revoke(id string, now time.Time) (Ring, Key, error) {
	if of, _, ok := split(id); ok {
		id = of
	}
	at, known := r.byID[id]
	if !known {
		return r, Key{}, ErrNoSuchKey
	}
	if !r.keys[at].Revoked.IsZero() {
		return r, r.keys[at].Key, nil
	}
	keys := slices.Clone(r.keys)
	keys[at].Revoked = now.UTC().Truncate(time.Second)
	return newRing(keys), keys[at].Key, nil
}

// Verify returns the principal of a presented key. Its error is a Refusal.
func (r Ring) Verify(presented string, now time.Time) (Principal, error) {
	if presented == "" {
		return Principal{}, Refusal{Reason: Missing}
	}
	id, text, ok := split(presented)
	if !ok {
		return Principal{}, Refusal{Reason: Malformed}
	}
	// The secret of an unknown key is hashed and compared like any other, with a
	// digest of zeros, so that the answer takes the same time.
	at, known := r.byID[id]
	var key sealed
	if known {
		key = r.keys[at]
	}
	given := digest(sha256.Sum256([]byte(text)))
	same := subtle.ConstantTimeCompare(given[:], key.Digest[:]) == 1
	refusal := Refusal{Credential: credentialOf(id)}
	switch ended := key.Ended(now); {
	case !known:
		refusal.Reason = Unknown
	case !same:
		refusal.Reason = WrongSecret
	case ended != "":
		refusal.Reason = ended
	default:
		return Principal{Name: key.Name, Credential: refusal.Credential, Scopes: key.Scopes, Tags: key.Tags}, nil
	}
	return Principal{}, refusal
}

func credentialOf(id string) string { return "key " + id }

// split splits the text of a key. Every key has exactly one spelling: any other text,
// longer, shorter or with look-alike letters, is not a key.
func split(text string) (id, secretText string, ok bool) {
	const idLen, secretLen = 2 * idBytes, 2 * secretBytes
	if len(text) != len(prefix)+idLen+1+secretLen {
		return "", "", false
	}
	rest, ours := strings.CutPrefix(text, prefix)
	if !ours || rest[idLen] != '_' || !isHex(rest[:idLen]) || !isHex(rest[idLen+1:]) {
		return "", "", false
	}
	return rest[:idLen], rest[idLen+1:], true
}

func isHex(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return (r < '0' || r > '9') && (r < 'a' || r > 'f') })
}

// version is the version of the format of document.
const version = 1

// document is the stored form of a ring.
type document struct {
	Version int      `json:"version"`
	Keys    []sealed `json:"keys"`
}

// Encode returns the stored form of the ring.
func (r Ring) Encode() ([]byte, error) {
	text, err := json.MarshalIndent(document{Version: version, Keys: append([]sealed{}, r.keys...)}, "", "  ")
	return append(text, '\n'), err
}

// Decode reads the result of Encode. It rejects a text with any error: a key without a
// misspelt member might permit too much.
func Decode(text []byte) (Ring, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	var doc document
	if err := decoder.Decode(&doc); err != nil {
		return Ring{}, fmt.Errorf("it is not a list of keys: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return Ring{}, errors.New("something follows the list of keys")
	}
	if doc.Version != version {
		return Ring{}, fmt.Errorf("it has version %d, and %d is the one known", doc.Version, version)
	}
	if len(doc.Keys) > MaxKeys {
		return Ring{}, fmt.Errorf("%d keys are more than %d", len(doc.Keys), MaxKeys)
	}
	ring := newRing(doc.Keys)
	for i, k := range doc.Keys {
		if err := k.check(); err != nil {
			return Ring{}, fmt.Errorf("key %d: %w", i+1, err)
		}
		if ring.byID[k.ID] != i {
			return Ring{}, fmt.Errorf("key %d: a later one has the same ID %s", i+1, k.ID)
		}
	}
	return ring, nil
}

// check refuses a stored key that Issue would not make.
func (k sealed) check() error {
	if len(k.ID) != 2*idBytes || !isHex(k.ID) {
		return fmt.Errorf("the ID is not made of %d hexadecimal digits", 2*idBytes)
	}
	switch {
	case k.Digest == digest{}:
		return errors.New("the hash is missing")
	case k.Created.IsZero():
		return errors.New("the time of its creation is missing")
	}
	return errors.Join(CheckName(k.Name), checkGrant(k.Scopes, k.Tags))
}
