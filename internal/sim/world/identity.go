package world

import (
	"encoding/binary"
	"encoding/hex"
)

// kind distinguishes the identifiers of different objects with the same number.
type kind uint8

const (
	kindTask kind = iota + 1
	kindApp
	kindUser
	kindStream
	kindTag
	kindDefinition
	kindPropertyValue
	kindNode
	kindResult
	kindExecution
	kindFile
	kindDetail
	kindOperational
	kindProfessional
	kindAnalyzer
	kindLicence
	kindAttribute
	kindRole
	kindDirectory
)

// indexMask bounds the number in an identifier.
const indexMask = 1<<48 - 1

// identity converts (kind, number) to a GUID and back. The last twelve digits are a
// keyed permutation of the number; the others are a hash of both, so that a GUID of
// another world or kind is detected as foreign.
type identity struct{ seed uint64 }

func (g identity) id(k kind, number uint64) string {
	var raw [16]byte
	high, low := g.digest(k, number)
	binary.BigEndian.PutUint64(raw[:8], high)
	binary.BigEndian.PutUint16(raw[8:10], uint16(low))
	var tail [8]byte
	binary.BigEndian.PutUint64(tail[:], permute(number^g.key(k)))
	copy(raw[10:], tail[2:])
	raw[6] = raw[6]&0x0f | 0x40
	raw[8] = raw[8]&0x3f | 0x80
	return format(raw)
}

// number returns the number in an identifier of a kind, false for a foreign one.
func (g identity) number(k kind, id string) (uint64, bool) {
	raw, ok := parseGUID(id)
	if !ok {
		return 0, false
	}
	var tail [8]byte
	copy(tail[2:], raw[10:])
	number := unpermute(binary.BigEndian.Uint64(tail[:])) ^ g.key(k)
	return number, g.id(k, number) == format(raw)
}

func (g identity) key(k kind) uint64 { return mix(g.seed^uint64(k)*0x9e3779b97f4a7c15) & indexMask }

func (g identity) digest(k kind, number uint64) (high, low uint64) {
	high = mix(g.seed ^ mix(uint64(k)<<56^number))
	return high, mix(high + 0x9e3779b97f4a7c15)
}

// The permutation uses two odd factors and their inverses modulo 2^48.
const (
	factorA  = 0x9e3779b97f4b
	factorB  = 0xc2b2ae3d27d5
	inverseA = 0x393dee219263
	inverseB = 0x397bcfe0d97d
)

func permute(n uint64) uint64 {
	n = n * factorA & indexMask
	n ^= n >> 24
	return n * factorB & indexMask
}

func unpermute(n uint64) uint64 {
	n = n * inverseB & indexMask
	n ^= n >> 24
	return n * inverseA & indexMask
}

// mix is the finaliser of splitmix64: every input bit affects every output bit.
func mix(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}

// dice is a stream of random numbers that is cheap to start.
type dice struct{ state uint64 }

func (g identity) dice(k kind, number uint64) dice {
	high, low := g.digest(k, number)
	return dice{state: high ^ low<<1}
}

func (d *dice) next() uint64 {
	d.state += 0x9e3779b97f4a7c15
	return mix(d.state)
}

// below returns a number in [0, n); 0 for n <= 0.
func (d *dice) below(n int) int {
	if n <= 0 {
		return 0
	}
	return int(d.next() % uint64(n))
}

// chance returns true with a probability in percent.
func (d *dice) chance(percent int) bool { return d.below(100) < percent }

func format(raw [16]byte) string {
	var out [36]byte
	hex.Encode(out[0:8], raw[0:4])
	hex.Encode(out[9:13], raw[4:6])
	hex.Encode(out[14:18], raw[6:8])
	hex.Encode(out[19:23], raw[8:10])
	hex.Encode(out[24:36], raw[10:16])
	out[8], out[13], out[18], out[23] = '-', '-', '-', '-'
	return string(out[:])
}

func parseGUID(id string) ([16]byte, bool) {
	var raw [16]byte
	if len(id) != 36 || id[8] != '-' || id[13] != '-' || id[18] != '-' || id[23] != '-' {
		return raw, false
	}
	digits := id[0:8] + id[9:13] + id[14:18] + id[19:23] + id[24:36]
	_, err := hex.Decode(raw[:], []byte(digits))
	return raw, err == nil
}
