// Package messages owns the messages between the actors, and the immutable domain
// values that they contain.
//
// A message is a plain struct sent by value. Its fields are scalars, strings,
// times, typed identifiers and other values of this package; a slice is only
// allowed where its comment says frozen: the code that built the value has copied it,
// and it is never changed afterwards. So a message can be kept, compared, written to the
// journal and sent to two actors without a lock.
//
// Names show the kind: an event is past tense (DatagramsReceived), a command
// imperative (LookupTask), a reply is the command's name with Reply, a timer
// that an actor sends to itself ends in Due. Domain values are in the files event.go,
// alert.go and values.go; every other file is one conversation and begins with a diagram
// of its senders and receivers.
//
// This package must never import an actor runtime, read a clock or do I/O.
package messages
