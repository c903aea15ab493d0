// Package load owns the sending side of a measurement: datagrams at a rate,
// whatever their receiver does with them.
//
// It guarantees an open loop - a slow receiver never slows the sender - that a
// load is bounded in count, and that how late the sender itself was is told and
// not hidden. It must never look at what becomes of a datagram.
package load
