// Package destinationtest owns what every destination is tested with: sample
// alerts, a fake provider that misbehaves on demand, and one conformance suite.
//
// It guarantees that two destinations that pass Run treat success, throttling,
// refusal, silence and hostile text alike, so that the delivery actor needs to
// know none of them. It must never know a particular destination, and never be
// imported by anything but tests.
package destinationtest
