// Package load owns the sending side of a measurement: datagrams at a rate,
// whatever their receiver does with them.
//
// It guarantees an open loop - a slow receiver never slows the sender - that a load is
// bounded in count, and that the delay of the sender itself is reported. It must never
// depend on what becomes of a datagram.
package load
